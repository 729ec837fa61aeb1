#include "broker/fanout/desk.h"

#include <stdlib.h>

#include "broker/cases/query.h"
#include "broker/fanout/hub.h"
#include "broker/fanout/outstanding.h"
#include "broker/fanout/sight.h"
#include "broker/fanout/stream.h"
#include "broker/meter.h"
#include "broker/session/endpoint.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define QUERIES_MAX    1024 /* waiting, in one session */
#define TICK_MS        20
#define PROGRESS_TICKS 50   /* a second */
#define LAPSE_TICKS    10   /* a fifth of one */
#define PUMP_US        5000 /* of one turn of the loop; then the others have theirs */

struct desk {
    struct desk_options options;
    struct endpoint *endpoint;
    struct stream_rooms rooms;
    struct outstanding_pool outstanding;
    struct query_rooms query_rooms;
    struct follower *first; /* all sessions */
    uv_timer_t tick, again; /* again: there is more to do at once */
    int handles;
    unsigned ticks;
    struct follower *turn; /* whose streams are pumped next; NULL: from the first */
    size_t subscriptions;
    bool shut;
    struct wb_error why; /* while shut */
};

/* A streams session's own part. */
struct follower {
    struct follower *next, **link;
    struct desk *desk;
    struct session *session;
    size_t stream_count, query_count, turn;
    struct stream **streams; /* stream_count of them */
    struct query *queries[QUERIES_MAX];
    Waybill__V1__Audience audiences[AUDIENCES_MAX]; /* as Welcome told them */
};

static void count_subscriptions(struct desk *d, int by) {
    d->subscriptions += (size_t)by;
    meter_set(METER_SUBSCRIPTIONS, NULL, (int64_t)d->subscriptions);
}

static struct stream *find_stream(const struct follower *f, uint64_t number, size_t *index) {
    for (size_t i = 0; i < f->stream_count; i++)
        if (stream_number(f->streams[i]) == number) {
            *index = i;
            return f->streams[i];
        }
    return NULL;
}

static void on_again(uv_timer_t *timer);

/* How much was looked at for it; the rest of it later. */
static size_t pump(struct desk *d, struct stream *stream) {
    size_t scanned = stream_pump(stream);
    if (scanned >= STREAM_SCAN_EVENTS)
        uv_timer_start(&d->again, on_again, 0, 0);
    return scanned;
}

static void on_subscribe(struct follower *f, const Waybill__V1__Subscribe *request) {
    struct wb_error err;
    struct stream *stream = NULL;
    size_t index;
    if (request->subscription == 0 || find_stream(f, request->subscription, &index))
        problem(&err, WB_E_SUBSCRIPTION, "%llu", (unsigned long long)request->subscription);
    else if (f->stream_count >= f->desk->options.subscriptions)
        problem(&err, WB_E_TOO_MANY, "%zu subscriptions", f->stream_count);
    else
        stream = stream_new(f->session, &f->desk->rooms, request, &err);
    if (!stream) {
        session_refuse(f->session, &err, request->subscription, 0);
        return;
    }
    f->streams[f->stream_count++] = stream;
    count_subscriptions(f->desk, 1);
    pump(f->desk, stream);
}

static void drop_stream(struct follower *f, size_t index) {
    stream_free(f->streams[index]);
    f->streams[index] = f->streams[--f->stream_count];
    count_subscriptions(f->desk, -1);
}

static void on_unsubscribe(struct follower *f, uint64_t number) {
    size_t index;
    if (find_stream(f, number, &index))
        drop_stream(f, index);
}

static void on_credit(struct follower *f, const Waybill__V1__Credit *credit) {
    size_t index;
    struct stream *stream = find_stream(f, credit->subscription, &index);
    if (!stream)
        return;
    stream_credit(stream, credit->events);
    pump(f->desk, stream);
}

static void on_follow(struct follower *f, const Waybill__V1__Follow *request) {
    size_t index;
    struct stream *stream = find_stream(f, request->subscription, &index);
    if (stream)
        stream_follow(stream, request);
}

static void on_acknowledge(struct follower *f, const Waybill__V1__Acknowledge *acknowledge) {
    size_t index;
    struct stream *stream = find_stream(f, acknowledge->subscription, &index);
    if (stream)
        stream_acknowledge(stream, acknowledge->offset);
}

