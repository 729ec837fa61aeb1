/* bench-follow: how long an event takes from its office to a page that is open, and to the office's
 * own acknowledgement, at a given rate. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "tests/bench/pace.h"
#include "tests/bench/spread.h"
#include "tests/bench/viewer.h"

#define CONNECT_US INT64_C(20000000) /* in which all streams have to be open */
#define QUIET_US   INT64_C(500000)   /* afterwards, before the first event */
#define GRACE_US   INT64_C(10000000) /* after the last event's time */

struct follow {
    const char *host, *ingest;
    int port;
    size_t cases;
    uint64_t rate, seconds;
    struct pace pace;
    struct viewers viewers;
    bool *seen; /* of each event */
    struct spread latency;
};

static const struct argp_option options[] = {
    {"ingest", 'i', "ENDPOINT", 0, "the broker's ingest endpoint", 0},
    {"gateway", 'g', "ADDRESS:PORT", 0, "where the gateway listens, IPv4", 0},
    {"cases", 'c', "N", 0, "cases, each with one follower (200)", 0},
    {"rate", 'r', "N", 0, "events a second, over all cases (1000)", 0},
    {"seconds", 's', "N", 0, "for how long (30)", 0},
    {0},
};

static uint64_t number(struct argp_state *state, const char *text, uint64_t most) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '1' || *text > '9' || *end || value > most)
        argp_error(state, "'%s': a number from 1 to %" PRIu64 " is needed", text, most);
    return value;
}

static void take_gateway(struct follow *follow, char *text, struct argp_state *state) {
    char *colon = strrchr(text, ':');
    if (!colon) {
        argp_error(state, "--gateway '%s': write it like 127.0.0.1:7400", text);
        return;
    }
    *colon = '\0';
    follow->host = text;
    follow->port = (int)number(state, colon + 1, UINT16_MAX);
}

static error_t take_option(int key, char *text, struct argp_state *state) {
    struct follow *follow = state->input;
    switch (key) {
    case 'i':
        follow->ingest = text;
        return 0;
    case 'g':
        take_gateway(follow, text, state);
        return 0;
    case 'c':
        follow->cases = number(state, text, 20000);
        return 0;
    case 'r':
        follow->rate = number(state, text, 100000);
        return 0;
    case 's':
        follow->seconds = number(state, text, 3600);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* An event counts once, when it is first seen. */
static void on_arrived(void *arg, uint64_t event, int64_t now_us) {
    struct follow *follow = arg;
    if (event >= follow->pace.events || follow->seen[event])
        return;
    follow->seen[event] = true;
    spread_add(&follow->latency, now_us - follow->pace.sent_us[event]);
}

static int open_streams(struct follow *follow, struct wb_error *err) {
    if (viewers_open(&follow->viewers, follow->cases, err))
        return -1;
    for (size_t i = 0; i < follow->cases; i++) {
        char path[128];
        snprintf(path, sizeof path, "/api/v1/cases/followed-%zu/%s/events", i,
                 follow->pace.codes[i]);
        if (viewer_connect(&follow->viewers, i, follow->host, follow->port, path, err))
            return -1;
    }
    int64_t end_us = monotonic_us() + CONNECT_US;
    while (follow->viewers.up < follow->cases) {
        if (monotonic_us() > end_us)
            return problem(err, WB_E_TIMEOUT, "%zu of %zu streams opened", follow->viewers.up,
                           follow->cases);
        if (viewers_turn(&follow->viewers, 100, err))
            return -1;
    }
    return 0;
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
    follow->viewers = (struct viewers){.epoll = -1, .arrived = on_arrived, .arg = follow};
    follow->seen = calloc(follow->pace.events, sizeof *follow->seen);
    if (!follow->seen || !spread_init(&follow->latency, follow->pace.events))
        return problem(err, WB_E_SYSTEM, "out of memory");
    if (pace_open(&follow->pace, err) || open_streams(follow, err))
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
    static const struct argp argp = {
        .options = options,
        .parser = take_option,
        .doc =
            "Publishes at a rate to cases that are followed through the gateway, and prints the "
            "latencies in microseconds as one JSON object. The log must not hold its events yet. "
            "Exit status 0 only if every event was acknowledged and arrived."};
    struct follow follow = {.ingest = "tcp://127.0.0.1:7411",
                            .host = "127.0.0.1",
                            .port = 7400,
                            .cases = 200,
                            .rate = 1000,
                            .seconds = 30};
    struct wb_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &follow);
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
