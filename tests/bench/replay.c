/* bench-replay: reads the log from its start to its head through the subscriber library. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/subscriber.h>

#include "common/timestamp.h"

#define SILENT_MS 10000

static const struct argp_option options[] = {
    {"streams", 's', "ENDPOINT", 0, "the broker's streams endpoint", 0},
    {"events", 'n', "N", 0, "how many to read; the log has to hold them", 0},
    {0},
};

struct replay {
    const char *streams;
    uint64_t events;
};

static error_t take_option(int key, char *text, struct argp_state *state) {
    struct replay *replay = state->input;
    char *end = NULL;
    switch (key) {
    case 's':
        replay->streams = text;
        return 0;
    case 'n':
        replay->events = strtoull(text, &end, 10);
        if (*text < '1' || *text > '9' || *end)
            argp_error(state, "--events '%s': a number from 1 is needed", text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* 0 when every offset came, in its order. */
static int read_log(const struct replay *replay, wb_subscription *subscription,
                    struct wb_error *err) {
    const wb_record *record;
    for (uint64_t expected = 1; expected <= replay->events; expected++) {
        int got = wb_subscription_next(subscription, SILENT_MS, &record, err);
        if (got < 0)
            return -1;
        if (got == 0 || record->offset != expected) {
            fprintf(stderr, "bench-replay: offset %" PRIu64 " did not come\n", expected);
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        .options = options,
        .parser = take_option,
        .doc = "Reads events from the start of the log and prints how long it took as one JSON "
               "object."};
    struct replay replay = {.streams = "tcp://127.0.0.1:7413", .events = 1000000};
    struct wb_error err = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &replay);
    wb_subscriber *subscriber = wb_subscriber_open(replay.streams, NULL, &err);
    wb_subscription *log = subscriber ? wb_subscribe(subscriber, 0, NULL, NULL, NULL, &err) : NULL;
    int64_t began_us = monotonic_us();
    int failed = log ? read_log(&replay, log, &err) : -1;
    double seconds = (double)(monotonic_us() - began_us) / 1e6;
    if (failed)
        fprintf(stderr, "bench-replay: %s: %s\n", err.message, err.detail);
    else
        printf("{\"events\": %" PRIu64 ", \"seconds\": %.6f}\n", replay.events, seconds);
    wb_subscriber_close(subscriber);
    return failed != 0;
}
