#include "broker/admit/admit.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "broker/access/access.h"
#include "broker/access/grant.h"
#include "broker/admit/credit.h"
#include "broker/cases/code.h"
#include "broker/journal/journal.h"
#include "broker/journal/source.h"
#include "broker/journal/submission.h"
#include "broker/meter.h"
#include "broker/session/endpoint.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "common/timestamp.h"
#include "proto/glance.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define DECODE_BYTES (1024 * 1024) /* an event of 64 KiB unpacks to less than this */
#define REST_MS      500           /* how often idle sessions give their credit back */

struct admit {
    struct admit_options options;
    struct access *access;
    struct journal *journal;
    struct sources *sources;
    struct endpoint *endpoint;
    struct arena arena; /* the event that is being decoded */
    struct buffer receipts, out;
    struct credit_pool pool;
    struct intake *intakes;
    uv_timer_t rest;
    uint64_t first_offset, head_offset;
    bool shut, paused, stopping;
    struct wb_error why; /* while shut */
};

/* An ingest session's own part. */
struct intake {
    struct session *session;
    struct source *source;       /* NULL until it publishes */
    struct intake *next, **link; /* in the list of all */
    uint64_t batch;              /* the last one taken */
    struct credit credit;
    bool suspect;          /* its next events may be repeats */
    struct publish *first; /* unsettled, for when the session goes before they do */
};

/* A Publish on its way through the journal. */
struct publish {
    struct submission submission; /* first: the journal hands this back */
    struct admit *admit;
    struct intake *intake; /* NULL: the session is gone, nobody wants the acknowledgement */
    struct publish *next, **link;
    zmq_msg_t frame; /* the events' bytes */
    uint64_t batch;
    uint32_t bytes; /* of its events, as encoded */
    int64_t received_us;
    bool want_codes;
    struct wb_error *refusals; /* one for each refused event, grown as needed */
    size_t refusal_count;
    struct entry entries[];
};

static void unlink_publish(struct publish *p) {
    if (!p->intake)
        return;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->intake = NULL;
}

static void link_publish(struct publish *p, struct intake *intake) {
    p->intake = intake;
    p->next = intake->first;
    p->link = &intake->first;
    if (p->next)
        p->next->link = &p->next;
    intake->first = p;
}

static void watch_pending(struct admit *a) {
    size_t pending = journal_pending_bytes(a->journal);
    meter_set(METER_PENDING_BYTES, NULL, (int64_t)pending);
    bool full = pending >= a->options.pending_max;
    if (full != a->paused && !a->stopping) {
        a->paused = full;
        endpoint_read(a->endpoint, !full);
    }
}

/* From the journal: the outcome. */

static void acknowledge(struct admit *a, struct publish *p) {
    struct intake *intake = p->intake;
    char code[CODE_TEXT];
    size_t repeats = 0;
    buffer_clear(&a->receipts);
    buffer_clear(&a->out);
    for (size_t i = 0; i < p->submission.count; i++) {
        const struct entry *e = &p->entries[i];
        bool coded = p->want_codes && !e->refusal;
        if (coded)
            code_of_case(e->header.case_no, code);
        frame_add_receipt(&a->receipts, e->offset, entry_is_repeat(e), coded ? code : NULL,
                          e->refusal);
        repeats += entry_is_repeat(e);
    }
    int64_t now_us = monotonic_us();
    struct frame_window window =
        credit_give(&a->pool, &intake->credit, (uint32_t)p->submission.count, p->bytes, now_us);
    frame_put_acknowledgement(&a->out, p->batch, &a->receipts, window);
    intake->suspect = repeats > 0;
    meter_observe_us(METER_ACKNOWLEDGE_SECONDS, now_us - p->received_us);
    session_answer(intake->session, &a->out);
}

static void on_settled(struct submission *s, bool committed) {
    struct publish *p = (struct publish *)s;
    if (p->intake && committed) {
        acknowledge(p->admit, p);
    } else if (p->intake) {
        struct wb_error err;
        problem(&err, WB_E_NOT_READY, "the database did not record the batch");
        session_end(p->intake->session, &err);
    }
    unlink_publish(p);
}

static void on_release(struct submission *s) {
    struct publish *p = (struct publish *)s;
    struct admit *a = p->admit;
    zmq_msg_close(&p->frame);
    free(p->refusals);
    free(p);
    watch_pending(a);
}

/* From a publisher: events. */

static int refuse_event(struct publish *p, struct entry *e, const struct wb_error *err) {
    if (!p->refusals) {
        p->refusals = calloc(p->submission.count, sizeof *p->refusals);
        p->submission.bytes += p->submission.count * sizeof *p->refusals;
    }
    if (!p->refusals)
        return -1;
    meter_add(METER_REFUSALS, problem_name(err->code), 1);
    access_refused(p->admit->access, p->submission.source->name, err);
    p->refusals[p->refusal_count] = *err;
    e->refusal = &p->refusals[p->refusal_count++];
    return 0;
}

