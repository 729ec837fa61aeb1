#include "broker/admin/connection.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/problem.h"

#include <string.h>

static int find(wb_admin *admin, const char *name, struct buffer *detail, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_READER_FIND, 1, &name, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) == 0) {
        char value[PROBLEM_VALUE];
        status = problem(err, WB_E_USAGE, "there is no reader %s",
                         problem_value(name, strlen(name), value));
        problem_hint(err, "waybill admin readers shows all");
    } else {
        buffer_printf(detail, "was at %s", PQgetvalue(r, 0, 0));
    }
    PQclear(r);
    return status;
}

int wb_admin_reader_remove(wb_admin *admin, const char *name, struct wb_error *err) {
    struct buffer detail;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &detail, err);
    if (status == 0 && connection_change(admin, SQL_READER_REMOVE, 1, &name, err) < 0)
        status = -1;
    return connection_end(admin, status, "reader remove", name, &detail, err);
}

static void tell(const PGresult *r, int row,
                 void (*fn)(void *arg, const struct wb_admin_reader *reader), void *arg) {
    const struct wb_admin_reader reader = {
        .name = PQgetvalue(r, row, 0),
        .follower = PQgetvalue(r, row, 1),
        .audience = PQgetvalue(r, row, 2),
        .client = PQgetvalue(r, row, 3),
        .connected = (enum wb_admin_connected)connection_number(r, row, 4),
        .cursor = (uint64_t)connection_number(r, row, 5),
        .lag_events = (uint64_t)connection_number(r, row, 6),
        .oldest_us = connection_number(r, row, 7),
        .since_us = connection_number(r, row, 8),
        .acknowledged_us = connection_number(r, row, 9),
        .endangered = connection_true(r, row, 10),
        .expired = connection_true(r, row, 11)};
    fn(arg, &reader);
}

int wb_admin_readers(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_reader *reader),
                     void *arg, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_READERS, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++)
        tell(r, row, fn, arg);
    PQclear(r);
    return 0;
}
