/* Sends sorted events at the pace at which they happened, times a factor. */
#ifndef FILE_REPLAY_H
#define FILE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>

#include "adapters/file/sorter.h"

#define REPLAY_MAX     0.0   /* as fast as it goes */
#define REPLAY_SLOWEST 0.001 /* a day in three years: less is a slip */

/* Where the events go, and the clock. Each gives 0, or -1 and err to end the replay. */
struct replay_outlet {
    int (*send)(void *arg, const struct sorter_entry *entry, struct wb_error *err);
    int (*pause)(void *arg, int ms, struct wb_error *err); /* at most so long */
    int64_t (*now_us)(void *arg);                          /* for durations */
    bool (*stopped)(void *arg);
    void *arg;
};

/* "1000x", "0.5x", "60" or "max"; false if it is none of them or slower than
 * REPLAY_SLOWEST. */
bool replay_speed(const char *text, double *factor);

/* Until the sorter is empty or the outlet stopped: 0. The first event goes at once. An event that
 * is late, because those before it took long, goes at once too: the schedule does not shift. */
int replay_run(struct sorter *sorter, double factor, const struct replay_outlet *outlet,
               struct wb_error *err);

#endif
