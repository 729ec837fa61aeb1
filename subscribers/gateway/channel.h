/* A channel: the one subscription that all share who follow the same stream, that is with the same
 * token, audience and filter. Each event is made text once; what came in one turn of the loop goes
 * to each follower in one write. The newest events stay in a ring, for those who come again.
 *
 * A channel begins where the log ends when its first follower comes, and lingers for a while when
 * its last one has left, in case they come again. Who wants older events than it has gets a
 * subscription of his own until he has reached it: see viewer.h. */
#ifndef SUBSCRIBERS_GATEWAY_CHANNEL_H
#define SUBSCRIBERS_GATEWAY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/subscriber.h>

#include "subscribers/gateway/ring.h"

struct stream_request;
struct throttle;
struct viewer;

struct channel_limits {
    size_t channels;
    size_t channel_bytes; /* of a channel's newest events */
    size_t catch_ups;     /* followers with a subscription of their own */
    uint64_t linger_ms;   /* of a channel without followers */
    uint64_t wait_ms;     /* for the broker's word on a new follower */
    uint64_t keepalive_ms, retry_ms;
};

/* What all channels share. */
struct channels {
    wb_subscriber *subscriber;
    struct throttle *throttle; /* of those who try tokens */
    struct channel_limits limits;
    struct channel *first;
    struct viewer *oldest, *newest; /* by the time of the last write */
    size_t count, viewers, catch_ups;
    uint64_t now_ms;
    size_t quota; /* bytes that may still be made or written for those who are behind, this turn */
};

struct viewer_list {
    struct viewer *first, *last;
    size_t count;
};

struct channel {
    struct channels *all;
    struct channel *next;
    wb_audience audience;
    char *token; /* NULL: none */
    wb_filter *filter;
    wb_subscription *subscription;
    struct ring ring;
    bool begun;                       /* the broker has said where it begins */
    uint64_t flushed;                 /* those who are live were told all up to here */
    struct viewer_list live, waiting; /* by state */
    uint64_t empty_ms;                /* when its last follower left */
    uint8_t *key;                     /* what makes it the same stream as another */
    size_t key_bytes;
};

/* Finds the channel or opens it. NULL and err: FILTER, BUSY where there is no room. */
struct channel *channel_get(struct channels *all, const struct stream_request *request,
                            struct wb_error *err);
void channel_free(struct channel *channel); /* without followers */

/* The broker admits its followers, and can be asked whether it still does. */
bool channel_is_open(const struct channel *channel);
/* Does what is due; to be called in each turn of the loop. False: it is over, and has nobody. */
bool channel_turn(struct channel *channel);
/* The channels have another subscriber: goes on there. The old one is closed afterwards. False: it
 * is over, and has nobody. */
bool channel_use(struct channel *channel);
/* A subscription like the channel's, to be read by its owner, a few events ahead. NULL and err. */
wb_subscription *channel_subscribe(const struct channel *channel, uint64_t cursor,
                                   struct wb_error *err);

void viewer_list_add(struct viewer_list *list, struct viewer *viewer);
void viewer_list_remove(struct viewer_list *list, struct viewer *viewer);

#endif
