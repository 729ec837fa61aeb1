/* A publisher that keeps a rate, in a thread of its own, and notes when it sent what and how long
 * the acknowledgements took.
 *
 * Event number n is due at n / rate after the start, whatever became of those before it. It goes to
 * case n % cases, and its step is PACE_MARK and the number in nine digits: that is how it is known
 * where it arrives. */
#ifndef TESTS_BENCH_PACE_H
#define TESTS_BENCH_PACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <waybill/publisher.h>

#include "tests/bench/office.h"
#include "tests/bench/spread.h"

#define PACE_MARK   "bench-"
#define PACE_DIGITS 9
#define PACE_CODE   32 /* bytes of a case's code, with its NUL */

struct pace {
    /* Set by the caller, before pace_open. */
    const char *ingest, *source;
    size_t cases;
    uint64_t events, rate; /* rate: events a second */

    char (*codes)[PACE_CODE];  /* of the cases, after pace_open */
    _Atomic int64_t *sent_us;  /* of each event, monotonic; 0: not yet */
    struct spread acknowledge; /* from sending to the receipt, after pace_end */
    int64_t late_us_max;       /* how far behind its time an event was sent */
    uint64_t refused;

    pthread_t thread;
    wb_publisher *publisher;
    struct office office;
    bool running; /* the thread was started */
    int failed;
    struct wb_error err;
};

/* Connects, and opens the cases: waits for their codes. -1 and err. */
int pace_open(struct pace *pace, struct wb_error *err);
/* Writes where the gateway streams the events of case index % cases: a viewer_path_fn. */
void pace_path(const void *pace, size_t index, char *path, size_t size);
/* Instead of a thread: sends event number now, and handles receipts. -1 and pace->err. */
int pace_send(struct pace *pace, uint64_t number);
int pace_poll(struct pace *pace, int timeout_ms);

int pace_start(struct pace *pace, struct wb_error *err);
/* Waits until the last event is acknowledged. -1 and err if something failed. */
int pace_end(struct pace *pace, struct wb_error *err);
void pace_free(struct pace *pace);

#endif
