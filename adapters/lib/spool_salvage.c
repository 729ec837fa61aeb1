/* Gets out of a damaged spool what can be read: from the front up to the damage, and from the back
 * down to it. */
#include "proto/problem.h"
#include "spool_file.h"
#include "spool_lock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <waybill/spool.h>

struct table {
    const char *name, *columns; /* all but seq, which comes first */
    int count;                  /* with seq */
};

static const struct table tables[] = {
    {"event", "stored_us, event", 3},
    {"dead_letter",
     "stored_us, refused_us, event_id, case_no, code, name, message, detail, hint, field, event",
     12},
};

struct salvage {
    struct spool_file from, to;
};

static int put(const struct salvage *s, sqlite3_stmt *row, const struct table *table,
               sqlite3_stmt *into, struct wb_error *err) {
    for (int i = 0; i < table->count; i++)
        sqlite3_bind_value(into, i + 1, sqlite3_column_value(row, i));
    int got = sqlite3_step(into);
    sqlite3_reset(into);
    return got == SQLITE_DONE ? 0 : spool_file_problem(&s->to, err);
}

/* Copies rows in one direction, until there are none, or they cannot be read, or one is known. */
static int copy(const struct salvage *s, const struct table *table, bool down, sqlite3_stmt *into,
                int64_t *last, struct wb_error *err) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT seq, %s FROM %s ORDER BY seq %s", table->columns, table->name,
             down ? "DESC" : "ASC");
    sqlite3_stmt *rows = spool_file_prepare(&s->from, sql, err);
    if (!rows)
        return -1;
    int failed = 0;
    while (!failed && sqlite3_step(rows) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(rows, 0);
        if (down && seq <= *last)
            break;
        failed = put(s, rows, table, into, err);
        if (!down)
            *last = seq;
    }
    sqlite3_finalize(rows);
    return failed;
}

/* Over a table in memory or in a temporary file, as the rows of the second half come backwards. */
static int salvage_table(const struct salvage *s, const struct table *table, uint64_t *count,
                         struct wb_error *err) {
    char sql[512];
    int64_t last = INT64_MIN;
    snprintf(sql, sizeof sql, "CREATE TEMP TABLE found AS SELECT seq, %s FROM main.%s WHERE 0",
             table->columns, table->name);
    if (spool_file_run(&s->to, sql, err))
        return -1;
    snprintf(sql, sizeof sql, "INSERT INTO found VALUES(?%.*s)", (table->count - 1) * 2,
             ",?,?,?,?,?,?,?,?,?,?,?");
    sqlite3_stmt *into = spool_file_prepare(&s->to, sql, err);
    int failed =
        !into || copy(s, table, false, into, &last, err) || copy(s, table, true, into, &last, err);
    sqlite3_finalize(into);
    /* Events are numbered anew: a queue has no gaps. */
    bool queue = table == &tables[0];
    snprintf(sql, sizeof sql, "INSERT INTO main.%s(%s%s) SELECT %s%s FROM found ORDER BY seq",
             table->name, queue ? "" : "seq, ", table->columns, queue ? "" : "seq, ",
             table->columns);
    failed = failed || spool_file_run(&s->to, sql, err);
    *count = failed ? 0 : (uint64_t)sqlite3_changes64(s->to.db);
    return failed || spool_file_run(&s->to, "DROP TABLE temp.found", err) ? -1 : 0;
}

static int salvage_all(const struct salvage *s, uint64_t *events, uint64_t *dead,
                       struct wb_error *err) {
    if (spool_file_run(&s->to, "BEGIN IMMEDIATE", err))
        return -1;
    int failed = salvage_table(s, &tables[0], events, err) ||
                 salvage_table(s, &tables[1], dead, err) || spool_file_run(&s->to, "COMMIT", err);
    if (failed && !sqlite3_get_autocommit(s->to.db))
        spool_file_run(&s->to, "ROLLBACK", NULL);
    return failed ? -1 : 0;
}

static int source_of(const struct spool_file *file, char *source, size_t size,
                     struct wb_error *err) {
    sqlite3_stmt *statement = spool_file_prepare(file, "SELECT source FROM meta", err);
    if (!statement)
        return -1;
    int failed = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        snprintf(source, size, "%s", sqlite3_column_text(statement, 0));
    else
        failed = spool_file_problem(file, err);
    sqlite3_finalize(statement);
    return failed;
}

static int check_paths(const char *damaged, const char *path, struct wb_error *err) {
    long pid;
    if (!access(path, F_OK)) {
        problem(err, WB_E_SPOOL, "%.140s is there already", path);
        return problem_hint(err, "name a file that is not there; it becomes the new spool");
    }
    if (spool_lock_held(damaged, &pid)) {
        problem(err, WB_E_SPOOL, "%.140s is in use by process %ld", damaged, pid);
        return problem_hint(err, "stop the publisher first");
    }
    return 0;
}

int wb_spool_salvage(const char *damaged, const char *path, uint64_t *events,
                     uint64_t *dead_letters, struct wb_error *err) {
    struct salvage s = {0};
    char source[68];
    *events = *dead_letters = 0;
    if (check_paths(damaged, path, err) || spool_file_visit(&s.from, damaged, err))
        return -1;
    int failed = source_of(&s.from, source, sizeof source, err) ||
                 spool_file_open(&s.to, path, source, err) ||
                 salvage_all(&s, events, dead_letters, err);
    spool_file_close(&s.to);
    spool_file_close(&s.from);
    return failed ? -1 : 0;
}
