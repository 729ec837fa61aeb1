#include "streams_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/timestamp.h"
#include "proto/problem.h"

static void bind_router(struct streams_peer *peer, const char *endpoint) {
    peer->router = zmq_socket(peer->context, ZMQ_ROUTER);
    assert_non_null(peer->router);
    assert_int_equal(zmq_setsockopt(peer->router, ZMQ_LINGER, &(int){0}, sizeof(int)), 0);
    /* A ROUTER drops what does not fit; on a busy machine its thread falls far behind this one. */
    assert_int_equal(zmq_setsockopt(peer->router, ZMQ_SNDHWM, &(int){0}, sizeof(int)), 0);
    /* The socket before it closes in the background. By the wall's clock, not the library's. */
    for (int tries = 0; zmq_bind(peer->router, endpoint); tries++) {
        assert_true(tries < 500);
        zmq_poll(NULL, 0, 10);
    }
    size_t size = sizeof peer->endpoint;
    assert_int_equal(zmq_getsockopt(peer->router, ZMQ_LAST_ENDPOINT, peer->endpoint, &size), 0);
}

void peer_start(struct streams_peer *peer) {
    *peer = (struct streams_peer){.ping_ms = 5000, .credit = 8, .public_url = (char *)""};
    peer->context = zmq_ctx_new();
    arena_init(&peer->arena, 1 << 20);
    buffer_init(&peer->out, 0);
    buffer_init(&peer->records, 0);
    buffer_init(&peer->places, 0);
    bind_router(peer, "tcp://127.0.0.1:*");
}

void peer_down(struct streams_peer *peer) {
    zmq_close(peer->router);
    peer->router = NULL;
}

void peer_up(struct streams_peer *peer) {
    char endpoint[sizeof peer->endpoint];
    memcpy(endpoint, peer->endpoint, sizeof endpoint);
    bind_router(peer, endpoint);
}

void peer_stop(struct streams_peer *peer) {
    if (peer->router)
        peer_down(peer);
    zmq_ctx_term(peer->context);
    arena_free(&peer->arena);
    buffer_free(&peer->out);
    buffer_free(&peer->records);
    buffer_free(&peer->places);
}

static const client_message *read_now(struct streams_peer *peer) {
    int got = zmq_recv(peer->router, peer->identity, sizeof peer->identity, ZMQ_DONTWAIT);
    if (got < 0)
        return NULL;
    peer->identity_bytes = (size_t)got;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, peer->router, 0) >= 0);
    assert_false(zmq_msg_more(&frame));
    client_message *message;
    struct frame_publish publish;
    struct wb_error err;
    arena_reset(&peer->arena);
    assert_int_equal(frame_client(zmq_msg_data(&frame), zmq_msg_size(&frame), &peer->arena,
                                  &message, &publish, &err),
                     0);
    zmq_msg_close(&frame);
    return message;
}

const client_message *peer_read(struct streams_peer *peer, wb_subscriber *subscriber,
                                int timeout_ms) {
    int64_t deadline = monotonic_us() + (int64_t)timeout_ms * 1000;
    for (;;) {
        if (subscriber)
            wb_subscriber_process(subscriber, NULL);
        const client_message *message = read_now(peer);
        if (message || monotonic_us() >= deadline)
            return message;
        zmq_pollitem_t items[] = {{.socket = peer->router, .events = ZMQ_POLLIN},
                                  {.events = ZMQ_POLLIN}};
        items[1].fd = subscriber ? wb_subscriber_fd(subscriber) : 0;
        zmq_poll(items, subscriber ? 2 : 1, timeout_ms < 10 ? timeout_ms : 10);
    }
}

const client_message *peer_expect(struct streams_peer *peer, wb_subscriber *subscriber, int body) {
    const client_message *message;
    do {
        message = peer_read(peer, subscriber, 10000);
        assert_non_null(message);
    } while (message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_PING &&
             body != WAYBILL__V1__CLIENT_MESSAGE__BODY_PING);
    assert_int_equal(message->body_case, body);
    return message;
}

