/* Every row once: its offset, its time, its source, and what its payload says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/admin/rows.h"
#include "broker/admin/verification.h"
#include "broker/admin/verify_statements.h"
#include "broker/journal/header.h"
#include "common/arena.h"
#include "common/timestamp.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define ARENA_BYTES ((size_t)16 << 20)

enum {
    OFFSET,
    SOURCE,
    EVENT_ID,
    CASE_NO,
    KIND,
    STAGE,
    OCCURRED_AT,
    UTC_OFFSET,
    RECORDED_AT,
    PAYLOAD
};

struct walk {
    struct verification *v;
    char table[32];
    const struct leaf_row *leaf; /* NULL: event_kept */
    uint64_t end;                /* the offset at which the next leaf begins; UINT64_MAX: none */
    uint64_t expected;           /* the next offset of the log */
    uint64_t read;               /* rows so far */
    uint64_t before;             /* the offset of the row before; 0: none */
    int64_t recorded_us;         /* its time */
    struct arena arena;
};

static const char *time_text(int64_t us, char text[TIMESTAMP_TEXT]) {
    const struct timestamp time = {.us = us};
    return timestamp_format(&time, text);
}

static void check_offset(struct walk *w, uint64_t offset) {
    struct verification *v = w->v;
    if (!w->leaf) {
        if (offset >= v->verified->first_offset)
            verification_find(v, CHECK_KEPT,
                              "offset %" PRIu64 " lies in event_kept, and the leaves begin at "
                              "%" PRIu64,
                              offset, v->verified->first_offset);
        return;
    }
    if (offset < w->leaf->first_offset)
        verification_find(v, CHECK_OFFSETS,
                          "offset %" PRIu64 " lies in %s, which begins at %" PRIu64, offset,
                          w->table, w->leaf->first_offset);
    if (offset >= w->end)
        verification_find(v, CHECK_OFFSETS,
                          "offset %" PRIu64 " lies in %s, and the next leaf begins at %" PRIu64,
                          offset, w->table, w->end);
    if (offset < w->expected) {
        verification_find(v, CHECK_OFFSETS,
                          "offset %" PRIu64 " in %s stands behind offset %" PRIu64, offset,
                          w->table, w->expected - 1);
        return;
    }
    if (offset == w->expected + 1)
        verification_find(v, CHECK_OFFSETS, "offset %" PRIu64 " is missing before %s has %" PRIu64,
                          w->expected, w->table, offset);
    else if (offset > w->expected)
        verification_find(v, CHECK_OFFSETS,
                          "offsets %" PRIu64 " to %" PRIu64 " are missing before %s has %" PRIu64,
                          w->expected, offset - 1, w->table, offset);
    w->expected = offset + 1;
}

static void check_time(struct walk *w, uint64_t offset, int64_t recorded_us) {
    char one[TIMESTAMP_TEXT], other[TIMESTAMP_TEXT];
    if (w->before && recorded_us < w->recorded_us)
        verification_find(w->v, CHECK_TIMES,
                          "offset %" PRIu64 " was recorded at %s, before offset %" PRIu64 " at %s",
                          offset, time_text(recorded_us, one), w->before,
                          time_text(w->recorded_us, other));
    if (w->leaf && (recorded_us < w->leaf->from_us || recorded_us >= w->leaf->to_us))
        verification_find(w->v, CHECK_TIMES,
                          "offset %" PRIu64 " was recorded at %s, outside of the time of %s",
                          offset, time_text(recorded_us, one), w->table);
    w->before = offset;
    w->recorded_us = recorded_us;
}

static void differ(struct walk *w, uint64_t offset, const char *column, struct slice row,
                   struct slice payload) {
    char one[PROBLEM_VALUE], other[PROBLEM_VALUE];
    if (!slice_equal(row, payload))
        verification_find(w->v, CHECK_PAYLOADS,
                          "offset %" PRIu64 ": the row's %s is %s, its payload's %s", offset,
                          column, problem_value((const char *)row.data, row.length, one),
                          problem_value((const char *)payload.data, payload.length, other));
}

