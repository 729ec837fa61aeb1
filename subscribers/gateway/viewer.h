/* A follower of a channel.
 *
 *     OPENING      the broker's word is waited for
 *     CATCHING_UP  reads a subscription of its own, because the ring does not go back so far
 *     BEHIND       reads the ring, at its own pace
 *     LIVE         is told what comes, as it comes
 *
 *   OPENING -> LIVE, BEHIND or CATCHING_UP, by its cursor
 *   CATCHING_UP -> BEHIND once its cursor is not before the ring's beginning: the ring holds all of
 *                  the channel's events behind that, and it has seen all up to its cursor
 *   BEHIND -> LIVE once it has read the ring to its end; -> CATCHING_UP where the ring overtook it
 *   LIVE -> BEHIND when it does not take what it is sent
 *   any -> OPENING when the log is not the one it was: it is told, and goes on from now
 *
 * Its cursor says what it was told; each step goes on behind it, so that nothing is missed and
 * nothing comes twice. */
#ifndef SUBSCRIBERS_GATEWAY_VIEWER_H
#define SUBSCRIBERS_GATEWAY_VIEWER_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/subscriber.h>

#include "subscribers/gateway/throttle.h"

struct channel;
struct channels;
struct http_exchange;
struct stream_request;

enum viewer_state { VIEWER_OPENING, VIEWER_CATCHING_UP, VIEWER_BEHIND, VIEWER_LIVE };

struct viewer {
    struct channel *channel;
    struct viewer *previous, *next; /* of the channel, in the list of its state */
    struct viewer *older, *newer;   /* of all, by the time of the last write */
    struct http_exchange *exchange;
    wb_subscription *catch_up;
    struct attempt attempt; /* to be told to the throttle when its token was looked at */
    uint64_t cursor;        /* WB_FROM_NOW: none; of one that is live, see the channel's */
    uint64_t since_ms;      /* when it came */
    uint64_t sent_ms;       /* the last write */
    const char *reset;      /* why it goes on elsewhere than it asked, still to be told */
    enum viewer_state state;
    bool streaming; /* the answer's head is out */
    bool told;      /* where it begins */
};

/* Takes the exchange over. NULL without memory: then it does not. */
struct viewer *viewer_new(struct channel *channel, struct http_exchange *exchange,
                          const struct stream_request *request, const struct attempt *attempt);
/* One that is not live: does what can be done. It may be gone afterwards. */
void viewer_turn(struct viewer *viewer);
/* One that is live: the text of the events behind the channel's cursor. It may be behind
 * afterwards, with this as its cursor, because it does not take them. */
void viewer_write_live(struct viewer *viewer, const void *text, size_t bytes, uint64_t cursor);
/* It has missed what came behind the cursor. */
void viewer_fall_behind(struct viewer *viewer, uint64_t cursor);
/* It goes on from now, and is told why. */
void viewer_reset(struct viewer *viewer, const char *reason);
/* Its own subscription moves to the channels' subscriber. */
void viewer_use(struct viewer *viewer);
/* Ends it: with an answer, or with the event that says why. */
void viewer_end(struct viewer *viewer, const struct wb_error *err);
/* Comments for those who have heard nothing for keepalive_ms. */
void viewers_keep_alive(struct channels *all);

#endif
