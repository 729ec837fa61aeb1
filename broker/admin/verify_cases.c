/* The state of every case: as the broker computes it, and once more in another way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/admin/retell.h"
#include "broker/admin/rows.h"
#include "broker/admin/verification.h"
#include "broker/admin/verify_statements.h"
#include "broker/cases/state.h"
#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "common/arena.h"
#include "proto/problem.h"
#include "proto/validate.h"

/* A longer case is not shown as a whole either. */
#define CASE_EVENTS_MAX 4096
#define CASE_BYTES_MAX  ((size_t)16 << 20)
#define ARENA_BYTES     ((size_t)256 << 20)

enum { CASE_NO, OFFSET, SOURCE, RECORDED_AT, PAYLOAD };

struct cases {
    struct verification *v;
    struct arena arena; /* of the case that is being read */
    struct slice case_no;
    struct log_record records[CASE_EVENTS_MAX];
    struct retold_event events[CASE_EVENTS_MAX];
    size_t count, bytes;
    bool too_long;
    uint64_t read; /* rows so far */
};

static void name_case(const struct cases *c, char text[PROBLEM_VALUE]) {
    problem_value((const char *)c->case_no.data, c->case_no.length, text);
}

static void disagree(struct cases *c, const char *what, uint64_t broker, uint64_t plainly) {
    char name[PROBLEM_VALUE];
    name_case(c, name);
    verification_find(c->v, CHECK_CASES,
                      "case %s at offset %" PRIu64 ": %s is %" PRIu64 " to the broker, and %" PRIu64
                      " computed plainly",
                      name, c->records[c->count - 1].offset, what, broker, plainly);
}

static void compare_number(struct cases *c, const char *what, uint64_t broker, uint64_t plainly) {
    if (broker != plainly)
        disagree(c, what, broker, plainly);
}

static void compare_text(struct cases *c, const char *what, const char *broker,
                         const char *plainly) {
    char name[PROBLEM_VALUE], one[PROBLEM_VALUE], other[PROBLEM_VALUE];
    if (strcmp(broker, plainly) == 0)
        return;
    name_case(c, name);
    verification_find(c->v, CHECK_CASES,
                      "case %s at offset %" PRIu64 ": %s is %s to the broker, and %s computed "
                      "plainly",
                      name, c->records[c->count - 1].offset, what,
                      problem_value(broker, strlen(broker), one),
                      problem_value(plainly, strlen(plainly), other));
}

static bool node_stands(const Waybill__V1__Node *node) {
    return (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT ||
            node->standing == WAYBILL__V1__STANDING__STANDING_UNMATCHED) &&
           (node->record->event->kind == WAYBILL__V1__KIND__KIND_PROGRESS ||
            node->record->event->kind == WAYBILL__V1__KIND__KIND_CORRECTION);
}

/* Both are in the order of time. */
static void compare_nodes(struct cases *c, const struct history *h) {
    for (size_t i = 0; i < c->count; i++) {
        const struct retold_event *e = &c->events[i];
        if (h->nodes[i].record->offset != e->offset) {
            disagree(c, "an offset in the order of time", h->nodes[i].record->offset, e->offset);
            return;
        }
        if (node_stands(&h->nodes[i]) != e->stands) {
            char name[PROBLEM_VALUE];
            name_case(c, name);
            verification_find(c->v, CHECK_CASES,
                              "case %s: offset %" PRIu64
                              " %s to the broker, and %s computed plainly",
                              name, e->offset, e->stands ? "does not stand" : "stands",
                              e->stands ? "stands" : "does not");
            return;
        }
    }
}

static void compare(struct cases *c, const struct history *h, const struct retold *told) {
    const Waybill__V1__CaseState *s = &h->state;
    compare_nodes(c, h);
    compare_number(c, "the stage", s->stage, (uint64_t)told->stage);
    compare_number(c, "whether it ended", s->ended, told->ended);
    compare_number(c, "the current offset", s->current_offset, told->current_offset);
    compare_number(c, "the last offset", s->last_offset, told->last_offset);
    compare_number(c, "the number of events", s->events, c->count);
    compare_number(c, "the time it was opened", (uint64_t)s->opened_at_us,
                   (uint64_t)told->opened_at_us);
    compare_number(c, "the time of its stage", (uint64_t)s->since_us, (uint64_t)told->since_us);
    compare_text(c, "the item's code", s->item_code, told->item_code);
    compare_text(c, "the item's name", s->item_name, told->item_name);
    compare_text(c, "the region", s->region_code, told->region_code);
    compare_text(c, "the agency", s->agency, told->agency);
    compare_text(c, "the parent case", s->parent_case_no, told->parent_case_no);
}

