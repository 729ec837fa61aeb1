#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/cases/state.h"
#include "broker/journal/record.h"
#include "common/arena.h"
#include "common/buffer.h"

#define RECORDS 16

struct fixture {
    struct arena arena;
    struct buffer bytes[RECORDS];
    struct log_record records[RECORDS];
    size_t count;
    struct history history;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    arena_init(&f->arena, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < f->count; i++)
        buffer_free(&f->bytes[i]);
    arena_free(&f->arena);
    free(f);
    return 0;
}

/* The next event of the log: its offset is its place, its id the offset as a letter. */
static void given(struct fixture *f, int64_t occurred_at_us, wb_stage stage, Waybill__V1__Kind kind,
                  const char *replaces) {
    wb_event event = WB_EVENT_INIT;
    char id[2] = {(char)('a' + f->count), '\0'};
    event.event_id = id;
    event.case_no = "A-1";
    event.occurred_at_us = occurred_at_us;
    event.stage = stage;
    event.kind = kind;
    event.replaces = (char *)replaces;
    struct buffer *bytes = &f->bytes[f->count];
    buffer_init(bytes, 0);
    bytes->length = waybill__v1__event__pack(
        &event, buffer_reserve(bytes, waybill__v1__event__get_packed_size(&event)));
    f->records[f->count] =
        (struct log_record){.offset = f->count + 1,
                            .source = "s",
                            .recorded_at_us = 1,
                            .event = {.data = bytes->data, .length = bytes->length}};
    f->count++;
}

static void progress(struct fixture *f, int64_t at, wb_stage stage) {
    given(f, at, stage, WAYBILL__V1__KIND__KIND_PROGRESS, "");
}

static void correction(struct fixture *f, int64_t at, wb_stage stage, const char *replaces) {
    given(f, at, stage, WAYBILL__V1__KIND__KIND_CORRECTION, replaces);
}

static void retraction(struct fixture *f, int64_t at, const char *replaces) {
    given(f, at, WB_STAGE(UNSPECIFIED), WAYBILL__V1__KIND__KIND_RETRACTION, replaces);
}

static void build(struct fixture *f) {
    assert_true(history_build(f->records, f->count, &f->arena, &f->history));
    assert_int_equal(f->history.count, f->count);
}

/* The history's nodes as "offset+standing[by]", in order: c current, x corrected, r retracted, u
 * unmatched. */
static void expect_history(struct fixture *f, const char *expected) {
    static const char marks[] = "cxru";
    char text[256] = "";
    for (size_t i = 0; i < f->history.count; i++) {
        const Waybill__V1__Node *n = &f->history.nodes[i];
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%d%c", i ? " " : "", (int)n->record->offset,
                 marks[n->standing]);
        if (n->replaced_by)
            snprintf(text + strlen(text), 8, "%d", (int)n->replaced_by);
    }
    assert_string_equal(text, expected);
}

static void the_last_that_happened_is_the_state(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    progress(f, 30, WB_STAGE(UNDER_REVIEW));
    progress(f, 40, WB_STAGE(UNDER_REVIEW));
    progress(f, 20, WB_STAGE(ACCEPTED)); /* arrives late: it changes the past */
    build(f);
    expect_history(f, "1c 4c 2c 3c");
    assert_int_equal(f->history.state.stage, WB_STAGE(UNDER_REVIEW));
    assert_int_equal(f->history.state.since_us, 30);
    assert_int_equal(f->history.state.opened_at_us, 10);
    assert_int_equal(f->history.state.current_offset, 3);
    assert_int_equal(f->history.state.last_offset, 4);
    assert_int_equal(f->history.state.events, 4);
    assert_false(f->history.state.ended);
}

static void one_instant_keeps_the_order_of_the_log(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        progress(f, 7, i == 4 ? WB_STAGE(REFUSED) : WB_STAGE(UNDER_REVIEW));
    build(f);
    expect_history(f, "1c 2c 3c 4c 5c");
    assert_true(f->history.state.ended);
}

static void a_correction_stands_in_the_place(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    progress(f, 20, WB_STAGE(GRANTED));
    correction(f, 20, WB_STAGE(REFUSED), "b");
    build(f);
    expect_history(f, "1c 2x3 3c");
    assert_int_equal(f->history.state.stage, WB_STAGE(REFUSED));
}

