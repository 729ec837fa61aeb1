#include "broker/session/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/meter.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "common/zsock.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define BUCKETS      1024
#define QUOTA        64   /* messages read in one turn of the loop */
#define QUOTA_US     5000 /* and no further one after so long: the other endpoints wait */
#define TICK_MS      250
#define SILENT_PINGS 4
#define ARENA_BYTES  (8 * 1024 * 1024)
#define LINGER_MS    500
#define HANDSHAKE_MS 5000
#define RECEIVE_MAX  2 /* messages of one peer that libzmq reads ahead */

struct endpoint {
    struct endpoint_options options;
    struct role role;
    struct zsock *zsock;
    char address[256];
    uv_timer_t tick;
    struct arena arena; /* for the message that is being read */
    struct buffer out;  /* for the one that is being sent */
    size_t count;
    bool keyed; /* asks for keys */
    bool any_doomed;
    bool reading;
    int64_t ticked_us;
    struct session *buckets[BUCKETS];
};

static size_t bucket_of(const uint8_t *peer, size_t bytes) {
    uint32_t hash = 2166136261U; /* FNV-1a; libzmq chooses the ids, nobody can aim at a bucket */
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ peer[i]) * 16777619U;
    return hash % BUCKETS;
}

static struct session *find(struct endpoint *e, const uint8_t *peer, size_t bytes) {
    struct session *s = e->buckets[bucket_of(peer, bytes)];
    while (s && (s->peer_bytes != bytes || memcmp(s->peer, peer, bytes) != 0))
        s = s->next;
    return s;
}

static void count_sessions(struct endpoint *e, int by) {
    e->count += (size_t)by;
    meter_set(METER_SESSIONS, e->role.name, (int64_t)e->count);
}

static void close_session(struct session *s, const char *reason) {
    struct endpoint *e = s->endpoint;
    struct session **link = &e->buckets[bucket_of(s->peer, s->peer_bytes)];
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    log_info(e->role.name, "session %016llx%s%s closed: %s", (unsigned long long)s->number,
             s->source[0] ? " of " : "", s->source, reason);
    meter_add(METER_SESSIONS_CLOSED, reason, 1);
    e->role.closed(e->role.arg, s);
    count_sessions(e, -1);
    free(s);
}

static void doom(struct session *s, const char *reason) {
    if (!s->doomed)
        s->doomed = reason;
    s->endpoint->any_doomed = true;
}

/* Sending. */

static enum endpoint_sent send_to(struct endpoint *e, const uint8_t *peer, size_t peer_bytes,
                                  const void *data, size_t bytes) {
    void *socket = zsock_socket(e->zsock);
    if (zmq_send(socket, peer, peer_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? SENT_NOT_NOW : SENT_GONE;
    return zmq_send(socket, data, bytes, ZMQ_DONTWAIT) < 0 ? SENT_GONE : SENT;
}

enum endpoint_sent session_send(struct session *s, const void *data, size_t bytes) {
    if (s->doomed)
        return SENT_GONE;
    enum endpoint_sent sent = send_to(s->endpoint, s->peer, s->peer_bytes, data, bytes);
    if (sent == SENT_GONE)
        doom(s, "the peer left");
    if (sent == SENT_NOT_NOW && !s->blocked_us)
        s->blocked_us = monotonic_us();
    else if (sent == SENT)
        s->blocked_us = 0;
    return sent;
}

static void send_out(struct endpoint *e, const uint8_t *peer, size_t peer_bytes) {
    if (!e->out.failed)
        send_to(e, peer, peer_bytes, e->out.data, e->out.length);
    buffer_clear(&e->out);
}

static void count_refusal(struct endpoint *e, const char *name, const struct wb_error *err) {
    meter_add(METER_REFUSALS, problem_name(err->code), 1);
    access_refused(e->options.access, name, err);
}

static void refuse_peer(struct endpoint *e, const uint8_t *peer, size_t peer_bytes,
                        const struct wb_error *err) {
    frame_put_refusal(&e->out, err, 0, 0, 0);
    send_out(e, peer, peer_bytes);
}

void session_answer(struct session *s, struct buffer *message) {
    if (message->failed || session_send(s, message->data, message->length) == SENT_NOT_NOW)
        doom(s, "does not read its answers");
    buffer_clear(message);
}

void session_refuse(struct session *s, const struct wb_error *err, uint64_t subscription,
                    uint64_t request) {
    if (s->doomed)
        return;
    count_refusal(s->endpoint, s->source, err);
    frame_put_refusal(&s->endpoint->out, err, 0, subscription, request);
    session_answer(s, &s->endpoint->out);
}

void session_end(struct session *s, const struct wb_error *err) {
    if (s->doomed)
        return;
    count_refusal(s->endpoint, s->source, err);
    refuse_peer(s->endpoint, s->peer, s->peer_bytes, err);
    doom(s, problem_name(err->code));
}

static void close_doomed(struct endpoint *e) {
    while (e->any_doomed) {
        e->any_doomed = false;
        for (size_t i = 0; i < BUCKETS; i++)
            for (struct session *s = e->buckets[i], *next; s; s = next) {
                next = s->next;
                if (s->doomed)
                    close_session(s, s->doomed);
            }
    }
}

void endpoint_end_all(struct endpoint *e, const struct wb_error *err) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = e->buckets[i]; s; s = s->next)
            session_end(s, err);
    close_doomed(e);
}