static void on_answer(void *arg, const struct query *query, struct buffer *message,
                      const struct wb_error *err) {
    struct follower *f = arg;
    for (size_t i = 0; i < f->query_count; i++)
        if (f->queries[i] == query) {
            f->queries[i] = f->queries[--f->query_count];
            break;
        }
    if (err)
        session_refuse(f->session, err, 0, query_request(query));
    else
        session_answer(f->session, message);
}

static void on_query(struct follower *f, const Waybill__V1__CaseQuery *asked) {
    struct wb_error err;
    struct query_right right;
    struct query *query = NULL;
    if (f->query_count >= QUERIES_MAX)
        problem(&err, WB_E_BUSY, "%zu queries are waiting", f->query_count);
    else if (sight_query(f->desk->rooms.access, f->session, asked, &right, &err) == 0)
        query = query_new(&f->desk->query_rooms, asked, &right, hub_head(f->desk->rooms.hub),
                          on_answer, f, &err);
    if (query)
        f->queries[f->query_count++] = query;
    else
        session_refuse(f->session, &err, 0, asked->request);
}

/* The role. */

static int on_opened(void *arg, struct session *session, Waybill__V1__Welcome *welcome,
                     struct wb_error *err) {
    struct desk *d = arg;
    if (d->shut) {
        *err = d->why;
        return -1;
    }
    struct follower *f = calloc(1, sizeof *f);
    if (f)
        f->streams = calloc(d->options.subscriptions, sizeof(struct stream *));
    if (!f || !f->streams) {
        free(f);
        return problem(err, WB_E_NOT_READY, "out of memory");
    }
    f->desk = d;
    f->session = session;
    f->next = d->first;
    f->link = &d->first;
    if (f->next)
        f->next->link = &f->next;
    d->first = f;
    session->data = f;
    welcome->limits->credit_events = d->options.credit_events;
    welcome->limits->subscriptions = d->options.subscriptions;
    welcome->first_offset = hub_first(d->rooms.hub);
    welcome->head_offset = hub_head(d->rooms.hub);
    welcome->public_url = (char *)d->options.public_url;
    welcome->audiences = f->audiences;
    welcome->n_audiences = audiences_list(
        access_audiences(d->rooms.access, session->source, session->keyed), f->audiences);
    return 0;
}

static int on_message(void *arg, struct session *session, const client_message *message,
                      const struct frame_publish *publish, zmq_msg_t *frame, struct wb_error *err) {
    struct follower *f = session->data;
    (void)arg;
    (void)publish;
    (void)frame;
    if (!message)
        return problem(err, WB_E_WRONG_ENDPOINT, "Publish on streams");
    switch (message->body_case) {
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE:
        on_subscribe(f, message->subscribe);
        return 0;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_CREDIT:
        on_credit(f, message->credit);
        return 0;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_UNSUBSCRIBE:
        on_unsubscribe(f, message->unsubscribe->subscription);
        return 0;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_FOLLOW:
        on_follow(f, message->follow);
        return 0;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_ACKNOWLEDGE:
        on_acknowledge(f, message->acknowledge);
        return 0;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_CASE_QUERY:
        on_query(f, message->case_query);
        return 0;
    default:
        return problem(err, WB_E_MALFORMED, "a ClientMessage without a body that is known");
    }
}

static void on_closed(void *arg, struct session *session) {
    struct follower *f = session->data;
    (void)arg;
    *f->link = f->next;
    if (f->desk->turn == f)
        f->desk->turn = f->next;
    if (f->next)
        f->next->link = f->link;
    for (size_t i = 0; i < f->query_count; i++)
        query_cancel(f->queries[i]);
    for (size_t i = 0; i < f->stream_count; i++)
        stream_free(f->streams[i]);
    count_subscriptions(f->desk, -(int)f->stream_count);
    free(f->streams);
    free(f);
}

/* All of its streams, beginning with the one whose turn it is. False: the time is up. */
static bool pump_follower(struct follower *f, int64_t until_us) {
    for (size_t i = 0; i < f->stream_count; i++) {
        f->turn = f->turn + 1 < f->stream_count ? f->turn + 1 : 0;
        if (pump(f->desk, f->streams[f->turn]) > 0 && monotonic_us() >= until_us)
            return false;
    }
    return true;
}

