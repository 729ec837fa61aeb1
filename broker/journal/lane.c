#include "broker/journal/lane.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/database.h"
#include "broker/journal/few.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "broker/journal/submission.h"
#include "common/timestamp.h"

#define LOOKUP_EVENTS 4096 /* identities asked for in one query */

struct lane {
    struct lane_events events;
    void *arg;
    struct sources *sources;
    struct database *database;

    enum lane_state state;
    struct batch batch;
    struct lane_plan plan;
    struct batch_at lookup;
    bool looked_up; /* the batch's repeats are known */
    struct buffer identity_sources, identity_ids;
    struct few few;
    int32_t few_leaf; /* the one that the statement for a few rows was prepared for, here */

    int64_t sent_us;
    bool committed;
    char sqlstate[6]; /* of the error, if there was one */
    char error[200];
};

static void prepare(struct lane *lane);

static void move_to(struct lane *lane, enum lane_state state) {
    lane->state = state;
    lane->events.moved(lane->arg);
}

/* Results. */

static void note_error(struct lane *lane, const char *sqlstate, const char *text) {
    if (lane->sqlstate[0])
        return;
    snprintf(lane->sqlstate, sizeof lane->sqlstate, "%s", sqlstate ? sqlstate : "?????");
    snprintf(lane->error, sizeof lane->error, "%s", text);
}

/* True if it is an error, which is then noted. */
static bool failed(struct lane *lane, const PGresult *r) {
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN)
        return false;
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    note_error(lane, PQresultErrorField(r, PG_DIAG_SQLSTATE),
               text ? text : PQresultErrorMessage(r));
    return true;
}

static void forget_results(struct lane *lane) {
    lane->sqlstate[0] = lane->error[0] = '\0';
    lane->committed = false;
}

/* Registering a source, before its first batch. */

static struct source *unregistered(const struct lane *lane) {
    for (struct submission *s = lane->batch.first; s; s = s->next)
        if (!s->source->id)
            return s->source;
    return NULL;
}

static void on_registered(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (r && PQntuples(r) == 1)
        sources_register(lane->sources, unregistered(lane), database_int4(r, 0, 0));
    else if (!r && lane->sqlstate[0])
        move_to(lane, LANE_FAILED);
    else if (!r && database_warned(lane->database))
        database_drop(lane->database, "the server warned when a source was registered");
    else if (!r)
        prepare(lane);
}

static void register_source(struct lane *lane, const struct source *source) {
    struct database_param param = {
        .data = source->name, .bytes = (int)strlen(source->name), .type = TEXT_OID};
    database_query_params(lane->database, SQL_SOURCE_ADD, &param, 1, on_registered, lane);
}

/* Looking up repeats. */

static void look_up(struct lane *lane);

static void on_repeats(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (r)
        for (int i = 0; i < PQntuples(r); i++)
            batch_mark_repeat(&lane->batch, database_int4(r, i, 0), PQgetvalue(r, i, 1),
                              (size_t)PQgetlength(r, i, 1), (uint64_t)database_int8(r, i, 2));
    else if (lane->sqlstate[0])
        move_to(lane, LANE_FAILED);
    else
        look_up(lane);
}

/* One query after another until every identity in doubt was asked for. */
static void look_up(struct lane *lane) {
    size_t count = batch_identities(&lane->lookup, LOOKUP_EVENTS, &lane->identity_sources,
                                    &lane->identity_ids);
    if (count == 0) {
        lane->looked_up = true;
        prepare(lane);
        return;
    }
    struct database_param params[] = {
        {.data = lane->identity_sources.data,
         .bytes = (int)lane->identity_sources.length,
         .type = INT4_ARRAY_OID},
        {.data = lane->identity_ids.data,
         .bytes = (int)lane->identity_ids.length,
         .type = TEXT_ARRAY_OID},
    };
    database_query_params(lane->database, SQL_REPEATS, params, 2, on_repeats, lane);
}

static bool begin_look_up(struct lane *lane) {
    enum batch_doubt doubt = lane->plan.look_up_all    ? DOUBT_ALL
                             : lane->plan.spans_leaves ? DOUBT_OLDER
                                                       : DOUBT_SUSPECTS;
    if (lane->looked_up || !batch_doubt(&lane->batch, doubt))
        return false;
    lane->lookup = (struct batch_at){.submission = lane->batch.first};
    look_up(lane);
    return true;
}

