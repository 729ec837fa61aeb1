#include "broker/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/batch.h"
#include "broker/journal/database.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "broker/journal/submission.h"
#include "broker/meter.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define RETRY_MS         1000
#define LOOKUP_EVENTS    4096 /* identities asked for in one query */
#define UNIQUE_VIOLATION "23505"
#define FENCED           "WB001"

enum journal_state { DOWN, OPENING, READY, REGISTERING, LOOKING_UP, WRITING, ROLLING_BACK };

struct journal {
    struct journal_options options;
    struct journal_events events;
    void *arg;
    struct sources *sources;
    struct database *database;
    struct opening *opening;
    uv_timer_t retry;

    enum journal_state state;
    int64_t epoch;
    uint64_t head;
    struct leaf leaf;       /* the newest of the log */
    struct leaf target;     /* the one that the batch goes to */
    int64_t recorded_at_us; /* of the newest event: the log's time never goes back */
    char told[512];         /* what keeps it closed, as logged */

    struct submission *queue, **queue_last;
    size_t queue_bytes;
    struct batch batch; /* in flight, or empty */
    struct batch_at lookup;
    bool looked_up; /* the batch's repeats are known */
    struct log_record *records;
    size_t records_size;
    struct buffer identity_sources, identity_ids;

    int64_t sent_us;
    bool committed;
    char sqlstate[6]; /* of the error, if there was one */
    char error[200];
};

static void turn(struct journal *j);
static void write_batch(struct journal *j);

/* Results. */

static void note_error(struct journal *j, const PGresult *r) {
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    if (j->sqlstate[0])
        return;
    snprintf(j->sqlstate, sizeof j->sqlstate, "%s", state ? state : "?????");
    snprintf(j->error, sizeof j->error, "%s", text ? text : PQresultErrorMessage(r));
}

static bool is_error(const PGresult *r) {
    ExecStatusType status = PQresultStatus(r);
    return status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_COPY_IN;
}

static void forget_results(struct journal *j) {
    j->sqlstate[0] = j->error[0] = '\0';
    j->committed = false;
}

/* Giving up: nobody is told that anything was committed. */

static void settle_all(struct journal *j) {
    struct submission *queue = j->queue;
    batch_settle(&j->batch, false);
    batch_release(&j->batch);
    j->queue = NULL;
    j->queue_last = &j->queue;
    j->queue_bytes = 0;
    while (queue) {
        struct submission *next = queue->next;
        queue->settled(queue, false);
        queue->release(queue);
        queue = next;
    }
}

static void fail(struct journal *j, const char *outcome, const char *reason) {
    log_error("journal", "a batch was not recorded: %s", reason);
    meter_add(METER_BATCHES, outcome, 1);
    settle_all(j);
}

static void on_down(void *arg, const char *reason) {
    struct journal *j = arg;
    bool was_ready = j->state >= READY;
    if (j->state == WRITING)
        fail(j, "unknown", "the connection was lost before the commit's result came");
    j->state = DOWN;
    meter_add(METER_DATABASE_LOST, "writer", 1);
    settle_all(j);
    if (was_ready)
        j->events.lost(j->arg, reason);
}

/* Opening. */

static void on_up(void *arg) {
    struct journal *j = arg;
    j->state = OPENING;
    opening_begin(j->opening);
}

static void on_retry(uv_timer_t *timer) {
    struct journal *j = timer->data;
    if (j->state == OPENING && database_idle(j->database))
        opening_begin(j->opening);
}

static void take_over(struct journal *j, const struct opened *opened) {
    j->state = READY;
    j->told[0] = '\0';
    j->epoch = opened->epoch;
    j->head = opened->head_offset;
    j->leaf = opened->leaf;
    j->recorded_at_us = opened->head_recorded_at_us;
    log_info("journal", "writing in epoch %lld behind offset %llu", (long long)j->epoch,
             (unsigned long long)j->head);
    j->events.ready(j->arg, opened);
}

