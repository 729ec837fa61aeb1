/* bench-latency: publishes at a rate and prints how long the acknowledgements took. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/pace.h"

#define CASES 200

struct latency {
    const char *ingest, *source;
    uint64_t rate, seconds;
};

static const struct argp_option options[] = {
    {"ingest", 'i', "ENDPOINT", 0, "the broker's ingest endpoint", 0},
    {"source", 's', "NAME", 0, "in whose name the events come (bench)", 0},
    {"rate", 'r', "N", 0, "events a second (2000)", 0},
    {"seconds", 't', "N", 0, "for how long (20)", 0},
    {0},
};

static uint64_t number(struct argp_state *state, const char *text) {
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (*text < '1' || *text > '9' || *end)
        argp_error(state, "'%s': a number from 1 is needed", text);
    return value;
}

static error_t take_option(int key, char *text, struct argp_state *state) {
    struct latency *latency = state->input;
    switch (key) {
    case 'i':
        latency->ingest = text;
        return 0;
    case 's':
        latency->source = text;
        return 0;
    case 'r':
        latency->rate = number(state, text);
        return 0;
    case 't':
        latency->seconds = number(state, text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        .options = options,
        .parser = take_option,
        .doc = "Publishes one event at a time, each when it is due, whatever became of those "
               "before it, and prints the microseconds from sending to the acknowledgement as one "
               "JSON object. The log must not hold its events yet."};
    struct latency latency = {
        .ingest = "tcp://127.0.0.1:7411", .source = "bench", .rate = 2000, .seconds = 20};
    struct wb_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &latency);
    struct pace pace = {.ingest = latency.ingest,
                        .source = latency.source,
                        .cases = CASES,
                        .events = latency.rate * latency.seconds,
                        .rate = latency.rate};
    int failed =
        pace_open(&pace, &err) || pace_start(&pace, &err) || pace_end(&pace, &err) ? -1 : 0;
    if (failed) {
        fprintf(stderr, "bench-latency: %s: %s\n", err.message, err.detail);
    } else {
        printf("{\"events\": %" PRIu64 ", \"late_us_max\": %" PRId64 ", \"acknowledge_us\": ",
               pace.events, pace.late_us_max);
        spread_print(&pace.acknowledge);
        printf("}\n");
    }
    bool all = pace.acknowledge.count == pace.events;
    pace_free(&pace);
    return failed || !all;
}
