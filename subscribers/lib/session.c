#include "subscribers/lib/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/dealer.h"
#include "common/digest.h"
#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/wire.h"

#define ARENA_BYTES    ((size_t)32 * 1024 * 1024) /* a decoded message of LIMIT_MESSAGE_BYTES */
#define QUEUE_MESSAGES 16384 /* inside libzmq, each way; credit keeps it far below */
#define PROCESS_MAX    256   /* messages handled in one session_process */
#define CLOSE_MS       100   /* for Bye to leave */
#define RETRY_MS       100   /* before the second attempt, doubling */
#define RETRY_MS_MAX   2000
#define PING_MS        5000 /* until a Welcome says otherwise */
#define PING_MS_MIN    10
#define PING_MS_MAX    (60 * 60 * 1000)
#define SILENT_PINGS   4 /* intervals without a word after which the session counts as lost */
#define STABLE_US      INT64_C(5000000) /* a session that lasted so long was no failure */
#define PUBLIC_URL_MAX 1024

enum state { APART, WAITING, GREETING, OPEN, REFUSED };

struct session {
    struct dealer *dealer;
    int ready,
        kick; /* epoll over what the dealer watches and kick, which makes it readable by hand */
    char *client;
    const struct session_handler *handler;
    void *arg;
    struct arena arena; /* of the message being handled */
    struct buffer out;  /* the message being sent */
    enum state state;
    uint64_t number;     /* of the Hello sent last; numbers also the pings */
    int64_t received_us; /* when something came last; monotonic, as all of these */
    int64_t sent_us;     /* when something was sent last */
    int64_t pinged_us;   /* when Ping was sent last */
    int64_t opened_us;   /* when the last Welcome came */
    int64_t ping_us;     /* the ping interval */
    int64_t retry_us;    /* WAITING: until then */
    unsigned failures;   /* attempts in a row that did not give a lasting session */
    uint32_t credit_max; /* of the newest Welcome */
    char *public_url;    /* of the newest Welcome that named one */
    char words[320];     /* why there is none */
    struct wb_error fatal;
};

/* Setting up and taking down */

static int watch(struct session *session) {
    session->ready = epoll_create1(EPOLL_CLOEXEC);
    session->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->ready < 0 || session->kick < 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(session->ready, EPOLL_CTL_ADD, session->kick, &event) ||
                   dealer_watch(session->dealer, session->ready)
               ? -1
               : 0;
}

static int set_up(struct session *session, const char *endpoints, const struct curve_client *keys,
                  const char *client, struct wb_error *err) {
    const struct dealer_options options = {endpoints, *keys, QUEUE_MESSAGES, QUEUE_MESSAGES};
    session->client = strdup(client);
    session->public_url = strdup("");
    if (!session->client || !session->public_url)
        return problem(err, WB_E_SYSTEM, "%s", strerror(errno));
    session->dealer = dealer_open(&options, err);
    if (!session->dealer)
        return -1;
    if (watch(session))
        return problem(err, WB_E_SYSTEM, "watching a socket: %s", strerror(errno));
    return 0;
}

struct session *session_open(const char *endpoints, const struct curve_client *keys,
                             const char *client, const struct session_handler *handler, void *arg,
                             struct wb_error *err) {
    struct session *session = calloc(1, sizeof *session);
    if (!session) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    session->handler = handler;
    session->arg = arg;
    session->ready = session->kick = -1;
    session->ping_us = INT64_C(1000) * PING_MS;
    session->credit_max = 1;
    arena_init(&session->arena, ARENA_BYTES);
    buffer_init(&session->out, LIMIT_MESSAGE_BYTES);
    snprintf(session->words, sizeof session->words, "%.200s does not answer", endpoints);
    if (set_up(session, endpoints, keys, client, err)) {
        session_close(session);
        return NULL;
    }
    return session;
}

void session_close(struct session *session) {
    if (!session)
        return;
    if (session->state == OPEN) {
        Waybill__V1__Bye bye = WAYBILL__V1__BYE__INIT;
        client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
        message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE;
        message.bye = &bye;
        session_send(session, &message);
    }
    dealer_close(session->dealer, session->state == OPEN ? CLOSE_MS : 0);
    if (session->ready >= 0)
        close(session->ready);
    if (session->kick >= 0)
        close(session->kick);
    arena_free(&session->arena);
    buffer_free(&session->out);
    free(session->client);
    free(session->public_url);
    free(session);
}

/* The socket */

static bool put(struct session *session, const client_message *message) {
    buffer_clear(&session->out);
    frame_put_client(&session->out, message);
    if (session->out.failed)
        return false;
    if (!dealer_send(session->dealer, session->out.data, session->out.length))
        return false;
    session->sent_us = monotonic_us();
    return true;
}

void session_send(struct session *session, const client_message *message) {
    if (session->state == OPEN)
        put(session, message);
}

int session_fd(const struct session *session) {
    return session->ready;
}

void session_kick(struct session *session) {
    (void)!eventfd_write(session->kick, 1);
}

