/* bench-timeline: asks for the timelines of random cases and prints how long the answers took. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/subscriber.h>

#include "common/timestamp.h"
#include "tests/bench/office.h"
#include "tests/bench/spread.h"
#include "tests/support/setting.h"

#define ANSWER_MS   10000
#define ALL_NODES   0
#define CASE_BYTES  48
#define CASE_EVENTS 10

struct timeline {
    const char *streams;
    uint64_t events, queries, seed;
    struct spread spread;
};

static const struct setting settings[] = {
    {"streams", 's', "ENDPOINT", "the broker's streams endpoint", SETTING_TEXT,
     .at = offsetof(struct timeline, streams)},
    {"events", 'n', "N", "how many of bench-load's events the log holds", SETTING_NUMBER,
     .at = offsetof(struct timeline, events), .least = 1},
    {"queries", 'q', "N", "how many cases to ask for (1000)", SETTING_NUMBER,
     .at = offsetof(struct timeline, queries), .least = 1},
    {"seed", 'x', "N", "which cases (1)", SETTING_NUMBER, .at = offsetof(struct timeline, seed),
     .least = 1},
    {0},
};

static int ask(struct timeline *timeline, wb_subscriber *subscriber, uint64_t event, bool counts,
               struct wb_error *err) {
    char case_no[CASE_BYTES];
    wb_case *answer = NULL;
    office_name_case(case_no, sizeof case_no, office_case_of(event));
    int64_t asked_us = monotonic_us();
    if (wb_case_get(subscriber, case_no, NULL, ALL_NODES, ANSWER_MS, &answer, err))
        return -1;
    if (counts)
        spread_add(&timeline->spread, monotonic_us() - asked_us);
    size_t nodes = answer->n_nodes;
    wb_case_free(answer);
    if (nodes == CASE_EVENTS)
        return 0;
    fprintf(stderr, "bench-timeline: case %s has %zu nodes, not %d\n", case_no, nodes, CASE_EVENTS);
    return -1;
}

/* The first queries open the session and warm up what is the same for every case. */
static int ask_all(struct timeline *timeline, wb_subscriber *subscriber, struct wb_error *err) {
    uint64_t state = timeline->seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    uint64_t warming = timeline->queries / 10 + 1;
    for (uint64_t i = 0; i < warming + timeline->queries; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if (ask(timeline, subscriber, state % timeline->events, i >= warming, err))
            return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const char doc[] = "Asks for cases of bench-load's, one after another, and prints the "
                              "microseconds from the question to the answer as one JSON object.";
    struct timeline timeline = {
        .streams = "tcp://127.0.0.1:7413", .events = 1000000, .queries = 1000, .seed = 1};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &timeline);
    wb_subscriber *subscriber = wb_subscriber_open(timeline.streams, NULL, &err);
    int failed = !subscriber || !spread_init(&timeline.spread, timeline.queries) ||
                 ask_all(&timeline, subscriber, &err);
    if (failed) {
        fprintf(stderr, "bench-timeline: %s: %s\n", err.message, err.detail);
    } else {
        spread_print(&timeline.spread);
        printf("\n");
    }
    wb_subscriber_close(subscriber);
    spread_free(&timeline.spread);
    return failed != 0;
}
