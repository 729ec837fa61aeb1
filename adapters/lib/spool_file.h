/* A spool's file: a SQLite database that says of itself what it is and whose.
 *
 *   event        what waits, in the order of seq, without gaps: it is taken off at the front alone
 *   dead_letter  what the broker refused, with the reason
 *   meta         the source
 *
 * Beside it lie SQLite's -wal and -shm, and -lock (spool_lock.h). The format's version is
 * SPOOL_VERSION; another one gets another number and a step in spool_file.c that leads to it.
 *
 * Opening changes nothing in a file that is not a spool, is damaged, or is another source's. */
#ifndef LIB_SPOOL_FILE_H
#define LIB_SPOOL_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>

#define SPOOL_APPLICATION 0x57425350 /* "WBSP", in the file's header */
#define SPOOL_VERSION     1
#define SPOOL_BUSY_MS     10000 /* the most that another process may keep this one waiting */

struct sqlite3;
struct sqlite3_stmt;

struct spool_file {
    struct sqlite3 *db;
    char *path; /* without symbolic links */
};

/* For the one that publishes, who holds the lock: makes the file if there is none, and looks
 * through one that was not closed in order. -1 and err. */
int spool_file_open(struct spool_file *file, const char *path, const char *source,
                    struct wb_error *err);
/* To look into it, and to mend: it has to be there. -1 and err. */
int spool_file_visit(struct spool_file *file, const char *path, struct wb_error *err);
void spool_file_close(struct spool_file *file); /* also one that did not open */

/* The path without symbolic links, of a file that need not exist, for free(). NULL and err. */
char *spool_file_path(const char *path, struct wb_error *err);

/* What SQLite says went wrong last; -1. An error that is not retriable means the file is damaged.
 */
int spool_file_problem(const struct spool_file *file, struct wb_error *err);

int spool_file_run(const struct spool_file *file, const char *sql, struct wb_error *err);
struct sqlite3_stmt *spool_file_prepare(const struct spool_file *file, const char *sql,
                                        struct wb_error *err);
/* The first column of the only row; 0 and -1 with err if it fails. */
int spool_file_number(const struct spool_file *file, const char *sql, int64_t *value,
                      struct wb_error *err);
/* The file and its log, on the disk. */
uint64_t spool_file_bytes(const struct spool_file *file);

#endif
