#include "common/timestamp.h"
#include "proto/problem.h"
#include "spool_file.h"
#include "spool_lock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/spool.h>

#define PAGE  256  /* entries read at a time: a reader keeps the log from being worked off */
#define CHUNK 1000 /* dead letters moved in one transaction, which the publisher waits for */

struct wb_spool {
    struct spool_file file;
};

wb_spool *wb_spool_open(const char *path, struct wb_error *err) {
    wb_spool *spool = calloc(1, sizeof *spool);
    if (!spool) {
        problem(err, WB_E_SYSTEM, "no memory for a spool");
        return NULL;
    }
    if (!spool_file_visit(&spool->file, path, err))
        return spool;
    free(spool);
    return NULL;
}

void wb_spool_close(wb_spool *spool) {
    if (!spool)
        return;
    spool_file_close(&spool->file);
    free(spool);
}

static int read_owner(wb_spool *spool, struct wb_spool_status *status, struct wb_error *err) {
    sqlite3_stmt *statement =
        spool_file_prepare(&spool->file, "SELECT source, created_us FROM meta", err);
    if (!statement)
        return -1;
    int failed = 0;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        snprintf(status->source, sizeof status->source, "%s", sqlite3_column_text(statement, 0));
        status->created_us = sqlite3_column_int64(statement, 1);
    } else {
        failed = spool_file_problem(&spool->file, err);
    }
    sqlite3_finalize(statement);
    return failed;
}

int wb_spool_status(wb_spool *spool, struct wb_spool_status *status, struct wb_error *err) {
    /* The queue has no gaps: its ends say how long it is. */
    static const char waiting[] =
        "SELECT coalesce((SELECT max(seq) FROM event) - (SELECT min(seq) FROM event) + 1, 0)";
    const struct spool_file *file = &spool->file;
    int64_t events, dead;
    *status = (struct wb_spool_status){0};
    if (spool_file_run(file, "BEGIN", err))
        return -1;
    int failed = read_owner(spool, status, err) || spool_file_number(file, waiting, &events, err) ||
                 spool_file_number(file, "SELECT count(*) FROM dead_letter", &dead, err) ||
                 spool_file_number(file, "SELECT stored_us FROM event ORDER BY seq LIMIT 1",
                                   &status->oldest_us, err);
    spool_file_run(file, "COMMIT", NULL);
    if (failed)
        return -1;
    status->events = (uint64_t)events;
    status->dead_letters = (uint64_t)dead;
    status->bytes = spool_file_bytes(file);
    status->in_use = spool_lock_held(file->path, &status->pid);
    return 0;
}

static void column_text(sqlite3_stmt *statement, int column, char *text, size_t size) {
    const unsigned char *value = sqlite3_column_text(statement, column);
    snprintf(text, size, "%s", value ? (const char *)value : "");
}

static void read_refusal(sqlite3_stmt *statement, struct wb_error *refusal) {
    *refusal = (struct wb_error){.code = sqlite3_column_int(statement, 4)};
    refusal->retriable = problem_retriable(refusal->code);
    column_text(statement, 5, refusal->message, sizeof refusal->message);
    column_text(statement, 6, refusal->detail, sizeof refusal->detail);
    column_text(statement, 7, refusal->hint, sizeof refusal->hint);
    column_text(statement, 8, refusal->field, sizeof refusal->field);
    problem_clean(refusal);
}

struct pages {
    bool dead, done; /* done: fn wants no more, or there are no more */
    uint64_t after;  /* the number given last */
    uint64_t left;
    wb_spool_fn *fn;
    void *arg;
};

/* Gives the entries that the statement has left, one page of them. */
static int list_page(wb_spool *spool, sqlite3_stmt *statement, struct pages *pages,
                     struct wb_error *err) {
    int got, entries = 0;
    sqlite3_bind_int64(statement, 1, (int64_t)pages->after);
    while (!pages->done && (got = sqlite3_step(statement)) == SQLITE_ROW) {
        struct wb_error refusal;
        struct wb_spool_entry entry = {
            .seq = pages->after = (uint64_t)sqlite3_column_int64(statement, 0),
            .stored_us = sqlite3_column_int64(statement, 1),
            .event = sqlite3_column_blob(statement, 2),
            .bytes = (size_t)sqlite3_column_bytes(statement, 2),
        };
        if (pages->dead) {
            read_refusal(statement, &refusal);
            entry.refused_us = sqlite3_column_int64(statement, 3);
            entry.refusal = &refusal;
        }
        entries++;
        pages->done = !pages->fn(pages->arg, &entry) || --pages->left == 0;
    }
    int failed = !pages->done && got != SQLITE_DONE ? spool_file_problem(&spool->file, err) : 0;
    pages->done |= entries < PAGE;
    sqlite3_reset(statement);
    return failed;
}

