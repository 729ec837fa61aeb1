/* bench-latency: publishes at a rate and prints how long the acknowledgements took. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/pace.h"
#include "tests/support/setting.h"

#define CASES 200

struct latency {
    const char *ingest, *source;
    uint64_t rate, seconds;
};

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "the broker's ingest endpoint", SETTING_TEXT,
     .at = offsetof(struct latency, ingest)},
    {"source", 's', "NAME", "in whose name the events come (bench)", SETTING_TEXT,
     .at = offsetof(struct latency, source)},
    {"rate", 'r', "N", "events a second (2000)", SETTING_NUMBER,
     .at = offsetof(struct latency, rate), .least = 1},
    {"seconds", 't', "N", "for how long (20)", SETTING_NUMBER,
     .at = offsetof(struct latency, seconds), .least = 1},
    {0},
};

int main(int argc, char **argv) {
    static const char doc[] =
        "Publishes one event at a time, each when it is due, whatever became of those before it, "
        "and prints the microseconds from sending to the acknowledgement as one JSON object. The "
        "log must not hold its events yet.";
    struct latency latency = {
        .ingest = "tcp://127.0.0.1:7411", .source = "bench", .rate = 2000, .seconds = 20};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &latency);
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