void endpoint_recheck(struct endpoint *e) {
    struct wb_error err;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = e->buckets[i]; s; s = s->next)
            if (access_check(e->options.access, e->options.domain, s->source,
                             s->keyed ? s->key : NULL, &err) != 0)
                session_end(s, &err);
    close_doomed(e);
}

/* Who it is. */

/* The key that the connection was made with, as zap.c wrote it into every message: libzmq loses it
 * on the frame with the routing id. */
static bool key_of(zmq_msg_t *frame, uint8_t key[CURVE_KEY_BYTES]) {
    const char *text = zmq_msg_gets(frame, "User-Id");
    return text && curve_to_bytes(text, key);
}

static int identify(struct endpoint *e, struct session *s, zmq_msg_t *frame, const char *said,
                    struct wb_error *err) {
    const struct access *access = e->options.access;
    if (!e->keyed) {
        snprintf(s->source, sizeof s->source, "%s", said);
        return access_check(access, e->options.domain, said, NULL, err);
    }
    s->keyed = key_of(frame, s->key);
    if (!s->keyed)
        return problem(err, WB_E_KEY_UNKNOWN, "the connection has none");
    const char *name = access_name(access, e->options.domain, s->key, err);
    if (!name)
        return -1;
    snprintf(s->source, sizeof s->source, "%s", name);
    if (*said && strcmp(said, name) != 0)
        return problem(err, WB_E_IDENTITY, "Hello says %s, the key is %s's", said, name);
    return 0;
}

/* Refuses one who has no session. */
static void refuse_stranger(struct endpoint *e, const uint8_t *peer, size_t peer_bytes,
                            zmq_msg_t *frame, const struct wb_error *err) {
    uint8_t key[CURVE_KEY_BYTES];
    const char *name =
        e->keyed && key_of(frame, key) ? access_holder(e->options.access, key) : NULL;
    count_refusal(e, name ? name : "", err);
    refuse_peer(e, peer, peer_bytes, err);
}

/* Receiving. */

static int welcome(struct endpoint *e, struct session *s, struct wb_error *err) {
    Waybill__V1__Welcome welcome = WAYBILL__V1__WELCOME__INIT;
    Waybill__V1__Limits limits = WAYBILL__V1__LIMITS__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    char server[] = "waybilld/" WAYBILL_VERSION;

    limits.batch_events = LIMIT_BATCH_EVENTS;
    limits.event_bytes = LIMIT_EVENT_BYTES;
    limits.message_bytes = LIMIT_MESSAGE_BYTES;
    limits.ping_interval_ms = (uint32_t)e->options.ping_interval_ms;
    welcome.version = PROTOCOL_VERSION;
    welcome.session = s->number;
    welcome.server = server;
    welcome.limits = &limits;
    if (e->role.opened(e->role.arg, s, &welcome, err) != 0)
        return -1;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_WELCOME;
    message.welcome = &welcome;
    frame_put_broker(&e->out, &message);
    send_out(e, s->peer, s->peer_bytes);
    return 0;
}

/* Those that libzmq makes: five bytes, the first of them 0. With an id of its own choice a client
 * would be taken for its predecessor after it lost its connection, and get the rest of what that
 * one was being sent. */
static bool made_by_libzmq(const uint8_t *peer, size_t bytes) {
    return bytes == 5 && peer[0] == 0;
}

