#include "broker/upkeep/upkeep.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/cases/state.h"
#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/meter.h"
#include "broker/upkeep/statements.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proto/bounds.h"

#define CHUNK_CASES    256
#define CHUNK_PAUSE_MS 20   /* between chunks: nobody waits for this work */
#define EVENTS_MAX     4096 /* of a case; one with more is kept without being read */
#define MOVED_MAX      1000 /* events behind the decision that the exchange may look at */
#define ARENA_BYTES    (64 * 1024 * 1024)

enum step {
    RESTING,
    SETTINGS,
    UNSEALED,
    SEAL,
    SEALED,
    GROWN,
    SETTLE,
    DUE,
    PREPARE,
    CASES,
    EVENTS,
    KEEP,
    INDEX,
    KEEP_MOVED,
    RETIRE,
    ROLLBACK
};

struct candidate {
    char case_no[LIMIT_CASE_NO_BYTES + 1];
    bool asked; /* it has been quiet: whether it ended is to be found out */
    bool kept;
};

struct upkeep {
    struct upkeep_options options;
    struct upkeep_events events;
    void *arg;
    const struct sources *sources;
    struct database *database;
    uv_timer_t timer;
    struct arena arena;

    int64_t epoch;      /* 0: rests */
    int64_t work_epoch; /* in which the leaf's retirement was begun */
    enum step step;
    bool failed;           /* the step's result was an error */
    bool found;            /* it had a row */
    int32_t leaf;          /* being sealed or retired */
    uint64_t first_offset; /* behind the leaf */
    uint64_t decided;      /* where the log ended when it was begun */
    int64_t cut_us;        /* what was recorded since then is not old */
    bool with_kept;        /* something was kept before */
    uint64_t cases, cases_kept;

    char last_case[LIMIT_CASE_NO_BYTES + 1];
    struct candidate candidates[CHUNK_CASES];
    size_t candidate_count, at;
    struct buffer list; /* of the cases to keep, as text[] */
};

static void begin(struct upkeep *u, enum step step);
static void on_result(void *arg, const PGresult *r);

static void on_timer(uv_timer_t *timer) {
    struct upkeep *u = timer->data;
    if (!u->epoch || !database_idle(u->database))
        return;
    begin(u, u->step == RESTING ? SETTINGS : u->step);
}

static void rest(struct upkeep *u) {
    u->step = RESTING;
    uv_timer_start(&u->timer, on_timer, (uint64_t)u->options.check_ms, 0);
}

/* Sending. */

static void ask_cases(struct upkeep *u) {
    char sql[1024];
    struct database_param last = {
        .data = u->last_case, .bytes = (int)strlen(u->last_case), .type = TEXT_OID};
    snprintf(sql, sizeof sql, u->with_kept ? SQL_CASES_WITH_KEPT : SQL_CASES_OF_LEAF, u->leaf);
    u->candidate_count = 0;
    database_query_params(u->database, sql, &last, 1, on_result, u);
}

static void ask_events(struct upkeep *u) {
    const char *case_no = u->candidates[u->at].case_no;
    struct database_param param = {
        .data = case_no, .bytes = (int)strlen(case_no), .type = TEXT_OID};
    database_query_params(u->database, SQL_EVENTS_OF_CASE, &param, 1, on_result, u);
}

static size_t list_kept(struct upkeep *u) {
    size_t count = 0;
    for (size_t i = 0; i < u->candidate_count; i++)
        count += u->candidates[i].kept;
    binary_array(&u->list, TEXT_OID, count);
    for (size_t i = 0; i < u->candidate_count; i++)
        if (u->candidates[i].kept)
            binary_bytes(&u->list, u->candidates[i].case_no, strlen(u->candidates[i].case_no));
    return count;
}

static void keep(struct upkeep *u) {
    char sql[200];
    uint8_t before[8];
    size_t count = list_kept(u);
    u->cases += u->candidate_count;
    u->cases_kept += count;
    u->failed = u->list.failed; /* without memory nothing is decided */
    if (!count || u->failed) {
        on_result(u, NULL);
        return;
    }
    binary_put8(before, (int64_t)u->first_offset);
    struct database_param params[] = {
        {.data = u->list.data, .bytes = (int)u->list.length, .type = TEXT_ARRAY_OID},
        {.data = before, .bytes = sizeof before, .type = INT8_OID}};
    snprintf(sql, sizeof sql, SQL_KEEP, (long long)u->work_epoch);
    database_query_params(u->database, sql, params, 2, on_result, u);
}