static void differ_number(struct walk *w, uint64_t offset, const char *column, int64_t row,
                          int64_t payload) {
    if (row != payload)
        verification_find(w->v, CHECK_PAYLOADS,
                          "offset %" PRIu64 ": the row's %s is %" PRId64 ", its payload's %" PRId64,
                          offset, column, row, payload);
}

static void check_payload(struct walk *w, const struct rows *r, uint64_t offset) {
    struct slice payload = r->column[PAYLOAD];
    struct header header;
    struct wb_error err = {.message = "not well-formed"};
    wb_event *event;
    char line[400];
    arena_reset(&w->arena);
    if (event_decode(payload.data, payload.length, &w->arena, &event, &err) != 0 ||
        !header_read(payload.data, payload.length, &header)) {
        problem_hint(&err, "%s", "");
        verification_find(w->v, CHECK_PAYLOADS, "offset %" PRIu64 ": the payload is no event: %s",
                          offset, problem_line(&err, line, sizeof line));
        return;
    }
    differ(w, offset, "event_id", r->column[EVENT_ID], header.event_id);
    differ(w, offset, "case_no", r->column[CASE_NO], header.case_no);
    differ_number(w, offset, "kind", rows_int(r, KIND), header.kind);
    differ_number(w, offset, "stage", rows_int(r, STAGE), header.stage);
    differ_number(w, offset, "occurred_at", rows_time_us(r, OCCURRED_AT), header.occurred_at_us);
    differ_number(w, offset, "utc_offset_minutes", rows_int(r, UTC_OFFSET),
                  header.utc_offset_minutes);
}

static void check_row(struct walk *w, const struct rows *r) {
    struct verification *v = w->v;
    uint64_t offset = (uint64_t)rows_int(r, OFFSET);
    int32_t source = (int32_t)rows_int(r, SOURCE);
    check_offset(w, offset);
    check_time(w, offset, rows_time_us(r, RECORDED_AT));
    if (!verification_source(v, source))
        verification_find(v, CHECK_SOURCES,
                          "offset %" PRIu64 ": its source %d is not in waybill.source", offset,
                          source);
    check_payload(w, r, offset);
    *(w->leaf ? &v->verified->events : &v->verified->kept) += 1;
    verification_progress(v, ++w->read, v->verified->last_offset - v->verified->first_offset + 1);
}

static int walk_table(struct walk *w, struct wb_error *err) {
    char query[512];
    struct rows rows;
    int more;
    snprintf(query, sizeof query, SQL_VERIFY_ROWS, w->table);
    if (rows_open(&rows, w->v->admin, query, err) != 0)
        return -1;
    while ((more = rows_next(&rows, err)) > 0)
        check_row(w, &rows);
    if (more < 0)
        problem_hint(err, "reading %s failed behind offset %" PRIu64 "; see the server's own log",
                     w->table, w->before);
    return more;
}

static void check_end(struct walk *w) {
    uint64_t head = w->v->verified->last_offset, end = w->expected - 1;
    if (end < head)
        verification_find(w->v, CHECK_HEAD,
                          "the head is at offset %" PRIu64 ", and the log ends at %" PRIu64, head,
                          end);
    else if (end > head)
        verification_find(w->v, CHECK_HEAD,
                          "the head is at offset %" PRIu64 ", and the log goes on to %" PRIu64,
                          head, end);
}

static int walk_leaves(struct walk *w, struct wb_error *err) {
    struct verification *v = w->v;
    for (size_t i = 0; i < v->leaf_count; i++) {
        w->leaf = &v->leaves[i];
        w->end = i + 1 < v->leaf_count ? w->leaf[1].first_offset : UINT64_MAX;
        snprintf(w->table, sizeof w->table, "event_%d", w->leaf->number);
        if (w->leaf->exists && walk_table(w, err) != 0)
            return -1;
    }
    return 0;
}

int verify_walk(struct verification *v, struct wb_error *err) {
    struct walk w = {.v = v, .expected = v->verified->first_offset, .table = "event_kept"};
    arena_init(&w.arena, ARENA_BYTES);
    int status = v->kept_exists ? walk_table(&w, err) : 0;
    if (status == 0)
        status = walk_leaves(&w, err);
    if (status == 0)
        check_end(&w);
    arena_free(&w.arena);
    return status;
}