static int check_hello(const struct endpoint *e, const Waybill__V1__Hello *hello,
                       struct wb_error *err) {
    if (hello->version != PROTOCOL_VERSION)
        return problem(err, WB_E_VERSION, "version %u", hello->version);
    if (hello->source[0] && source_validate(hello->source, err) != 0)
        return -1;
    if (hello->session == 0)
        return problem(err, WB_E_MALFORMED, "Hello.session is 0");
    if (e->count >= e->options.sessions_max)
        return problem(err, WB_E_TOO_MANY_SESSIONS, "%zu sessions", e->count);
    return 0;
}

static void copy_client(char *to, const char *from) {
    size_t length = strnlen(from, SESSION_CLIENT_BYTES);
    memcpy(to, from, length);
    to[length] = '\0';
}

/* A session of that peer, not yet in its bucket; NULL without memory. */
static struct session *new_session(struct endpoint *e, const uint8_t *peer, size_t peer_bytes,
                                   const Waybill__V1__Hello *hello) {
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->endpoint = e;
    s->number = hello->session;
    s->heard_us = monotonic_us();
    copy_client(s->client, hello->client);
    s->peer_bytes = (uint8_t)peer_bytes;
    memcpy(s->peer, peer, peer_bytes);
    return s;
}

static void on_hello(struct endpoint *e, const uint8_t *peer, size_t peer_bytes, zmq_msg_t *frame,
                     const Waybill__V1__Hello *hello) {
    struct wb_error err;
    struct session *s = find(e, peer, peer_bytes);
    if (s)
        close_session(s, "opened anew");
    int status =
        made_by_libzmq(peer, peer_bytes)
            ? check_hello(e, hello, &err)
            : problem(&err, WB_E_MALFORMED, "the client set ZMQ_ROUTING_ID: leave it unset");
    if (status != 0) {
        refuse_stranger(e, peer, peer_bytes, frame, &err);
        return;
    }
    s = new_session(e, peer, peer_bytes, hello);
    if (!s)
        return;
    if (identify(e, s, frame, hello->source, &err) != 0 || welcome(e, s, &err) != 0) {
        count_refusal(e, s->source, &err);
        refuse_peer(e, peer, peer_bytes, &err);
        free(s);
        return;
    }
    size_t bucket = bucket_of(peer, peer_bytes);
    s->next = e->buckets[bucket];
    e->buckets[bucket] = s;
    count_sessions(e, 1);
    log_info(e->role.name, "session %016llx%s%s opened by %s", (unsigned long long)s->number,
             s->source[0] ? " of " : "", s->source, s->client[0] ? s->client : "a nameless client");
}

static void on_ping(struct session *s, uint64_t token) {
    Waybill__V1__Pong pong = WAYBILL__V1__PONG__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    pong.token = token;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_PONG;
    message.pong = &pong;
    frame_put_broker(&s->endpoint->out, &message);
    session_answer(s, &s->endpoint->out);
}

/* A message of a peer that said Hello before. */
static void on_session_message(struct session *s, const client_message *message,
                               const struct frame_publish *publish, zmq_msg_t *frame) {
    struct endpoint *e = s->endpoint;
    struct wb_error err;
    s->heard_us = monotonic_us();
    if (message && message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_PING)
        on_ping(s, message->ping->token);
    else if (message && message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE)
        close_session(s, "said bye");
    else if (e->role.message(e->role.arg, s, message, publish, frame, &err) != 0)
        session_end(s, &err);
}

static void on_frame(struct endpoint *e, const uint8_t *peer, size_t peer_bytes, zmq_msg_t *frame,
                     bool several) {
    client_message *message = NULL;
    struct frame_publish publish;
    struct wb_error err;
    struct session *s = find(e, peer, peer_bytes);
    arena_reset(&e->arena);
    int status = several ? problem(&err, WB_E_MALFORMED, "the message has more than one frame")
                         : frame_client(zmq_msg_data(frame), zmq_msg_size(frame), &e->arena,
                                        &message, &publish, &err);
    if (status != 0 && s) {
        session_end(s, &err);
    } else if (status != 0) {
        refuse_stranger(e, peer, peer_bytes, frame, &err);
    } else if (message && message->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO) {
        on_hello(e, peer, peer_bytes, frame, message->hello);
    } else if (s && !s->doomed) {
        on_session_message(s, message, &publish, frame);
    } else if (!message || message->body_case != WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE) {
        problem(&err, WB_E_NO_SESSION, "%s", e->role.name);
        refuse_stranger(e, peer, peer_bytes, frame, &err);
    }
}

