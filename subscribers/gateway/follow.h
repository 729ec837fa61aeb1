/* Who follows which case: event streams, fed from the one subscription to the broker's log.
 *
 * Nobody misses an event and nobody gets one twice. A new follower is registered first; then the
 * broker is asked for the case; from the answer come the events behind the follower's cursor, up to
 * the answer's through_offset, which becomes its cursor. If the log has meanwhile brought an event
 * beyond it, the broker is asked again. From then on every event of the case from the log that lies
 * behind the follower's cursor is written to it. Nothing needs to be kept for a follower that
 * waits.
 *
 * An event is encoded once for all followers of its case, and what came in one turn of the loop
 * goes to each of them in one write. */
#ifndef SUBSCRIBERS_GATEWAY_FOLLOW_H
#define SUBSCRIBERS_GATEWAY_FOLLOW_H

#include <stdint.h>
#include <waybill/subscriber.h>

struct attempt;
struct buffer;
struct followers;
struct http_exchange;
struct inquirer;
struct throttle;

/* NULL without memory. Inquirer and throttle outlive it. keepalive_ms: silence after which a
 * comment is sent; retry_ms: the most of what a client is told to wait before it comes again. */
struct followers *followers_new(struct inquirer *inquirer, struct throttle *throttle,
                                int64_t keepalive_ms, int64_t retry_ms);
/* After the server's connections have closed. */
void followers_free(struct followers *followers);

/* Takes the exchange over and answers it: with the stream, or 404 or 503. cursor: the text of
 * Last-Event-ID, NULL or "" for none. The throttle is told of the attempt whether the code was the
 * right one. */
void follow(struct followers *followers, struct http_exchange *exchange, const char *case_no,
            const char *code, const char *cursor, const struct attempt *attempt);

/* A record of the log, in its order. */
void followers_record(struct followers *followers, const wb_record *record);
/* Writes out what followers_record has gathered: at the end of each turn. */
void followers_flush(struct followers *followers);
/* The log is not the one it was: everybody is told to begin anew. */
void followers_reset(struct followers *followers, const char *reason);
/* The last event of a stream that the server ends: why, and when to come again. */
void followers_farewell(const struct followers *followers, const char *reason, struct buffer *out);
/* Keepalives, and questions that have to be put again. At least once a second. */
void followers_tick(struct followers *followers, uint64_t now_ms);

#endif
