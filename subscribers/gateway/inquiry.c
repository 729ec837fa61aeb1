#include "subscribers/gateway/inquiry.h"

#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/wire.h"
#include "subscribers/gateway/meter.h"

#define ASKED_MAX   512   /* with the broker at once; less than the library allows */
#define WAITING_MAX 65536 /* for their turn; further ones are BUSY */

struct inquirer {
    wb_subscriber *subscriber;
    int timeout_ms;
    struct inquiry *asked;
    size_t asked_count;
    struct inquiry *first, *last; /* those that wait */
    size_t waiting_count;
};

struct inquiry {
    struct inquirer *inquirer;
    struct inquiry *previous, *next;
    inquiry_fn *answered; /* NULL: cancelled */
    void *arg;
    int64_t began_us;
    const char *code;
    char case_no[]; /* the code lies behind it */
};

struct inquirer *inquirer_new(wb_subscriber *subscriber, int timeout_ms) {
    struct inquirer *inquirer = calloc(1, sizeof *inquirer);
    if (inquirer) {
        inquirer->subscriber = subscriber;
        inquirer->timeout_ms = timeout_ms;
    }
    return inquirer;
}

static void free_list(struct inquiry *inquiry) {
    while (inquiry) {
        struct inquiry *next = inquiry->next;
        free(inquiry);
        inquiry = next;
    }
}

void inquirer_free(struct inquirer *inquirer) {
    if (!inquirer)
        return;
    free_list(inquirer->asked);
    free_list(inquirer->first);
    free(inquirer);
}

static struct inquiry *inquiry_new(struct inquirer *inquirer, const char *case_no,
                                   const char *code) {
    size_t case_bytes = strlen(case_no) + 1, code_bytes = strlen(code) + 1;
    struct inquiry *inquiry = calloc(1, sizeof *inquiry + case_bytes + code_bytes);
    if (!inquiry)
        return NULL;
    memcpy(inquiry->case_no, case_no, case_bytes);
    memcpy(inquiry->case_no + case_bytes, code, code_bytes);
    inquiry->code = inquiry->case_no + case_bytes;
    inquiry->inquirer = inquirer;
    inquiry->began_us = monotonic_us();
    return inquiry;
}

/* Tells and frees. In no list by now, so that the function may ask again. */
static void finish(struct inquiry *inquiry, const wb_case *answer, const struct wb_error *err) {
    const char *outcome = answer                             ? "answered"
                          : err->code == WB_E_CASE_NOT_FOUND ? "not_found"
                                                             : "failed";
    meter_add(METER_QUESTIONS, outcome, 1);
    meter_observe_us(METER_QUESTION_TIME, monotonic_us() - inquiry->began_us);
    if (inquiry->answered)
        inquiry->answered(inquiry->arg, answer, err);
    free(inquiry);
}

void inquirer_use(struct inquirer *inquirer, wb_subscriber *subscriber) {
    struct inquiry *asked = inquirer->asked, *next;
    struct wb_error err;
    inquirer->subscriber = subscriber;
    inquirer->asked = NULL;
    inquirer->asked_count = 0;
    problem(&err, WB_E_NOT_READY, "the session with the broker was opened anew");
    for (; asked; asked = next) {
        next = asked->next;
        finish(asked, NULL, &err);
    }
}

static void take_from_asked(struct inquiry *inquiry) {
    struct inquirer *inquirer = inquiry->inquirer;
    if (inquiry->previous)
        inquiry->previous->next = inquiry->next;
    else
        inquirer->asked = inquiry->next;
    if (inquiry->next)
        inquiry->next->previous = inquiry->previous;
    inquirer->asked_count--;
}

static void ask_waiting(struct inquirer *inquirer);

static void on_answer(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct inquiry *inquiry = arg;
    struct inquirer *inquirer = inquiry->inquirer;
    take_from_asked(inquiry);
    finish(inquiry, answer, err);
    ask_waiting(inquirer);
}

/* -1 and err if it cannot be asked: it is in no list then. */
static int ask(struct inquiry *inquiry, struct wb_error *err) {
    struct inquirer *inquirer = inquiry->inquirer;
    int64_t left_ms = inquirer->timeout_ms - (monotonic_us() - inquiry->began_us) / 1000;
    if (!wb_subscriber_up(inquirer->subscriber))
        return problem(err, WB_E_NOT_READY, "no session with the broker is open");
    if (left_ms <= 0)
        return problem(err, WB_E_TIMEOUT, "too many questions were waiting");
    if (wb_case_request(inquirer->subscriber, inquiry->case_no, inquiry->code, 0, (int)left_ms,
                        on_answer, inquiry, err))
        return -1;
    inquiry->previous = NULL;
    inquiry->next = inquirer->asked;
    if (inquirer->asked)
        inquirer->asked->previous = inquiry;
    inquirer->asked = inquiry;
    inquirer->asked_count++;
    return 0;
}

static struct inquiry *take_first(struct inquirer *inquirer) {
    struct inquiry *inquiry = inquirer->first;
    inquirer->first = inquiry->next;
    if (!inquirer->first)
        inquirer->last = NULL;
    inquirer->waiting_count--;
    return inquiry;
}

static void ask_waiting(struct inquirer *inquirer) {
    struct wb_error err;
    while (inquirer->first && inquirer->asked_count < ASKED_MAX) {
        struct inquiry *inquiry = take_first(inquirer);
        if (!inquiry->answered)
            free(inquiry);
        else if (ask(inquiry, &err))
            finish(inquiry, NULL, &err);
    }
}

static void wait_turn(struct inquiry *inquiry) {
    struct inquirer *inquirer = inquiry->inquirer;
    if (inquirer->last)
        inquirer->last->next = inquiry;
    else
        inquirer->first = inquiry;
    inquirer->last = inquiry;
    inquirer->waiting_count++;
}

/* The broker ends the session of a client that sends it what is no text: no stranger may bring that
 * about. */
bool inquiry_plausible(const char *text) {
    size_t bytes = strlen(text);
    return bytes > 0 && bytes <= LIMIT_CASE_NO_BYTES && wire_utf8(text, bytes, false);
}

struct inquiry *inquiry_ask(struct inquirer *inquirer, const char *case_no, const char *code,
                            inquiry_fn *answered, void *arg, struct wb_error *err) {
    if (!inquiry_plausible(case_no) || !inquiry_plausible(code)) {
        problem(err, WB_E_CASE_NOT_FOUND, "the number or the code cannot be one");
        return NULL;
    }
    if (inquirer->waiting_count >= WAITING_MAX) {
        problem(err, WB_E_BUSY, "%d questions wait for their turn", WAITING_MAX);
        return NULL;
    }
    struct inquiry *inquiry = inquiry_new(inquirer, case_no, code);
    if (!inquiry) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    inquiry->answered = answered;
    inquiry->arg = arg;
    if (inquirer->asked_count >= ASKED_MAX) {
        wait_turn(inquiry);
    } else if (ask(inquiry, err)) {
        free(inquiry);
        return NULL;
    }
    return inquiry;
}

void inquiry_cancel(struct inquiry *inquiry) {
    if (inquiry)
        inquiry->answered = NULL;
}