/* Reads one whole message; what is behind its first two frames is thrown away. */
static bool receive(struct endpoint *e) {
    void *socket = zsock_socket(e->zsock);
    zmq_msg_t peer, frame, rest;
    bool several = false;
    zmq_msg_init(&peer);
    if (zmq_msg_recv(&peer, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&peer);
        return false;
    }
    zmq_msg_init(&frame);
    if (zmq_msg_more(&peer) && zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) >= 0) {
        for (bool more = zmq_msg_more(&frame); more; several = true) {
            zmq_msg_init(&rest);
            more = zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&rest);
            zmq_msg_close(&rest);
        }
        if (zmq_msg_size(&peer) <= 255)
            on_frame(e, zmq_msg_data(&peer), zmq_msg_size(&peer), &frame, several);
    }
    zmq_msg_close(&frame);
    zmq_msg_close(&peer);
    return true;
}

static void on_readable(void *arg) {
    struct endpoint *e = arg;
    int64_t until_us = monotonic_us() + QUOTA_US;
    for (int i = 0; i < QUOTA && e->reading && receive(e) && monotonic_us() < until_us; i++)
        ;
    close_doomed(e);
}

static void heard_all(struct endpoint *e) {
    int64_t now = monotonic_us();
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = e->buckets[i]; s; s = s->next)
            s->heard_us = now;
}

/* Nobody is silent while it is the broker that does not listen: after a pause of the process, or of
 * reading, everybody gets the whole time again. */
static void on_tick(uv_timer_t *timer) {
    struct endpoint *e = timer->data;
    int64_t now = monotonic_us();
    int64_t latest = now - SILENT_PINGS * e->options.ping_interval_ms * 1000;
    if (now - e->ticked_us > 2 * TICK_MS * 1000 || !e->reading)
        heard_all(e);
    e->ticked_us = now;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = e->buckets[i]; s; s = s->next) {
            if (s->heard_us < latest)
                doom(s, "silent");
            else if (s->blocked_us && s->blocked_us < latest)
                doom(s, "does not read");
        }
    close_doomed(e);
}

static void *open_socket(void *context, const struct endpoint_options *options,
                         struct wb_error *err) {
    const int socket_options[] = {ZMQ_ROUTER_MANDATORY, 1, ZMQ_LINGER, LINGER_MS, ZMQ_SNDHWM,
                                  options->send_messages_max, ZMQ_RCVHWM, RECEIVE_MAX,
                                  ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS, ZMQ_BACKLOG, 1024,
                                  /* What is a little too large is refused in words; what is larger
                                   * still never gets into memory: libzmq cuts the connection. */
                                  ZMQ_MAXMSGSIZE, 2 * LIMIT_MESSAGE_BYTES, -1};
    return zsock_bind_keyed(context, ZMQ_ROUTER, options->address, socket_options, options->keys,
                            access_domain_name(options->domain), err);
}

struct endpoint *endpoint_new(uv_loop_t *loop, void *context,
                              const struct endpoint_options *options, const struct role *role,
                              struct wb_error *err) {
    struct endpoint *e = calloc(1, sizeof *e);
    if (!e) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    e->options = *options;
    e->options.keys = NULL;
    e->keyed = options->keys != NULL;
    e->role = *role;
    void *socket = open_socket(context, options, err);
    if (!socket) {
        free(e);
        return NULL;
    }
    zsock_endpoint(socket, e->address, sizeof e->address);
    arena_init(&e->arena, ARENA_BYTES);
    buffer_init(&e->out, 2 * LIMIT_MESSAGE_BYTES);
    e->zsock = zsock_new(loop, socket, on_readable, NULL, e, err);
    if (!e->zsock) {
        free(e);
        return NULL;
    }
    e->reading = true;
    e->ticked_us = monotonic_us();
    uv_timer_init(loop, &e->tick);
    e->tick.data = e;
    uv_timer_start(&e->tick, on_tick, TICK_MS, TICK_MS);
    return e;
}

static void free_endpoint(uv_handle_t *handle) {
    free(handle->data);
}

void endpoint_close(struct endpoint *e) {
    if (!e)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct session *s = e->buckets[i], *next; s; s = next) {
            next = s->next;
            close_session(s, "the broker stops");
        }
    zsock_close(e->zsock);
    arena_free(&e->arena);
    buffer_free(&e->out);
    uv_close((uv_handle_t *)&e->tick, free_endpoint);
}

const char *endpoint_address(const struct endpoint *e) {
    return e->address;
}

void endpoint_read(struct endpoint *e, bool on) {
    if (on && !e->reading)
        heard_all(e);
    e->reading = on;
    zsock_read(e->zsock, on);
}