static void retire(struct upkeep *u) {
    char sql[200];
    u->events.retiring(u->arg, u->first_offset);
    snprintf(sql, sizeof sql, SQL_RETIRE, u->leaf, (long long)u->work_epoch,
             (unsigned long long)u->decided);
    database_query(u->database, sql, on_result, u);
}

static void ask(struct upkeep *u, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void ask(struct upkeep *u, const char *format, ...) {
    char sql[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    database_query(u->database, sql, on_result, u);
}

static void begin(struct upkeep *u, enum step step) {
    u->step = step;
    u->failed = u->found = false;
    switch (step) {
    case RESTING:
        break;
    case SETTINGS:
        ask(u, SQL_SETTINGS);
        break;
    case UNSEALED:
        ask(u, SQL_UNSEALED);
        break;
    case SEAL:
        ask(u, SQL_SEAL, u->leaf);
        break;
    case SEALED:
        ask(u, SQL_SEALED, u->leaf);
        break;
    case GROWN:
        ask(u, SQL_GROWN);
        break;
    case SETTLE:
        ask(u, SQL_SETTLE, u->leaf);
        break;
    case DUE:
        ask(u, SQL_DUE, (long long)timestamp_now_us(), (long long)u->options.retention_us);
        break;
    case PREPARE:
        ask(u, SQL_PREPARE, (long long)u->work_epoch);
        break;
    case CASES:
        ask_cases(u);
        break;
    case EVENTS:
        ask_events(u);
        break;
    case KEEP:
        keep(u);
        break;
    case INDEX:
        ask(u, SQL_INDEX, (long long)u->work_epoch);
        break;
    case KEEP_MOVED:
        ask(u, SQL_KEEP_MOVED, u->leaf, (long long)u->work_epoch, (unsigned long long)u->decided);
        break;
    case RETIRE:
        retire(u);
        break;
    case ROLLBACK:
        ask(u, SQL_ROLLBACK);
        break;
    }
}

/* Receiving. */

static int64_t number(const PGresult *r, int column) {
    return strtoll(PQgetvalue(r, 0, column), NULL, 10);
}

static void take_due(struct upkeep *u, const PGresult *r) {
    u->leaf = (int32_t)number(r, 0);
    u->first_offset = (uint64_t)number(r, 1);
    u->decided = (uint64_t)number(r, 2);
    u->cut_us = number(r, 3);
    u->with_kept = PQgetvalue(r, 0, 4)[0] == 't';
    u->work_epoch = u->epoch;
    u->last_case[0] = '\0';
    u->cases = u->cases_kept = 0;
}

static void take_cases(struct upkeep *u, const PGresult *r) {
    for (int i = 0; i < PQntuples(r) && i < CHUNK_CASES; i++) {
        struct candidate *c = &u->candidates[u->candidate_count++];
        bool recent = database_int8(r, i, 2) >= u->cut_us;
        bool large = database_int8(r, i, 1) > EVENTS_MAX;
        snprintf(c->case_no, sizeof c->case_no, "%.*s", PQgetlength(r, i, 0), PQgetvalue(r, i, 0));
        c->kept = recent || large;
        c->asked = !c->kept;
    }
    u->at = 0;
}

/* One that cannot be understood is kept. */
static void take_events(struct upkeep *u, const PGresult *r) {
    struct candidate *c = &u->candidates[u->at];
    size_t count = (size_t)PQntuples(r);
    struct history history;
    arena_reset(&u->arena);
    struct log_record *records = arena_alloc(&u->arena, (count + 1) * sizeof *records);
    for (size_t i = 0; records && i < count; i++) {
        const struct source *source = sources_by_id(u->sources, database_int4(r, (int)i, 1));
        records[i] =
            (struct log_record){.offset = (uint64_t)database_int8(r, (int)i, 0),
                                .source = source ? source->name : "",
                                .recorded_at_us = database_time_us(r, (int)i, 2),
                                .event = {.data = (const uint8_t *)PQgetvalue(r, (int)i, 3),
                                          .length = (size_t)PQgetlength(r, (int)i, 3)}};
    }
    c->kept = !records || !count || !history_build(records, count, &u->arena, &history) ||
              !history.state.ended;
}

static void take_row(struct upkeep *u, const PGresult *r) {
    u->found = true;
    if (u->step == UNSEALED || u->step == GROWN)
        u->leaf = (int32_t)number(r, 0);
    else if (u->step == DUE)
        take_due(u, r);
    else if (u->step == CASES)
        take_cases(u, r);
    else if (u->step == EVENTS)
        take_events(u, r);
    else if (u->step == KEEP_MOVED && strcmp(PQfname(r, 0), "decided") == 0)
        u->decided = (uint64_t)number(r, 0);
    else if (u->step == KEEP_MOVED)
        u->found = (uint64_t)number(r, 0) > u->decided + MOVED_MAX;
}

/* The next case of the chunk whose end is to be found out, or the chunk is decided. */
static void next_case(struct upkeep *u, size_t from) {
    for (u->at = from; u->at < u->candidate_count; u->at++)
        if (u->candidates[u->at].asked) {
            begin(u, EVENTS);
            return;
        }
    begin(u, KEEP);
}

static void next_chunk(struct upkeep *u) {
    const struct candidate *last = &u->candidates[u->candidate_count - 1];
    memcpy(u->last_case, last->case_no, sizeof u->last_case);
    u->step = CASES;
    uv_timer_start(&u->timer, on_timer, CHUNK_PAUSE_MS, 0);
}

static void retired(struct upkeep *u) {
    log_info("upkeep", "dropped leaf %d, the log begins at %llu: %llu of its %llu cases are kept",
             u->leaf, (unsigned long long)u->first_offset, (unsigned long long)u->cases_kept,
             (unsigned long long)u->cases);
    meter_add(METER_LEAVES, "dropped", 1);
    begin(u, DUE);
}

static enum step after_settling(const struct upkeep *u) {
    return u->options.retention_us ? DUE : RESTING;
}

static void go_on(struct upkeep *u) {
    switch (u->step) {
    case UNSEALED:
        begin(u, u->found ? SEAL : GROWN);
        break;
    case SEALED:
        meter_add(METER_LEAVES, "sealed", 1);
        begin(u, UNSEALED);
        break;
    case GROWN:
        begin(u, u->found ? SETTLE : after_settling(u));
        break;
    case SETTLE:
        begin(u, after_settling(u));
        break;
    case DUE:
        begin(u, u->found ? PREPARE : RESTING);
        break;
    case CASES:
        if (u->candidate_count)
            next_case(u, 0);
        else
            begin(u, INDEX);
        break;
    case EVENTS:
        next_case(u, u->at + 1);
        break;
    case KEEP:
        next_chunk(u);
        break;
    case KEEP_MOVED:
        begin(u, u->found ? KEEP_MOVED : RETIRE);
        break;
    case RETIRE:
        retired(u);
        break;
    case RESTING:
    case ROLLBACK:
        begin(u, RESTING);
        break;
    default: /* the steps that are followed by the next one */
        begin(u, u->step + 1);
    }
    if (u->step == RESTING)
        rest(u);
}

static void on_result(void *arg, const PGresult *r) {
    struct upkeep *u = arg;
    ExecStatusType status = r ? PQresultStatus(r) : PGRES_TUPLES_OK;
    if (r && status == PGRES_TUPLES_OK && PQntuples(r) > 0 && !u->failed) {
        take_row(u, r);
    } else if (r && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
        log_warn("upkeep", "not now: %s", text ? text : PQresultErrorMessage(r));
        u->failed = true;
    } else if (!r && u->failed && u->step == RETIRE) {
        begin(u, ROLLBACK);
    } else if (!r && (u->failed || !u->epoch)) {
        rest(u);
    } else if (!r) {
        go_on(u);
    }
}

/* Its life. */

static void on_up(void *arg) {
    struct upkeep *u = arg;
    if (u->epoch)
        rest(u);
}

static void on_down(void *arg, const char *reason) {
    struct upkeep *u = arg;
    (void)reason;
    u->step = RESTING;
    uv_timer_stop(&u->timer);
    meter_add(METER_DATABASE_LOST, "upkeep", 1);
}

struct upkeep *upkeep_new(uv_loop_t *loop, const struct upkeep_options *options,
                          const struct sources *sources, const struct upkeep_events *events,
                          void *arg) {
    static const struct database_events database_events = {.up = on_up, .down = on_down};
    struct upkeep *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->options = *options;
    u->events = *events;
    u->arg = arg;
    u->sources = sources;
    arena_init(&u->arena, ARENA_BYTES);
    buffer_init(&u->list, 0);
    uv_timer_init(loop, &u->timer);
    u->timer.data = u;
    u->database = database_new(loop, options->database, "waybilld upkeep", &database_events, u);
    if (u->database)
        return u;
    upkeep_close(u);
    return NULL;
}

static void free_upkeep(uv_handle_t *handle) {
    free(handle->data);
}

void upkeep_close(struct upkeep *u) {
    if (!u)
        return;
    database_close(u->database);
    arena_free(&u->arena);
    buffer_free(&u->list);
    uv_close((uv_handle_t *)&u->timer, free_upkeep);
}

void upkeep_run(struct upkeep *u, int64_t epoch) {
    u->epoch = epoch;
    if (epoch && u->step == RESTING && database_idle(u->database))
        rest(u);
}
