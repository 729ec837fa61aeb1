/* bench-load: publishes an office's events as fast as they are acknowledged. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "tests/bench/office.h"
#include "tests/support/setting.h"

#define CONNECT_US   INT64_C(10000000)
#define NOW_AND_THEN 100 /* one event in so many is for a case that is followed */

struct load {
    const char *ingest, *source, *server_key, *key_file;
    uint64_t events, first, repeat_percent, followed;
    bool scattered_ids, up;
    struct office office;
    uint64_t dice;   /* the state of what chooses the repeats */
    uint64_t fresh;  /* sent that are no repeats */
    uint64_t stored; /* acknowledged of them */
    uint64_t repeated, acknowledged, repeats, refused;
    uint64_t weighed, bytes; /* some of the events, and what they take: they are much alike */
};

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "the broker's ingest endpoint", SETTING_TEXT,
     .at = offsetof(struct load, ingest)},
    {"source", 's', "NAME", "in whose name the events come (bench)", SETTING_TEXT,
     .at = offsetof(struct load, source)},
    {"events", 'n', "N", "how many (1000000)", SETTING_NUMBER, .at = offsetof(struct load, events)},
    {"first", 'f', "N", "the number of the first; those before it are stored (0)", SETTING_NUMBER,
     .at = offsetof(struct load, first)},
    {"repeat-percent", 'r', "N", "how many in a hundred repeat one of the stored (0)",
     SETTING_NUMBER, .at = offsetof(struct load, repeat_percent)},
    {"followed", 'c', "N",
     "now and then an event is for one of so many cases that are followed (0)", SETTING_NUMBER,
     .at = offsetof(struct load, followed)},
    {"scattered-ids", 'x', NULL, "ids without an order, like random UUIDs", SETTING_FLAG,
     .at = offsetof(struct load, scattered_ids)},
    {"server-key", 0, "KEY", "the broker's public key", SETTING_TEXT,
     .at = offsetof(struct load, server_key)},
    {"key-file", 0, "FILE", "the source's own pair of keys", SETTING_TEXT,
     .at = offsetof(struct load, key_file)},
    {0},
};

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct load *load = arg;
    if (receipt->refusal && load->refused++ == 0)
        fprintf(stderr, "bench-load: refused: %s: %s\n", receipt->refusal->message,
                receipt->refusal->detail);
    load->repeats += receipt->repeat;
    load->stored += !receipt->repeat && !receipt->refusal;
    load->acknowledged += !receipt->refusal;
}

static void on_session(void *arg, bool up, const char *words) {
    struct load *load = arg;
    load->up = up;
    if (!up)
        fprintf(stderr, "bench-load: %s\n", words);
}

/* xorshift64: which event is a repeat, and of which. The same every time. */
static uint64_t throw_dice(struct load *load) {
    load->dice ^= load->dice << 13;
    load->dice ^= load->dice >> 7;
    load->dice ^= load->dice << 17;
    return load->dice;
}

static const wb_event *next_event(struct load *load) {
    uint64_t stored = load->first + load->stored;
    if (load->repeat_percent && stored && throw_dice(load) % 100 < load->repeat_percent) {
        load->repeated++;
        return office_event(&load->office, throw_dice(load) % stored);
    }
    uint64_t number = load->first + load->fresh++;
    if (load->followed && number % NOW_AND_THEN == 0)
        return office_touch(&load->office, number, number / NOW_AND_THEN % load->followed);
    return office_event(&load->office, number);
}

static int publish(struct load *load, wb_publisher *publisher, struct wb_error *err) {
    office_init(&load->office, load->scattered_ids);
    for (uint64_t i = 0; i < load->events; i++) {
        const wb_event *event = next_event(load);
        if (i % 1000 == 0) {
            load->weighed++;
            load->bytes += protobuf_c_message_get_packed_size(&event->base);
        }
        if (wb_publisher_send(publisher, event, NULL, err))
            return -1;
    }
    return wb_publisher_flush(publisher, -1, err);
}

static void print(const struct load *load, int64_t took_us) {
    printf("{\"events\": %" PRIu64 ", \"acknowledged\": %" PRIu64 ", \"repeated\": %" PRIu64
           ", \"repeats\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"event_bytes\": %" PRIu64
           ", \"seconds\": %.6f}\n",
           load->events, load->acknowledged, load->repeated, load->repeats, load->refused,
           load->bytes / (load->weighed ? load->weighed : 1), (double)took_us / 1e6);
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Publishes made-up events with a full window and prints how long it took, from the first "
        "event to the last acknowledgement, as one JSON object.";
    struct load load = {.ingest = "tcp://127.0.0.1:7411",
                        .source = "bench",
                        .events = 1000000,
                        .dice = UINT64_C(0x2545F4914F6CDD1D)};
    settings_read(settings, doc, argc, argv, &load);
    struct wb_publisher_options how = {.client = "bench-load",
                                       .server_key = load.server_key,
                                       .key_file = load.key_file,
                                       .receipt = on_receipt,
                                       .session = on_session,
                                       .arg = &load};
    struct wb_error err = {0};
    wb_publisher *publisher = wb_publisher_open(load.ingest, load.source, &how, &err);
    int failed = publisher ? 0 : -1;
    for (int64_t end_us = monotonic_us() + CONNECT_US;
         !failed && !load.up && monotonic_us() < end_us;)
        failed = wb_publisher_poll(publisher, 100, &err);
    int64_t began_us = monotonic_us();
    failed = failed || publish(&load, publisher, &err);
    if (failed)
        fprintf(stderr, "bench-load: %s: %s\n", err.message, err.detail);
    else
        print(&load, monotonic_us() - began_us);
    wb_publisher_close(publisher);
    return failed || load.acknowledged != load.events;
}
