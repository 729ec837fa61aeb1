/* faults-follow: follows the log through the subscriber library and keeps a record of what it saw.
 *
 * Each line of the record: E OFFSET SOURCE ID RECORDED_AT_US TIME (CLOCK_MONOTONIC, microseconds).
 * The record is the stored cursor: started again on it, it goes on behind its last line. It ends by
 * SIGTERM, or with the event of offset --until; F and words is written when it cannot go on. */
#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/subscriber.h>

#include "common/timestamp.h"
#include "tests/faults/record.h"

#define LOOK_MS 100 /* how soon a signal is seen */

struct follow {
    const char *streams, *path;
    uint64_t until, cursor;
    int record;
};

static volatile sig_atomic_t ending;

static const struct argp_option options[] = {
    {"streams", 's', "ENDPOINT", 0, "what to follow", 0},
    {"record", 'o', "FILE", 0, "what was seen", 0},
    {"until", 'u', "OFFSET", 0, "the last event that is wanted", 0},
    {0},
};

static error_t take_option(int key, char *text, struct argp_state *state) {
    struct follow *follow = state->input;
    char *end = NULL;
    switch (key) {
    case 's':
        follow->streams = text;
        return 0;
    case 'o':
        follow->path = text;
        return 0;
    case 'u':
        follow->until = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end)
            argp_error(state, "--until '%s' is not an offset", text);
        return 0;
    case ARGP_KEY_END:
        if (!follow->streams || !follow->path)
            argp_error(state, "--streams and --record are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

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
    static const struct argp argp = {
        .options = options, .parser = take_option, .doc = "Writes down what the log shows."};
    struct follow follow = {.until = UINT64_MAX};
    argp_parse(&argp, argc, argv, 0, NULL, &follow);
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