int wb_spool_list(wb_spool *spool, bool dead, uint64_t limit, wb_spool_fn *fn, void *arg,
                  struct wb_error *err) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT seq, stored_us, event%s WHERE seq > ? ORDER BY seq LIMIT %d",
             dead ? ", refused_us, code, message, detail, hint, field FROM dead_letter"
                  : " FROM event",
             PAGE);
    sqlite3_stmt *statement = spool_file_prepare(&spool->file, sql, err);
    if (!statement)
        return -1;
    struct pages pages = {.dead = dead, .left = limit ? limit : UINT64_MAX, .fn = fn, .arg = arg};
    int failed = 0;
    while (!failed && !pages.done)
        failed = list_page(spool, statement, &pages, err);
    sqlite3_finalize(statement);
    return failed;
}

/* Runs one statement over dead letters up to ?2, those with the event id ?1 if it is not NULL. */
static int change(wb_spool *spool, const char *sql, const char *event_id, int64_t through,
                  struct wb_error *err) {
    sqlite3_stmt *statement = spool_file_prepare(&spool->file, sql, err);
    if (!statement)
        return -1;
    sqlite3_bind_text(statement, 1, event_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(statement, 2, through);
    int failed = sqlite3_step(statement) == SQLITE_DONE ? 0 : spool_file_problem(&spool->file, err);
    sqlite3_finalize(statement);
    return failed;
}

#define CHOSEN " FROM dead_letter WHERE (?1 IS NULL OR event_id = ?1) AND seq <= ?2"

/* The number of the last dead letter of the next chunk; 0 behind the last chunk. */
static int next_chunk(wb_spool *spool, const char *event_id, int64_t *through,
                      struct wb_error *err) {
    sqlite3_stmt *statement = spool_file_prepare(
        &spool->file,
        "SELECT max(seq) FROM (SELECT seq FROM dead_letter WHERE (?1 IS NULL OR event_id = ?1)"
        " ORDER BY seq LIMIT ?2)",
        err);
    if (!statement)
        return -1;
    sqlite3_bind_text(statement, 1, event_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(statement, 2, CHUNK);
    int failed = sqlite3_step(statement) == SQLITE_ROW ? 0 : spool_file_problem(&spool->file, err);
    *through = failed ? 0 : sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return failed;
}

static int move_chunk(wb_spool *spool, const char *event_id, bool back, uint64_t *count,
                      int64_t *through, struct wb_error *err) {
    static const char retry[] =
        "INSERT INTO event(stored_us, event) SELECT stored_us, event" CHOSEN " ORDER BY seq";
    if (spool_file_run(&spool->file, "BEGIN IMMEDIATE", err))
        return -1;
    int failed = next_chunk(spool, event_id, through, err);
    if (!failed && *through) {
        failed = (back && change(spool, retry, event_id, *through, err)) ||
                 change(spool, "DELETE" CHOSEN, event_id, *through, err);
        if (!failed)
            *count += (uint64_t)sqlite3_changes64(spool->file.db);
    }
    failed = failed || spool_file_run(&spool->file, "COMMIT", err);
    if (failed && !sqlite3_get_autocommit(spool->file.db))
        spool_file_run(&spool->file, "ROLLBACK", NULL);
    return failed ? -1 : 0;
}

static int move(wb_spool *spool, const char *event_id, bool back, uint64_t *count,
                struct wb_error *err) {
    int64_t through = 1;
    *count = 0;
    if (spool_file_run(&spool->file, "PRAGMA synchronous=FULL", err))
        return -1;
    while (through)
        if (move_chunk(spool, event_id, back, count, &through, err))
            return -1;
    return 0;
}

int wb_spool_retry(wb_spool *spool, const char *event_id, uint64_t *count, struct wb_error *err) {
    return move(spool, event_id, true, count, err);
}

int wb_spool_discard(wb_spool *spool, const char *event_id, uint64_t *count, struct wb_error *err) {
    return move(spool, event_id, false, count, err);
}
