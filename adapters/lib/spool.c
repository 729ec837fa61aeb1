#include "spool.h"

#include "common/timestamp.h"
#include "gist.h"
#include "proto/problem.h"
#include "spool_file.h"
#include "spool_lock.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define RESERVE_PAGES 256  /* for dead letters, where events fill the file */
#define SHRINK_PAGES  1024 /* given back at a time */

enum statement { BEGIN, COMMIT, ROLLBACK, APPEND, READ, BURY, SETTLE, CHANGES, STATEMENTS };

static const char *const statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [APPEND] = "INSERT INTO event(stored_us, tag, event) VALUES(?, ?, ?)",
    [READ] = "SELECT seq, tag, event FROM event WHERE seq > ? ORDER BY seq",
    [BURY] = "INSERT OR REPLACE INTO dead_letter SELECT seq, stored_us, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
             " ?9, ?10, event FROM event WHERE seq = ?1",
    [SETTLE] = "DELETE FROM event WHERE seq <= ?",
    [CHANGES] = "PRAGMA data_version",
};

struct spool {
    struct spool_file file;
    int lock;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t mine; /* events from here on were stored by this process, or have no tag */
    uint64_t max_bytes, max_pages;
    int64_t version; /* as SQLite counts the changes of others */
    bool lazy;       /* commits do not wait for the disk */
};

static int set_pages(struct spool *spool, uint64_t pages, struct wb_error *err) {
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count=%" PRIu64, pages);
    return spool_file_run(&spool->file, sql, err);
}

static int prepare(struct spool *spool, uint64_t max_bytes, struct wb_error *err) {
    for (int i = 0; i < STATEMENTS; i++)
        if (!(spool->statements[i] = spool_file_prepare(&spool->file, statements[i], err)))
            return -1;
    int64_t page_bytes;
    uint64_t first, last;
    if (spool_bounds(spool, &first, &last, err) ||
        spool_file_number(&spool->file, "PRAGMA page_size", &page_bytes, err))
        return -1;
    spool->mine = last + 1;
    spool->max_bytes = max_bytes ? max_bytes : SPOOL_BYTES;
    spool->max_pages = spool->max_bytes / (uint64_t)page_bytes + 1; /* 0 would say nothing */
    spool_changed(spool);
    return set_pages(spool, spool->max_pages, err);
}

struct spool *spool_open(const char *path, const char *source, uint64_t max_bytes,
                         struct wb_error *err) {
    struct spool *spool = calloc(1, sizeof *spool);
    char *whole = spool ? spool_file_path(path, err) : NULL;
    if (!spool)
        problem(err, WB_E_SYSTEM, "no memory for a spool");
    if (!whole) {
        free(spool);
        return NULL;
    }
    spool->lock = spool_lock_take(whole, err);
    int failed = spool->lock < 0 || spool_file_open(&spool->file, whole, source, err) ||
                 prepare(spool, max_bytes, err);
    free(whole);
    if (!failed)
        return spool;
    spool_close(spool);
    return NULL;
}

void spool_close(struct spool *spool) {
    if (!spool)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(spool->statements[i]);
    spool_file_close(&spool->file);
    spool_lock_release(spool->lock);
    free(spool);
}

/* Runs a statement that gives no rows. */
static int run(struct spool *spool, enum statement which, struct wb_error *err) {
    int got = sqlite3_step(spool->statements[which]);
    int failed = got == SQLITE_DONE ? 0 : spool_file_problem(&spool->file, err);
    sqlite3_reset(spool->statements[which]);
    return failed;
}