/* Says once what keeps the log closed, however often it is tried. */
static void wait_for_log(struct journal *j, const struct wb_error *err) {
    char words[512];
    problem_line(err, words, sizeof words);
    if (strcmp(words, j->told) != 0)
        log_warn("journal", "the log cannot be opened: %s", words);
    snprintf(j->told, sizeof j->told, "%s", words);
    j->events.waiting(j->arg, err);
    uv_timer_start(&j->retry, on_retry, RETRY_MS, 0);
}

static void on_opened(void *arg, enum opening_outcome outcome, const struct opened *opened,
                      const struct wb_error *err) {
    struct journal *j = arg;
    if (outcome == OPENING_DONE)
        take_over(j, opened);
    else if (outcome == OPENING_FATAL)
        j->events.fatal(j->arg, err);
    else
        wait_for_log(j, err);
}

/* Registering a source, before its first batch. */

static struct source *unregistered(const struct journal *j) {
    for (struct submission *s = j->batch.first; s; s = s->next)
        if (!s->source->id)
            return s->source;
    return NULL;
}

static void on_registered(void *arg, const PGresult *r) {
    struct journal *j = arg;
    if (r && is_error(r)) {
        note_error(j, r);
    } else if (r && PQntuples(r) == 1) {
        sources_register(j->sources, unregistered(j), database_int4(r, 0, 0));
    } else if (!r && j->sqlstate[0]) {
        j->state = READY;
        fail(j, "failed", j->error);
    } else if (!r && database_warned(j->database)) {
        database_drop(j->database, "the server warned when a source was registered");
    } else if (!r) {
        write_batch(j);
    }
}

static void register_source(struct journal *j, const struct source *source) {
    struct database_param param = {
        .data = source->name, .bytes = (int)strlen(source->name), .type = TEXT_OID};
    j->state = REGISTERING;
    forget_results(j);
    database_query_params(j->database, SQL_SOURCE_ADD, &param, 1, on_registered, j);
}

/* Looking up repeats. */

static void look_up(struct journal *j);

static void on_repeats(void *arg, const PGresult *r) {
    struct journal *j = arg;
    if (r && is_error(r)) {
        note_error(j, r);
    } else if (r) {
        for (int i = 0; i < PQntuples(r); i++)
            batch_mark_repeat(&j->batch, database_int4(r, i, 0), PQgetvalue(r, i, 1),
                              (size_t)PQgetlength(r, i, 1), (uint64_t)database_int8(r, i, 2));
    } else if (j->sqlstate[0]) {
        j->state = READY;
        fail(j, "failed", j->error);
    } else {
        look_up(j);
    }
}

/* One query after another until every identity of the batch was asked for. */
static void look_up(struct journal *j) {
    size_t count =
        batch_identities(&j->lookup, LOOKUP_EVENTS, &j->identity_sources, &j->identity_ids);
    if (count == 0) {
        j->looked_up = true;
        write_batch(j);
        return;
    }
    struct database_param params[] = {
        {.data = j->identity_sources.data,
         .bytes = (int)j->identity_sources.length,
         .type = INT4_ARRAY_OID},
        {.data = j->identity_ids.data,
         .bytes = (int)j->identity_ids.length,
         .type = TEXT_ARRAY_OID},
    };
    j->state = LOOKING_UP;
    forget_results(j);
    database_query_params(j->database, SQL_REPEATS, params, 2, on_repeats, j);
}

static void begin_look_up(struct journal *j) {
    j->lookup = (struct batch_at){.submission = j->batch.first};
    look_up(j);
}

/* Writing. */

static size_t collect_records(struct journal *j) {
    size_t wanted = (size_t)(j->batch.last_offset - j->batch.first_offset + 1), count = 0;
    if (wanted > j->records_size) {
        struct log_record *more = realloc(j->records, wanted * sizeof *more);
        if (!more)
            return 0;
        j->records = more;
        j->records_size = wanted;
    }
    for (struct submission *s = j->batch.first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++) {
            const struct entry *e = &s->entries[i];
            if (!e->refusal && !e->repeat)
                j->records[count++] = (struct log_record){.offset = e->offset,
                                                          .source = s->source->name,
                                                          .recorded_at_us = j->batch.recorded_at_us,
                                                          .event = e->event};
        }
    return count;
}

