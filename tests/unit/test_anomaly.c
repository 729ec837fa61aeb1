/* What is marked in the history of a case, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/cases/anomaly.h"
#include "broker/cases/state.h"
#include "broker/journal/record.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "proto/field.h"

#define RECORDS 32
#define HOUR_US INT64_C(3600000000)
#define BASE_US INT64_C(1772380800000000) /* 2026-03-02 at +08:00 */

struct told {
    struct arena arena;
    struct buffer bytes[RECORDS];
    struct log_record records[RECORDS];
    size_t count;
    struct history history;
};

/* "3.14 RESUMED #id :step ?replaces" is what happened at two o'clock on the third day, "3 RECEIVED"
 * a date alone. A stage with ~ before it is a correction, with - alone a retraction. */
static void tell(struct told *t, char *text) {
    wb_event event = WB_EVENT_INIT;
    Waybill__V1__SpecialProcedure special = WAYBILL__V1__SPECIAL_PROCEDURE__INIT;
    char id[2] = {(char)('a' + t->count), '\0'}, *rest, *time = strtok_r(text, " ", &rest);
    char *stage = strtok_r(NULL, " ", &rest), *hour = strchr(time, '.');
    event.event_id = id;
    event.case_no = "A-1";
    event.date_only = !hour;
    event.occurred_at_us =
        BASE_US + (strtol(time, NULL, 10) * 24 + (hour ? strtol(hour + 1, NULL, 10) : 0)) * HOUR_US;
    if (stage[0] == '~' || stage[0] == '-')
        event.kind = *stage++ == '~' ? WAYBILL__V1__KIND__KIND_CORRECTION
                                     : WAYBILL__V1__KIND__KIND_RETRACTION;
    if (*stage)
        event.stage = (wb_stage)stage_parse(stage);
    for (char *more; (more = strtok_r(NULL, " ", &rest));) {
        if (more[0] == '#') {
            special.id = more + 1;
            event.special = &special;
        } else {
            *(more[0] == ':' ? &event.step : &event.replaces) = more + 1;
        }
    }
    struct buffer *bytes = &t->bytes[t->count];
    buffer_init(bytes, 0);
    bytes->length = waybill__v1__event__pack(
        &event, buffer_reserve(bytes, waybill__v1__event__get_packed_size(&event)));
    t->records[t->count] =
        (struct log_record){.offset = t->count + 1,
                            .source = "s",
                            .recorded_at_us = BASE_US + 99 * 24 * HOUR_US,
                            .event = {.data = bytes->data, .length = bytes->length}};
    t->count++;
}