/* Writing. */

static void on_rolled_back(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (!r)
        move_to(lane, LANE_FAILED);
}

static void roll_back(struct lane *lane) {
    lane->state = LANE_ROLLING_BACK;
    database_query(lane->database, SQL_ROLLBACK, on_rolled_back, lane);
}

static bool next_piece(void *arg, const void **data, size_t *bytes) {
    struct batch *batch = &((struct lane *)arg)->batch;
    bool more = batch_next_piece(batch);
    *data = batch->piece.data;
    *bytes = batch->piece.failed ? 0 : batch->piece.length;
    return more;
}

static void on_written(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (r && PQresultStatus(r) == PGRES_COPY_IN)
        database_copy(lane->database, next_piece, lane);
    else if (r && strcmp(PQcmdStatus((PGresult *)r), "COMMIT") == 0)
        lane->committed = true;
    else if (r)
        return;
    else if (lane->committed && (lane->sqlstate[0] || database_warned(lane->database)))
        database_drop(lane->database, "the server warned at the commit: its outcome is unknown");
    else if (lane->committed)
        move_to(lane, LANE_DONE);
    else if (lane->sqlstate[0] || lane->state == LANE_COMMITTING || !lane->plan.ahead)
        roll_back(lane);
    else
        move_to(lane, LANE_COPIED);
}

/* The fence comes last, so that the log's head is locked only while the commit is flushed. */
static int put_commit(const struct lane *lane, char *sql, size_t size) {
    return snprintf(sql, size, SQL_COMMIT, (long long)lane->plan.epoch,
                    (long long)lane->batch.first_offset - 1, (long long)lane->batch.last_offset);
}

static void write_rows(struct lane *lane) {
    char sql[1024];
    const struct leaf *leaf = &lane->plan.leaf;
    int at = snprintf(sql, sizeof sql, SQL_BEGIN);
    if (lane->plan.new_leaf)
        at += snprintf(sql + at, sizeof sql - (size_t)at, SQL_NEW_LEAF, leaf->number,
                       (long long)leaf->from_us, (long long)leaf->to_us,
                       (unsigned long long)leaf->first_offset);
    at += snprintf(sql + at, sizeof sql - (size_t)at, SQL_COPY, leaf->number);
    if (!lane->plan.ahead)
        put_commit(lane, sql + at, sizeof sql - (size_t)at);
    lane->sent_us = monotonic_us();
    forget_results(lane);
    batch_rewind(&lane->batch);
    database_query(lane->database, sql, on_written, lane);
    move_to(lane, LANE_WRITING);
}

/* A few rows. The statement is a transaction by itself, which is committed when the connection is
 * idle again. */

static void on_few(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (r)
        lane->committed = true;
    else if (lane->committed && (lane->sqlstate[0] || database_warned(lane->database)))
        database_drop(lane->database, "the server warned at the commit: its outcome is unknown");
    else
        move_to(lane, lane->committed ? LANE_DONE : LANE_FAILED);
}

static void write_few(struct lane *lane);

static void on_few_prepared(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (!r && lane->sqlstate[0])
        move_to(lane, LANE_FAILED);
    else if (!r) {
        lane->few_leaf = lane->plan.leaf.number;
        write_few(lane);
    }
}

static void write_few(struct lane *lane) {
    char name[32], sql[1024];
    snprintf(name, sizeof name, "few_%d", lane->plan.leaf.number);
    if (lane->few_leaf != lane->plan.leaf.number) {
        snprintf(sql, sizeof sql, SQL_FEW, lane->plan.leaf.number);
        database_prepare(lane->database, name, sql, on_few_prepared, lane);
        return;
    }
    if (!few_fill(&lane->few, &lane->batch, lane->plan.epoch)) {
        note_error(lane, NULL, "out of memory");
        move_to(lane, LANE_FAILED);
        return;
    }
    lane->sent_us = monotonic_us();
    database_query_prepared(lane->database, name, lane->few.params, FEW_PARAMS, on_few, lane);
    move_to(lane, LANE_WRITING);
}