void session_rearm(struct session *session) {
    if (dealer_ready(session->dealer) || dealer_due_us(session->dealer) <= monotonic_us())
        session_kick(session);
}

void session_wait(struct session *session, int timeout_ms) {
    dealer_wait(session->dealer, timeout_ms, false);
}

/* The states */

int64_t session_retry_us(unsigned failures) {
    int64_t wait_ms = failures < 8 ? RETRY_MS << failures : RETRY_MS_MAX;
    return (wait_ms < RETRY_MS_MAX ? wait_ms : RETRY_MS_MAX) * 1000;
}

static void greet(struct session *session) {
    Waybill__V1__Hello hello = WAYBILL__V1__HELLO__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    hello.version = PROTOCOL_VERSION;
    hello.session = session->number = random_u64();
    hello.client = session->client;
    session->received_us = monotonic_us();
    session->state = put(session, &message) ? GREETING : APART;
}

static void leave(struct session *session, enum state state, const char *words, bool news) {
    if (session->state == OPEN && monotonic_us() - session->opened_us >= STABLE_US)
        session->failures = 0;
    session->state = state;
    snprintf(session->words, sizeof session->words, "%s", words);
    if (news)
        session->handler->changed(session->arg, false, session->words);
}

/* What the broker did or said. */
static void part(struct session *session, enum state state, const char *words) {
    bool news = dealer_news(session->dealer, words) || session->state == OPEN;
    leave(session, state, words, news);
}

/* Where there is another broker, that one is asked, and not this one a little later. */
static void retry_later(struct session *session, const char *words) {
    part(session, WAITING, words);
    if (dealer_leave(session->dealer, monotonic_us(), false))
        session->state = APART;
    session->retry_us = monotonic_us() + session_retry_us(session->failures++);
}

void session_fail(struct session *session, const char *words) {
    if (session->state == OPEN)
        retry_later(session, words);
    else if (session->state == GREETING)
        part(session, GREETING, words); /* the Welcome may come yet; until then this is why not */
}

static void take_limits(struct session *session, const Waybill__V1__Limits *limits) {
    uint32_t ping_ms = limits && limits->ping_interval_ms ? limits->ping_interval_ms : PING_MS;
    if (ping_ms < PING_MS_MIN)
        ping_ms = PING_MS_MIN;
    if (ping_ms > PING_MS_MAX)
        ping_ms = PING_MS_MAX;
    session->ping_us = (int64_t)ping_ms * 1000;
    session->credit_max = limits && limits->credit_events ? limits->credit_events : 1;
}

static void take_welcome(struct session *session, const Waybill__V1__Welcome *welcome) {
    if (session->state != GREETING || welcome->session != session->number)
        return;
    take_limits(session, welcome->limits);
    if (*welcome->public_url && strlen(welcome->public_url) <= PUBLIC_URL_MAX) {
        char *url = strdup(welcome->public_url);
        if (url) {
            free(session->public_url);
            session->public_url = url;
        }
    }
    session->state = OPEN;
    session->opened_us = session->received_us;
    session->words[0] = '\0';
    dealer_works(session->dealer, session->opened_us);
    session->handler->opened(session->arg);
    char words[320];
    snprintf(words, sizeof words, "connected to %.160s (%.80s)", session_endpoint(session),
             *welcome->server ? welcome->server : "an unnamed broker");
    session->handler->changed(session->arg, true, words);
}

/* No source is named on streams: who asks for one is the other endpoint. */
static void mend_hint(const struct session *session, struct wb_error *err) {
    if (err->code == WB_E_SOURCE_NAME)
        problem(err, WB_E_WRONG_ENDPOINT, "%.160s asks for a source's name",
                session_endpoint(session));
    if (err->code == WB_E_WRONG_ENDPOINT)
        problem_hint(err, "is this the broker's streams endpoint?");
}

static void take_refusal(struct session *session, const Waybill__V1__Refusal *refusal) {
    struct wb_error err;
    frame_refusal_error(refusal, &err);
    if (err.code == WB_E_NO_SESSION) {
        /* Before the Welcome it answers something that was sent in the session before. */
        if (session->state == OPEN) {
            retry_later(session, "the broker does not know the session any more");
            if (session->failures == 1) /* it was restarted: no reason to wait */
                session->retry_us = 0;
        }
        return;
    }
    mend_hint(session, &err);
    char line[300];
    problem_line(&err, line, sizeof line);
    if (err.retriable) {
        retry_later(session, line);
    } else {
        session->fatal = err;
        part(session, REFUSED, line);
        dealer_rest(session->dealer);
    }
}

static void take_message(struct session *session, const broker_message *message) {
    switch (message->body_case) {
    case WAYBILL__V1__BROKER_MESSAGE__BODY_WELCOME:
        take_welcome(session, message->welcome);
        return;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL:
        if (!message->refusal->subscription && !message->refusal->request) {
            if (session->state == GREETING || session->state == OPEN)
                take_refusal(session, message->refusal);
            return;
        }
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_DELIVER:
        session_fail(session, "the broker sent a Deliver among other things");
        return;
    default:
        break;
    }
    if (session->state != OPEN)
        return;
    if (message->body_case != WAYBILL__V1__BROKER_MESSAGE__BODY_PONG)
        session->handler->message(session->arg, message);
}