/* What is not plain at a glance is decoded, which finds words for what is wrong. */
static int decode(struct admit *a, struct slice bytes, struct wb_error *err) {
    wb_event *event;
    if (event_glance(bytes.data, bytes.length))
        return 0;
    arena_reset(&a->arena);
    if (event_decode(bytes.data, bytes.length, &a->arena, &event, err) != 0)
        return -1;
    if (event->kind == WAYBILL__V1__KIND__KIND_ALERT)
        return problem_field(err, WB_E_KIND_NOT_ALLOWED, "kind", "alert");
    return 0;
}

static int admit_event(struct admit *a, const struct grant *grant, struct slice bytes,
                       struct entry *e, struct wb_error *err) {
    if (decode(a, bytes, err) != 0)
        return -1;
    e->event = bytes;
    if (!header_read(bytes.data, bytes.length, &e->header))
        return problem(err, WB_E_EVENT_MALFORMED, "%zu bytes", bytes.length);
    return grant_check(grant, &e->header, bytes.length, err);
}

static struct publish *new_publish(struct admit *a, struct intake *intake,
                                   const struct frame_publish *publish, zmq_msg_t *frame) {
    struct publish *p = calloc(1, sizeof *p + publish->count * sizeof p->entries[0]);
    if (!p)
        return NULL;
    p->admit = a;
    p->batch = publish->batch;
    p->want_codes = publish->want_codes;
    p->received_us = monotonic_us();
    p->submission = (struct submission){.source = intake->source,
                                        .suspect = intake->suspect,
                                        .count = publish->count,
                                        .bytes = sizeof *p + publish->count * sizeof p->entries[0] +
                                                 zmq_msg_size(frame),
                                        .entries = p->entries,
                                        .settled = on_settled,
                                        .release = on_release};
    return p;
}

static uint32_t bytes_of(const struct frame_publish *publish) {
    size_t bytes = 0; /* a message's, so within 32 bits */
    for (size_t i = 0; i < publish->count; i++)
        bytes += publish->events[i].length;
    return (uint32_t)bytes;
}

/* The sequence first, then the window: what is refused takes no credit. */
static int check_publish(struct admit *a, struct intake *intake,
                         const struct frame_publish *publish, struct wb_error *err) {
    if (publish->batch != intake->batch + 1)
        return problem(err, WB_E_OUT_OF_SEQUENCE, "batch %llu after batch %llu",
                       (unsigned long long)publish->batch, (unsigned long long)intake->batch);
    return credit_take(&a->pool, &intake->credit, (uint32_t)publish->count, bytes_of(publish),
                       monotonic_us(), err);
}

static int on_publish(struct admit *a, struct intake *intake, const struct frame_publish *publish,
                      zmq_msg_t *frame, struct wb_error *err) {
    if (check_publish(a, intake, publish, err) != 0)
        return -1;
    if (!intake->source)
        intake->source = sources_add(a->sources, intake->session->source);
    if (!intake->source)
        return problem(err, WB_E_TOO_MANY_SESSIONS, "%d sources are known", SOURCES_MAX);
    struct publish *p = new_publish(a, intake, publish, frame);
    if (!p)
        return problem(err, WB_E_NOT_READY, "out of memory");
    const struct grant *grant = access_grant(a->access, intake->source->name);
    intake->source->flow.rate_events = grant->rate_events;
    p->bytes = bytes_of(publish);
    for (size_t i = 0; i < publish->count; i++) {
        struct wb_error refusal;
        if (admit_event(a, grant, publish->events[i], &p->entries[i], &refusal) != 0 &&
            refuse_event(p, &p->entries[i], &refusal) != 0) {
            free(p->refusals);
            free(p);
            return problem(err, WB_E_NOT_READY, "out of memory");
        }
    }
    /* Short frames lie inside zmq_msg_t itself: the slices have to follow the move. */
    const uint8_t *before = zmq_msg_data(frame);
    zmq_msg_init(&p->frame);
    zmq_msg_move(&p->frame, frame);
    const uint8_t *after = zmq_msg_data(&p->frame);
    if (before != after)
        for (size_t i = 0; i < publish->count; i++)
            if (!p->entries[i].refusal) {
                p->entries[i].event.data = after + (p->entries[i].event.data - before);
                header_read(p->entries[i].event.data, p->entries[i].event.length,
                            &p->entries[i].header);
            }
    intake->batch = publish->batch;
    link_publish(p, intake);
    journal_submit(a->journal, &p->submission);
    watch_pending(a);
    return 0;
}

/* The role. */

static void link_intake(struct admit *a, struct intake *intake) {
    intake->next = a->intakes;
    intake->link = &a->intakes;
    if (intake->next)
        intake->next->link = &intake->next;
    a->intakes = intake;
}

