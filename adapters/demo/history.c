#include "history.h"

#include "hours.h"

#include <math.h>
#include <stdlib.h>

#define SERIALS_A_CASE (1 + DISTRICT_PARTS)

uint64_t history_world(uint64_t seed, unsigned cases, unsigned days) {
    return course_mix(course_mix(seed, cases), days);
}

/* Cases in a working day. It does not depend on the date, so that every day keeps its cases. */
static double rate_of(unsigned cases, unsigned days) {
    return days ? cases * 7.0 / (days * 5.0) : 0;
}

bool history_fits(unsigned cases, unsigned days) {
    return days <= HISTORY_DAYS && rate_of(cases, days) <= HISTORY_DAY_CASES;
}

static struct course *new_course(struct history *history) {
    struct course **courses = realloc(history->courses, (history->count + 1) * sizeof(void *));
    if (!courses)
        return NULL;
    history->courses = courses;
    struct course *course = malloc(sizeof *course);
    if (course)
        courses[history->count++] = course;
    return course;
}

/* In office hours at the counter, one in four in the evening on the portal. */
static int64_t opening(uint64_t random, long day) {
    int minute =
        random % 4 ? 8 * 60 + 30 + (int)(random / 4 % 480) : 18 * 60 + (int)(random / 4 % 240);
    return hours_at(day, minute * 60 + (int)(random / 2048 % 60));
}

static bool add_parts(struct history *history, uint64_t world, const struct course *parent) {
    for (unsigned i = 0; i < DISTRICT_PARTS; i++) {
        struct course *course = new_course(history);
        if (!course)
            return false;
        course_init(course, world, plot_part(), district_parts[i], parent->serial + 1 + i,
                    hours_later(parent->at[PLOT_SHARED], 0.2 * (i + 1)), parent->case_no);
    }
    return true;
}

static bool add_case(struct history *history, uint64_t world, long day, unsigned index,
                     unsigned long number, int64_t now_us) {
    unsigned serial =
        COURSE_SERIAL_HISTORY + (unsigned)(world % 90) * COURSE_SERIALS + index * SERIALS_A_CASE;
    uint64_t random = course_mix(course_mix(world, (uint64_t)day), index);
    int64_t opened_us = opening(random, day);
    if (opened_us > now_us)
        return true;
    const struct plot *plot = plot_turn(number);
    struct course *course = new_course(history);
    if (!course)
        return false;
    course_init(course, world, plot, district_item(plot->class, random >> 20), serial, opened_us,
                "");
    return !plot->parts || add_parts(history, world, course);
}

static bool add_cases(struct history *history, uint64_t world, double rate, long from, long to,
                      int64_t now_us) {
    for (long day = from; day <= to; day++) {
        if (!hours_is_workday(day))
            continue;
        double before = floor((double)hours_ordinal(day) * rate);
        double after = floor((double)(hours_ordinal(day) + 1) * rate);
        for (unsigned i = 0; i < (unsigned)(after - before); i++)
            if (!add_case(history, world, day, i, (unsigned long)before + i, now_us))
                return false;
    }
    return true;
}

static int compare(const void *left, const void *right) {
    const struct history_step *a = left, *b = right;
    int64_t at = a->course->at[a->step], other = b->course->at[b->step];
    return at < other ? -1 : at > other;
}

static bool collect_steps(struct history *history, int64_t now_us) {
    history->steps = calloc(history->count * PLOT_STEPS + 1, sizeof *history->steps);
    if (!history->steps)
        return false;
    for (size_t i = 0; i < history->count; i++) {
        struct course *course = history->courses[i];
        for (size_t step = 0; step < course->length && course->at[step] <= now_us; step++)
            history->steps[history->step_count++] = (struct history_step){course, step};
    }
    qsort(history->steps, history->step_count, sizeof *history->steps, compare);
    return true;
}

bool history_make(struct history *history, uint64_t world, unsigned cases, unsigned days,
                  int64_t now_us) {
    *history = (struct history){0};
    long today = hours_day(now_us);
    return add_cases(history, world, rate_of(cases, days), today + 1 - (long)days, today, now_us) &&
           collect_steps(history, now_us);
}

void history_free(struct history *history) {
    for (size_t i = 0; i < history->count; i++)
        free(history->courses[i]);
    free(history->courses);
    free(history->steps);
    *history = (struct history){0};
}
