#include "broker/admin/rows.h"

#include <string.h>

#include "common/buffer.h"
#include "proto/problem.h"

/* https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format" */
static const char signature[11] = "PGCOPY\n\377\r\n";
#define HEADER_BYTES     19
#define EPOCH_2000_US    INT64_C(946684800000000)
#define END_OF_COPY      (-1)
#define FIELD_COUNT_NULL (-1)

int rows_open(struct rows *rows, struct wb_admin *admin, const char *query, struct wb_error *err) {
    struct buffer sql;
    *rows = (struct rows){.admin = admin};
    buffer_init(&sql, 0);
    buffer_printf(&sql, "COPY (%s) TO STDOUT (FORMAT binary)", query);
    if (sql.failed) {
        buffer_free(&sql);
        return problem(err, WB_E_SYSTEM, "out of memory");
    }
    PGresult *r = PQexec(admin->db, buffer_string(&sql));
    int status = PQresultStatus(r) == PGRES_COPY_OUT ? 0 : connection_problem(admin, r, err);
    PQclear(r);
    buffer_free(&sql);
    return status;
}

static uint64_t big_endian(const uint8_t *data, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | data[i];
    return value;
}

/* Takes one row apart; the first one has the header of the whole before it. 1: a row, 0: the end
 * mark, -1: not what the format says. */
static int take_apart(struct rows *rows, size_t bytes) {
    const uint8_t *at = (const uint8_t *)rows->line, *end = at + bytes;
    if (bytes > HEADER_BYTES && memcmp(at, signature, sizeof signature) == 0)
        at += HEADER_BYTES;
    if (end - at < 2)
        return -1;
    int16_t count = (int16_t)big_endian(at, 2);
    at += 2;
    if (count == END_OF_COPY)
        return 0;
    if (count < 0 || count > ROWS_COLUMNS_MAX)
        return -1;
    rows->columns = count;
    for (int i = 0; i < count; i++) {
        if (end - at < 4)
            return -1;
        int32_t length = (int32_t)big_endian(at, 4);
        at += 4;
        rows->column[i] = (struct slice){0};
        if (length == FIELD_COUNT_NULL)
            continue;
        if (length < 0 || end - at < length)
            return -1;
        rows->column[i] = (struct slice){.data = at, .length = (size_t)length};
        at += length;
    }
    return 1;
}

/* The COPY is over: the connection is free again when all results were taken. */
static int finish(struct rows *rows, struct wb_error *err) {
    int status = 0;
    PGresult *r;
    while ((r = PQgetResult(rows->admin->db)) != NULL) {
        if (PQresultStatus(r) != PGRES_COMMAND_OK && status == 0)
            status = connection_problem(rows->admin, r, err);
        PQclear(r);
    }
    return status;
}

static void forget(struct rows *rows) {
    PQfreemem(rows->line);
    rows->line = NULL;
}

int rows_next(struct rows *rows, struct wb_error *err) {
    for (;;) {
        forget(rows);
        int bytes = PQgetCopyData(rows->admin->db, &rows->line, 0);
        if (bytes == -2)
            return connection_problem(rows->admin, NULL, err);
        if (bytes < 0)
            return finish(rows, err);
        int taken = take_apart(rows, (size_t)bytes);
        if (taken > 0)
            return 1;
        if (taken < 0) {
            rows_close(rows);
            return problem(err, WB_E_DATABASE, "the server's rows cannot be read");
        }
    }
}

void rows_close(struct rows *rows) {
    int bytes;
    do {
        forget(rows);
        bytes = PQgetCopyData(rows->admin->db, &rows->line, 0);
    } while (bytes >= 0);
    finish(rows, NULL);
}

int64_t rows_int(const struct rows *rows, int column) {
    struct slice value = rows->column[column];
    switch (value.length) {
    case 2:
        return (int16_t)big_endian(value.data, 2);
    case 4:
        return (int32_t)big_endian(value.data, 4);
    case 8:
        return (int64_t)big_endian(value.data, 8);
    default:
        return 0;
    }
}

int64_t rows_time_us(const struct rows *rows, int column) {
    return rows_int(rows, column) + EPOCH_2000_US;
}
