/* Who may do what: the sources, followers and keys that operators registered (waybill.source,
 * .follower, .key), kept in memory and read again within a moment of any change.
 *
 *   access     reads the tables on a connection of its own, tells whom a change concerns, writes
 * the audit, and beats for the journal's lease grant      what one source may publish: pure zap
 * answers libzmq's authentication requests (ZeroMQ RFC 27) from access
 *
 * On loopback without keys everybody is who they say they are; what is registered for that name
 * (grants, limits, disabled) holds all the same. */
#ifndef BROKER_ACCESS_ACCESS_H
#define BROKER_ACCESS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

struct access;
struct grant;
struct wb_error;

enum access_domain { ACCESS_INGEST, ACCESS_STREAMS, ACCESS_LIVE };
const char *access_domain_name(enum access_domain domain); /* "ingest": the ZAP domain */

struct access_events {
    /* Something changed: sessions are looked at again with access_check. */
    void (*changed)(void *arg);
};

/* Connects by itself, also before the schema exists: until the tables were read nobody with a key
 * is admitted. NULL without memory. */
struct access *access_new(uv_loop_t *loop, const char *database, const struct access_events *events,
                          void *arg);
void access_close(struct access *access); /* NULL is allowed */

/* Whose key it is: the name of the source (ingest) or follower (streams, live), valid until the
 * tables are read again; NULL and err: KEY_UNKNOWN, DISABLED or NOT_READY. */
const char *access_name(const struct access *access, enum access_domain domain,
                        const uint8_t key[32], struct wb_error *err);

/* 0: a session of that name with that key (NULL: none) may be open in the domain. -1 and err. */
int access_check(const struct access *access, enum access_domain domain, const char *name,
                 const uint8_t *key, struct wb_error *err);

/* What the source may publish; one that was never registered may do anything. Valid until the
 * tables are read again. */
const struct grant *access_grant(const struct access *access, const char *source);

/* Something was refused: counted by code and subject (a source, a follower, or a key as text), and
 * written to the audit in a row a moment. Never blocks; bounded: beyond its size subjects are
 * audited as "(others)". */
void access_refused(struct access *access, const char *subject, const struct wb_error *err);

#endif
