#include "tests/bench/pace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/timestamp.h"
#include "proto/problem.h"

#define FLUSH_MS 20000
#define NAP_US   30

/* The tag is where the code of an opened case belongs; afterwards, when the event was sent. */
static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct pace *pace = arg;
    const _Atomic int64_t *sent_us = receipt->tag;
    if (receipt->refusal) {
        pace->refused++;
        pace->err = *receipt->refusal;
    } else if (!pace->running) {
        snprintf(receipt->tag, PACE_CODE, "%s", receipt->code);
    } else {
        spread_add(&pace->acknowledge, monotonic_us() - *sent_us);
    }
}

static int open_cases(struct pace *pace, struct wb_error *err) {
    for (size_t i = 0; i < pace->cases; i++) {
        const wb_event *event = office_opening(&pace->office, i);
        if (wb_publisher_send(pace->publisher, event, pace->codes[i], err))
            return -1;
    }
    if (wb_publisher_flush(pace->publisher, FLUSH_MS, err))
        return -1;
    if (pace->refused == 0)
        return 0;
    *err = pace->err;
    return -1;
}

int pace_open(struct pace *pace, struct wb_error *err) {
    struct wb_publisher_options options = {
        .client = "bench-pace", .want_codes = true, .receipt = on_receipt, .arg = pace};
    office_init(&pace->office, false);
    pace->codes = calloc(pace->cases, sizeof *pace->codes);
    pace->sent_us = calloc(pace->events, sizeof *pace->sent_us);
    if (!pace->codes || !pace->sent_us || !spread_init(&pace->acknowledge, pace->events))
        return problem(err, WB_E_SYSTEM, "out of memory");
    pace->publisher = wb_publisher_open(pace->ingest, pace->source, &options, err);
    return pace->publisher ? open_cases(pace, err) : -1;
}

void pace_path(const void *arg, size_t index, char *path, size_t size) {
    const struct pace *pace = arg;
    size_t number = index % pace->cases;
    snprintf(path, size, "/api/v1/cases/followed-%zu/%s/events", number, pace->codes[number]);
}

/* Handles receipts until the event is due. The publisher's timeout is in milliseconds, so what is
 * left of the last one passes in naps: an event is sent at its time, not at the next millisecond.
 */
static int wait_until(struct pace *pace, int64_t due_us) {
    for (int64_t now_us; (now_us = monotonic_us()) < due_us;) {
        int64_t left_us = due_us - now_us;
        if (pace_poll(pace, (int)(left_us / 1000)))
            return -1;
        if (left_us < 1000) {
            int64_t nap_us = left_us < NAP_US ? left_us : NAP_US;
            nanosleep(&(struct timespec){.tv_nsec = nap_us * 1000}, NULL);
        }
    }
    return 0;
}

int pace_send(struct pace *pace, uint64_t number) {
    char step[sizeof PACE_MARK + PACE_DIGITS + 12];
    snprintf(step, sizeof step, PACE_MARK "%0*" PRIu64, PACE_DIGITS, number);
    const wb_event *event = office_step(&pace->office, number % pace->cases, number, step);
    pace->running = true;
    pace->sent_us[number] = monotonic_us();
    return wb_publisher_send(pace->publisher, event, &pace->sent_us[number], &pace->err);
}

int pace_poll(struct pace *pace, int timeout_ms) {
    return wb_publisher_poll(pace->publisher, timeout_ms, &pace->err);
}

static int send_due(struct pace *pace, uint64_t number, int64_t due_us) {
    int64_t late_us = monotonic_us() - due_us;
    if (late_us > pace->late_us_max)
        pace->late_us_max = late_us;
    return pace_send(pace, number);
}

static void *run(void *arg) {
    struct pace *pace = arg;
    prctl(PR_SET_TIMERSLACK, 1000); /* ns: naps that end when they should */
    int64_t began_us = monotonic_us();
    for (uint64_t i = 0; i < pace->events && !pace->failed; i++) {
        int64_t due_us = began_us + (int64_t)(i * 1000000 / pace->rate);
        pace->failed = wait_until(pace, due_us) || send_due(pace, i, due_us);
    }
    if (!pace->failed)
        pace->failed = wb_publisher_flush(pace->publisher, FLUSH_MS, &pace->err);
    return NULL;
}

int pace_start(struct pace *pace, struct wb_error *err) {
    pace->running = true;
    int error = pthread_create(&pace->thread, NULL, run, pace);
    if (error == 0)
        return 0;
    pace->running = false;
    return problem(err, WB_E_SYSTEM, "pthread_create: error %d", error);
}

int pace_end(struct pace *pace, struct wb_error *err) {
    pthread_join(pace->thread, NULL);
    if (!pace->failed && pace->refused == 0)
        return 0;
    *err = pace->err;
    return -1;
}

void pace_free(struct pace *pace) {
    wb_publisher_close(pace->publisher);
    spread_free(&pace->acknowledge);
    free(pace->codes);
    free(pace->sent_us);
}
