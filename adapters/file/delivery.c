#include "adapters/file/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "proto/problem.h"

/* A record whose event has no receipt yet. Receipts come in the order of the events. */
struct kept {
    char *record;
    size_t bytes;
};

struct delivery {
    wb_publisher *publisher;
    struct delivery_options options;
    struct delivery_counts counts;
    struct kept *ring;
    size_t first, count, room; /* room is a power of two */
    size_t kept_bytes;
    size_t held;   /* events that are not in the spool yet */
    bool up, told; /* told: that there is no connection */
};

/* Whoever starts this by hand should not wonder for long. */
#define SILENCE_MS 1000
#define HELD_MAX   256 /* events that are put into the spool together */

static void forget_first(struct delivery *delivery) {
    struct kept *kept = &delivery->ring[delivery->first];
    free(kept->record);
    delivery->kept_bytes -= kept->bytes;
    delivery->first = (delivery->first + 1) & (delivery->room - 1);
    delivery->count--;
}

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct delivery *delivery = arg;
    if (receipt->refusal) {
        const char *record = delivery->count > 0 ? delivery->ring[delivery->first].record : NULL;
        uint64_t line = (uintptr_t)receipt->tag; /* 0: an earlier run put it into the spool */
        rejects_add(delivery->options.rejects, line, receipt->refusal, record);
    } else {
        delivery->counts.acknowledged++;
        delivery->counts.repeats += receipt->repeat;
    }
    if (delivery->count > 0)
        forget_first(delivery);
}

static void tell(struct delivery *delivery, const char *words) {
    if (delivery->options.quiet)
        return;
    progress_clear(delivery->options.progress);
    fprintf(stderr, "%s: %s\n", delivery->options.endpoint, words);
}

static void on_session(void *arg, bool up, const char *words) {
    struct delivery *delivery = arg;
    if (!up || delivery->told)
        tell(delivery, words);
    delivery->up = up;
    delivery->told = !up;
}

struct delivery *delivery_open(const struct delivery_options *options, struct wb_error *err) {
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (!delivery) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    struct wb_publisher_options publisher = {.client = "waybill-adapter-file " WAYBILL_VERSION,
                                             .server_key = options->server_key,
                                             .key_file = options->key_file,
                                             .spool = options->spool,
                                             .receipt = on_receipt,
                                             .session = on_session,
                                             .arg = delivery,
                                             .stop = options->stop};
    delivery->options = *options;
    delivery->publisher = wb_publisher_open(options->endpoint, options->source, &publisher, err);
    if (delivery->publisher)
        return delivery;
    free(delivery);
    return NULL;
}

int delivery_begin(struct delivery *delivery, struct wb_error *err) {
    int64_t until_us = monotonic_us() + SILENCE_MS * INT64_C(1000), left_us;
    while (!delivery->up && !*delivery->options.stop && (left_us = until_us - monotonic_us()) > 0)
        if (wb_publisher_poll(delivery->publisher, (int)(left_us / 1000) + 1, err))
            return -1;
    if (!delivery->up && !delivery->told) {
        tell(delivery, "no answer yet, waiting for the broker");
        delivery->told = true;
    }
    return 0;
}

void delivery_close(struct delivery *delivery) {
    if (!delivery)
        return;
    wb_publisher_close(delivery->publisher);
    while (delivery->count > 0)
        forget_first(delivery);
    free(delivery->ring);
    free(delivery);
}

static int grow(struct delivery *delivery) {
    size_t room = delivery->room ? delivery->room * 2 : 1024;
    struct kept *ring = calloc(room, sizeof(*ring));
    if (!ring)
        return -1;
    for (size_t i = 0; i < delivery->count; i++)
        ring[i] = delivery->ring[(delivery->first + i) & (delivery->room - 1)];
    free(delivery->ring);
    delivery->ring = ring;
    delivery->room = room;
    delivery->first = 0;
    return 0;
}

static int keep(struct delivery *delivery, const char *record, struct wb_error *err) {
    while (delivery->kept_bytes > DELIVERY_KEPT_BYTES) {
        if (wb_publisher_poll(delivery->publisher, 1000, err))
            return -1;
        if (*delivery->options.stop)
            return problem(err, WB_E_TIMEOUT, "told to stop while events wait for the broker");
    }
    size_t bytes = strlen(record);
    char *copy = malloc(bytes + 1);
    if (!copy || (delivery->count == delivery->room && grow(delivery))) {
        free(copy);
        return problem(err, WB_E_SYSTEM, "out of memory");
    }
    memcpy(copy, record, bytes + 1);
    size_t at = (delivery->first + delivery->count++) & (delivery->room - 1);
    delivery->ring[at] = (struct kept){.record = copy, .bytes = bytes};
    delivery->kept_bytes += bytes;
    return 0;
}

static void forget_last(struct delivery *delivery) {
    size_t at = (delivery->first + --delivery->count) & (delivery->room - 1);
    free(delivery->ring[at].record);
    delivery->kept_bytes -= delivery->ring[at].bytes;
}

/* Puts what is held on the spool's disk. */
static int store(struct delivery *delivery, struct wb_error *err) {
    bool any = delivery->held > 0;
    delivery->held = 0;
    return any ? wb_publisher_release(delivery->publisher, err) : 0;
}

int delivery_send(struct delivery *delivery, const wb_event *event, uint64_t line,
                  const char *record, struct wb_error *err) {
    if (delivery->options.spool)
        record = NULL;
    if (delivery->options.spool && delivery->held++ == 0)
        wb_publisher_hold(delivery->publisher);
    if (record && keep(delivery, record, err))
        return -1;
    /* The tag is the line itself, not an address. */
    void *tag = (void *)(uintptr_t)line; // NOLINT(performance-no-int-to-ptr)
    if (wb_publisher_send(delivery->publisher, event, tag, err) == 0)
        return delivery->held < HELD_MAX ? 0 : store(delivery, err);
    if (record)
        forget_last(delivery);
    return -1;
}

int delivery_wait(struct delivery *delivery, int ms, struct wb_error *err) {
    return store(delivery, err) || wb_publisher_poll(delivery->publisher, ms, err) ? -1 : 0;
}

int delivery_finish(struct delivery *delivery, struct wb_error *err) {
    return wb_publisher_flush(delivery->publisher, -1, err);
}

struct delivery_counts delivery_counts(const struct delivery *delivery) {
    return delivery->counts;
}

uint64_t delivery_pending(const struct delivery *delivery) {
    return wb_publisher_pending(delivery->publisher);
}