static int begin(struct spool *spool, bool lazy, struct wb_error *err) {
    if (lazy != spool->lazy) {
        if (spool_file_run(&spool->file,
                           lazy ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", err))
            return -1;
        spool->lazy = lazy;
    }
    return run(spool, BEGIN, err);
}

/* Ends the transaction; -1 if it failed or fails now. */
static int end(struct spool *spool, int failed, struct wb_error *err) {
    failed = failed || run(spool, COMMIT, err);
    if (failed && !sqlite3_get_autocommit(spool->file.db)) /* some errors end it by themselves */
        run(spool, ROLLBACK, NULL);
    return failed ? -1 : 0;
}

int spool_bounds(struct spool *spool, uint64_t *first, uint64_t *last, struct wb_error *err) {
    int64_t low, high, given;
    const struct spool_file *file = &spool->file;
    if (spool_file_number(file, "SELECT min(seq) FROM event", &low, err) ||
        spool_file_number(file, "SELECT max(seq) FROM event", &high, err) ||
        spool_file_number(file, "SELECT seq FROM sqlite_sequence WHERE name = 'event'", &given,
                          err))
        return -1;
    *first = (uint64_t)(low ? low : given + 1);
    *last = (uint64_t)(low ? high : given);
    return 0;
}

bool spool_changed(struct spool *spool) {
    sqlite3_stmt *statement = spool->statements[CHANGES];
    int64_t before = spool->version;
    if (sqlite3_step(statement) == SQLITE_ROW)
        spool->version = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return spool->version != before;
}

/* The limit is this process's own: a file at it is not a full disk. */
static int limit_reached(const struct spool *spool, struct wb_error *err) {
    int64_t pages, free_pages, dead;
    const struct spool_file *file = &spool->file;
    if (sqlite3_errcode(file->db) != SQLITE_FULL ||
        spool_file_number(file, "PRAGMA page_count", &pages, NULL) ||
        spool_file_number(file, "PRAGMA freelist_count", &free_pages, NULL) ||
        (uint64_t)(pages - free_pages) + 64 < spool->max_pages)
        return -1;
    spool_file_number(file, "SELECT count(*) FROM dead_letter", &dead, NULL);
    problem(err, WB_E_SPOOL,
            "%.120s is full: it takes the %" PRIu64
            " KiB that it may; dead letters in it: %" PRId64,
            file->path, spool->max_bytes / 1024, dead);
    return problem_hint(err, "events are taken again when the broker has got some; or allow it "
                             "more, or discard dead letters");
}

static int insert(struct spool *spool, struct spool_event *event, int64_t now_us,
                  struct wb_error *err) {
    sqlite3_stmt *statement = spool->statements[APPEND];
    sqlite3_bind_int64(statement, 1, now_us);
    sqlite3_bind_int64(statement, 2, (int64_t)(intptr_t)event->tag);
    sqlite3_bind_blob64(statement, 3, event->data, event->bytes, SQLITE_STATIC);
    int failed = run(spool, APPEND, err);
    event->seq = (uint64_t)sqlite3_last_insert_rowid(spool->file.db);
    return failed;
}

int spool_append(struct spool *spool, struct spool_event *events, size_t count,
                 struct wb_error *err) {
    int64_t now_us = timestamp_now_us();
    int failed = begin(spool, false, err);
    if (failed)
        return -1;
    for (size_t i = 0; !failed && i < count; i++)
        failed = insert(spool, &events[i], now_us, err);
    if (failed)
        limit_reached(spool, err);
    return end(spool, failed, err);
}

int spool_read(struct spool *spool, uint64_t after, spool_take_fn *take, void *arg,
               struct wb_error *err) {
    sqlite3_stmt *statement = spool->statements[READ];
    sqlite3_bind_int64(statement, 1, (int64_t)after);
    int got;
    while ((got = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t seq = (uint64_t)sqlite3_column_int64(statement, 0);
        /* A tag was an address in the process that stored the event. */
        intptr_t tag = seq >= spool->mine ? (intptr_t)sqlite3_column_int64(statement, 1) : 0;
        struct spool_event event = {
            .seq = seq,
            .data = sqlite3_column_blob(statement, 2),
            .bytes = (size_t)sqlite3_column_bytes(statement, 2),
            .tag = (void *)tag, // NOLINT(performance-no-int-to-ptr)
        };
        if (!take(arg, &event))
            break;
    }
    int failed =
        got == SQLITE_ROW || got == SQLITE_DONE ? 0 : spool_file_problem(&spool->file, err);
    sqlite3_reset(statement);
    return failed;
}

static int gist_of(struct spool *spool, uint64_t seq, struct gist *gist, struct wb_error *err) {
    *gist = (struct gist){0};
    sqlite3_stmt *statement = spool->statements[READ];
    sqlite3_bind_int64(statement, 1, (int64_t)seq - 1);
    int got = sqlite3_step(statement);
    if (got == SQLITE_ROW)
        gist_read(gist, sqlite3_column_blob(statement, 2),
                  (size_t)sqlite3_column_bytes(statement, 2));
    int failed =
        got == SQLITE_ROW || got == SQLITE_DONE ? 0 : spool_file_problem(&spool->file, err);
    sqlite3_reset(statement);
    return failed;
}

static int bury(struct spool *spool, const struct spool_refusal *refusal, struct wb_error *err) {
    struct gist gist;
    if (gist_of(spool, refusal->seq, &gist, err))
        return -1;
    const struct wb_error *why = &refusal->error;
    sqlite3_stmt *statement = spool->statements[BURY];
    sqlite3_bind_int64(statement, 1, (int64_t)refusal->seq);
    sqlite3_bind_int64(statement, 2, timestamp_now_us());
    sqlite3_bind_text(statement, 3, gist.event_id, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 4, gist.case_no, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(statement, 5, why->code);
    sqlite3_bind_text(statement, 6, problem_name(why->code), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 7, why->message, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 8, why->detail, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 9, why->hint, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(statement, 10, why->field, -1, SQLITE_TRANSIENT);
    return run(spool, BURY, err);
}

int spool_settle(struct spool *spool, uint64_t through, const struct spool_refusal *refused,
                 size_t count, struct wb_error *err) {
    if (count && set_pages(spool, spool->max_pages + RESERVE_PAGES, err))
        return -1;
    int failed = begin(spool, true, err);
    if (!failed) {
        for (size_t i = 0; !failed && i < count; i++)
            failed = bury(spool, &refused[i], err);
        sqlite3_bind_int64(spool->statements[SETTLE], 1, (int64_t)through);
        failed = failed || run(spool, SETTLE, err);
        failed = end(spool, failed, err);
    }
    if (count)
        set_pages(spool, spool->max_pages, NULL);
    return failed;
}

bool spool_shrink(struct spool *spool) {
    int64_t pages;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", SHRINK_PAGES);
    return !spool_file_number(&spool->file, "PRAGMA freelist_count", &pages, NULL) &&
           pages > 2 * SHRINK_PAGES && !begin(spool, true, NULL) &&
           !end(spool, spool_file_run(&spool->file, sql, NULL), NULL);
}
