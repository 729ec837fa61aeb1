/* bench-follow: how long an event takes from its office to a page that is open, and to the office's
 * own acknowledgement, at a given rate. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "tests/bench/pace.h"
#include "tests/bench/spread.h"
#include "tests/bench/viewer.h"
#include "tests/support/setting.h"

#define QUIET_US INT64_C(500000)   /* afterwards, before the first event */
#define GRACE_US INT64_C(10000000) /* after the last event's time */

struct follow {
    const char *ingest, *gateway;
    uint64_t cases, rate, seconds;
    struct pace pace;
    struct viewers viewers;
    bool *seen; /* of each event */
    struct spread latency;
};

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "the broker's ingest endpoint", SETTING_TEXT,
     .at = offsetof(struct follow, ingest)},
    {"gateway", 'g', "ADDRESS:PORT", "where the gateway listens, IPv4", SETTING_TEXT,
     .at = offsetof(struct follow, gateway)},
    {"cases", 'c', "N", "cases, each with one follower (200)", SETTING_NUMBER,
     .at = offsetof(struct follow, cases), .least = 1, .most = VIEWERS_MAX},
    {"rate", 'r', "N", "events a second, over all cases (1000)", SETTING_NUMBER,
     .at = offsetof(struct follow, rate), .least = 1, .most = 100000},
    {"seconds", 's', "N", "for how long (30)", SETTING_NUMBER,
     .at = offsetof(struct follow, seconds), .least = 1, .most = 3600},
    {0},
};

/* An event counts once, when it is first seen. */
static void on_arrived(void *arg, uint64_t event, int64_t now_us) {
    struct follow *follow = arg;
    if (event >= follow->pace.events || follow->seen[event])
        return;
    follow->seen[event] = true;
    spread_add(&follow->latency, now_us - follow->pace.sent_us[event]);
}

static int turn_until(struct follow *follow, int64_t end_us, struct wb_error *err) {
    for (int64_t now_us; (now_us = monotonic_us()) < end_us;) {
        if (follow->latency.count == follow->pace.events)
            return 0;
        if (viewers_turn(&follow->viewers, (int)((end_us - now_us) / 1000) + 1, err))
            return -1;
    }
    return 0;
}

static int measure(struct follow *follow, struct wb_error *err) {
    if (turn_until(follow, monotonic_us() + QUIET_US, err) || pace_start(&follow->pace, err))
        return -1;
    int64_t end_us = monotonic_us() + (int64_t)follow->seconds * 1000000 + GRACE_US;
    struct wb_error later;
    int turned = turn_until(follow, end_us, err);
    int ended = pace_end(&follow->pace, turned ? &later : err);
    return turned ? turned : ended;
}

static int run(struct follow *follow, struct wb_error *err) {
    follow->pace = (struct pace){.ingest = follow->ingest,
                                 .source = "bench",
                                 .cases = follow->cases,
                                 .events = follow->rate * follow->seconds,
                                 .rate = follow->rate};
    follow->viewers = (struct viewers){.arrived = on_arrived, .arg = follow};
    follow->seen = calloc(follow->pace.events, sizeof *follow->seen);
    if (!follow->seen || !spread_init(&follow->latency, follow->pace.events))
        return problem(err, WB_E_SYSTEM, "out of memory");
    if (viewers_open(&follow->viewers, follow->gateway, follow->cases, err) ||
        pace_open(&follow->pace, err) ||
        viewers_follow(&follow->viewers, pace_path, &follow->pace, err))
        return -1;
    return measure(follow, err);
}

static void print(struct follow *follow) {
    printf("{\"events\": %" PRIu64 ", \"acknowledged\": %zu, \"delivered\": %zu, "
           "\"late_us_max\": %" PRId64 ", \"acknowledge_us\": ",
           follow->pace.events, follow->pace.acknowledge.count, follow->latency.count,
           follow->pace.late_us_max);
    spread_print(&follow->pace.acknowledge);
    printf(", \"sse_us\": ");
    spread_print(&follow->latency);
    printf("}\n");
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Publishes at a rate to cases that are followed through the gateway, and prints the "
        "latencies in microseconds as one JSON object. The log must not hold its events yet. Exit "
        "status 0 only if every event was acknowledged and arrived.";
    struct follow follow = {.ingest = "tcp://127.0.0.1:7411",
                            .gateway = "127.0.0.1:7400",
                            .cases = 200,
                            .rate = 1000,
                            .seconds = 30};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &follow);
    int failed = run(&follow, &err);
    if (failed)
        fprintf(stderr, "bench-follow: %s: %s\n", err.message, err.detail);
    print(&follow);
    bool all = follow.latency.count == follow.pace.events &&
               follow.pace.acknowledge.count == follow.pace.events;
    if (!failed && !all)
        fprintf(stderr, "bench-follow: events are missing\n");
    viewers_close(&follow.viewers);
    pace_free(&follow.pace);
    spread_free(&follow.latency);
    free(follow.seen);
    return failed || !all;
}
