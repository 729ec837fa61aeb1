/* The streams endpoint: subscriptions and case queries. */
#ifndef BROKER_FANOUT_DESK_H
#define BROKER_FANOUT_DESK_H

#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

struct desk;
struct endpoint_options;
struct hub;
struct reader;
struct readers;

struct desk_options {
    uint32_t credit_events;   /* the most that a subscription holds */
    uint32_t subscriptions;   /* the most in one session */
    size_t outstanding_bytes; /* delivered and not yet taken, of all subscriptions */
    const char *public_url;
    int64_t code_life_ms; /* how long after its end a case opens with its code; 0: always */
};

struct desk *desk_new(uv_loop_t *loop, void *context, const struct endpoint_options *endpoint,
                      const struct desk_options *options, struct hub *hub, struct reader *reader,
                      struct readers *readers, struct wb_error *err);
void desk_close(struct desk *desk); /* NULL is allowed */

const char *desk_address(const struct desk *desk);
/* The hub has new records. */
void desk_pump(struct desk *desk);
/* New sessions are accepted: the log's extent is known. */
void desk_open(struct desk *desk);
/* Followers or keys changed: ends the sessions that may not be open any more. */
void desk_recheck(struct desk *desk);
/* Refuses all sessions, and new ones until desk_open. */
void desk_shut(struct desk *desk, const struct wb_error *err);

#endif
