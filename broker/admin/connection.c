#include "broker/admin/connection.h"

#include <stdlib.h>
#include <string.h>

#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/problem.h"

/* What an operator can do about it, by SQLSTATE; else the code's own hint stands. */
static const struct remedy {
    const char *state, *hint;
} remedies[] = {
    {"42501", "use the database role that waybilld uses; it owns the schema waybill"},
    {"25006", "changes need the primary; target_session_attrs=read-write finds it"},
    {"55P03", "another administrator is changing something; try again"},
    {"42P01", "see 'waybill admin verify' and the database's own log"},
};

int connection_problem(const struct wb_admin *admin, const PGresult *result, struct wb_error *err) {
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    problem(err, WB_E_DATABASE, "%s", text ? text : PQerrorMessage(admin->db));
    for (size_t i = 0; state && i < sizeof remedies / sizeof *remedies; i++)
        if (strcmp(state, remedies[i].state) == 0)
            problem_hint(err, "%s", remedies[i].hint);
    return -1;
}

static bool succeeded(const PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

int connection_run(struct wb_admin *admin, const char *sql, struct wb_error *err) {
    PGresult *result = PQexec(admin->db, sql);
    int status = succeeded(result) ? 0 : connection_problem(admin, result, err);
    PQclear(result);
    return status;
}

PGresult *connection_query(struct wb_admin *admin, const char *sql, int params,
                           const char *const *values, struct wb_error *err) {
    PGresult *result = PQexecParams(admin->db, sql, params, NULL, values, NULL, NULL, 0);
    if (succeeded(result))
        return result;
    connection_problem(admin, result, err);
    PQclear(result);
    return NULL;
}

int64_t connection_change(struct wb_admin *admin, const char *sql, int params,
                          const char *const *values, struct wb_error *err) {
    PGresult *result = connection_query(admin, sql, params, values, err);
    if (!result)
        return -1;
    int64_t rows = strtoll(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return rows;
}

PGresult *connection_find(struct wb_admin *admin, const char *sql, const char *what,
                          const char *name, struct wb_error *err) {
    char value[PROBLEM_VALUE];
    PGresult *r = connection_query(admin, sql, 1, &name, err);
    if (!r || PQntuples(r) > 0)
        return r;
    PQclear(r);
    problem(err, WB_E_USAGE, "there is no %s %s", what, problem_value(name, strlen(name), value));
    problem_hint(err, "waybill admin %s list shows all, %s add makes one", what, what);
    return NULL;
}

int connection_put(struct wb_admin *admin, const char *sql, const char *name, struct buffer *out,
                   struct wb_error *err) {
    PGresult *r = connection_query(admin, sql, 1, &name, err);
    if (!r)
        return -1;
    if (PQntuples(r) > 0)
        buffer_text(out, PQgetvalue(r, 0, 0));
    PQclear(r);
    return 0;
}

int connection_ask(struct wb_admin *admin, const char *sql, int params, const char *const *values,
                   bool *answer, struct wb_error *err) {
    PGresult *r = connection_query(admin, sql, params, values, err);
    if (!r)
        return -1;
    *answer = connection_true(r, 0, 0);
    PQclear(r);
    return 0;
}

int64_t connection_number(const PGresult *result, int row, int column) {
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool connection_true(const PGresult *result, int row, int column) {
    return PQgetvalue(result, row, column)[0] == 't';
}

int connection_begin(struct wb_admin *admin, struct wb_error *err) {
    if (connection_run(admin, SQL_BEGIN_CHANGE, err) == 0)
        return 0;
    connection_run(admin, SQL_ROLLBACK, NULL);
    return -1;
}

int connection_end(struct wb_admin *admin, int status, const char *action, const char *subject,
                   struct buffer *detail, struct wb_error *err) {
    const char *const values[] = {action, subject, buffer_string(detail)};
    if (status == 0 && detail->failed)
        status = problem(err, WB_E_SYSTEM, "out of memory");
    if (status == 0 && connection_change(admin, SQL_AUDIT, 3, values, err) < 0)
        status = -1;
    if (status == 0)
        status = connection_run(admin, SQL_COMMIT, err);
    if (status != 0)
        connection_run(admin, SQL_ROLLBACK, NULL);
    buffer_free(detail);
    return status;
}
