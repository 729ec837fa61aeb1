/* faults-follow: follows the log through the subscriber library and keeps a record of what it saw.
 *
 * Each line of the record: E OFFSET SOURCE ID RECORDED_AT_US TIME (CLOCK_MONOTONIC, microseconds).
 * The record is the stored cursor: started again on it, it goes on behind its last line. It ends by
 * SIGTERM, or with the event of offset --until; F and words is written when it cannot go on. */
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/subscriber.h>

#include "common/timestamp.h"
#include "tests/faults/record.h"
#include "tests/support/setting.h"

#define LOOK_MS 100 /* how soon a signal is seen */

struct follow {
    const char *streams, *path;
    uint64_t until, cursor;
    int record;
};

static volatile sig_atomic_t ending;

static const struct setting settings[] = {
    {"streams", 's', "ENDPOINT", "what to follow", SETTING_TEXT,
     .at = offsetof(struct follow, streams), .needed = true},
    {"record", 'o', "FILE", "what was seen", SETTING_TEXT, .at = offsetof(struct follow, path),
     .needed = true},
    {"until", 'u', "OFFSET", "the last event that is wanted", SETTING_NUMBER,
     .at = offsetof(struct follow, until)},
    {0},
};

static void on_signal(int signal) {
    (void)signal;
    ending = 1;
}

static void note(const struct follow *follow, const wb_record *record) {
    record_line(follow->record, "E %" PRIu64 " %s %s %" PRId64 " %" PRId64, record->offset,
                record->source, record->event->event_id, record->recorded_at_us, monotonic_us());
}

static int read_log(struct follow *follow, wb_subscription *log, struct wb_error *err) {
    const wb_record *record;
    while (!ending && follow->cursor < follow->until) {
        int got = wb_subscription_next(log, LOOK_MS, &record, err);
        if (got < 0)
            return -1;
        if (got == 1) {
            note(follow, record);
            follow->cursor = record->offset;
        }
    }
    return 0;
}

static int open_record(struct follow *follow) {
    char last[512];
    uint64_t lines;
    follow->record = record_open(follow->path, "E", last, sizeof last, &lines);
    if (follow->record < 0)
        return -1;
    follow->cursor = last[0] ? strtoull(last + 2, NULL, 10) : 0;
    return 0;
}

int main(int argc, char **argv) {
    static const char doc[] = "Writes down what the log shows.";
    struct follow follow = {.until = UINT64_MAX};
    settings_read(settings, doc, argc, argv, &follow);
    signal(SIGTERM, on_signal);
    if (open_record(&follow))
        return 2;
    struct wb_error err = {0};
    wb_subscriber *subscriber = wb_subscriber_open(follow.streams, NULL, &err);
    wb_subscription *log =
        subscriber ? wb_subscribe(subscriber, follow.cursor, NULL, NULL, NULL, &err) : NULL;
    int failed = log ? read_log(&follow, log, &err) : -1;
    if (failed) {
        record_line(follow.record, "F %s: %s", err.message, err.detail);
        fprintf(stderr, "faults-follow: %s: %s\n", err.message, err.detail);
    }
    wb_subscriber_close(subscriber);
    return failed != 0;
}
