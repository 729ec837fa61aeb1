#include "scripted_broker.h"

#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void require(bool holds, const char *words) {
    if (holds)
        return;
    fprintf(stderr, "scripted broker: %s\n", words);
    abort();
}

void broker_up(struct scripted_broker *b) {
    int off = 0;
    b->router = zmq_socket(b->zmq, ZMQ_ROUTER);
    zmq_setsockopt(b->router, ZMQ_LINGER, &off, sizeof off);
    for (int tries = 0; zmq_bind(b->router, b->endpoint); tries++) {
        require(tries < 200, "the port is not free again");
        zmq_poll(NULL, 0, 10);
    }
}

void broker_start(struct scripted_broker *b) {
    *b = (struct scripted_broker){.window_events = 1000,
                                  .batch_events = 100,
                                  .ping_ms = 60 * 1000,
                                  .public_url = "http://127.0.0.1:7400",
                                  .endpoint = "tcp://127.0.0.1:*",
                                  .random = 1};
    b->zmq = zmq_ctx_new();
    arena_init(&b->arena, 16 << 20);
    broker_up(b);
    size_t size = sizeof b->endpoint;
    zmq_getsockopt(b->router, ZMQ_LAST_ENDPOINT, b->endpoint, &size);
}

static void forget_session(struct scripted_broker *b) {
    b->open = false;
    b->unacknowledged = 0;
    b->unacknowledged_bytes = 0;
    for (size_t i = 0; i < b->held_count; i++)
        buffer_free(&b->held[i]);
    b->held_count = 0;
}

void broker_down(struct scripted_broker *b) {
    if (b->router)
        zmq_close(b->router);
    b->router = NULL;
    forget_session(b);
}

void broker_stop(struct scripted_broker *b) {
    broker_down(b);
    zmq_ctx_term(b->zmq);
    arena_free(&b->arena);
    for (size_t i = 0; i < b->logged; i++)
        free(b->log[i]);
}