static void note_outcome(const struct batch *b) {
    for (const struct submission *s = b->first; s; s = s->next) {
        int64_t recorded = 0, repeats = 0, refused = 0;
        for (size_t i = 0; i < s->count; i++) {
            const struct entry *e = &s->entries[i];
            refused += e->refusal != NULL;
            repeats += !e->refusal && e->repeat;
            recorded += !e->refusal && !e->repeat;
        }
        meter_add(METER_EVENTS, "recorded", recorded);
        meter_add(METER_EVENTS, "repeat", repeats);
        meter_add(METER_EVENTS, "refused", refused);
        meter_add(METER_SOURCE_EVENTS, s->source->name, recorded);
    }
}

/* The acknowledgements go first, then those who follow. */
static void finish(struct journal *j) {
    size_t count = collect_records(j);
    note_outcome(&j->batch);
    j->head = j->batch.last_offset;
    j->leaf = j->target;
    j->recorded_at_us = j->batch.recorded_at_us;
    meter_set(METER_HEAD_OFFSET, NULL, (int64_t)j->head);
    j->state = READY;
    batch_settle(&j->batch, true);
    if (count > 0)
        j->events.recorded(j->arg, j->records, count);
    batch_release(&j->batch);
    turn(j);
}

static void on_rolled_back(void *arg, const PGresult *r) {
    struct journal *j = arg;
    if (r)
        return;
    if (strcmp(j->sqlstate, UNIQUE_VIOLATION) == 0 && !j->looked_up) {
        begin_look_up(j);
        return;
    }
    bool fenced = strcmp(j->sqlstate, FENCED) == 0;
    fail(j, "failed", j->error);
    j->state = READY;
    if (fenced)
        database_drop(j->database, "another broker took the log over");
}

static void on_written(void *arg, const PGresult *r) {
    struct journal *j = arg;
    if (r && PQresultStatus(r) == PGRES_COPY_IN) {
        database_copy(j->database, j->batch.copy.data, j->batch.copy.length);
    } else if (r && is_error(r)) {
        note_error(j, r);
    } else if (r && strcmp(PQcmdStatus((PGresult *)r), "COMMIT") == 0) {
        j->committed = true;
    } else if (!r && j->committed && !j->sqlstate[0] && !database_warned(j->database)) {
        meter_observe_us(METER_COMMIT_SECONDS, monotonic_us() - j->sent_us);
        meter_add(METER_BATCHES, "committed", 1);
        finish(j);
    } else if (!r && j->committed) {
        database_drop(j->database, "the server warned at the commit: its outcome is unknown");
    } else if (!r) {
        j->state = ROLLING_BACK;
        database_query(j->database, SQL_ROLLBACK, on_rolled_back, j);
    }
}

static bool suspect(const struct batch *b) {
    for (const struct submission *s = b->first; s; s = s->next)
        if (s->suspect)
            return true;
    return false;
}

/* The leaf for the batch's time: the newest, or one that begins on the period's next multiple. */
static struct leaf leaf_for(const struct journal *j) {
    int64_t at = j->batch.recorded_at_us, period = j->options.partition_us;
    if (j->leaf.number && at < j->leaf.to_us)
        return j->leaf;
    int64_t from = at - at % period;
    if (from < j->leaf.to_us)
        from = j->leaf.to_us;
    return (struct leaf){.number = j->leaf.number + 1,
                         .from_us = from,
                         .to_us = at - at % period + period,
                         .first_offset = j->batch.first_offset};
}

