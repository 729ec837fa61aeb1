/* bench-spool: how fast a publisher's spool takes events, and how fast they go on to the broker. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "tests/bench/office.h"

struct bench {
    const char *spool, *ingest;
    uint64_t events, batch;
};

static const struct argp_option options[] = {
    {"ingest", 'i', "ENDPOINT", 0, "send to this broker, and wait for it; else nothing is sent", 0},
    {"events", 'n', "N", 0, "how many (10000)", 0},
    {"batch", 'b', "N", 0, "so many with one write to the disk (1)", 0},
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
    struct bench *bench = state->input;
    switch (key) {
    case 'i':
        bench->ingest = text;
        return 0;
    case 'n':
        bench->events = number(state, text);
        return 0;
    case 'b':
        bench->batch = number(state, text);
        return 0;
    case ARGP_KEY_ARG:
        bench->spool = text;
        return 0;
    case ARGP_KEY_END:
        if (!bench->spool)
            argp_error(state, "name the spool's file");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

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
    static const struct argp argp = {
        .options = options,
        .parser = take_option,
        .args_doc = "FILE",
        .doc = "Puts made-up events into a spool and prints as one JSON object how long that took "
               "and, with a broker, how long it took until all were acknowledged."};
    struct bench bench = {.events = 10000, .batch = 1};
    argp_parse(&argp, argc, argv, 0, NULL, &bench);
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
