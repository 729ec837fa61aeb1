/* What happened in the district up to now: the applications of the past days, and their steps in
 * the order in which they happened. Asked again later it gives the same ones, and what has come
 * since. */
#ifndef DEMO_HISTORY_H
#define DEMO_HISTORY_H

#include "course.h"

#define HISTORY_DAY_CASES 20 /* in one day, at most */
#define HISTORY_DAYS      400

struct history_step {
    struct course *course;
    size_t step;
};

struct history {
    struct course **courses; /* the caller takes them out and frees them */
    size_t count;
    struct history_step *steps; /* those up to now, the oldest first */
    size_t step_count;
};

/* What the serial numbers and all else follow from. */
uint64_t history_world(uint64_t seed, unsigned cases, unsigned days);

/* False if that many cases do not fit into the days. */
bool history_fits(unsigned cases, unsigned days);

/* False without memory; history_free is to be called all the same. */
bool history_make(struct history *history, uint64_t world, unsigned cases, unsigned days,
                  int64_t now_us);
void history_free(struct history *history); /* also the courses that were left in it */

#endif
