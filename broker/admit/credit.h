/* Credit: how much each publishing session may have under way. The broker's memory for events that
 * wait for their commit is a pool that those who publish share equally; what a session was told
 * last is its window. A session that publishes alone gets the largest window there is, one of a
 * hundred a hundredth of the pool. Pure but for the time that is passed in (monotonic). */
#ifndef BROKER_ADMIT_CREDIT_H
#define BROKER_ADMIT_CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "proto/frame.h"

struct credit_pool {
    size_t pool_bytes;        /* what all windows together may hold, about */
    struct frame_window most; /* for one session */
    size_t sessions, active;  /* open; with events under way, or lately */
};

struct credit {
    struct frame_window window; /* what the session was told last */
    struct frame_window before; /* and the larger one before that, which it may have acted on */
    int64_t shrunk_us;          /* when that one was taken back; 0: it was not */
    int64_t used_us;            /* when it published last */
    uint32_t events, bytes;     /* unacknowledged; bytes as encoded */
    bool active;                /* counted in the pool */
};

/* A session opens: it is told a share of what all open ones could want. */
void credit_open(struct credit_pool *pool, struct credit *credit);
void credit_close(struct credit_pool *pool, struct credit *credit);

/* Takes a Publish into account. -1 and WINDOW_EXCEEDED if it is beyond every window that the
 * session may believe in; one event may always be under way. */
int credit_take(struct credit_pool *pool, struct credit *credit, uint32_t events, uint32_t bytes,
                int64_t now_us, struct wb_error *err);
/* It was settled: the window to tell, zeros if it is still the same. */
struct frame_window credit_give(struct credit_pool *pool, struct credit *credit, uint32_t events,
                                uint32_t bytes, int64_t now_us);
/* To be called now and then: a session that has nothing under way any more leaves room. */
void credit_rest(struct credit_pool *pool, struct credit *credit, int64_t now_us);

#endif