/* False for a payload that is no event: then the case has no state, and what is wrong with the
 * payload is told by the walk. */
static bool decode(struct cases *c) {
    for (size_t i = 0; i < c->count; i++) {
        const struct log_record *record = &c->records[i];
        wb_event *event;
        if (event_decode(record->event.data, record->event.length, &c->arena, &event, NULL) != 0) {
            char name[PROBLEM_VALUE];
            name_case(c, name);
            verification_find(c->v, CHECK_CASES,
                              "case %s has no state: offset %" PRIu64 " cannot be decoded", name,
                              record->offset);
            return false;
        }
        c->events[i] = (struct retold_event){
            .offset = record->offset, .source = record->source, .event = event};
    }
    return true;
}

static int finish_case(struct cases *c, struct wb_error *err) {
    struct history history;
    struct retold told;
    if (c->count == 0)
        return 0;
    c->v->verified->cases++;
    if (c->too_long) {
        c->v->verified->long_cases++;
        return 0;
    }
    if (!decode(c))
        return 0;
    if (!history_build(c->records, c->count, &c->arena, &history))
        return problem(err, WB_E_SYSTEM, "out of memory");
    retell(c->events, c->count, &told);
    compare(c, &history, &told);
    return 0;
}

static bool copy(struct arena *arena, struct slice from, struct slice *to) {
    char *data = arena_text(arena, (const char *)from.data, from.length);
    *to = (struct slice){.data = (const uint8_t *)data, .length = from.length};
    return data != NULL;
}

static int add_row(struct cases *c, const struct rows *r, struct wb_error *err) {
    struct slice payload = r->column[PAYLOAD];
    const char *source = verification_source(c->v, (int32_t)rows_int(r, SOURCE));
    c->bytes += payload.length;
    if (c->count == CASE_EVENTS_MAX || c->bytes > CASE_BYTES_MAX) {
        c->too_long = true;
        return 0;
    }
    struct log_record *record = &c->records[c->count++];
    *record = (struct log_record){.offset = (uint64_t)rows_int(r, OFFSET),
                                  .source = source ? source : "",
                                  .recorded_at_us = rows_time_us(r, RECORDED_AT)};
    return copy(&c->arena, payload, &record->event) ? 0
                                                    : problem(err, WB_E_SYSTEM, "out of memory");
}

static int take_row(struct cases *c, const struct rows *r, struct wb_error *err) {
    if (c->count == 0 || !slice_equal(c->case_no, r->column[CASE_NO])) {
        if (finish_case(c, err) != 0)
            return -1;
        arena_reset(&c->arena);
        c->count = c->bytes = 0;
        c->too_long = false;
        if (!copy(&c->arena, r->column[CASE_NO], &c->case_no))
            return problem(err, WB_E_SYSTEM, "out of memory");
    }
    verification_progress(c->v, ++c->read, c->v->verified->events + c->v->verified->kept);
    return add_row(c, r, err);
}

static int read_cases(struct cases *c, const char *query, struct wb_error *err) {
    struct rows rows;
    int more;
    if (rows_open(&rows, c->v->admin, query, err) != 0)
        return -1;
    while ((more = rows_next(&rows, err)) > 0)
        if (take_row(c, &rows, err) != 0) {
            rows_close(&rows);
            return -1;
        }
    return more < 0 ? -1 : finish_case(c, err);
}

int verify_cases(struct verification *v, struct wb_error *err) {
    const struct wb_admin_verified *verified = v->verified;
    unsigned long long first = verified->first_offset;
    unsigned long long events = verified->last_offset - verified->first_offset + 1;
    char sample[512] = "", query[1024];
    struct cases *c = calloc(1, sizeof *c);
    if (!c)
        return problem(err, WB_E_SYSTEM, "out of memory");
    c->v = v;
    arena_init(&c->arena, ARENA_BYTES);
    if (v->how->cases_max)
        snprintf(sample, sizeof sample, SQL_VERIFY_SAMPLE, first, events,
                 (unsigned long long)v->how->cases_max);
    snprintf(query, sizeof query, SQL_VERIFY_CASES, sample);
    int status = read_cases(c, query, err);
    arena_free(&c->arena);
    free(c);
    return status;
}
