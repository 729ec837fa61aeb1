/* bench-spool: how fast a publisher's spool takes events, and how fast they go on to the broker. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "tests/bench/office.h"
#include "tests/support/setting.h"

struct bench {
    const char *spool, *ingest;
    uint64_t events, batch;
};

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "send to this broker, and wait for it; else nothing is sent",
     SETTING_TEXT, .at = offsetof(struct bench, ingest)},
    {"events", 'n', "N", "how many (10000)", SETTING_NUMBER, .at = offsetof(struct bench, events),
     .least = 1},
    {"batch", 'b', "N", "so many with one write to the disk (1)", SETTING_NUMBER,
     .at = offsetof(struct bench, batch), .least = 1},
    {NULL, 0, "FILE", "the spool's file", SETTING_ARGUMENT, .at = offsetof(struct bench, spool),
     .needed = true},
    {0},
};

static int store(const struct bench *bench, wb_publisher *publisher, struct wb_error *err) {
    struct office office;
    office_init(&office, false);
    for (uint64_t i = 0; i < bench->events;) {
        uint64_t end = i + bench->batch < bench->events ? i + bench->batch : bench->events;
        if (bench->batch > 1)
            wb_publisher_hold(publisher);
        for (; i < end; i++)
            if (wb_publisher_send(publisher, office_event(&office, i), NULL, err))
                return -1;
        if (wb_publisher_release(publisher, err))
            return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Puts made-up events into a spool and prints as one JSON object how long that took and, "
        "with a broker, how long it took until all were acknowledged.";
    struct bench bench = {.events = 10000, .batch = 1};
    settings_read(settings, doc, argc, argv, &bench);
    struct wb_publisher_options how = {.client = "bench-spool", .spool = bench.spool};
    struct wb_error err = {0};
    const char *ingest = bench.ingest ? bench.ingest : "tcp://127.0.0.1:1";
    wb_publisher *publisher = wb_publisher_open(ingest, "bench", &how, &err);
    int64_t began_us = monotonic_us(), stored_us = 0;
    int failed = !publisher || store(&bench, publisher, &err);
    if (!failed)
        stored_us = monotonic_us() - began_us;
    failed = failed || (bench.ingest && wb_publisher_flush(publisher, -1, &err));
    if (failed)
        fprintf(stderr, "bench-spool: %s: %s\n", err.message, err.detail);
    else
        printf("{\"events\": %" PRIu64 ", \"batch\": %" PRIu64
               ", \"stored_s\": %.3f, \"acknowledged_s\": %.3f}\n",
               bench.events, bench.batch, (double)stored_us / 1e6,
               bench.ingest ? (double)(monotonic_us() - began_us) / 1e6 : 0.0);
    wb_publisher_close(publisher);
    return failed;
}
