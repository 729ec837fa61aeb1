/* A connection to PostgreSQL on the loop: libpq in non-blocking mode, one query at a time,
 * connected again by itself with a growing pause. PostgreSQL's types stay inside this folder. */
#ifndef BROKER_JOURNAL_DATABASE_H
#define BROKER_JOURNAL_DATABASE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Types of parameters (pg_type.dat), and what PostgreSQL counts its microseconds from: 2000-01-01.
 */
enum {
    BOOL_OID = 16,
    BYTEA_OID = 17,
    INT8_OID = 20,
    INT4_OID = 23,
    BYTEA_ARRAY_OID = 1001,
    INT2_ARRAY_OID = 1005,
    INT8_ARRAY_OID = 1016,
    TIMESTAMPTZ_OID = 1184,
    TIMESTAMPTZ_ARRAY_OID = 1185,
    INT2_OID = 21,
    TEXT_OID = 25,
    INT4_ARRAY_OID = 1007,
    TEXT_ARRAY_OID = 1009,
};
#define POSTGRES_EPOCH_US INT64_C(946684800000000)

struct database;

struct database_events {
    /* Connected and idle. May send a query. */
    void (*up)(void *arg);
    /* Lost or closed for the reason: a query under way has no result, its outcome is unknown, and
     * its result function is not called any more. May not close the connection. */
    void (*down)(void *arg, const char *reason);
};

/* Called for each result of a query, which it may read but not keep, and at last with NULL: then
 * the connection is idle and the function may send the next query. At PGRES_COPY_IN it calls
 * database_copy. */
typedef void database_result(void *arg, const PGresult *result);

/* Begins to connect. The name (application_name) is kept by reference. */
struct database *database_new(uv_loop_t *loop, const char *conninfo, const char *name,
                              const struct database_events *events, void *arg);
void database_close(struct database *database); /* without calling down; NULL is allowed */

/* Gives the connection up as unusable, as if the server had closed it: down is called from the
 * loop, then it connects again. */
void database_drop(struct database *database, const char *reason);

/* From within the result function: the result is the caller's from now on, for PQclear. */
PGresult *database_take(struct database *database);

bool database_idle(const struct database *database);
/* The server's process behind the connection; 0 without one. */
int database_process(const struct database *database);

/* Statements without parameters may be several, as one string. */
void database_query(struct database *database, const char *sql, database_result *result, void *arg);

struct database_param {
    const void *data; /* PostgreSQL's binary form; NULL: null */
    int bytes;
    Oid type;
};

/* One statement; parameters and results in binary form. */
void database_query_params(struct database *database, const char *sql,
                           const struct database_param *params, size_t count,
                           database_result *result, void *arg);

/* The same in two steps: a statement is prepared once on a connection (types as in the statement's
 * casts), and then only named. */
void database_prepare(struct database *database, const char *name, const char *sql,
                      database_result *result, void *arg);
void database_query_prepared(struct database *database, const char *name,
                             const struct database_param *params, size_t count,
                             database_result *result, void *arg);

/* Values of a result in binary form; times as microseconds since 1970. */
int32_t database_int4(const PGresult *result, int row, int column);
int64_t database_int8(const PGresult *result, int row, int column);
int64_t database_time_us(const PGresult *result, int row, int column);

/* Gives the next piece of what COPY wants: true and the bytes, which stay until it is called again;
 * false at the end. No bytes and true: memory is out, the connection is given up. */
typedef bool database_piece(void *arg, const void **data, size_t *bytes);

/* Answers PGRES_COPY_IN, from within the result function: with one piece after another, as the
 * server takes them. */
void database_copy(struct database *database, database_piece *next, void *arg);

/* The server warned while the last query ran: a commit may not have been replicated, say. */
bool database_warned(const struct database *database);

#endif
