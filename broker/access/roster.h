/* The tables of sources, followers and keys in memory. Built once from rows in the order of
 * statements.h, then only looked at. */
#ifndef BROKER_ACCESS_ROSTER_H
#define BROKER_ACCESS_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/access/grant.h"
#include "common/curve.h"

/* A source or a follower. */
struct party {
    char *name;
    bool enabled;
    bool streams, live; /* a follower's */
    struct grant grant; /* a source's */
};

struct holder {
    uint8_t key[CURVE_KEY_BYTES];
    const struct party *party;
    bool source;  /* what the party is */
    bool on_live; /* was let onto the live feed */
};

struct roster;

struct roster *roster_new(void); /* NULL without memory */
void roster_free(struct roster *roster);

/* One row: its kind (enum roster_kind), a name and three texts, as statements.h lists them. Rows
 * come sorted by kind, then by the bytes of the name. False: not such a row, or no memory. */
enum roster_kind {
    ROSTER_REVISION,
    ROSTER_SOURCE,
    ROSTER_FOLLOWER,
    ROSTER_PREFIX,
    ROSTER_KEY,
};
bool roster_add(struct roster *roster, int kind, const char *name, const char *const texts[3]);

int64_t roster_revision(const struct roster *roster);
const struct party *roster_source(const struct roster *roster, const char *name);   /* NULL */
const struct party *roster_follower(const struct roster *roster, const char *name); /* NULL */
struct holder *roster_holder(const struct roster *roster, const uint8_t key[CURVE_KEY_BYTES]);

/* True if the key's follower may take the live feed. */
bool holder_may_live(const struct holder *holder);
/* Carries over who is on the live feed. True if somebody there lost the right to be. */
bool roster_carry_live(struct roster *to, const struct roster *from);

#endif
