#include "spool_file.h"

#include "common/timestamp.h"
#include "proto/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK_US    INT64_C(10000000) /* the most that looking through a file may take */
#define CHECK_STEPS 100000            /* of SQLite's machine, between two looks at the clock */

/* AUTOINCREMENT: a number is never given twice, so that who publishes sees what others put in. */
static const char schema[] =
    "CREATE TABLE meta(source TEXT NOT NULL, version TEXT NOT NULL, created_us INTEGER NOT NULL);"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY AUTOINCREMENT, stored_us INTEGER NOT NULL,"
    " tag INTEGER, event BLOB NOT NULL);"
    "CREATE TABLE dead_letter(seq INTEGER PRIMARY KEY, stored_us INTEGER NOT NULL,"
    " refused_us INTEGER NOT NULL, event_id TEXT NOT NULL, case_no TEXT NOT NULL,"
    " code INTEGER NOT NULL, name TEXT NOT NULL, message TEXT NOT NULL, detail TEXT NOT NULL,"
    " hint TEXT NOT NULL, field TEXT NOT NULL, event BLOB NOT NULL);";

static const char salvage[] = "move it away with its -wal and -shm, and get what can be read "
                              "into a new one: waybill spool salvage DAMAGED NEW";

static int damaged(const char *path, const char *how, struct wb_error *err) {
    problem(err, WB_E_SPOOL, "%.120s is damaged: %s", path, how);
    if (err)
        err->retriable = false;
    return problem_hint(err, "%s", salvage);
}

static int system_problem(const char *path, int number, struct wb_error *err) {
    problem(err, WB_E_SPOOL, "%.140s: %s", path, strerror(number));
    if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        problem_hint(err, "make room; what is in the spool stays, and events are taken again then");
    return -1;
}

int spool_file_problem(const struct spool_file *file, struct wb_error *err) {
    sqlite3 *db = file->db;
    int number = sqlite3_system_errno(db);
    const char *words = sqlite3_errmsg(db);
    switch (sqlite3_errcode(db)) {
    case SQLITE_CORRUPT:
        return damaged(file->path, words, err);
    case SQLITE_NOTADB:
        problem(err, WB_E_SPOOL, "%.140s is not a spool: %s", file->path, words);
        if (err)
            err->retriable = false;
        return problem_hint(err, "name another path, or move the file away");
    case SQLITE_FULL:
        return system_problem(file->path, ENOSPC, err);
    case SQLITE_BUSY:
        problem(err, WB_E_SPOOL, "another process has been changing %.120s for %d seconds",
                file->path, SPOOL_BUSY_MS / 1000);
        return problem_hint(err, "see who has it open: fuser %.100s", file->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return system_problem(file->path, EACCES, err);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (number)
            return system_problem(file->path, number, err);
        break;
    default:
        break;
    }
    return problem(err, WB_E_SPOOL, "%.120s: %s", file->path, words);
}

int spool_file_run(const struct spool_file *file, const char *sql, struct wb_error *err) {
    if (sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return spool_file_problem(file, err);
}

sqlite3_stmt *spool_file_prepare(const struct spool_file *file, const char *sql,
                                 struct wb_error *err) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL))
        spool_file_problem(file, err);
    return statement;
}