static void put_statements(struct journal *j, char *sql, size_t size) {
    j->target = leaf_for(j);
    int at = snprintf(sql, size, SQL_BEGIN, (long long)j->epoch, (long long)j->head,
                      (long long)j->batch.last_offset);
    if (j->target.number != j->leaf.number)
        at += snprintf(sql + at, size - (size_t)at, SQL_NEW_LEAF, j->target.number,
                       (long long)j->target.from_us, (long long)j->target.to_us,
                       (unsigned long long)j->target.first_offset);
    snprintf(sql + at, size - (size_t)at, SQL_COPY SQL_COMMIT, j->target.number);
}

static void write_batch(struct journal *j) {
    const struct source *source = unregistered(j);
    if (source) {
        register_source(j, source);
        return;
    }
    int64_t now = timestamp_now_us();
    if (!batch_number(&j->batch, j->head + 1, now > j->recorded_at_us ? now : j->recorded_at_us)) {
        j->state = READY;
        fail(j, "failed", "out of memory");
        return;
    }
    if (!j->looked_up && suspect(&j->batch)) {
        begin_look_up(j);
        return;
    }
    meter_set(METER_BATCH_EVENTS, NULL, (int64_t)j->batch.events);
    if (j->batch.last_offset < j->batch.first_offset) {
        meter_add(METER_BATCHES, "repeats_only", 1);
        j->target = j->leaf;
        finish(j);
        return;
    }
    char sql[1024];
    put_statements(j, sql, sizeof sql);
    j->state = WRITING;
    j->sent_us = monotonic_us();
    forget_results(j);
    database_query(j->database, sql, on_written, j);
}

/* Takes from the queue what the next transaction holds, and begins it. */
static void turn(struct journal *j) {
    if (j->state != READY || !j->queue || !database_idle(j->database))
        return;
    while (j->queue && (batch_empty(&j->batch) ||
                        (j->batch.events + j->queue->count <= j->options.batch_events &&
                         j->batch.bytes + j->queue->bytes <= j->options.batch_bytes))) {
        struct submission *s = j->queue;
        j->queue = s->next;
        if (!j->queue)
            j->queue_last = &j->queue;
        j->queue_bytes -= s->bytes;
        batch_add(&j->batch, s);
    }
    j->looked_up = false;
    write_batch(j);
}

struct journal *journal_new(uv_loop_t *loop, const struct journal_options *options,
                            struct sources *sources, const struct journal_events *events, void *arg,
                            struct wb_error *err) {
    static const struct database_events database_events = {.up = on_up, .down = on_down};
    struct journal *j = calloc(1, sizeof *j);
    if (!j) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    j->options = *options;
    j->events = *events;
    j->arg = arg;
    j->sources = sources;
    j->queue_last = &j->queue;
    buffer_init(&j->identity_sources, 0);
    buffer_init(&j->identity_ids, 0);
    uv_timer_init(loop, &j->retry);
    j->retry.data = j;
    j->database = database_new(loop, options->database, "waybilld writer", &database_events, j);
    if (j->database)
        j->opening = opening_new(j->database, sources, on_opened, j);
    if (!j->opening || !batch_init(&j->batch, options->batch_events + LIMIT_BATCH_EVENTS)) {
        problem(err, WB_E_SYSTEM, "out of memory");
        journal_close(j);
        return NULL;
    }
    return j;
}

static void free_journal(uv_handle_t *handle) {
    free(handle->data);
}

void journal_close(struct journal *j) {
    if (!j)
        return;
    database_close(j->database);
    settle_all(j);
    opening_free(j->opening);
    batch_free(&j->batch);
    buffer_free(&j->identity_sources);
    buffer_free(&j->identity_ids);
    free(j->records);
    uv_close((uv_handle_t *)&j->retry, free_journal);
}

void journal_submit(struct journal *j, struct submission *s) {
    s->next = NULL;
    *j->queue_last = s;
    j->queue_last = &s->next;
    j->queue_bytes += s->bytes;
    turn(j);
}

size_t journal_pending_bytes(const struct journal *j) {
    return j->queue_bytes + j->batch.bytes;
}

bool journal_idle(const struct journal *j) {
    return !j->queue && batch_empty(&j->batch);
}
