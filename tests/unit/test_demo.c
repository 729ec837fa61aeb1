#include "history.h"
#include "hours.h"
#include "proto/field.h"
#include "proto/validate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRIDAY     INT64_C(1795136400000000) /* 2026-11-20 09:00 in China */
#define DAY_US     INT64_C(86400000000)
#define CASES      60
#define DAYS       45
#define FRIDAY_DAY 20777

static void test_office_hours(void **state) {
    (void)state;
    char text[HOURS_DATE_TEXT];
    assert_int_equal(hours_day(FRIDAY), FRIDAY_DAY);
    assert_string_equal(hours_date_text(FRIDAY_DAY, text), "2026-11-20");
    assert_int_equal(hours_second(FRIDAY), 9 * 3600);
    assert_int_equal(hours_second(FRIDAY - 1), 9 * 3600 - 1);
    assert_int_equal(hours_at(FRIDAY_DAY, 9 * 3600), FRIDAY);
    assert_int_equal(hours_later(FRIDAY, 1), hours_at(FRIDAY_DAY, 10 * 3600));
    assert_int_equal(hours_later(FRIDAY, 3.5), hours_at(FRIDAY_DAY, 14 * 3600));
    assert_int_equal(hours_later(FRIDAY, 6.5), hours_at(FRIDAY_DAY + 3, 9 * 3600));
    assert_int_equal(hours_later(hours_at(FRIDAY_DAY + 1, 0), 1), hours_at(FRIDAY_DAY + 3, 36000));
    assert_int_equal(hours_workday_after(FRIDAY_DAY, 1), FRIDAY_DAY + 3);
    assert_false(hours_is_workday(FRIDAY_DAY + 1));
    for (long day = FRIDAY_DAY; day < FRIDAY_DAY + 20; day++)
        assert_int_equal(hours_ordinal(day + 1) - hours_ordinal(day), hours_is_workday(day));
}

/* Every step of a course, as the broker would judge it. */
static void check_course(const struct course *course, unsigned *stages) {
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t step = 0; step < course->length; step++) {
        struct wb_error err;
        arena_reset(&arena);
        wb_event *event = course_event(course, step, &arena);
        assert_non_null(event);
        if (event_validate(event, &err))
            fail_msg("%s, step %zu: %s: %s", course->item->name, step, err.message, err.detail);
        for (size_t i = 0; i < event->n_notices; i++) {
            assert_null(strpbrk(event->notices[i]->text, "{}"));
            assert_true(*event->notices[i]->text);
        }
        assert_null(strpbrk(event->step, "{}"));
        assert_true(event->stage == WB_STAGE(SUBMITTED) || event->handler);
        *stages |= 1U << event->stage;
        if (step)
            assert_true(course->at[step] > course->at[step - 1]);
    }
    arena_free(&arena);
}

static void test_all_that_can_be_told_is_valid(void **state) {
    (void)state;
    unsigned stages = 0;
    struct course course;
    for (unsigned long turn = 0; turn < 40; turn++)
        for (size_t i = 0; i < district_item_count; i++) {
            const struct plot *plot = plot_turn(turn);
            if (district_items[i].class != plot->class)
                continue;
            course_init(&course, turn, plot, &district_items[i], 7, FRIDAY, "");
            check_course(&course, &stages);
        }
    for (size_t i = 0; i < DISTRICT_PARTS; i++) {
        course_init(&course, 1, plot_part(), district_parts[i], 8, FRIDAY, "3204112026112000007");
        check_course(&course, &stages);
    }
    for (int stage = WB_STAGE(SUBMITTED); stage <= WB_STAGE(CANCELLED); stage++)
        if (!(stages & 1U << stage))
            fail_msg("no case ever comes to %s", stage_name(stage));
}

static void test_sample_is_in_the_middle(void **state) {
    (void)state;
    unsigned stages = 0;
    struct course sample;
    for (int day = 0; day < 7; day++) {
        int64_t now_us = hours_at(FRIDAY_DAY + day, 60);
        course_init(&sample, 1, &plot_sample, district_sample, COURSE_SERIAL_SAMPLE,
                    hours_at(FRIDAY_DAY + day - 9, 20 * 3600), "");
        assert_true(sample.at[PLOT_SAMPLE_BEHIND - 1] < now_us);
        check_course(&sample, &stages);
    }
    assert_int_equal(plot_step(&plot_sample, 2)->stage, WB_STAGE(CORRECTION_REQUESTED));
    assert_true(sample.length > 50);
}

static const struct course *find(const struct history *history, const char *case_no) {
    for (size_t i = 0; i < history->count; i++)
        if (!strcmp(history->courses[i]->case_no, case_no))
            return history->courses[i];
    return NULL;
}

/* What was published on one day is told the same way on another: the log knows it already. */
static void test_history_does_not_change(void **state) {
    (void)state;
    struct history first, later;
    uint64_t world = history_world(1, CASES, DAYS);
    assert_true(history_make(&first, world, CASES, DAYS, FRIDAY));
    assert_in_range(first.count, CASES - 10, CASES + 15);
    for (int days = 0; days < 7; days++) {
        assert_true(history_make(&later, world, CASES, DAYS, FRIDAY + days * DAY_US));
        size_t same = 0;
        for (size_t i = 0; i < first.count; i++) {
            const struct course *a = first.courses[i], *b = find(&later, a->case_no);
            if (!b)
                continue;
            same++;
            assert_ptr_equal(a->plot, b->plot);
            assert_ptr_equal(a->item, b->item);
            assert_memory_equal(a->at, b->at, sizeof a->at);
        }
        assert_in_range(same, first.count - 3 * (size_t)days, first.count);
        history_free(&later);
    }
    history_free(&first);
}

static void test_history_is_in_order(void **state) {
    (void)state;
    struct history history;
    assert_true(history_make(&history, 7, CASES, DAYS, FRIDAY));
    for (size_t i = 0; i < history.step_count; i++) {
        const struct history_step *step = &history.steps[i];
        assert_true(step->course->at[step->step] <= FRIDAY);
        if (i)
            assert_true(step[-1].course->at[step[-1].step] <= step->course->at[step->step]);
    }
    for (size_t i = 0; i < history.count; i++)
        assert_ptr_equal(find(&history, history.courses[i]->case_no), history.courses[i]);
    history_free(&history);
}

static void test_limits(void **state) {
    (void)state;
    struct history history;
    assert_true(history_fits(0, 0));
    assert_true(history_fits(100, 7));
    assert_false(history_fits(101, 7));
    assert_false(history_fits(10, HISTORY_DAYS + 1));
    assert_true(history_make(&history, 1, 0, 0, FRIDAY));
    assert_int_equal(history.step_count, 0);
    history_free(&history);
    assert_true(history_make(&history, 1, 5714, HISTORY_DAYS, FRIDAY));
    assert_in_range(history.count, 5000, 8000);
    history_free(&history);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_office_hours),
        cmocka_unit_test(test_all_that_can_be_told_is_valid),
        cmocka_unit_test(test_sample_is_in_the_middle),
        cmocka_unit_test(test_history_does_not_change),
        cmocka_unit_test(test_history_is_in_order),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("demo", tests, NULL, NULL);
}