/* However many readers there are and however much they ask for, the turn ends: who has not had one
 * is first in the next. */
void desk_pump(struct desk *d) {
    int64_t until_us = monotonic_us() + PUMP_US;
    struct follower *start = d->turn ? d->turn : d->first, *f = start;
    while (f) {
        d->turn = f->next;
        if (!pump_follower(f, until_us)) {
            uv_timer_start(&d->again, on_again, 0, 0);
            return;
        }
        f = f->next ? f->next : d->first;
        if (f == start)
            return;
    }
}

static void on_again(uv_timer_t *timer) {
    desk_pump(timer->data);
}

/* What they were let in with may have run out. */
static void end_lapsed(struct desk *d) {
    int64_t now = timestamp_now_us();
    for (struct follower *f = d->first; f; f = f->next)
        for (size_t i = 0; i < f->stream_count; i++)
            stream_lapse(f->streams[i], now);
}

/* libzmq does not say which peer can take messages again, and a read that failed is tried anew:
 * both are looked after here. A stream that has nothing to do costs a comparison. */
static void on_tick(uv_timer_t *timer) {
    struct desk *d = timer->data;
    desk_pump(d);
    if (++d->ticks % LAPSE_TICKS == 0)
        end_lapsed(d);
    if (d->ticks % PROGRESS_TICKS != 0)
        return;
    for (struct follower *f = d->first; f; f = f->next)
        for (size_t i = 0; i < f->stream_count; i++)
            stream_progress(f->streams[i]);
    for (struct follower *f = d->first; f; f = f->next)
        for (size_t i = f->stream_count; i-- > 0;)
            if (stream_over(f->streams[i]))
                drop_stream(f, i);
}

struct desk *desk_new(uv_loop_t *loop, void *context, const struct endpoint_options *endpoint,
                      const struct desk_options *options, struct hub *hub, struct reader *reader,
                      struct readers *readers, struct wb_error *err) {
    struct desk *d = calloc(1, sizeof *d);
    if (!d) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    const struct role role = {.name = "streams",
                              .opened = on_opened,
                              .message = on_message,
                              .closed = on_closed,
                              .arg = d};
    d->options = *options;
    d->outstanding.bytes_max = options->outstanding_bytes;
    d->rooms = (struct stream_rooms){.hub = hub,
                                     .reader = reader,
                                     .readers = readers,
                                     .access = endpoint->access,
                                     .outstanding = &d->outstanding,
                                     .credit_max = options->credit_events};
    d->query_rooms = (struct query_rooms){.loop = loop,
                                          .reader = reader,
                                          .access = endpoint->access,
                                          .code_life_ms = options->code_life_ms};
    d->shut = true;
    problem(&d->why, WB_E_NOT_READY, "the broker has just started");
    d->endpoint = endpoint_new(loop, context, endpoint, &role, err);
    if (!d->endpoint) {
        free(d);
        return NULL;
    }
    uv_timer_init(loop, &d->tick);
    uv_timer_init(loop, &d->again);
    d->tick.data = d->again.data = d;
    d->handles = 2;
    uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
    return d;
}

static void free_desk(uv_handle_t *handle) {
    struct desk *d = handle->data;
    if (--d->handles == 0)
        free(d);
}

void desk_close(struct desk *d) {
    if (!d)
        return;
    endpoint_close(d->endpoint);
    uv_close((uv_handle_t *)&d->tick, free_desk);
    uv_close((uv_handle_t *)&d->again, free_desk);
}

const char *desk_address(const struct desk *d) {
    return endpoint_address(d->endpoint);
}

void desk_open(struct desk *d) {
    d->shut = false;
}

void desk_recheck(struct desk *d) {
    endpoint_recheck(d->endpoint);
    for (struct follower *f = d->first; f; f = f->next)
        for (size_t i = 0; i < f->stream_count; i++)
            stream_recheck(f->streams[i]);
}

void desk_shut(struct desk *d, const struct wb_error *err) {
    d->shut = true;
    d->why = *err;
    endpoint_end_all(d->endpoint, err);
}