int spool_file_number(const struct spool_file *file, const char *sql, int64_t *value,
                      struct wb_error *err) {
    *value = 0;
    sqlite3_stmt *statement = spool_file_prepare(file, sql, err);
    if (!statement)
        return -1;
    int got = sqlite3_step(statement);
    if (got == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else if (got != SQLITE_DONE)
        spool_file_problem(file, err);
    sqlite3_finalize(statement);
    return got == SQLITE_ROW || got == SQLITE_DONE ? 0 : -1;
}

static bool is_file(const char *path, struct wb_error *err) {
    struct stat status;
    if (!stat(path, &status) && S_ISREG(status.st_mode))
        return true;
    problem(err, WB_E_SPOOL, "%.140s is not a file", path);
    problem_hint(err, "name the spool's file itself; it is made if there is none");
    return false;
}

/* Of the file itself, so that two names are not taken for two spools. */
char *spool_file_path(const char *path, struct wb_error *err) {
    char *found = realpath(path, NULL);
    if (found && is_file(found, err))
        return found;
    if (found) {
        free(found);
        return NULL;
    }
    char *copy = strdup(path), *other = strdup(path);
    char *folder = copy && errno == ENOENT ? realpath(dirname(copy), NULL) : NULL;
    char whole[PATH_MAX];
    if (folder && other) {
        snprintf(whole, sizeof whole, "%s/%s", strcmp(folder, "/") ? folder : "", basename(other));
        found = strdup(whole);
    } else {
        problem(err, WB_E_SPOOL, "the folder of %.140s: %s", path, strerror(errno));
        problem_hint(err, "make the folder, with the right to write in it");
    }
    free(folder);
    free(copy);
    free(other);
    return found;
}

static uint64_t beside(const char *path, const char *ending) {
    char name[PATH_MAX];
    struct stat status;
    int length = snprintf(name, sizeof name, "%s%s", path, ending);
    return length < (int)sizeof name && !stat(name, &status) ? (uint64_t)status.st_size : 0;
}

uint64_t spool_file_bytes(const struct spool_file *file) {
    return beside(file->path, "") + beside(file->path, "-wal");
}

/* What SQLite would take for a new database, and what it cannot lock. */
static int inspect(const char *path, bool *found, struct wb_error *err) {
    struct stat status;
    *found = !lstat(path, &status);
    if (!*found)
        return errno == ENOENT ? 0 : system_problem(path, errno, err);
    if (status.st_nlink > 1) {
        problem(err, WB_E_SPOOL, "%.140s has %lu names", path, (unsigned long)status.st_nlink);
        return problem_hint(err, "a spool needs one name: remove the other hard links");
    }
    if (!status.st_size && beside(path, "-wal"))
        return damaged(path, "it is empty, and events are in its -wal", err);
    *found = status.st_size > 0;
    return 0;
}

static int sync_folder(const char *path, struct wb_error *err) {
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int failed = fd < 0 || fsync(fd) ? errno : 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return failed ? system_problem(path, failed, err) : 0;
}

/* It holds applicants' data: nobody else reads it. SQLite gives its other files the same mode. */
static int make_file(const char *path, struct wb_error *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return system_problem(path, errno, err);
    close(fd);
    return sync_folder(path, err);
}

static int connect_file(struct spool_file *file, struct wb_error *err) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(file->path, &file->db, flags, NULL)) {
        if (!file->db)
            return problem(err, WB_E_SYSTEM, "no memory for a spool");
        return spool_file_problem(file, err);
    }
    sqlite3_busy_timeout(file->db, SPOOL_BUSY_MS);
    /* Until it is known to be sound, and by who only looks, the log is not worked into the file. */
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return 0;
}

static int create(struct spool_file *file, const char *source, struct wb_error *err) {
    char *sql = sqlite3_mprintf("PRAGMA auto_vacuum=INCREMENTAL; BEGIN IMMEDIATE;"
                                "PRAGMA application_id=%d; PRAGMA user_version=%d; %s"
                                "INSERT INTO meta VALUES(%Q, %Q, %lld); COMMIT;",
                                SPOOL_APPLICATION, SPOOL_VERSION, schema, source, WAYBILL_VERSION,
                                (long long)timestamp_now_us());
    int failed =
        sql ? spool_file_run(file, sql, err) : problem(err, WB_E_SYSTEM, "no memory for a spool");
    sqlite3_free(sql);
    return failed;
}

static int identify(const struct spool_file *file, struct wb_error *err) {
    int64_t application, version;
    if (spool_file_number(file, "PRAGMA application_id", &application, err) ||
        spool_file_number(file, "PRAGMA user_version", &version, err))
        return -1;
    if (application != SPOOL_APPLICATION) {
        problem(err, WB_E_SPOOL,
                "%.140s is a database of another program (application id %" PRId64 ")", file->path,
                application);
        return problem_hint(err, "name another path, or move the file away");
    }
    if (version > SPOOL_VERSION) {
        problem(err, WB_E_SPOOL, "%.120s has format %" PRId64 ", this program knows up to %d",
                file->path, version, SPOOL_VERSION);
        return problem_hint(err, "use the newer Waybill that wrote it");
    }
    return 0;
}