/* Delivers are most of the traffic and may have to wait for the caller: they are told apart by
 * their tag and decoded when their records are wanted. */
static bool is_deliver(const uint8_t *data, size_t bytes) {
    struct wire wire = {data, data + bytes};
    struct wire_field field, more;
    return wire_next(&wire, &field) == 1 && field.type == WIRE_BYTES &&
           field.number == WAYBILL__V1__BROKER_MESSAGE__BODY_DELIVER &&
           wire_next(&wire, &more) == 0;
}

static void take_frame(struct session *session, zmq_msg_t *frame) {
    const uint8_t *data = zmq_msg_data(frame);
    size_t bytes = zmq_msg_size(frame);
    if (is_deliver(data, bytes)) {
        if (session->state == OPEN)
            session->handler->deliver(session->arg, frame);
        return;
    }
    broker_message *message;
    struct wb_error err;
    arena_reset(&session->arena);
    if (frame_broker(data, bytes, &session->arena, &message, &err) == 0) {
        take_message(session, message);
        return;
    }
    char line[300];
    problem_hint(&err, "is this a Waybill broker's streams endpoint?");
    problem_line(&err, line, sizeof line);
    session_fail(session, line);
}

/* One message, of all its frames. False when there is none. */
static bool receive(struct session *session) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool got = dealer_receive(session->dealer, &frame);
    if (got) {
        session->received_us = monotonic_us();
        if (!zmq_msg_more(&frame)) {
            take_frame(session, &frame);
        } else {
            while (zmq_msg_more(&frame) && dealer_receive(session->dealer, &frame))
                ;
            session_fail(session, "the broker sent a message of several frames");
        }
    }
    zmq_msg_close(&frame);
    return got;
}

static void ping(struct session *session) {
    Waybill__V1__Ping body = WAYBILL__V1__PING__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_PING;
    message.ping = &body;
    body.token = session->number;
    session_send(session, &message);
    session->pinged_us = monotonic_us();
}

/* In a session that is open: the broker counts our silence as we count its. */
static void keep_alive(struct session *session, int64_t now) {
    int64_t silent_us = now - session->received_us;
    bool quiet = silent_us >= session->ping_us && now - session->pinged_us >= session->ping_us;
    if (silent_us >= session->ping_us * SILENT_PINGS) {
        char words[120];
        snprintf(words, sizeof words, "nothing has come from the broker for %.1f s",
                 (double)silent_us / 1e6);
        part(session, APART, words);
        dealer_leave(session->dealer, now, true);
    } else if (quiet || now - session->sent_us >= session->ping_us) {
        ping(session);
    }
}

/* Hello, where it was not answered, is said again; to another broker if there is one. */
static void keep_asking(struct session *session, int64_t now) {
    int64_t patience_us = dealer_patience_us(session->dealer);
    if (patience_us > session->ping_us * SILENT_PINGS)
        patience_us = session->ping_us * SILENT_PINGS;
    if (now - session->sent_us < patience_us)
        return;
    session->state = APART;
    dealer_leave(session->dealer, now, true);
}

static void follow_connection(struct session *session, int64_t now) {
    enum dealer_change change;
    while ((change = dealer_change(session->dealer, now)) != DEALER_SAME)
        if (change == DEALER_UP)
            session->state = APART;
        else
            leave(session, APART, dealer_words(session->dealer),
                  change == DEALER_FAILED || session->state == OPEN);
}

static void tend(struct session *session) {
    int64_t now = monotonic_us();
    follow_connection(session, now);
    if (session->state == OPEN)
        keep_alive(session, now);
    if (session->state == GREETING)
        keep_asking(session, now);
    if (session->state == WAITING && now >= session->retry_us)
        session->state = APART;
    if (session->state == APART && dealer_is_up(session->dealer))
        greet(session);
}

int session_process(struct session *session, struct wb_error *err) {
    if (session->state != REFUSED) {
        uint64_t kicks;
        (void)!eventfd_read(session->kick, &kicks);
        for (int i = 0; i < PROCESS_MAX && session->state != REFUSED && receive(session); i++)
            ;
    }
    if (session->state != REFUSED)
        tend(session);
    if (session->state != REFUSED)
        return 0;
    if (err)
        *err = session->fatal;
    return -1;
}

const struct wb_error *session_refusal(const struct session *session) {
    return session->state == REFUSED ? &session->fatal : NULL;
}

bool session_is_open(const struct session *session) {
    return session->state == OPEN;
}

const char *session_words(const struct session *session) {
    return session->words;
}

const char *session_endpoint(const struct session *session) {
    return dealer_endpoint(session->dealer);
}

const char *session_public_url(const struct session *session) {
    return session->public_url;
}

uint32_t session_credit_max(const struct session *session) {
    return session->credit_max;
}