static void on_rest(uv_timer_t *timer) {
    struct admit *a = timer->data;
    int64_t now_us = monotonic_us();
    for (struct intake *intake = a->intakes; intake; intake = intake->next)
        credit_rest(&a->pool, &intake->credit, now_us);
}

static int on_opened(void *arg, struct session *session, Waybill__V1__Welcome *welcome,
                     struct wb_error *err) {
    struct admit *a = arg;
    if (source_validate(session->source, err) != 0)
        return -1;
    if (a->shut) {
        *err = a->why;
        return -1;
    }
    struct intake *intake = calloc(1, sizeof *intake);
    if (!intake)
        return problem(err, WB_E_NOT_READY, "out of memory");
    intake->session = session;
    intake->suspect = true;
    session->data = intake;
    credit_open(&a->pool, &intake->credit);
    link_intake(a, intake);
    const struct grant *grant = access_grant(a->access, session->source);
    if (grant->event_bytes > 0 && grant->event_bytes < welcome->limits->event_bytes)
        welcome->limits->event_bytes = grant->event_bytes;
    welcome->limits->window_events = intake->credit.window.events;
    welcome->limits->window_bytes = intake->credit.window.bytes;
    welcome->first_offset = a->first_offset;
    welcome->head_offset = a->head_offset;
    welcome->public_url = (char *)a->options.public_url;
    return 0;
}

static int on_message(void *arg, struct session *session, const client_message *message,
                      const struct frame_publish *publish, zmq_msg_t *frame, struct wb_error *err) {
    if (message)
        return problem(err, WB_E_WRONG_ENDPOINT, "on ingest");
    return on_publish(arg, session->data, publish, frame, err);
}

static void on_closed(void *arg, struct session *session) {
    struct admit *a = arg;
    struct intake *intake = session->data;
    /* What still waits is not recorded: nobody could be told, and its sender repeats it. */
    for (struct publish *p = intake->first, *next; p; p = next) {
        next = p->next;
        unlink_publish(p);
        if (journal_withdraw(a->journal, &p->submission))
            on_release(&p->submission);
    }
    credit_close(&a->pool, &intake->credit);
    *intake->link = intake->next;
    if (intake->next)
        intake->next->link = intake->link;
    free(intake);
}

struct admit *admit_new(uv_loop_t *loop, void *context, const struct endpoint_options *endpoint,
                        const struct admit_options *options, struct journal *journal,
                        struct sources *sources, struct wb_error *err) {
    struct admit *a = calloc(1, sizeof *a);
    if (!a) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    const struct role role = {.name = "ingest",
                              .opened = on_opened,
                              .message = on_message,
                              .closed = on_closed,
                              .arg = a};
    a->options = *options;
    a->access = endpoint->access;
    a->pool = (struct credit_pool){
        .pool_bytes = options->pending_max / 2, /* an event in memory is more than its bytes */
        .most = {.events = options->window_events, .bytes = options->window_bytes}};
    uv_timer_init(loop, &a->rest);
    a->rest.data = a;
    uv_timer_start(&a->rest, on_rest, REST_MS, REST_MS);
    a->journal = journal;
    a->sources = sources;
    arena_init(&a->arena, DECODE_BYTES);
    buffer_init(&a->receipts, 0);
    buffer_init(&a->out, 2 * LIMIT_MESSAGE_BYTES);
    a->shut = true;
    problem(&a->why, WB_E_NOT_READY, "the broker has just started");
    a->endpoint = endpoint_new(loop, context, endpoint, &role, err);
    if (!a->endpoint) {
        admit_close(a);
        return NULL;
    }
    return a;
}

static void free_admit(uv_handle_t *handle) {
    free(handle->data);
}

void admit_close(struct admit *a) {
    if (!a)
        return;
    endpoint_close(a->endpoint);
    arena_free(&a->arena);
    buffer_free(&a->receipts);
    buffer_free(&a->out);
    uv_close((uv_handle_t *)&a->rest, free_admit);
}

const char *admit_address(const struct admit *a) {
    return endpoint_address(a->endpoint);
}

void admit_log(struct admit *a, uint64_t first_offset, uint64_t head_offset) {
    a->first_offset = first_offset;
    a->head_offset = head_offset;
}

void admit_shut(struct admit *a, const struct wb_error *err) {
    a->shut = true;
    a->why = *err;
    endpoint_end_all(a->endpoint, err);
}

void admit_open(struct admit *a) {
    a->shut = false;
}

void admit_recheck(struct admit *a) {
    for (const struct intake *intake = a->intakes; intake; intake = intake->next)
        if (intake->source)
            intake->source->flow.rate_events =
                access_grant(a->access, intake->source->name)->rate_events;
    endpoint_recheck(a->endpoint);
}

void admit_pause(struct admit *a) {
    a->stopping = true;
    endpoint_read(a->endpoint, false);
}
