/* Who follows which case: event streams, fed from the one subscription by case to the broker's log.
 *
 * Nobody misses an event and nobody gets one twice. A follower that has a cursor names its place to
 * the broker (wb_follow): the answer holds what it missed, from memory, and what comes behind it is
 * delivered. Where memory does not reach back, and for a follower without a cursor, the broker is
 * asked for the case, after it has said that the case is followed; from its answer come the events
 * behind the follower's cursor, up to the answer's through_offset, which becomes its cursor. If
 * meanwhile an event beyond it was delivered, the follower names its place again. From then on
 * every event of the case that lies behind the follower's cursor is written to it. Nothing needs
 * to be kept for a follower that waits.
 *
 * The code of each follower goes to the broker, also where the case is followed by others already.
 * A case is followed once, by the first place that stands; the others are let go when answered.
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

/* The subscription by case from now on; the one before, and its places, are closed or about to be.
 * NULL: there is none for a moment. Everybody is served again from where they were. */
void followers_use(struct followers *followers, wb_subscriber *subscriber, wb_subscription *cases);
/* The session was lost: who waits for the beginning of a stream is told so. */
void followers_away(struct followers *followers);
/* The subscription's functions. Records come in the order of the log. */
void followers_placed(struct followers *followers, wb_place *place, const wb_place_answer *answer);
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
