/* The database as administration uses it: one connection, one statement after the other. */
#ifndef BROKER_ADMIN_CONNECTION_H
#define BROKER_ADMIN_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <waybill/admin.h>

struct buffer;

struct wb_admin {
    PGconn *db;
};

/* The server's complaint as an error: what it says, and what to do about it. Returns -1. */
int connection_problem(const struct wb_admin *admin, const PGresult *result, struct wb_error *err);

/* One or more statements without parameters, whose rows are dropped. */
int connection_run(struct wb_admin *admin, const char *sql, struct wb_error *err);

/* One statement; parameters and rows are text. The caller clears the result; NULL and err. */
PGresult *connection_query(struct wb_admin *admin, const char *sql, int params,
                           const char *const *values, struct wb_error *err);

/* The same for one that changes rows: how many, or -1 and err. */
int64_t connection_change(struct wb_admin *admin, const char *sql, int params,
                          const char *const *values, struct wb_error *err);

/* The row that a query for one name gives: what is "source", "follower", "token". The caller clears
 * the result; NULL and err, also if there is none. */
PGresult *connection_find(struct wb_admin *admin, const char *sql, const char *what,
                          const char *name, struct wb_error *err);

/* Adds the text that a query for one name gives, if it gives any. */
int connection_put(struct wb_admin *admin, const char *sql, const char *name, struct buffer *out,
                   struct wb_error *err);

/* Whether the one value that a query gives is true. -1 and err if it cannot be asked. */
int connection_ask(struct wb_admin *admin, const char *sql, int params, const char *const *values,
                   bool *answer, struct wb_error *err);

int64_t connection_number(const PGresult *result, int row, int column);
bool connection_true(const PGresult *result, int row, int column);

/* A change begins, and ends: with status 0 the audit is written and the change committed, else it
 * is rolled back. Returns status, or -1 and err if it could not be committed. */
int connection_begin(struct wb_admin *admin, struct wb_error *err);
int connection_end(struct wb_admin *admin, int status, const char *action, const char *subject,
                   struct buffer *detail, struct wb_error *err);

#endif