static int belongs_to(const struct spool_file *file, const char *source, struct wb_error *err) {
    sqlite3_stmt *statement = spool_file_prepare(file, "SELECT source FROM meta", err);
    if (!statement)
        return -1;
    int failed = -1, got = sqlite3_step(statement);
    const char *owner = got == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (owner && !strcmp(owner, source)) {
        failed = 0;
    } else if (owner) {
        problem(err, WB_E_SPOOL, "%.100s holds events of source '%.64s', not of '%.64s'",
                file->path, owner, source);
        problem_hint(err, "give each source a spool of its own");
    } else if (got == SQLITE_DONE) {
        damaged(file->path, "it does not say whose it is", err);
    } else {
        spool_file_problem(file, err);
    }
    sqlite3_finalize(statement);
    return failed;
}

static int past_the_end(void *end_us) {
    return monotonic_us() >= *(int64_t *)end_us;
}

/* A file that was not closed in order is looked through, as far as the time goes: what is found
 * later, when it is read, is an error then. */
static int look_through(const struct spool_file *file, struct wb_error *err) {
    int64_t end_us = monotonic_us() + CHECK_US;
    sqlite3_progress_handler(file->db, CHECK_STEPS, past_the_end, &end_us);
    sqlite3_stmt *statement = spool_file_prepare(file, "PRAGMA quick_check(1)", err);
    int got = statement ? sqlite3_step(statement) : SQLITE_ERROR, failed = -1;
    const char *words = got == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (got == SQLITE_INTERRUPT || (words && !strcmp(words, "ok")))
        failed = 0;
    else if (words)
        damaged(file->path, words, err);
    else if (statement)
        spool_file_problem(file, err);
    sqlite3_finalize(statement);
    sqlite3_progress_handler(file->db, 0, NULL, NULL);
    return failed;
}

static int settings(const struct spool_file *file, struct wb_error *err) {
    return spool_file_run(file, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", err);
}

/* SQLite takes what is missing of the last page for zeros. After a power cut it may be missing:
 * then the log has it. */
static int check_end(const struct spool_file *file, struct wb_error *err) {
    int64_t page_bytes;
    if (spool_file_number(file, "PRAGMA page_size", &page_bytes, err))
        return -1;
    if (page_bytes && beside(file->path, "") % (uint64_t)page_bytes)
        return damaged(file->path, "it ends in the middle of a page", err);
    return 0;
}

static int open_for(struct spool_file *file, const char *source, bool found, struct wb_error *err) {
    bool unclean = beside(file->path, "-wal") > 0;
    int64_t pages; /* none also where the power went while it was made */
    if (!found && make_file(file->path, err))
        return -1;
    if (connect_file(file, err) || spool_file_number(file, "PRAGMA page_count", &pages, err) ||
        (!pages && create(file, source, err)) || identify(file, err) ||
        belongs_to(file, source, err) ||
        (unclean ? look_through(file, err) : check_end(file, err)) || settings(file, err))
        return -1;
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return 0;
}

int spool_file_open(struct spool_file *file, const char *path, const char *source,
                    struct wb_error *err) {
    bool found;
    *file = (struct spool_file){.path = spool_file_path(path, err)};
    if (file->path && !inspect(file->path, &found, err) && !open_for(file, source, found, err))
        return 0;
    spool_file_close(file);
    return -1;
}

int spool_file_visit(struct spool_file *file, const char *path, struct wb_error *err) {
    bool found;
    *file = (struct spool_file){.path = spool_file_path(path, err)};
    if (!file->path || inspect(file->path, &found, err)) {
        spool_file_close(file);
        return -1;
    }
    if (!found) {
        problem(err, WB_E_SPOOL, "there is no spool %.140s", path);
        problem_hint(err, "name the file that the publisher was given");
        spool_file_close(file);
        return -1;
    }
    if (!connect_file(file, err) && !identify(file, err))
        return 0;
    spool_file_close(file);
    return -1;
}

void spool_file_close(struct spool_file *file) {
    sqlite3_close(file->db);
    free(file->path);
    *file = (struct spool_file){0};
}