void peer_greet(struct streams_peer *peer, wb_subscriber *subscriber) {
    const client_message *message =
        peer_expect(peer, subscriber, WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO);
    assert_int_equal(message->hello->version, 1);
    assert_true(message->hello->session != 0);
    peer_welcome(peer, message->hello->session);
    for (int i = 0; i < 1000 && !wb_subscriber_up(subscriber); i++) {
        wb_subscriber_process(subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    assert_true(wb_subscriber_up(subscriber));
}

void peer_send(struct streams_peer *peer, const void *data, size_t bytes) {
    zmq_send(peer->router, peer->identity, peer->identity_bytes, ZMQ_SNDMORE);
    zmq_send(peer->router, data, bytes, 0);
}

static void send_out(struct streams_peer *peer) {
    assert_false(peer->out.failed);
    peer_send(peer, peer->out.data, peer->out.length);
}

static void send_message(struct streams_peer *peer, const broker_message *message) {
    buffer_clear(&peer->out);
    frame_put_broker(&peer->out, message);
    send_out(peer);
}

void peer_welcome(struct streams_peer *peer, uint64_t session) {
    Waybill__V1__Welcome welcome = WAYBILL__V1__WELCOME__INIT;
    Waybill__V1__Limits limits = WAYBILL__V1__LIMITS__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_WELCOME;
    message.welcome = &welcome;
    welcome.version = 1;
    welcome.session = session;
    welcome.limits = &limits;
    welcome.public_url = peer->public_url;
    limits.ping_interval_ms = peer->ping_ms;
    limits.credit_events = peer->credit;
    send_message(peer, &message);
}

void peer_subscribed(struct streams_peer *peer, uint64_t subscription, uint64_t after,
                     uint64_t head) {
    Waybill__V1__Subscribed subscribed = WAYBILL__V1__SUBSCRIBED__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_SUBSCRIBED;
    message.subscribed = &subscribed;
    subscribed.subscription = subscription;
    subscribed.after_offset = after;
    subscribed.first_offset = 1;
    subscribed.head_offset = head;
    subscribed.audience = peer->audience;
    send_message(peer, &message);
}

static void put_record(struct buffer *out, uint64_t offset) {
    char id[32];
    snprintf(id, sizeof id, "e%llu", (unsigned long long)offset);
    wb_event event = WB_EVENT_INIT;
    event.event_id = id;
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = 1767225600000000 + (int64_t)offset;
    uint8_t packed[128];
    size_t bytes = protobuf_c_message_pack(&event.base, packed);
    frame_put_record(out, offset, "tests", event.occurred_at_us, packed, bytes);
}

void peer_deliver(struct streams_peer *peer, uint64_t subscription, uint64_t first, uint64_t last,
                  uint64_t step, uint64_t through) {
    buffer_clear(&peer->records);
    for (uint64_t offset = first; offset <= last; offset += step) {
        buffer_clear(&peer->out);
        put_record(&peer->out, offset);
        frame_add_record(&peer->records, peer->out.data, peer->out.length);
    }
    buffer_clear(&peer->out);
    frame_put_deliver(&peer->out, subscription, through, &peer->records);
    send_out(peer);
}

void peer_place(struct streams_peer *peer, const char *case_no, Waybill__V1__Outcome outcome,
                uint64_t through, uint64_t first, uint64_t last) {
    buffer_clear(&peer->records);
    for (uint64_t offset = first; offset <= last; offset++) {
        buffer_clear(&peer->out);
        put_record(&peer->out, offset);
        frame_add_place_record(&peer->records, peer->out.data, peer->out.length);
    }
    frame_add_place(&peer->places, case_no, outcome, through, &peer->records);
}

void peer_followed(struct streams_peer *peer, uint64_t subscription) {
    buffer_clear(&peer->out);
    frame_put_followed(&peer->out, subscription, &peer->places);
    send_out(peer);
    buffer_clear(&peer->places);
}

void peer_refuse(struct streams_peer *peer, int code, uint64_t subscription, uint64_t request) {
    struct wb_error err;
    problem(&err, code, "as scripted");
    buffer_clear(&peer->out);
    frame_put_refusal(&peer->out, &err, 0, subscription, request);
    send_out(peer);
}

void peer_answer(struct streams_peer *peer, uint64_t request, char *case_no, int nodes) {
    Waybill__V1__CaseAnswer answer = WAYBILL__V1__CASE_ANSWER__INIT;
    Waybill__V1__CaseState state = WAYBILL__V1__CASE_STATE__INIT;
    Waybill__V1__Node node = WAYBILL__V1__NODE__INIT;
    Waybill__V1__Node *list[16];
    wb_record record = WAYBILL__V1__RECORD__INIT;
    wb_event event = WB_EVENT_INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER;
    message.case_answer = &answer;
    answer.request = request;
    answer.state = &state;
    answer.nodes = list;
    state.case_no = case_no;
    record.event = &event;
    node.record = &record;
    for (; nodes > 0; nodes--)
        list[answer.n_nodes++] = &node;
    send_message(peer, &message);
}