static void prepare(struct lane *lane) {
    struct lane_plan *plan = &lane->plan;
    const struct source *source = unregistered(lane);
    if (source) {
        register_source(lane, source);
        return;
    }
    batch_number(&lane->batch, plan->ahead, plan->head + 1, plan->recorded_at_us);
    if (begin_look_up(lane))
        return;
    plan->leaf.first_offset = plan->new_leaf ? plan->head + 1 : plan->leaf.first_offset;
    uint64_t rows = lane->batch.last_offset + 1 - lane->batch.first_offset;
    if (rows == 0)
        move_to(lane, LANE_DONE);
    else if (rows <= FEW_ROWS && !plan->ahead && !plan->new_leaf)
        write_few(lane);
    else
        write_rows(lane);
}

void lane_begin(struct lane *lane, const struct lane_plan *plan) {
    assert(lane->state == LANE_IDLE || lane->state == LANE_FAILED);
    lane->plan = *plan;
    lane->looked_up = false;
    lane->state = LANE_PREPARING;
    forget_results(lane);
    prepare(lane);
}

void lane_commit(struct lane *lane) {
    char sql[512];
    assert(lane->state == LANE_COPIED);
    lane->state = LANE_COMMITTING;
    lane->plan.ahead = NULL;
    put_commit(lane, sql, sizeof sql);
    database_query(lane->database, sql, on_written, lane);
}

void lane_roll_back(struct lane *lane) {
    assert(lane->state == LANE_COPIED || lane->state == LANE_DONE);
    if (lane->state == LANE_COPIED)
        roll_back(lane);
    else
        lane->state = LANE_FAILED;
}

void lane_release(struct lane *lane) {
    assert(batch_empty(&lane->batch));
    if (lane->state == LANE_DONE || lane->state == LANE_FAILED)
        lane->state = LANE_IDLE;
}

/* The lane's life. */

/* Every connection that writes has to commit as the promises say, whatever its role is set to. */
static void on_settings(void *arg, const PGresult *r) {
    struct lane *lane = arg;
    if (r && failed(lane, r))
        return;
    if (r && PQntuples(r) == 1 && strcmp(PQgetvalue(r, 0, 0), "on") != 0)
        note_error(lane, NULL, "synchronous_commit cannot be set to on");
    if (r)
        return;
    if (lane->sqlstate[0]) {
        database_drop(lane->database, lane->error);
        return;
    }
    lane->state = LANE_IDLE;
    lane->events.up(lane->arg);
}

static void on_up(void *arg) {
    struct lane *lane = arg;
    lane->few_leaf = 0;
    forget_results(lane);
    database_query(lane->database, SQL_WRITER, on_settings, lane);
}

static void on_down(void *arg, const char *reason) {
    struct lane *lane = arg;
    lane->events.down(lane->arg, lane, reason);
    lane->state = LANE_DOWN;
}

struct lane *lane_new(uv_loop_t *loop, const char *database, const char *name, size_t events_max,
                      struct sources *sources, const struct lane_events *events, void *arg) {
    static const struct database_events database_events = {.up = on_up, .down = on_down};
    struct lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->events = *events;
    lane->arg = arg;
    lane->sources = sources;
    buffer_init(&lane->identity_sources, 0);
    buffer_init(&lane->identity_ids, 0);
    few_init(&lane->few);
    if (batch_init(&lane->batch, events_max))
        lane->database = database_new(loop, database, name, &database_events, lane);
    if (lane->database)
        return lane;
    lane_close(lane);
    return NULL;
}

void lane_close(struct lane *lane) {
    if (!lane)
        return;
    database_close(lane->database);
    batch_free(&lane->batch);
    buffer_free(&lane->identity_sources);
    buffer_free(&lane->identity_ids);
    few_free(&lane->few);
    free(lane);
}

void lane_drop(struct lane *lane, const char *reason) {
    database_drop(lane->database, reason);
}

enum lane_state lane_state(const struct lane *lane) {
    return lane->state;
}

struct database *lane_database(struct lane *lane) {
    return lane->database;
}

struct batch *lane_batch(struct lane *lane) {
    return &lane->batch;
}

const struct lane_plan *lane_plan(const struct lane *lane) {
    return &lane->plan;
}

const char *lane_sqlstate(const struct lane *lane) {
    return lane->sqlstate;
}

const char *lane_error(const struct lane *lane) {
    return lane->error;
}

int64_t lane_sent_us(const struct lane *lane) {
    return lane->sent_us;
}
