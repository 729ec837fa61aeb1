#include "tests/bench/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

bool spread_init(struct spread *spread, size_t max) {
    *spread = (struct spread){.us = calloc(max, sizeof *spread->us), .max = max};
    return spread->us != NULL;
}

void spread_free(struct spread *spread) {
    free(spread->us);
}

void spread_add(struct spread *spread, int64_t us) {
    if (spread->count < spread->max)
        spread->us[spread->count++] = us;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t percentile(const struct spread *spread, size_t percent) {
    if (spread->count == 0)
        return 0;
    size_t rank = (spread->count * percent + 99) / 100;
    return spread->us[rank ? rank - 1 : 0];
}

void spread_print(struct spread *spread) {
    qsort(spread->us, spread->count, sizeof *spread->us, compare);
    printf("{\"count\": %zu, \"p50\": %" PRId64 ", \"p90\": %" PRId64 ", \"p99\": %" PRId64
           ", \"max\": %" PRId64 "}",
           spread->count, percentile(spread, 50), percentile(spread, 90), percentile(spread, 99),
           percentile(spread, 100));
}