void broker_say(struct scripted_broker *b, const void *data, size_t bytes, bool more) {
    zmq_send(b->router, b->peer, b->peer_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(b->router, data, bytes, (more ? ZMQ_SNDMORE : 0) | ZMQ_DONTWAIT);
    if (more)
        zmq_send(b->router, "", 0, ZMQ_DONTWAIT);
}

static void say_buffer(struct scripted_broker *b, struct buffer *out) {
    require(!out->failed, "no memory");
    broker_say(b, out->data, out->length, false);
    buffer_free(out);
}

static void refuse(struct scripted_broker *b, int code) {
    struct buffer out;
    struct wb_error err;
    buffer_init(&out, 0);
    problem(&err, code, "by the script");
    frame_put_refusal(&out, &err, 0, 0, 0);
    say_buffer(b, &out);
    forget_session(b);
}

static void welcome(struct scripted_broker *b, uint64_t session, const char *public_url) {
    Waybill__V1__Limits limits = WAYBILL__V1__LIMITS__INIT;
    limits.window_events = b->window_events;
    limits.window_bytes = b->window_bytes;
    limits.batch_events = b->batch_events;
    limits.event_bytes = LIMIT_EVENT_BYTES;
    limits.message_bytes = LIMIT_MESSAGE_BYTES;
    limits.ping_interval_ms = b->ping_ms;
    Waybill__V1__Welcome body = WAYBILL__V1__WELCOME__INIT;
    body.version = PROTOCOL_VERSION;
    body.session = session;
    body.limits = &limits;
    body.public_url = (char *)public_url;
    body.server = (char *)"scripted";
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_WELCOME;
    message.welcome = &body;
    struct buffer out;
    buffer_init(&out, 0);
    frame_put_broker(&out, &message);
    say_buffer(b, &out);
}

static void on_hello(struct scripted_broker *b, const Waybill__V1__Hello *hello) {
    if (b->hellos < sizeof b->hello_us / sizeof *b->hello_us)
        b->hello_us[b->hellos] = monotonic_us();
    b->hellos++;
    forget_session(b);
    if (b->refuse_hello) {
        refuse(b, b->refuse_hello);
        return;
    }
    if (b->stale_welcome)
        welcome(b, hello->session + 1, "http://stale");
    welcome(b, hello->session, b->public_url);
    b->open = true;
    b->next_batch = 1;
}

static void on_ping(struct scripted_broker *b, uint64_t token) {
    if (!b->open) {
        refuse(b, WB_E_NO_SESSION);
        return;
    }
    Waybill__V1__Pong pong = WAYBILL__V1__PONG__INIT;
    pong.token = token;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_PONG;
    message.pong = &pong;
    struct buffer out;
    buffer_init(&out, 0);
    frame_put_broker(&out, &message);
    say_buffer(b, &out);
}

static uint64_t commit(struct scripted_broker *b, const char *event_id, bool *repeat) {
    *repeat = true;
    for (size_t i = b->logged; i > 0; i--)
        if (!strcmp(b->log[i - 1], event_id))
            return i;
    *repeat = false;
    require(b->logged < BROKER_EVENTS, "the log is full");
    b->log[b->logged++] = strdup(event_id);
    return b->logged;
}

static void add_receipt(struct scripted_broker *b, struct buffer *receipts, struct slice event,
                        bool want_codes) {
    wb_event *decoded;
    struct wb_error err;
    if (event_decode(event.data, event.length, &b->arena, &decoded, &err)) {
        frame_add_receipt(receipts, 0, false, NULL, &err);
    } else if (b->refuse_id && !strcmp(decoded->event_id, b->refuse_id)) {
        problem_field(&err, WB_E_FIELD_VALUE, "item_code", "item_code 'X'");
        frame_add_receipt(receipts, 0, false, NULL, &err);
    } else {
        bool repeat;
        uint64_t offset = commit(b, decoded->event_id, &repeat);
        frame_add_receipt(receipts, offset, repeat, want_codes ? "ABCD-EFGH" : NULL, NULL);
    }
}

static uint32_t random_below(struct scripted_broker *b, uint32_t most) {
    b->random = b->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(b->random >> 33) % most;
}

/* Things that happen to brokers. True if the Publish is not to be handled further. */
static bool fault_before(struct scripted_broker *b) {
    if (random_below(b, 100) >= b->fault_percent)
        return false;
    b->faults++;
    switch (random_below(b, 5)) {
    case 0:
        refuse(b, WB_E_NOT_READY);
        return true;
    case 1:
        refuse(b, WB_E_OUT_OF_SEQUENCE);
        return true;
    case 2: /* a restart: what follows gets NO_SESSION */
        forget_session(b);
        refuse(b, WB_E_NO_SESSION);
        return true;
    case 3:
        broker_down(b);
        broker_up(b);
        return true;
    default:
        broker_say(b, "\xff\xff garbage", 10, random_below(b, 2));
        return false;
    }
}

/* Committed, but the client does not learn it. */
static bool fault_after(struct scripted_broker *b) {
    if (random_below(b, 100) >= b->fault_percent)
        return false;
    b->faults++;
    switch (random_below(b, 3)) {
    case 0:
        refuse(b, WB_E_NOT_READY);
        return true;
    case 1:
        broker_down(b);
        broker_up(b);
        return true;
    default:
        b->short_ack++;
        return false;
    }
}

static void acknowledge(struct scripted_broker *b, uint64_t batch, const struct buffer *receipts,
                        size_t events, size_t bytes) {
    struct buffer out;
    buffer_init(&out, 0);
    frame_put_acknowledgement(&out, batch, receipts,
                              (struct frame_window){b->next_events, b->next_bytes});
    if (b->hold) {
        require(b->held_count < BROKER_HELD, "more batches than can be held");
        b->held_events[b->held_count] = events;
        b->held_bytes[b->held_count] = bytes;
        b->held[b->held_count++] = out;
        return;
    }
    b->unacknowledged -= events;
    b->unacknowledged_bytes -= bytes;
    say_buffer(b, &out);
}

void broker_release(struct scripted_broker *b) {
    for (size_t i = 0; i < b->held_count; i++) {
        b->unacknowledged -= b->held_events[i];
        b->unacknowledged_bytes -= b->held_bytes[i];
        say_buffer(b, &b->held[i]);
    }
    b->held_count = 0;
    b->hold = false;
}

static void on_publish(struct scripted_broker *b, const struct frame_publish *publish) {
    b->publishes++;
    if (!b->open || publish->batch != b->next_batch) {
        refuse(b, b->open ? WB_E_OUT_OF_SEQUENCE : WB_E_NO_SESSION);
        return;
    }
    require(publish->count > 0, "a batch without events");
    size_t bytes = 0;
    for (size_t i = 0; i < publish->count; i++)
        bytes += publish->events[i].length;
    b->unacknowledged += publish->count;
    b->unacknowledged_bytes += bytes;
    if (b->unacknowledged_bytes > b->most_bytes)
        b->most_bytes = b->unacknowledged_bytes;
    if (b->unacknowledged > b->most_unacknowledged)
        b->most_unacknowledged = b->unacknowledged;
    if (publish->count > b->largest_batch)
        b->largest_batch = publish->count;
    if (fault_before(b))
        return;
    b->next_batch++;
    struct buffer receipts;
    buffer_init(&receipts, 0);
    size_t before_last = 0;
    for (size_t i = 0; i < publish->count; i++) {
        before_last = receipts.length;
        add_receipt(b, &receipts, publish->events[i], publish->want_codes);
    }
    if (!fault_after(b)) {
        if (b->short_ack) {
            b->short_ack--;
            receipts.length = before_last;
        }
        acknowledge(b, publish->batch, &receipts, publish->count, bytes);
    }
    buffer_free(&receipts);
}

static void on_message(struct scripted_broker *b, const void *data, size_t bytes) {
    client_message *message;
    struct frame_publish publish;
    struct wb_error err;
    arena_reset(&b->arena);
    int failed = frame_client(data, bytes, &b->arena, &message, &publish, &err);
    require(!failed, "the publisher sent what cannot be decoded");
    if (b->mute) {
        b->pings += message && message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_PING;
        b->hellos += message && message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO;
    } else if (!message) {
        on_publish(b, &publish);
    } else if (message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO) {
        on_hello(b, message->hello);
    } else if (message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_PING) {
        b->pings++;
        on_ping(b, message->ping->token);
    } else {
        b->byes += message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE;
        forget_session(b);
    }
}

void broker_serve(struct scripted_broker *b) {
    zmq_msg_t id, frame;
    zmq_msg_init(&id);
    zmq_msg_init(&frame);
    while (b->router && zmq_msg_recv(&id, b->router, ZMQ_DONTWAIT) >= 0) {
        zmq_msg_recv(&frame, b->router, 0);
        require(!zmq_msg_more(&frame), "one frame makes a message");
        b->peer_bytes = zmq_msg_size(&id);
        memcpy(b->peer, zmq_msg_data(&id), b->peer_bytes);
        on_message(b, zmq_msg_data(&frame), zmq_msg_size(&frame));
    }
    zmq_msg_close(&id);
    zmq_msg_close(&frame);
}
