/* bench-replay: reads the log from its start to its head through the subscriber library. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/subscriber.h>

#include "common/timestamp.h"
#include "tests/support/setting.h"

#define SILENT_MS 10000

struct replay {
    const char *streams;
    uint64_t events;
};

static const struct setting settings[] = {
    {"streams", 's', "ENDPOINT", "the broker's streams endpoint", SETTING_TEXT,
     .at = offsetof(struct replay, streams)},
    {"events", 'n', "N", "how many to read; the log has to hold them", SETTING_NUMBER,
     .at = offsetof(struct replay, events), .least = 1},
    {0},
};

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
    static const char doc[] =
        "Reads events from the start of the log and prints how long it took as one JSON object.";
    struct replay replay = {.streams = "tcp://127.0.0.1:7413", .events = 1000000};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &replay);
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
