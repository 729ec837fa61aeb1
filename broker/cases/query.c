#include "broker/cases/query.h"

#include <stdlib.h>
#include <string.h>

#include "broker/access/token.h"
#include "broker/audience/audience.h"
#include "broker/cases/anomaly.h"
#include "broker/cases/code.h"
#include "broker/cases/opened.h"
#include "broker/cases/state.h"
#include "broker/journal/header.h"
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
    const struct query_rooms *rooms;
    struct query_right right; /* its token is held */
    struct read *read;        /* NULL: it is over, and was in vain */
    uv_timer_t refusal;       /* when that will be said */
    uint64_t asked_ms;        /* as the loop counts */
    uint64_t request, head;
    size_t limit;
    int64_t asked_us;
    bool by_code;
    char case_no[LIMIT_CASE_NO_BYTES + 1];
    query_done *done;
    void *arg;
};

static void free_query(uv_handle_t *handle) {
    struct query *q = handle->data;
    token_release(q->right.token);
    free(q);
}

static void release(struct query *q) {
    uv_close((uv_handle_t *)&q->refusal, free_query);
}

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

static struct slice slice_of(const char *text) {
    return (struct slice){.data = (const uint8_t *)text, .length = strlen(text)};
}

/* When the event that ended the case was recorded: an end that is reported late is news. */
static int64_t ended_us(const struct history *h) {
    for (size_t i = h->count; h->state.ended && i-- > 0;)
        if (h->nodes[i].record->offset == h->state.current_offset)
            return h->nodes[i].record->recorded_at_us;
    return INT64_MAX;
}

/* As far as is known now: an end that is still to come moves it on. */
static int64_t opens_until_us(const struct query *q, const struct history *h) {
    int64_t life_us = q->rooms->code_life_ms * 1000, ended = ended_us(h);
    if (life_us <= 0)
        return INT64_MAX;
    return (ended == INT64_MAX ? timestamp_now_us() : ended) + life_us;
}

static bool may_see(const struct query *q, const struct history *h) {
    const Waybill__V1__CaseState *state = &h->state;
    const struct header scope = {.item_code = slice_of(state->item_code),
                                 .region_code = slice_of(state->region_code),
                                 .agency = slice_of(state->agency)};
    int64_t life_us = q->rooms->code_life_ms * 1000;
    if (q->by_code && life_us > 0 && ended_us(h) < timestamp_now_us() - life_us)
        return false;
    return !q->right.token || grant_covers(&q->right.token->grant, &scope);
}

/* What leaves is for the one who asked. */
static bool narrow(const struct query *q, Waybill__V1__CaseAnswer *a, struct arena *arena) {
    a->audience = q->right.audience;
    for (size_t i = 0; i < a->n_nodes; i++)
        if (!audience_narrow_record(q->rooms->access, a->audience, a->nodes[i]->record, arena))
            return false;
    return audience_narrow_state(q->rooms->access, a->audience, a->state, arena);
}

static int not_found(struct wb_error *err) {
    return problem(err, WB_E_CASE_NOT_FOUND, "number and code do not belong together");
}

