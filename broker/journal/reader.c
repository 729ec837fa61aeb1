#include "broker/journal/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/log.h"
#include "proto/problem.h"

struct read {
    struct reader *reader;
    struct read *next, **link; /* in its queue; link NULL: running */
    uint64_t after, through, limit;
    struct buffer case_nos; /* one case's number, or an array of several; empty: all */
    bool one_case;
    bool again;        /* its connection was lost once */
    reader_done *done; /* NULL: cancelled */
    void *arg;
};

struct reader {
    struct database *database;
    const struct sources *sources;
    struct queue {
        struct read *first, **last;
    } cases, ranges; /* people wait for the first, programs for the second */
    size_t waiting;
    struct read *running;
    PGresult *rows;       /* of it, once they are there */
    struct wb_error busy; /* what a failed read is told; the reason is logged */
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

static void count_waiting(struct reader *reader, int by) {
    reader->waiting += (size_t)by;
    meter_set(METER_READS_WAITING, NULL, (int64_t)reader->waiting);
}

static void put(struct queue *queue, struct read *read) {
    read->next = NULL;
    read->link = queue->last;
    *queue->last = read;
    queue->last = &read->next;
    count_waiting(read->reader, 1);
}

static struct queue *queue_of(struct read *read) {
    return read->one_case ? &read->reader->cases : &read->reader->ranges;
}

static void take(struct read *read) {
    *read->link = read->next;
    if (read->next)
        read->next->link = read->link;
    else
        queue_of(read)->last = read->link;
    read->link = NULL;
    count_waiting(read->reader, -1);
}

static void read_row(const struct reader *reader, const PGresult *r, int row,
                     struct log_record *record) {
    const struct source *source = sources_by_id(reader->sources, database_int4(r, row, 2));
    *record = (struct log_record){.offset = (uint64_t)database_int8(r, row, 1),
                                  .source = source ? source->name : "",
                                  .recorded_at_us = database_time_us(r, row, 3),
                                  .event = {.data = (const uint8_t *)PQgetvalue(r, row, 4),
                                            .length = (size_t)PQgetlength(r, row, 4)}};
}

static void take_rows(struct reader *reader, const PGresult *r) {
    if (PQntuples(r) == 0 || (uint64_t)database_int8(r, 0, 0) < reader->running->through)
        database_drop(reader->database, "the server's log ends before the one that is written: it "
                                        "is a standby, or was left behind");
    else if (!reader->rows)
        reader->rows = database_take(reader->database);
}

static void deliver(struct reader *reader, struct read *read, const PGresult *r) {
    size_t count = PQgetisnull(r, 0, 1) ? 0 : (size_t)PQntuples(r);
    struct log_record *records = calloc(count + 1, sizeof *records);
    if (!records) {
        finish(read, NULL, 0, &reader->busy);
        return;
    }
    for (size_t i = 0; i < count; i++)
        read_row(reader, r, (int)i, &records[i]);
    finish(read, records, count, NULL);
    free(records);
}

/* The connection is idle: the server reads on for others, or for the same, while the rows are gone
 * through here. */
static void on_end(struct reader *reader) {
    struct read *read = reader->running;
    PGresult *rows = reader->rows;
    reader->running = NULL;
    reader->rows = NULL;
    run_next(reader);
    if (read && rows)
        deliver(reader, read, rows);
    else if (read)
        finish(read, NULL, 0, &reader->busy);
    PQclear(rows);
    run_next(reader);
}

static void on_result(void *arg, const PGresult *r) {
    struct reader *reader = arg;
    if (!r) {
        on_end(reader);
    } else if (PQresultStatus(r) == PGRES_TUPLES_OK && reader->running) {
        take_rows(reader, r);
    } else {
        const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
        log_error("reader", "a read failed: %s", text ? text : PQresultErrorMessage(r));
    }
}

static void send_read(struct reader *reader, const struct read *read) {
    uint8_t after[8], through[8], limit[8];
    binary_put8(after, (int64_t)read->after);
    binary_put8(through, (int64_t)read->through);
    binary_put8(limit, (int64_t)read->limit);
    struct database_param case_nos = {.data = read->case_nos.data,
                                      .bytes = (int)read->case_nos.length,
                                      .type = read->one_case ? TEXT_OID : TEXT_ARRAY_OID};
    struct database_param rows = {.data = limit, .bytes = 8, .type = INT8_OID};
    if (read->one_case) {
        binary_put8(after, (int64_t)READ_CASE_BYTES);
        struct database_param params[] = {
            case_nos, rows, {.data = after, .bytes = 8, .type = INT8_OID}};
        database_query_params(reader->database, SQL_CASE, params, 3, on_result, reader);
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
    struct read *read = reader->cases.first ? reader->cases.first : reader->ranges.first;
    if (!read || reader->running || !database_idle(reader->database))
        return;
    take(read);
    reader->running = read;
    send_read(reader, read);
}

static void on_settings(void *arg, const PGresult *r) {
    if (!r)
        run_next(arg);
}

static void on_up(void *arg) {
    struct reader *reader = arg;
    database_query(reader->database, SQL_READER, on_settings, reader);
}

/* The read that was under way is tried once more, on the next connection: unless it is what breaks
 * them. */
static void on_down(void *arg, const char *reason) {
    struct reader *reader = arg;
    struct read *read = reader->running;
    (void)reason;
    reader->running = NULL;
    PQclear(reader->rows);
    reader->rows = NULL;
    meter_add(METER_DATABASE_LOST, "reader", 1);
    if (!read)
        return;
    if (read->done && !read->again) {
        read->again = true;
        put(queue_of(read), read);
    } else {
        finish(read, NULL, 0, &reader->busy);
    }
}

struct reader *reader_new(uv_loop_t *loop, const char *database, const struct sources *sources) {
    static const struct database_events events = {.up = on_up, .down = on_down};
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->sources = sources;
    reader->cases.last = &reader->cases.first;
    reader->ranges.last = &reader->ranges.first;
    problem(&reader->busy, WB_E_BUSY, "the database did not answer the read");
    reader->database = database_new(loop, database, "waybilld reader", &events, reader);
    if (!reader->database) {
        free(reader);
        return NULL;
    }
    return reader;
}

static void forget(struct read *read) {
    read->done = NULL;
    finish(read, NULL, 0, NULL);
}

static void forget_all(struct read *read) {
    while (read) {
        struct read *next = read->next;
        forget(read);
        read = next;
    }
}

void reader_close(struct reader *reader) {
    if (!reader)
        return;
    database_close(reader->database);
    PQclear(reader->rows);
    if (reader->running)
        forget(reader->running);
    forget_all(reader->cases.first);
    forget_all(reader->ranges.first);
    free(reader);
}

static struct read *enqueue(struct reader *reader, struct read *read) {
    if (!read || reader->waiting >= READS_MAX || read->case_nos.failed) {
        if (read)
            buffer_free(&read->case_nos);
        free(read);
        return NULL;
    }
    read->reader = reader;
    put(queue_of(read), read);
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
    if (case_count > 0)
        binary_array(&read->case_nos, TEXT_OID, case_count);
    for (size_t i = 0; i < case_count; i++)
        binary_bytes(&read->case_nos, case_nos[i], strlen(case_nos[i]));
    return enqueue(reader, read);
}

struct read *reader_case(struct reader *reader, const char *case_no, uint64_t through,
                         reader_done *done, void *arg) {
    struct read *read = calloc(1, sizeof *read);
    if (!read)
        return NULL;
    *read = (struct read){
        .one_case = true, .through = through, .limit = READ_CASE_ROWS, .done = done, .arg = arg};
    buffer_init(&read->case_nos, 0);
    buffer_text(&read->case_nos, case_no);
    return enqueue(reader, read);
}

void reader_cancel(struct read *read) {
    read->done = NULL;
    if (!read->link)
        return; /* its answer is under way */
    take(read);
    forget(read);
}
