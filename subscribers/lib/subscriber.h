/* A wb_subscriber from within: its session, and the lists of subscriptions and requests that live
 * in it. */
#ifndef SUBSCRIBER_SUBSCRIBER_H
#define SUBSCRIBER_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/subscriber.h>

#include "common/arena.h"
#include "subscribers/lib/session.h"

struct request;

struct wb_subscriber {
    struct session *session;
    struct wb_subscriber_options options; /* its texts are not kept */
    bool busy;                            /* inside a function that calls the user's */
    int64_t processed_us;                 /* when wb_subscriber_process ended last */
    uint64_t numbers;     /* the newest number of a subscription or request; none comes twice */
    struct arena records; /* of the Deliver that is being handed to a callback */

    wb_subscription **subscriptions; /* by number */
    size_t subscription_count, subscription_capacity;
    struct request *requests; /* the oldest first */
    size_t request_count;
};

/* Waits for something to process until the deadline (monotonic, microseconds), but never so long
 * that a timer is missed. */
void subscriber_wait(wb_subscriber *subscriber, int64_t deadline_us);
/* The deadline for a timeout_ms as the public functions have it: -1 for ever. */
int64_t subscriber_deadline(int timeout_ms);
/* The same as wb_subscriber_process, but only if that was not done a moment ago. */
int subscriber_keep_up(wb_subscriber *subscriber, struct wb_error *err);

#endif