static void tell_all(struct told *t, const char *story) {
    char text[1024], *rest;
    memset(t, 0, sizeof *t);
    arena_init(&t->arena, 1 << 20);
    snprintf(text, sizeof text, "%s", story);
    for (char *one = strtok_r(text, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
        tell(t, one + strspn(one, " "));
}

static void forget(struct told *t) {
    for (size_t i = 0; i < t->count; i++)
        buffer_free(&t->bytes[i]);
    arena_free(&t->arena);
}

/* "2 after_end; 4 without_grant ahead_of_time", by offset. */
static void expect_marks(const struct told *t, const char *expected) {
    char text[512] = "";
    for (uint64_t offset = 1; offset <= t->count; offset++)
        for (size_t i = 0; i < t->history.count; i++) {
            const Waybill__V1__Node *node = &t->history.nodes[i];
            size_t at = strlen(text);
            if (node->record->offset != offset || !node->n_anomalies)
                continue;
            at +=
                (size_t)snprintf(text + at, sizeof text - at, "%s%d", at ? "; " : "", (int)offset);
            for (size_t n = 0; n < node->n_anomalies; n++)
                at += (size_t)snprintf(text + at, sizeof text - at, " %s",
                                       anomaly_name((int)node->anomalies[n]));
        }
    assert_string_equal(text, expected);
}

static void judge(const char *story, bool whole, const char *expected) {
    struct told t;
    tell_all(&t, story);
    assert_true(history_build(t.records, t.count, &t.arena, &t.history));
    assert_true(anomaly_mark(&t.history, whole, &t.arena));
    expect_marks(&t, expected);
    forget(&t);
}

#define MARKS(story, expected) judge(story, true, expected)

static void the_usual_course_has_none(void **state) {
    (void)state;
    MARKS("1.9 SUBMITTED, 1.10 RECEIVED, 2.9 CORRECTION_REQUESTED, 3.9 CORRECTION_RECEIVED,"
          "3.10 CORRECTION_RECEIVED, 4.9 ACCEPTED, 4.10 UNDER_REVIEW, 5.9 SPECIAL_PROCEDURE #a,"
          "6.9 RESUMED #a, 6.10 EXTENDED, 7.9 FORWARDED, 8.9 UNDER_REVIEW, 9.9 GRANTED,"
          "9.10 GRANTED, 10.9 DELIVERED, 20.9 REVOKED, 21.9 CANCELLED",
          "");
    MARKS("1.9 RECEIVED, 2.9 CORRECTION_REQUESTED, 3.9 WITHDRAWN", "");
    MARKS("1.9 RECEIVED, 2.9 NOT_REQUIRED", "");
    MARKS("1.9 ACCEPTED, 2.9 REFUSED", "");
}

static void a_case_may_begin_anywhere(void **state) {
    (void)state;
    for (int stage = 1; stage <= WB_STAGE(CANCELLED); stage++) {
        char story[64];
        snprintf(story, sizeof story, "1.9 %s", stage_name(stage));
        MARKS(story, stage == WB_STAGE(RESUMED) ? "1 nothing_to_resume" : "");
    }
    MARKS("1.9 GRANTED, 2.9 DELIVERED", "");
    MARKS("1.9 UNDER_REVIEW, 2.9 GRANTED", "");
    MARKS("1.9 CORRECTION_RECEIVED, 2.9 CORRECTION_RECEIVED", "");
    MARKS("1.9 REVOKED, 2.9 CANCELLED", "");
}

static void what_follows_the_end_opens_the_case_again(void **state) {
    (void)state;
    MARKS("1.9 ACCEPTED, 2.9 GRANTED, 3.9 DELIVERED, 4.9 UNDER_REVIEW, 5.9 UNDER_REVIEW,"
          "6.9 DELIVERED, 7.9 ACCEPTED",
          "4 after_end; 7 after_end");
    MARKS("1.9 RECEIVED, 2.9 WITHDRAWN, 3.9 RECEIVED, 4.9 ACCEPTED, 5.9 REFUSED, 6.9 GRANTED",
          "3 after_end; 6 after_end");
    MARKS("1.9 ACCEPTED, 2.9 WITHDRAWN :archived, 3.9 WITHDRAWN :told", "");
    MARKS("1.9 NOT_ACCEPTED, 2.9 NOT_REQUIRED", "2 after_end");
    MARKS("1.9 CANCELLED, 2.9 REVOKED", "2 after_end");
}

static void a_decision_closes_what_comes_before_it(void **state) {
    (void)state;
    MARKS("1.9 ACCEPTED, 2.9 GRANTED, 3.9 CORRECTION_REQUESTED, 4.9 CORRECTION_RECEIVED,"
          "5.9 ACCEPTED, 6.9 GRANTED, 7.9 DELIVERED",
          "3 after_decision");
    MARKS("1.9 ACCEPTED, 2.9 GRANTED, 3.9 REFUSED", "3 after_decision");
    MARKS("1.9 ACCEPTED, 2.9 GRANTED, 3.9 EXTENDED", "3 after_decision");
    MARKS("1.9 ACCEPTED, 2.9 GRANTED, 3.9 UNDER_REVIEW, 4.9 WITHDRAWN", "");
    MARKS("1.9 RECEIVED, 3.9 GRANTED, 4.9 ACCEPTED", "2 without_acceptance; 3 after_decision");
}

static void a_case_is_accepted_once(void **state) {
    (void)state;
    MARKS("1.9 ACCEPTED, 2.9 ACCEPTED", "2 after_acceptance");
    MARKS("1.9 ACCEPTED, 2.9 UNDER_REVIEW, 3.9 ACCEPTED, 4.9 NOT_ACCEPTED",
          "3 after_acceptance; 4 after_acceptance");
    MARKS("1.9 ACCEPTED :窗口受理, 2.9 ACCEPTED :受理通知", "");
    MARKS("1.9 UNDER_REVIEW, 2.9 ACCEPTED", "");
}

static void what_is_missing_is_marked_once(void **state) {
    (void)state;
    MARKS("1.9 RECEIVED, 2.9 GRANTED, 3.9 GRANTED, 4.9 DELIVERED", "2 without_acceptance");
    MARKS("1.9 RECEIVED, 2.9 REFUSED", "2 without_acceptance");
    MARKS("1.9 RECEIVED, 2.9 DELIVERED", "2 without_acceptance without_grant");
    MARKS("1.9 ACCEPTED, 2.9 DELIVERED, 3.9 REVOKED", "2 without_grant");
    MARKS("1.9 ACCEPTED, 2.9 REVOKED", "2 without_grant");
    MARKS("1.9 ACCEPTED, 2.9 REFUSED, 3.9 DELIVERED", "3 after_end without_grant");
    MARKS("1.9 RECEIVED, 2.9 CORRECTION_RECEIVED, 3.9 CORRECTION_RECEIVED", "2 without_request");
}

static void a_special_procedure_ends_by_its_id(void **state) {
    (void)state;
    MARKS("1.9 ACCEPTED, 2.9 RESUMED", "2 nothing_to_resume");
    MARKS("1.9 SPECIAL_PROCEDURE #a, 2.9 SPECIAL_PROCEDURE #b, 3.9 RESUMED #a, 4.9 RESUMED #a,"
          "5.9 RESUMED, 6.9 RESUMED #b",
          "4 nothing_to_resume; 6 nothing_to_resume");
    MARKS("1.9 SPECIAL_PROCEDURE, 2.9 RESUMED #a, 3.9 RESUMED", "2 nothing_to_resume");
    MARKS("1.9 SPECIAL_PROCEDURE, 2.9 WITHDRAWN, 3.9 RESUMED", "3 after_end nothing_to_resume");
}

static void a_date_alone_may_be_any_time_of_its_day(void **state) {
    (void)state;
    MARKS("1 DELIVERED, 1.15 UNDER_REVIEW", "");
    MARKS("1 DELIVERED, 2 UNDER_REVIEW", "2 after_end");
    MARKS("1 GRANTED, 1.15 ACCEPTED, 2.9 ACCEPTED", "3 after_decision");
    MARKS("1.9 RECEIVED, 2 GRANTED, 2.10 ACCEPTED", "");
    MARKS("1.9 RECEIVED, 2 GRANTED, 3.9 ACCEPTED", "2 without_acceptance; 3 after_decision");
    MARKS("1 DELIVERED, 1 GRANTED, 1 ACCEPTED, 1 RECEIVED", "");
    MARKS("1 DELIVERED, 1 RECEIVED", "");
    MARKS("1 RECEIVED, 1 DELIVERED", "2 without_acceptance without_grant");
    MARKS("1.9 ACCEPTED, 2 RESUMED, 2.9 SPECIAL_PROCEDURE", "");
    MARKS("1.9 ACCEPTED, 2 RESUMED, 3 SPECIAL_PROCEDURE", "2 nothing_to_resume");
    MARKS("1 ACCEPTED, 1 ACCEPTED", "");
}

static void the_order_is_that_in_which_things_happened(void **state) {
    (void)state;
    MARKS("1.9 RECEIVED, 3.9 GRANTED, 2.9 ACCEPTED", "");
    MARKS("1.9 RECEIVED, 3.9 ACCEPTED, 2.9 REFUSED", "2 after_end; 3 without_acceptance");
}

static void only_what_stands_is_judged(void **state) {
    (void)state;
    MARKS("1.9 RECEIVED, 2.9 GRANTED, 2.9 ~ACCEPTED ?b, 3.9 GRANTED", "");
    MARKS("1.9 RECEIVED, 2.9 WITHDRAWN, 3.9 - ?b, 4.9 ACCEPTED", "");
    MARKS("1.9 ACCEPTED, 2.9 - ?a, 3.9 ACCEPTED", "");
}

static void an_amendment_of_nothing(void **state) {
    (void)state;
    MARKS("1.9 RECEIVED, 2.9 - ?z, 3.9 ~ACCEPTED ?z, 4.9 ~RECEIVED ?z",
          "2 nothing_to_amend; 3 nothing_to_amend; 4 nothing_to_amend");
}

static void what_happened_after_it_was_recorded(void **state) {
    struct told t;
    (void)state;
    tell_all(&t, "1.9 ACCEPTED, 2.9 GRANTED, 3.9 - ?z");
    t.records[0].recorded_at_us = BASE_US + (24 + 9) * HOUR_US - 300000000;
    t.records[1].recorded_at_us = BASE_US + (48 + 9) * HOUR_US - 300000001;
    t.records[2].recorded_at_us = BASE_US;
    assert_true(history_build(t.records, t.count, &t.arena, &t.history));
    assert_true(anomaly_mark(&t.history, true, &t.arena));
    expect_marks(&t, "2 ahead_of_time; 3 nothing_to_amend ahead_of_time");
    forget(&t);
}

static void nothing_is_missing_where_not_all_was_read(void **state) {
    (void)state;
    judge("1.9 RECEIVED, 2.9 DELIVERED, 3.9 RESUMED, 4.9 - ?z", false, "3 after_end");
}

static void without_memory_it_says_so(void **state) {
    struct told t;
    (void)state;
    tell_all(&t, "1.9 RECEIVED, 2.9 GRANTED");
    assert_true(history_build(t.records, t.count, &t.arena, &t.history));
    t.arena.max = t.arena.used;
    assert_false(anomaly_mark(&t.history, true, &t.arena));
    forget(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_course_has_none),
        cmocka_unit_test(a_case_may_begin_anywhere),
        cmocka_unit_test(what_follows_the_end_opens_the_case_again),
        cmocka_unit_test(a_decision_closes_what_comes_before_it),
        cmocka_unit_test(a_case_is_accepted_once),
        cmocka_unit_test(what_is_missing_is_marked_once),
        cmocka_unit_test(a_special_procedure_ends_by_its_id),
        cmocka_unit_test(a_date_alone_may_be_any_time_of_its_day),
        cmocka_unit_test(the_order_is_that_in_which_things_happened),
        cmocka_unit_test(only_what_stands_is_judged),
        cmocka_unit_test(an_amendment_of_nothing),
        cmocka_unit_test(what_happened_after_it_was_recorded),
        cmocka_unit_test(nothing_is_missing_where_not_all_was_read),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
