#include "broker/cases/query.h"

#include <stdlib.h>
#include <string.h>

#include "broker/cases/anomaly.h"
#include "broker/cases/code.h"
#include "broker/cases/state.h"
#include "broker/journal/reader.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"

#define ARENA_BYTES  (64 * 1024 * 1024)
#define ANSWER_BYTES (LIMIT_MESSAGE_BYTES - 16 * 1024) /* the nodes' part of an answer */

struct query {
    struct read *read;
    uint64_t request, head;
    size_t limit;
    int64_t asked_us;
    bool by_code;
    char case_no[LIMIT_CASE_NO_BYTES + 1];
    query_done *done;
    void *arg;
};

/* The newest nodes, as many as are wanted and fit. */
static void choose_nodes(struct history *h, size_t limit, struct arena *arena,
                         Waybill__V1__CaseAnswer *answer) {
    size_t bytes = 0, first = h->count;
    while (first > 0 && h->count - first < limit) {
        bytes += waybill__v1__node__get_packed_size(&h->nodes[first - 1]) + 8;
        if (bytes > ANSWER_BYTES)
            break;
        first--;
    }
    answer->n_nodes = h->count - first;
    answer->truncated = first > 0;
    answer->nodes = arena_alloc(arena, (answer->n_nodes + 1) * sizeof(Waybill__V1__Node *));
    for (size_t i = 0; answer->nodes && i < answer->n_nodes; i++)
        answer->nodes[i] = &h->nodes[first + i];
}

/* The read stopped at its bound. */
static bool incomplete(const struct log_record *records, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].event.length;
    return count == READ_CASE_ROWS || bytes >= READ_CASE_BYTES;
}

static int answer(const struct query *q, const struct log_record *records, size_t count,
                  struct arena *arena, struct buffer *out, struct wb_error *err) {
    Waybill__V1__CaseAnswer a = WAYBILL__V1__CASE_ANSWER__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    struct slice case_no = {.data = (const uint8_t *)q->case_no, .length = strlen(q->case_no)};
    struct history history;
    char code[CODE_TEXT];

    if (count == 0)
        return problem(err, WB_E_CASE_NOT_FOUND, "number and code do not belong together");
    if (!history_build(records, count, arena, &history) ||
        !anomaly_mark(&history, !incomplete(records, count), arena))
        return problem(err, WB_E_BUSY, "the history of %s needs too much memory", q->case_no);
    choose_nodes(&history, q->limit, arena, &a);
    if (!a.nodes)
        return problem(err, WB_E_BUSY, "out of memory");
    code_of_case(case_no, code);
    a.request = q->request;
    a.state = &history.state;
    /* The events of one commit become visible together, so an event behind the head that was seen
     * already stands for all of its batch. */
    a.through_offset = history.state.last_offset > q->head ? history.state.last_offset : q->head;
    a.truncated = a.truncated || incomplete(records, count);
    if (!q->by_code)
        a.code = code;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER;
    message.case_answer = &a;
    frame_put_broker(out, &message);
    return out->failed ? problem(err, WB_E_BUSY, "out of memory") : 0;
}

static void on_read(void *arg, const struct log_record *records, size_t count,
                    const struct wb_error *failure) {
    struct query *q = arg;
    struct arena arena;
    struct buffer out;
    struct wb_error err;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&out, 2 * LIMIT_MESSAGE_BYTES);
    int status = failure ? -1 : answer(q, records, count, &arena, &out, &err);
    if (status != 0)
        meter_add(METER_CASE_QUERIES,
                  !failure && err.code == WB_E_CASE_NOT_FOUND ? "not_found" : "failed", 1);
    else
        meter_add(METER_CASE_QUERIES, "answered", 1);
    meter_observe_us(METER_CASE_QUERY_SECONDS, monotonic_us() - q->asked_us);
    q->done(q->arg, q, &out, status == 0 ? NULL : failure ? failure : &err);
    buffer_free(&out);
    arena_free(&arena);
    free(q);
}

struct query *query_new(struct reader *reader, const Waybill__V1__CaseQuery *asked, uint64_t head,
                        query_done *done, void *arg, struct wb_error *err) {
    struct query *q = calloc(1, sizeof *q);
    if (!q) {
        problem(err, WB_E_BUSY, "out of memory");
        return NULL;
    }
    q->request = asked->request;
    q->head = head;
    q->limit = asked->limit && asked->limit < LIMIT_CASE_NODES ? asked->limit : LIMIT_CASE_NODES;
    q->by_code = asked->code[0] != '\0';
    q->asked_us = monotonic_us();
    q->done = done;
    q->arg = arg;
    /* With a wrong code no case is asked for, which takes as long as an unknown one, whatever is
     * behind the number. A number that is too long is no case's. */
    struct slice case_no = {.data = (const uint8_t *)asked->case_no,
                            .length = strlen(asked->case_no)};
    if ((!q->by_code || code_matches(case_no, asked->code)) &&
        case_no.length <= LIMIT_CASE_NO_BYTES)
        memcpy(q->case_no, asked->case_no, case_no.length);
    q->read = reader_case(reader, q->case_no, head, on_read, q);
    if (!q->read) {
        problem(err, WB_E_BUSY, "%d reads are waiting", READS_MAX);
        free(q);
        return NULL;
    }
    return q;
}

void query_cancel(struct query *q) {
    reader_cancel(q->read);
    free(q);
}

uint64_t query_request(const struct query *q) {
    return q->request;
}
