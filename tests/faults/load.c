/* faults-load: publishes one source's events and keeps a record of what it was told.
 *
 * Each line of the record begins with a letter and the time (CLOCK_MONOTONIC, microseconds):
 *
 *     S TIME ID                   about to be handed to the publisher for the first time
 *     P TIME ID                   handed to it once more: the log has to recognise it
 *     K TIME ID                   taken: with a spool, it is on the disk
 *     N TIME ID WORDS             not taken, because the spool could not store it; tried again
 *     A TIME ID OFFSET REPEAT     acknowledged
 *     R TIME ID CODE DETAIL       refused
 *     U TIME WORDS, D TIME WORDS  the connection came, went
 *     F TIME WORDS                it cannot go on
 *
 * SIGTERM ends it once everything has its receipt. Started again on the same record it hands the
 * newest event over once more, as it may have been killed before that one was taken, and goes on
 * with the next; what was under way is then only sent by whoever has a spool. */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "tests/faults/record.h"
#include "tests/support/setting.h"

#define CATCH_UP_US   INT64_C(1000000) /* of events that were due while nothing was taken */
#define ONCE_MORE     64               /* one event in so many is handed over again */
#define NEARBY_EVENTS 2048
#define AGAIN_MS      50                        /* until a spool that was full is tried again */
#define BEGIN_US      INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

struct load {
    const char *ingest, *source, *path, *spool;
    uint64_t rate, seed;
    int record;
    uint64_t next;
};

static volatile sig_atomic_t ending;

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "where to publish", SETTING_TEXT,
     .at = offsetof(struct load, ingest), .needed = true},
    {"source", 's', "NAME", "in whose name", SETTING_TEXT, .at = offsetof(struct load, source),
     .needed = true},
    {"record", 'o', "FILE", "what was sent and acknowledged", SETTING_TEXT,
     .at = offsetof(struct load, path), .needed = true},
    {"spool", 'p', "FILE", "the publisher's spool; without it, events wait in memory", SETTING_TEXT,
     .at = offsetof(struct load, spool)},
    {"rate", 'r', "N", "events a second (500); 0: as fast as it goes", SETTING_NUMBER,
     .at = offsetof(struct load, rate)},
    {"seed", 'x', "N", "chooses what is handed over again", SETTING_NUMBER,
     .at = offsetof(struct load, seed)},
    {0},
};

static void on_signal(int signal) {
    (void)signal;
    ending = 1;
}

/* Sources number their events alike: an id alone identifies nothing. */
static void name_event(uint64_t event, char *id, size_t size) {
    snprintf(id, size, "e-%09" PRIu64, event);
}

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct load *load = arg;
    if (receipt->refusal)
        record_line(load->record, "R %" PRId64 " %s %d %s", monotonic_us(), receipt->event_id,
                    receipt->refusal->code, receipt->refusal->detail);
    else
        record_line(load->record, "A %" PRId64 " %s %" PRIu64 " %d", monotonic_us(),
                    receipt->event_id, receipt->offset, receipt->repeat);
}

static void on_session(void *arg, bool up, const char *words) {
    const struct load *load = arg;
    record_line(load->record, "%c %" PRId64 " %s", up ? 'U' : 'D', monotonic_us(), words);
}

/* An event that was handed over before: mostly one of the newest, sometimes any. */
static bool earlier(struct load *load, uint64_t *event) {
    uint64_t x = (load->next ^ load->seed) * UINT64_C(0x9E3779B97F4A7C15);
    x ^= x >> 29;
    if (load->next == 0 || x % ONCE_MORE != 0)
        return false;
    x >>= 8;
    uint64_t among = x % 4 && load->next > NEARBY_EVENTS ? NEARBY_EVENTS : load->next;
    *event = load->next - 1 - (x >> 8) % among;
    return true;
}

static int hand_over(struct load *load, wb_publisher *publisher, char letter, uint64_t number,
                     struct wb_error *err) {
    static const wb_stage stages[] = {WB_STAGE(RECEIVED), WB_STAGE(ACCEPTED),
                                      WB_STAGE(UNDER_REVIEW), WB_STAGE(GRANTED)};
    char id[32], case_no[64];
    wb_event event = WB_EVENT_INIT;
    name_event(number, id, sizeof id);
    snprintf(case_no, sizeof case_no, "%s-%" PRIu64, load->source, number / 4);
    event.event_id = id;
    event.case_no = case_no;
    event.stage = stages[number % 4];
    event.occurred_at_us = BEGIN_US + (int64_t)number * 1000000;
    event.utc_offset_minutes = 480;
    record_line(load->record, "%c %" PRId64 " %s", letter, monotonic_us(), id);
    while (wb_publisher_send(publisher, &event, NULL, err)) {
        if (err->code != WB_E_SPOOL || !err->retriable)
            return -1;
        record_line(load->record, "N %" PRId64 " %s %s", monotonic_us(), id, err->detail);
        if (ending || wb_publisher_poll(publisher, AGAIN_MS, err))
            return ending ? 0 : -1;
    }
    record_line(load->record, "K %" PRId64 " %s", monotonic_us(), id);
    return 0;
}

static int send_next(struct load *load, wb_publisher *publisher, struct wb_error *err) {
    uint64_t again;
    if (earlier(load, &again) && hand_over(load, publisher, 'P', again, err))
        return -1;
    if (hand_over(load, publisher, 'S', load->next, err))
        return -1;
    load->next++;
    return 0;
}

/* Whoever was killed in the middle of a hand-over does not know what came of it. Were it left at
 * that, a later repeat could be what takes the event, behind others that were sent after it. */
static int resume(struct load *load, wb_publisher *publisher, struct wb_error *err) {
    return load->next ? hand_over(load, publisher, 'P', load->next - 1, err) : 0;
}

static int publish(struct load *load, wb_publisher *publisher, struct wb_error *err) {
    int64_t step_us = load->rate ? (int64_t)(1000000 / load->rate) : 0;
    if (resume(load, publisher, err))
        return -1;
    int64_t due_us = monotonic_us();
    while (!ending) {
        int64_t now_us = monotonic_us();
        if (due_us < now_us - CATCH_UP_US)
            due_us = now_us - CATCH_UP_US;
        if (due_us > now_us) {
            if (wb_publisher_poll(publisher, (int)((due_us - now_us) / 1000) + 1, err))
                return -1;
            continue;
        }
        if (send_next(load, publisher, err))
            return -1;
        due_us += step_us;
    }
    return wb_publisher_flush(publisher, -1, err);
}

/* Where a run before this one came to. */
static int open_record(struct load *load) {
    char last[256];
    load->record = record_open(load->path, "S", last, sizeof last, &load->next);
    return load->record < 0 ? -1 : 0;
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Publishes made-up events and writes down what was sent and acknowledged.";
    struct load load = {.rate = 500};
    settings_read(settings, doc, argc, argv, &load);
    signal(SIGTERM, on_signal);
    if (open_record(&load))
        return 2;
    struct wb_publisher_options how = {
        .client = "faults-load",
        .receipt = on_receipt,
        .session = on_session,
        .arg = &load,
        .spool = load.spool,
    };
    struct wb_error err = {0};
    wb_publisher *publisher = wb_publisher_open(load.ingest, load.source, &how, &err);
    int failed = publisher ? publish(&load, publisher, &err) : -1;
    if (failed) {
        record_line(load.record, "F %" PRId64 " %s: %s", monotonic_us(), err.message, err.detail);
        fprintf(stderr, "faults-load: %s: %s\n", err.message, err.detail);
    }
    wb_publisher_close(publisher);
    return failed != 0;
}
