#include "subscribers/gateway/inquiry.h"

#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "subscribers/gateway/meter.h"

struct inquirer {
    wb_subscriber *subscriber;
    int timeout_ms;
    struct inquiry *open;
};

struct inquiry {
    struct inquirer *inquirer;
    struct inquiry *previous, *next;
    inquiry_fn *answered; /* NULL: cancelled */
    void *arg;
    int64_t asked_us;
};

struct inquirer *inquirer_new(wb_subscriber *subscriber, int timeout_ms) {
    struct inquirer *inquirer = calloc(1, sizeof *inquirer);
    if (inquirer)
        *inquirer = (struct inquirer){.subscriber = subscriber, .timeout_ms = timeout_ms};
    return inquirer;
}

static void release(struct inquiry *inquiry) {
    if (inquiry->previous)
        inquiry->previous->next = inquiry->next;
    else
        inquiry->inquirer->open = inquiry->next;
    if (inquiry->next)
        inquiry->next->previous = inquiry->previous;
    free(inquiry);
}

void inquirer_free(struct inquirer *inquirer) {
    if (!inquirer)
        return;
    for (struct inquiry *inquiry = inquirer->open, *next; inquiry; inquiry = next) {
        next = inquiry->next;
        free(inquiry);
    }
    free(inquirer);
}

static void on_answer(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct inquiry *inquiry = arg;
    inquiry_fn *answered = inquiry->answered;
    void *answered_arg = inquiry->arg;
    const char *outcome = answer                             ? "answered"
                          : err->code == WB_E_CASE_NOT_FOUND ? "not_found"
                                                             : "failed";
    meter_add(METER_QUESTIONS, outcome, 1);
    meter_observe_us(METER_QUESTION_TIME, monotonic_us() - inquiry->asked_us);
    release(inquiry);
    if (answered)
        answered(answered_arg, answer, err);
}

static bool plausible(const char *text) {
    size_t bytes = strlen(text);
    return bytes > 0 && bytes <= LIMIT_CASE_NO_BYTES;
}

struct inquiry *inquiry_ask(struct inquirer *inquirer, const char *case_no, const char *code,
                            inquiry_fn *answered, void *arg, struct wb_error *err) {
    if (!plausible(case_no) || !plausible(code)) {
        problem(err, WB_E_CASE_NOT_FOUND, "the number or the code is empty or too long");
        return NULL;
    }
    if (!wb_subscriber_up(inquirer->subscriber)) {
        problem(err, WB_E_NOT_READY, "no session with the broker is open");
        return NULL;
    }
    struct inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (!inquiry) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    *inquiry = (struct inquiry){.inquirer = inquirer,
                                .next = inquirer->open,
                                .answered = answered,
                                .arg = arg,
                                .asked_us = monotonic_us()};
    if (inquirer->open)
        inquirer->open->previous = inquiry;
    inquirer->open = inquiry;
    if (wb_case_request(inquirer->subscriber, case_no, code, 0, inquirer->timeout_ms, on_answer,
                        inquiry, err) == 0)
        return inquiry;
    release(inquiry);
    return NULL;
}

void inquiry_cancel(struct inquiry *inquiry) {
    if (inquiry)
        inquiry->answered = NULL;
}
