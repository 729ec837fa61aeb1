/* Durations, and how they are spread: percentiles by nearest rank. */
#ifndef TESTS_BENCH_SPREAD_H
#define TESTS_BENCH_SPREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spread {
    int64_t *us;
    size_t count, max; /* more than max are not kept */
};

bool spread_init(struct spread *spread, size_t max);
void spread_free(struct spread *spread);
void spread_add(struct spread *spread, int64_t us);
/* {"count": …, "p50": …, "p90": …, "p99": …, "max": …} in microseconds. Orders what was added. */
void spread_print(struct spread *spread);

#endif
