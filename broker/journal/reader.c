#include "broker/journal/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/database.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "proto/problem.h"

struct read {
    struct read *next;
    uint64_t after, through, limit;
    struct buffer case_nos; /* one case's number, or an array of several; empty: all */
    bool one_case;
    reader_done *done; /* NULL: cancelled */
    void *arg;
};

struct reader {
    struct database *database;
    const struct sources *sources;
    struct read *queue, **last;
    size_t waiting;
    struct read *running;
    bool up;
    bool failed;
    struct wb_error err;
};

static void run_next(struct reader *reader);

static void finish(struct read *read, const struct log_record *records, size_t count,
                   const struct wb_error *err) {
    reader_done *done = read->done;
    void *arg = read->arg;
    buffer_free(&read->case_nos);
    free(read);
    if (done)
        done(arg, records, count, err);
}

static void read_row(const struct reader *reader, const PGresult *r, int row,
                     struct log_record *record) {
    const unsigned char *id = (const unsigned char *)PQgetvalue(r, row, 1);
    const struct source *source =
        sources_by_id(reader->sources, (int32_t)((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 |
                                                 (uint32_t)id[2] << 8 | id[3]));
    *record = (struct log_record){.offset = (uint64_t)database_int8(r, row, 0),
                                  .source = source ? source->name : "",
                                  .recorded_at_us = database_time_us(r, row, 2),
                                  .event = {.data = (const uint8_t *)PQgetvalue(r, row, 3),
                                            .length = (size_t)PQgetlength(r, row, 3)}};
}

static void deliver(struct reader *reader, const PGresult *r) {
    struct read *read = reader->running;
    size_t count = (size_t)PQntuples(r);
    struct log_record *records = calloc(count + 1, sizeof *records);
    reader->running = NULL;
    if (!records) {
        problem(&reader->err, WB_E_SYSTEM, "out of memory");
        finish(read, NULL, 0, &reader->err);
        return;
    }
    for (size_t i = 0; i < count; i++)
        read_row(reader, r, (int)i, &records[i]);
    finish(read, records, count, NULL);
    free(records);
}

static void on_result(void *arg, const PGresult *r) {
    struct reader *reader = arg;
    if (!r) {
        if (reader->running) {
            struct read *read = reader->running;
            reader->running = NULL;
            finish(read, NULL, 0, &reader->err);
        }
        run_next(reader);
    } else if (PQresultStatus(r) == PGRES_TUPLES_OK && reader->running) {
        deliver(reader, r);
    } else {
        const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
        problem(&reader->err, WB_E_DATABASE, "%s", text ? text : PQresultErrorMessage(r));
    }
}

static void put64(uint8_t *out, uint64_t value) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static void send_read(struct reader *reader, const struct read *read) {
    uint8_t after[8], through[8], limit[8];
    put64(after, read->after);
    put64(through, read->through);
    put64(limit, read->limit);
    struct database_param case_nos = {.data = read->case_nos.data,
                                      .bytes = (int)read->case_nos.length,
                                      .type = read->one_case ? TEXT_OID : TEXT_ARRAY_OID};
    struct database_param rows = {.data = limit, .bytes = 8, .type = INT8_OID};
    if (read->one_case) {
        struct database_param params[] = {case_nos, rows};
        database_query_params(reader->database, SQL_CASE, params, 2, on_result, reader);
        return;
    }
    struct database_param params[] = {{.data = after, .bytes = 8, .type = INT8_OID},
                                      {.data = through, .bytes = 8, .type = INT8_OID},
                                      rows,
                                      case_nos};
    bool all = read->case_nos.length == 0;
    database_query_params(reader->database, all ? SQL_RANGE : SQL_RANGE_OF_CASES, params,
                          all ? 3 : 4, on_result, reader);
}

static void run_next(struct reader *reader) {
    while (reader->queue && !reader->running && database_idle(reader->database)) {
        struct read *read = reader->queue;
        reader->queue = read->next;
        if (!reader->queue)
            reader->last = &reader->queue;
        reader->waiting--;
        meter_set(METER_READS_WAITING, NULL, (int64_t)reader->waiting);
        if (!read->done) {
            finish(read, NULL, 0, NULL);
            continue;
        }
        reader->running = read;
        problem(&reader->err, WB_E_DATABASE, "the query gave no result");
        send_read(reader, read);
    }
}

static void on_up(void *arg) {
    struct reader *reader = arg;
    reader->up = true;
    run_next(reader);
}

/* Reads that wait are tried again on the next connection; the one under way fails, for it may be
 * what broke the connection. */
static void on_down(void *arg, const char *reason) {
    struct reader *reader = arg;
    struct read *read = reader->running;
    reader->up = false;
    reader->running = NULL;
    meter_add(METER_DATABASE_LOST, "reader", 1);
    problem(&reader->err, WB_E_DATABASE, "%s", reason);
    if (read)
        finish(read, NULL, 0, &reader->err);
}

struct reader *reader_new(uv_loop_t *loop, const char *database, const struct sources *sources) {
    static const struct database_events events = {.up = on_up, .down = on_down};
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->sources = sources;
    reader->last = &reader->queue;
    reader->database = database_new(loop, database, "waybilld reader", &events, reader);
    if (!reader->database) {
        free(reader);
        return NULL;
    }
    return reader;
}

void reader_close(struct reader *reader) {
    if (!reader)
        return;
    database_close(reader->database);
    if (reader->running) {
        reader->running->done = NULL;
        finish(reader->running, NULL, 0, NULL);
    }
    while (reader->queue) {
        struct read *next = reader->queue->next;
        reader->queue->done = NULL;
        finish(reader->queue, NULL, 0, NULL);
        reader->queue = next;
    }
    free(reader);
}

bool reader_up(const struct reader *reader) {
    return reader->up;
}

static struct read *enqueue(struct reader *reader, struct read *read) {
    if (!read || reader->waiting >= READS_MAX || read->case_nos.failed) {
        if (read)
            buffer_free(&read->case_nos);
        free(read);
        return NULL;
    }
    *reader->last = read;
    reader->last = &read->next;
    reader->waiting++;
    run_next(reader);
    return read;
}

struct read *reader_range(struct reader *reader, uint64_t after, uint64_t through, size_t limit,
                          const char *const *case_nos, size_t case_count, reader_done *done,
                          void *arg) {
    struct read *read = calloc(1, sizeof *read);
    if (!read)
        return NULL;
    *read =
        (struct read){.after = after, .through = through, .limit = limit, .done = done, .arg = arg};
    buffer_init(&read->case_nos, 0);
    if (case_count > 0) {
        buffer_be32(&read->case_nos, 1); /* an array of one dimension, without nulls */
        buffer_be32(&read->case_nos, 0);
        buffer_be32(&read->case_nos, TEXT_OID);
        buffer_be32(&read->case_nos, (uint32_t)case_count);
        buffer_be32(&read->case_nos, 1);
    }
    for (size_t i = 0; i < case_count; i++) {
        buffer_be32(&read->case_nos, (uint32_t)strlen(case_nos[i]));
        buffer_text(&read->case_nos, case_nos[i]);
    }
    return enqueue(reader, read);
}

struct read *reader_case(struct reader *reader, const char *case_no, reader_done *done, void *arg) {
    struct read *read = calloc(1, sizeof *read);
    if (!read)
        return NULL;
    *read = (struct read){.one_case = true, .limit = READ_CASE_ROWS, .done = done, .arg = arg};
    buffer_init(&read->case_nos, 0);
    buffer_text(&read->case_nos, case_no);
    return enqueue(reader, read);
}

void reader_cancel(struct read *read) {
    read->done = NULL;
}