static int answer(const struct query *q, const struct log_record *records, size_t count,
                  struct arena *arena, struct buffer *out, struct wb_error *err) {
    Waybill__V1__CaseAnswer a = WAYBILL__V1__CASE_ANSWER__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    struct slice case_no = slice_of(q->case_no);
    struct history history;
    char code[CODE_TEXT];

    if (count == 0)
        return not_found(err);
    if (!history_build(records, count, arena, &history) ||
        !anomaly_mark(&history, !incomplete(records, count), arena))
        return problem(err, WB_E_BUSY, "the history of %s needs too much memory", q->case_no);
    if (!may_see(q, &history))
        return not_found(err);
    choose_nodes(&history, q->limit, arena, &a);
    if (!a.nodes)
        return problem(err, WB_E_BUSY, "out of memory");
    code_of_case(case_no, code);
    a.request = q->request;
    a.state = &history.state;
    if (!narrow(q, &a, arena))
        return problem(err, WB_E_BUSY, "the history of %s needs too much memory", q->case_no);
    /* The events of one commit become visible together, so an event behind the head that was seen
     * already stands for all of its batch. */
    a.through_offset = history.state.last_offset > q->head ? history.state.last_offset : q->head;
    a.truncated = a.truncated || incomplete(records, count);
    if (q->right.audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        a.code = code; /* with it one is the applicant */
    if (q->by_code)
        opened_note(case_no, opens_until_us(q, &history));
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER;
    message.case_answer = &a;
    frame_put_broker(out, &message);
    return out->failed ? problem(err, WB_E_BUSY, "out of memory") : 0;
}

static void on_refusal(uv_timer_t *timer) {
    struct query *q = timer->data;
    struct wb_error err;
    struct buffer none;
    buffer_init(&none, 0);
    not_found(&err);
    q->done(q->arg, q, &none, &err);
    release(q);
}

static void refuse_later(struct query *q) {
    uint64_t now_ms = uv_now(q->rooms->loop);
    uint64_t turns = (now_ms - q->asked_ms) / QUERY_REFUSE_MS + 1;
    uint64_t due_ms = q->asked_ms + turns * QUERY_REFUSE_MS;
    uv_timer_start(&q->refusal, on_refusal, due_ms - now_ms, 0);
}

static void on_read(void *arg, const struct log_record *records, size_t count,
                    const struct wb_error *failure) {
    struct query *q = arg;
    struct arena arena;
    struct buffer out;
    struct wb_error err;
    q->read = NULL;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&out, 2 * LIMIT_MESSAGE_BYTES);
    int status = failure ? -1 : answer(q, records, count, &arena, &out, &err);
    bool missed = status != 0 && !failure && err.code == WB_E_CASE_NOT_FOUND;
    meter_add(METER_CASE_QUERIES, status == 0 ? "answered" : missed ? "not_found" : "failed", 1);
    meter_observe_us(METER_CASE_QUERY_SECONDS, monotonic_us() - q->asked_us);
    if (missed) {
        refuse_later(q);
    } else {
        q->done(q->arg, q, &out, status == 0 ? NULL : failure ? failure : &err);
        release(q);
    }
    buffer_free(&out);
    arena_free(&arena);
}

/* With a wrong code no case is asked for, whatever is behind the number. A number that is too long
 * is no case's. */
static void take_case_no(struct query *q, const Waybill__V1__CaseQuery *asked) {
    struct slice case_no = slice_of(asked->case_no);
    if ((!q->by_code || code_matches(case_no, asked->code)) &&
        case_no.length <= LIMIT_CASE_NO_BYTES)
        memcpy(q->case_no, case_no.data, case_no.length);
}

struct query *query_new(const struct query_rooms *rooms, const Waybill__V1__CaseQuery *asked,
                        const struct query_right *right, uint64_t head, query_done *done, void *arg,
                        struct wb_error *err) {
    struct query *q = calloc(1, sizeof *q);
    if (!q) {
        problem(err, WB_E_BUSY, "out of memory");
        return NULL;
    }
    q->rooms = rooms;
    q->right = *right;
    token_hold(right->token);
    q->request = asked->request;
    q->head = head;
    q->limit = asked->limit && asked->limit < LIMIT_CASE_NODES ? asked->limit : LIMIT_CASE_NODES;
    q->by_code = asked->code[0] != '\0';
    q->asked_us = monotonic_us();
    q->asked_ms = uv_now(rooms->loop);
    q->done = done;
    q->arg = arg;
    uv_timer_init(rooms->loop, &q->refusal);
    q->refusal.data = q;
    take_case_no(q, asked);
    q->read = reader_case(rooms->reader, q->case_no, head, on_read, q);
    if (!q->read) {
        problem(err, WB_E_BUSY, "%d reads are waiting", READS_MAX);
        release(q);
        return NULL;
    }
    return q;
}

void query_cancel(struct query *q) {
    if (q->read)
        reader_cancel(q->read);
    release(q);
}

uint64_t query_request(const struct query *q) {
    return q->request;
}
