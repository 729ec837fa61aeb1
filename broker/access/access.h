/* Who may do what and see what: the sources, followers, keys, tokens and items that operators
 * registered (waybill.source, .follower, .key, .token, .item), kept in memory and read again within
 * a moment of any change.
 *
 *   access   reads the tables on a connection of its own, tells when something changed, writes the
 *            audit, and beats for the journal's lease
 *   roster   the tables in memory
 *   grant    what one source may publish, or one token is good for: pure
 *   audiences, token, disclosure   who sees what
 *   audit    refusals on their way into waybill.audit
 *   zap      answers libzmq's questions about keys (ZeroMQ RFC 27) from access
 *
 * On loopback without keys everybody is who they say they are; what is registered for that name
 * (grants, limits, disabled) holds all the same. */
#ifndef BROKER_ACCESS_ACCESS_H
#define BROKER_ACCESS_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

#include "broker/access/audiences.h"
#include "broker/access/disclosure.h"
#include "common/curve.h"

struct access;
struct grant;
struct token;

/* Endpoints are asked for by these. The live feed has one for each audience. */
enum access_domain {
    ACCESS_INGEST,
    ACCESS_STREAMS,
    ACCESS_LIVE, /* of the audience full */
    ACCESS_LIVE_STAFF,
    ACCESS_LIVE_APPLICANT,
    ACCESS_LIVE_PUBLIC,
    ACCESS_DOMAINS
};
const char *access_domain_name(enum access_domain domain); /* "ingest": the ZAP domain */
/* UNSPECIFIED if it is no live feed's. */
Waybill__V1__Audience access_domain_audience(enum access_domain domain);
/* False if there is no such domain. The name need not end with a NUL. */
bool access_domain_find(const void *name, size_t bytes, enum access_domain *domain);

struct access_options {
    const char *database;
    int64_t retention_ms;       /* of the audit; 0 keeps all */
    enum disclosure disclosure; /* of items that waybill.item does not name */
};

struct access_events {
    /* Something changed: sessions are looked at again with access_check, and what they see.
     * live_lost: the live feeds onto which a key was let that has lost its place there. */
    void (*changed)(void *arg, audiences live_lost);
    /* No beat was answered since then (monotonic): told every few seconds. */
    void (*silent)(void *arg, int64_t since_us);
};

/* Connects by itself, also before the schema exists: until the tables were read nobody with a key
 * is admitted. While they cannot be read what was read last stays valid. NULL without memory. */
struct access *access_new(uv_loop_t *loop, const struct access_options *options,
                          const struct access_events *events, void *arg);
void access_close(struct access *access); /* NULL is allowed */

/* Whose key it is: the name of the source (ingest) or follower (streams, live), valid until the
 * tables are read again; NULL and err: KEY_UNKNOWN, DISABLED or NOT_READY. */
const char *access_name(const struct access *access, enum access_domain domain,
                        const uint8_t key[CURVE_KEY_BYTES], struct wb_error *err);

/* The same whether or not it is admitted; NULL if nobody holds it. */
const char *access_holder(const struct access *access, const uint8_t key[CURVE_KEY_BYTES]);

/* 0: a session of that name with that key (NULL: none) may be open in the domain. -1 and err. */
int access_check(const struct access *access, enum access_domain domain, const char *name,
                 const uint8_t *key, struct wb_error *err);

/* The live feed of that domain lets this key in: should it lose its place, `changed` says so. */
void access_on_live(struct access *access, enum access_domain domain,
                    const uint8_t key[CURVE_KEY_BYTES]);

/* The tables were read once. Until then nobody who could be registered is let in. */
bool access_known(const struct access *access);

/* What a session of that name may ask for: the follower's audiences; all of them for a name that
 * was never registered, which without a key nobody can be denied; none before the tables were read.
 */
audiences access_audiences(const struct access *access, const char *name, bool keyed);

/* The token with that text. NULL and TOKEN if it is unknown, expired or revoked, and NOT_READY. To
 * be held (token.h) by who keeps it. */
const struct token *access_token(const struct access *access, const char *text,
                                 struct wb_error *err);
/* The same of one that is held: as the tables have it now. */
const struct token *access_token_again(const struct access *access, const struct token *held,
                                       struct wb_error *err);

/* What the source may publish; one that was never registered may do anything. Never NULL. Valid
 * until the tables are read again. */
const struct grant *access_grant(const struct access *access, const char *source);

/* Something of a source or follower ("": of nobody who said a name) was refused: counted by source
 * and code, and written to the audit within a moment, like ones in one row. Never blocks; bounded:
 * see audit.h. */
void access_refused(struct access *access, const char *name, const struct wb_error *err);
/* The same of a key that was not admitted, and where it came from. */
void access_refused_key(struct access *access, enum access_domain domain,
                        const uint8_t key[CURVE_KEY_BYTES], const char *address,
                        const struct wb_error *err);

/* While epoch > 0 the lease is beaten once a second in its name; 0 stops it. Looks at once whether
 * there is something to read. */
void access_beat(struct access *access, int64_t epoch);

#endif