static void a_retraction_takes_away(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    progress(f, 20, WB_STAGE(GRANTED));
    retraction(f, 30, "b");
    build(f);
    expect_history(f, "1c 2r3 3c");
    assert_int_equal(f->history.state.stage, WB_STAGE(RECEIVED));
    assert_int_equal(f->history.state.current_offset, 1);
}

static void a_retracted_retraction_changes_nothing(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(GRANTED));
    retraction(f, 20, "a");
    retraction(f, 30, "b");
    build(f);
    expect_history(f, "1c 2r3 3c");
    assert_int_equal(f->history.state.stage, WB_STAGE(GRANTED));
}

static void the_newest_of_two_corrections_decides(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    correction(f, 10, WB_STAGE(ACCEPTED), "a");
    correction(f, 10, WB_STAGE(NOT_REQUIRED), "a");
    build(f);
    expect_history(f, "1x3 2x3 3c");
    assert_int_equal(f->history.state.stage, WB_STAGE(NOT_REQUIRED));
}

static void a_corrected_correction_still_replaces(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    correction(f, 10, WB_STAGE(ACCEPTED), "a");
    correction(f, 10, WB_STAGE(NOT_REQUIRED), "b");
    build(f);
    expect_history(f, "1x2 2x3 3c");
}

static void a_place_that_a_newer_one_took_is_not_taken_twice(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    correction(f, 10, WB_STAGE(ACCEPTED), "a");
    correction(f, 10, WB_STAGE(NOT_REQUIRED), "b");
    correction(f, 10, WB_STAGE(NOT_ACCEPTED), "a");
    build(f);
    expect_history(f, "1x4 2x4 3x4 4c");
}

static void what_stood_for_a_retracted_event_goes_with_it(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    progress(f, 20, WB_STAGE(GRANTED));
    correction(f, 20, WB_STAGE(REFUSED), "b");
    correction(f, 20, WB_STAGE(TERMINATED), "c");
    retraction(f, 30, "b");
    build(f);
    expect_history(f, "1c 2r5 3r5 4r5 5c");
    assert_int_equal(f->history.state.stage, WB_STAGE(RECEIVED));
}

static void an_amendment_of_nothing_is_kept_and_marked(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    retraction(f, 20, "z");
    correction(f, 30, WB_STAGE(ACCEPTED), "y");
    correction(f, 5, WB_STAGE(SUBMITTED), "d"); /* names itself */
    build(f);
    expect_history(f, "4u 1c 2u 3u");
    assert_int_equal(f->history.state.stage, WB_STAGE(ACCEPTED));
}

static void another_source_cannot_amend(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    retraction(f, 20, "a");
    f->records[1].source = "other";
    build(f);
    expect_history(f, "1c 2u");
}

static void with_all_retracted_there_is_no_state(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    retraction(f, 20, "a");
    build(f);
    assert_int_equal(f->history.state.current_offset, 0);
    assert_int_equal(f->history.state.stage, WB_STAGE(UNSPECIFIED));
    assert_false(f->history.state.ended);
}

static void bytes_that_are_no_event_are_told(void **state) {
    struct fixture *f = *state;
    progress(f, 10, WB_STAGE(RECEIVED));
    f->records[0].event.length--;
    assert_false(history_build(f->records, f->count, &f->arena, &f->history));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(the_last_that_happened_is_the_state),
        CASE(one_instant_keeps_the_order_of_the_log),
        CASE(a_correction_stands_in_the_place),
        CASE(a_retraction_takes_away),
        CASE(a_retracted_retraction_changes_nothing),
        CASE(the_newest_of_two_corrections_decides),
        CASE(a_corrected_correction_still_replaces),
        CASE(a_place_that_a_newer_one_took_is_not_taken_twice),
        CASE(what_stood_for_a_retracted_event_goes_with_it),
        CASE(an_amendment_of_nothing_is_kept_and_marked),
        CASE(another_source_cannot_amend),
        CASE(with_all_retracted_there_is_no_state),
        CASE(bytes_that_are_no_event_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
