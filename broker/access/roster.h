/* The tables of sources, followers, keys, tokens and items in memory. Built once from rows in the
 * order of statements.h, then only looked at. */
#ifndef BROKER_ACCESS_ROSTER_H
#define BROKER_ACCESS_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/access/audiences.h"
#include "broker/access/disclosure.h"
#include "broker/access/grant.h"
#include "common/curve.h"
#include "common/digest.h"

/* A source or a follower. */
struct party {
    char *name;
    bool enabled;
    bool streams, live;  /* a follower's */
    audiences audiences; /* a follower's */
    struct grant grant;  /* a source's */
};

struct holder {
    uint8_t key[CURVE_KEY_BYTES];
    const struct party *party;
    bool source;       /* what the party is */
    audiences on_live; /* the live feeds that it was let onto */
};

struct roster;
struct token;

struct roster *roster_new(void); /* NULL without memory */
void roster_free(struct roster *roster);

/* One row: its kind (enum roster_kind), a name and texts, as statements.h lists them. Rows come
 * sorted by kind, then by the bytes of the name. False: not such a row, or no memory. */
enum roster_kind {
    ROSTER_REVISION,
    ROSTER_SOURCE,
    ROSTER_FOLLOWER,
    ROSTER_PREFIX, /* of a source's grant */
    ROSTER_KEY,
    ROSTER_TOKEN,
    ROSTER_SCOPE, /* a prefix of a token's */
    ROSTER_ITEM,
};
#define ROSTER_TEXTS 4
bool roster_add(struct roster *roster, int kind, const char *name,
                const char *const texts[ROSTER_TEXTS]);

int64_t roster_revision(const struct roster *roster);
const struct party *roster_source(const struct roster *roster, const char *name);   /* NULL */
const struct party *roster_follower(const struct roster *roster, const char *name); /* NULL */
struct holder *roster_holder(const struct roster *roster, const uint8_t key[CURVE_KEY_BYTES]);
/* Also one that is no longer good; the roster's own. NULL. */
const struct token *roster_token(const struct roster *roster, const uint8_t digest[DIGEST_SHA256]);
/* The rule of the longest code that the item's begins with. False if there is none. */
bool roster_disclosure(const struct roster *roster, struct slice item_code,
                       enum disclosure *disclosure);

/* True if the key's follower may take the live feed of that audience. */
bool holder_may_live(const struct holder *holder, Waybill__V1__Audience audience);
/* Carries over who is on the live feeds. The feeds where somebody lost the right to be. */
audiences roster_carry_live(struct roster *to, const struct roster *from);

#endif
