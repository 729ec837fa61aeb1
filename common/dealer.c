#include "common/dealer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/digest.h"
#include "common/endpoints.h"
#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"

#define WORDS_BYTES     320
#define SOCKETS_MAX     8192 /* of a process; an attempt takes three */
#define BACKOFF_US      INT64_C(100000)
#define BACKOFF_US_MAX  INT64_C(2000000)
#define BACKOFF_US_LIST INT64_C(1000000)  /* where another broker may take over at any moment */
#define LASTING_US      INT64_C(1000000)  /* a session that lasted so long was no failure */
#define PATIENCE_US     INT64_C(1000000)  /* with an attempt, while there are others to try … */
#define PATIENCE_US_MAX INT64_C(8000000)  /* … and no more, however slow the network is */
#define ALONE_US        INT64_C(10000000) /* where there is no other */
#define BREAKS          3                 /* handshakes that break off before a word about it */

#define WATCHED                                                                                    \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |                   \
     ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                            \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

/* What is remembered of each broker of the list. */
struct broker {
    unsigned breaks;        /* handshakes in a row that broke off without a word */
    char told[WORDS_BYTES]; /* what was said of it last; "" once one works */
};

struct dealer {
    struct endpoints list;
    struct broker brokers[ENDPOINTS_MAX];
    size_t at; /* in the list */
    char *server_key, *key_file;
    int send_messages, receive_messages;
    int epoll; /* -1: nobody watches */

    void *context, *socket, *monitor; /* the last two: NULL while resting */
    bool up, lost; /* lost: the connection is gone, what came before has not all been read */
    bool works;
    int64_t begun_us, worked_us; /* the attempt; when the owner said so */

    unsigned tried;             /* attempts since a broker worked */
    int64_t round_us, retry_us; /* when the round began; when the next attempt is due */
    int64_t backoff_us;         /* of the last round */
    int64_t patience_us;        /* with an attempt */
    bool silence, answer;       /* in this round somebody did not answer; somebody did */
    char words[WORDS_BYTES];
};

/* One context, and with it one I/O thread, for all connections of a library. */
static struct {
    pthread_mutex_t lock;
    void *zmq;
    size_t users;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *context_hold(void) {
    pthread_mutex_lock(&shared.lock);
    if (!shared.zmq) {
        shared.zmq = zmq_ctx_new();
        if (shared.zmq)
            zmq_ctx_set(shared.zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
    }
    if (shared.zmq)
        shared.users++;
    void *zmq = shared.zmq;
    pthread_mutex_unlock(&shared.lock);
    return zmq;
}

static void context_release(void) {
    pthread_mutex_lock(&shared.lock);
    void *last = NULL;
    if (--shared.users == 0) {
        last = shared.zmq;
        shared.zmq = NULL;
    }
    pthread_mutex_unlock(&shared.lock);
    if (last)
        zmq_ctx_term(last);
}

/* Watching */

static int watched(const struct dealer *dealer, void *socket, int operation) {
    int fd;
    size_t size = sizeof fd;
    struct epoll_event event = {.events = EPOLLIN};
    if (dealer->epoll < 0 || !socket)
        return 0;
    return zmq_getsockopt(socket, ZMQ_FD, &fd, &size) ||
                   epoll_ctl(dealer->epoll, operation, fd, &event)
               ? -1
               : 0;
}

int dealer_watch(struct dealer *dealer, int epoll) {
    dealer->epoll = epoll;
    return watched(dealer, dealer->socket, EPOLL_CTL_ADD) ||
                   watched(dealer, dealer->monitor, EPOLL_CTL_ADD)
               ? -1
               : 0;
}

/* Sockets */

static void drop(struct dealer *dealer, int linger_ms) {
    if (dealer->socket) {
        watched(dealer, dealer->socket, EPOLL_CTL_DEL);
        zmq_setsockopt(dealer->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_socket_monitor(dealer->socket, NULL, 0);
        zmq_close(dealer->socket);
    }
    if (dealer->monitor) {
        watched(dealer, dealer->monitor, EPOLL_CTL_DEL);
        zmq_close(dealer->monitor);
    }
    dealer->socket = dealer->monitor = NULL;
    dealer->up = dealer->lost = dealer->works = false;
}

static int set_options(const struct dealer *dealer, struct wb_error *err) {
    const struct {
        int name, value;
    } options[] = {
        {ZMQ_IPV6, 1},
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, dealer->send_messages},
        {ZMQ_RCVHWM, dealer->receive_messages},
        {ZMQ_HANDSHAKE_IVL, (int)(ALONE_US / 1000)},
        {ZMQ_HEARTBEAT_IVL, 5000}, /* finds a connection that died without a word */
        {ZMQ_HEARTBEAT_TIMEOUT, 15000},
        {ZMQ_RECONNECT_IVL, 3600 * 1000}, /* a socket is for one connection */
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (zmq_setsockopt(dealer->socket, options[i].name, &options[i].value, sizeof(int)))
            return problem(err, WB_E_SYSTEM, "a socket: %s", zmq_strerror(errno));
    int64_t bytes = LIMIT_MESSAGE_BYTES;
    zmq_setsockopt(dealer->socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes);
    const struct curve_client keys = {dealer->server_key, dealer->key_file};
    return curve_client_setup(dealer->socket, &keys, err);
}

static int connect_sockets(struct dealer *dealer, struct wb_error *err) {
    char address[64];
    snprintf(address, sizeof address, "inproc://waybill-dealer-%016" PRIx64, random_u64());
    if (zmq_socket_monitor(dealer->socket, address, WATCHED) ||
        zmq_connect(dealer->monitor, address) || watched(dealer, dealer->socket, EPOLL_CTL_ADD) ||
        watched(dealer, dealer->monitor, EPOLL_CTL_ADD))
        return problem(err, WB_E_SYSTEM, "watching a socket: %s", zmq_strerror(errno));
    const char *endpoint = dealer_endpoint(dealer);
    if (zmq_connect(dealer->socket, endpoint) == 0)
        return 0;
    problem(err, WB_E_USAGE, "endpoint '%.120s': %s", endpoint, zmq_strerror(errno));
    return problem_hint(err, "write it as tcp://HOST:PORT");
}

static int attempt(struct dealer *dealer, int64_t now_us, struct wb_error *err) {
    dealer->begun_us = now_us;
    if (dealer->tried % dealer->list.count == 0)
        dealer->round_us = now_us;
    dealer->socket = zmq_socket(dealer->context, ZMQ_DEALER);
    dealer->monitor = zmq_socket(dealer->context, ZMQ_PAIR);
    if (!dealer->socket || !dealer->monitor)
        problem(err, WB_E_SYSTEM, "a socket: %s", zmq_strerror(errno));
    else if (set_options(dealer, err) == 0 && connect_sockets(dealer, err) == 0)
        return 0;
    drop(dealer, 0);
    return -1;
}

/* The round */

static void end_round(struct dealer *dealer) {
    int64_t most_us = dealer->list.count > 1 ? BACKOFF_US_LIST : BACKOFF_US_MAX;
    int64_t next_us = dealer->backoff_us ? 2 * dealer->backoff_us : BACKOFF_US;
    dealer->backoff_us = next_us < most_us ? next_us : most_us;
    /* Spread, so that those who lost a broker together do not come back together. */
    int64_t half_us = dealer->backoff_us / 2;
    dealer->retry_us =
        dealer->round_us + half_us + (int64_t)(random_u64() % (uint64_t)(half_us + 1));
    if (dealer->silence && !dealer->answer && dealer->patience_us < PATIENCE_US_MAX)
        dealer->patience_us *= 2;
    dealer->silence = dealer->answer = false;
}

static void move_on(struct dealer *dealer, int64_t now_us) {
    if (dealer->works) {
        dealer->round_us = now_us;
        if (now_us - dealer->worked_us >= LASTING_US)
            dealer->backoff_us = 0;
    }
    drop(dealer, 0);
    dealer->at = (dealer->at + 1) % dealer->list.count;
    dealer->retry_us = now_us;
    if (++dealer->tried % dealer->list.count == 0)
        end_round(dealer);
}

/* Ends an attempt, or a connection. DEALER_FAILED if the words are news. */
static enum dealer_change fail(struct dealer *dealer, int64_t now_us, const char *words) {
    bool news = *words && dealer_news(dealer, words);
    if (news)
        snprintf(dealer->words, sizeof dealer->words, "%s", words);
    move_on(dealer, now_us);
    return news ? DEALER_FAILED : DEALER_SAME;
}

/* What the monitor says */

static bool next_event(const struct dealer *dealer, unsigned *event, unsigned *value) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    bool got = zmq_msg_recv(&frame, dealer->monitor, ZMQ_DONTWAIT) >= 6;
    if (got) { /* the number and a value; the address is in a second frame */
        uint16_t number;
        uint32_t what;
        memcpy(&number, zmq_msg_data(&frame), sizeof number);
        memcpy(&what, (char *)zmq_msg_data(&frame) + sizeof number, sizeof what);
        *event = number;
        *value = what;
    }
    while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, dealer->monitor, 0) >= 0)
        ;
    zmq_msg_close(&frame);
    return got;
}

static bool has_keys(const struct dealer *dealer) {
    return dealer->server_key && *dealer->server_key;
}

static void tell(struct wb_error *err, char words[WORDS_BYTES]) {
    problem_line(err, words, WORDS_BYTES);
}

static void tell_status(const struct dealer *dealer, unsigned status, char words[WORDS_BYTES]) {
    struct wb_error err;
    const char *endpoint = dealer_endpoint(dealer);
    if (status == 400) {
        problem(&err, WB_E_KEY_UNKNOWN, "%.100s", endpoint);
    } else {
        problem(&err, WB_E_NOT_READY, "%.100s cannot check keys now (ZAP status %u)", endpoint,
                status);
        problem_hint(&err, "it is asked again; see the broker's log if it lasts");
    }
    tell(&err, words);
}

static void tell_protocol(const struct dealer *dealer, unsigned what, char words[WORDS_BYTES]) {
    struct wb_error err;
    const char *endpoint = dealer_endpoint(dealer);
    bool mechanism = what == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH;
    problem(&err, WB_E_MALFORMED, "%.100s: %s", endpoint,
            !mechanism         ? "the handshake failed"
            : has_keys(dealer) ? "keys were given, and there they are not used"
                               : "there keys are asked for, and none was given");
    problem_hint(&err, "%s",
                 !mechanism         ? "is it a Waybill broker's, and its public key the right one?"
                 : has_keys(dealer) ? "leave the keys out, or name the endpoint that has them"
                                    : "give the broker's public key and one's own key file");
    snprintf(err.message, sizeof err.message, "no connection");
    tell(&err, words);
}

/* Of a key that does not belong to it, and often of a client that lacks one, a broker says nothing:
 * it ends the connection, as it does when it is stopped in the middle of a handshake. */
static void tell_break(struct dealer *dealer, char words[WORDS_BYTES]) {
    struct broker *broker = &dealer->brokers[dealer->at];
    if (++broker->breaks < BREAKS || *broker->told)
        return;
    snprintf(words, WORDS_BYTES, "%.100s ends every connection before a word: %s",
             dealer_endpoint(dealer),
             has_keys(dealer)
                 ? "is the broker's public key the right one, and does it ask for keys there?"
                 : "does it ask for keys? Give its public key and your own key file");
}

static void lose(struct dealer *dealer) {
    snprintf(dealer->words, sizeof dealer->words, "the connection to %.160s was lost",
             dealer_endpoint(dealer));
    dealer->lost = true;
}

static enum dealer_change take_event(struct dealer *dealer, int64_t now_us, unsigned event,
                                     unsigned value) {
    char words[WORDS_BYTES] = "";
    switch (event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        dealer->up = true;
        dealer->brokers[dealer->at].breaks = 0;
        return DEALER_UP;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        tell_status(dealer, value, words);
        dealer->answer = true;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        tell_protocol(dealer, value, words);
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        tell_break(dealer, words);
        break;
    default: /* refused, or lost */
        if (dealer->up) {
            lose(dealer);
            return DEALER_SAME;
        }
        break;
    }
    return fail(dealer, now_us, words);
}

static bool readable(void *socket) {
    int events = 0;
    size_t size = sizeof events;
    return socket && zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && events & ZMQ_POLLIN;
}

static enum dealer_change begin(struct dealer *dealer, int64_t now_us) {
    struct wb_error err;
    char words[WORDS_BYTES];
    if (now_us < dealer->retry_us || attempt(dealer, now_us, &err) == 0)
        return DEALER_SAME;
    tell(&err, words);
    return fail(dealer, now_us, words);
}

static enum dealer_change look(struct dealer *dealer, int64_t now_us) {
    unsigned event, value;
    enum dealer_change change = DEALER_SAME;
    while (change == DEALER_SAME && dealer->socket && !dealer->lost &&
           next_event(dealer, &event, &value))
        change = take_event(dealer, now_us, event, value);
    if (change != DEALER_SAME || !dealer->socket)
        return change;
    if (dealer->lost && !readable(dealer->socket)) {
        move_on(dealer, now_us);
        return DEALER_DOWN;
    }
    if (!dealer->up && now_us >= dealer_due_us(dealer)) {
        dealer->silence = true;
        move_on(dealer, now_us);
    }
    return DEALER_SAME;
}

enum dealer_change dealer_change(struct dealer *dealer, int64_t now_us) {
    enum dealer_change change = dealer->socket ? look(dealer, now_us) : DEALER_SAME;
    return change == DEALER_SAME && !dealer->socket ? begin(dealer, now_us) : change;
}

int64_t dealer_due_us(const struct dealer *dealer) {
    if (!dealer->socket)
        return dealer->retry_us;
    if (dealer->lost)
        return 0;
    if (dealer->up)
        return INT64_MAX;
    return dealer->begun_us + (dealer->list.count > 1 ? dealer->patience_us : ALONE_US);
}

void dealer_works(struct dealer *dealer, int64_t now_us) {
    dealer->works = true;
    dealer->worked_us = now_us;
    dealer->tried = 0;
    dealer->patience_us = PATIENCE_US;
    dealer->silence = dealer->answer = false;
    for (size_t i = 0; i < dealer->list.count; i++)
        dealer->brokers[i] = (struct broker){0};
}

bool dealer_leave(struct dealer *dealer, int64_t now_us, bool silent) {
    if (dealer->list.count == 1 || !dealer->up)
        return false;
    if (silent)
        dealer->silence = true;
    else
        dealer->answer = true;
    move_on(dealer, now_us);
    return true;
}

int64_t dealer_patience_us(const struct dealer *dealer) {
    return dealer->list.count > 1 ? dealer->patience_us : INT64_MAX;
}

void dealer_rest(struct dealer *dealer) {
    drop(dealer, 0);
    dealer->retry_us = INT64_MAX;
}

bool dealer_news(struct dealer *dealer, const char *words) {
    struct broker *broker = &dealer->brokers[dealer->at];
    char shown[WORDS_BYTES];
    snprintf(shown, sizeof shown, "%s", words);
    if (strcmp(broker->told, shown) == 0)
        return false;
    memcpy(broker->told, shown, sizeof shown);
    return true;
}

bool dealer_is_up(const struct dealer *dealer) {
    return dealer->up;
}

const char *dealer_endpoint(const struct dealer *dealer) {
    return dealer->list.text[dealer->at];
}

const char *dealer_words(const struct dealer *dealer) {
    return dealer->words;
}

/* Messages */

bool dealer_send(struct dealer *dealer, const void *data, size_t bytes) {
    return dealer->up && zmq_send(dealer->socket, data, bytes, ZMQ_DONTWAIT) >= 0;
}

bool dealer_receive(struct dealer *dealer, zmq_msg_t *frame) {
    return dealer->up && zmq_msg_recv(frame, dealer->socket, ZMQ_DONTWAIT) >= 0;
}

bool dealer_ready(const struct dealer *dealer) {
    return readable(dealer->socket) || readable(dealer->monitor);
}

bool dealer_wait(struct dealer *dealer, int timeout_ms, bool write) {
    int64_t due_us = dealer_due_us(dealer), now_us = monotonic_us();
    int64_t ms = due_us <= now_us ? 0 : (due_us - now_us + 999) / 1000;
    bool early = due_us != INT64_MAX && (timeout_ms < 0 || ms < timeout_ms);
    zmq_pollitem_t items[] = {
        {.socket = dealer->socket, .events = (short)(ZMQ_POLLIN | (write ? ZMQ_POLLOUT : 0))},
        {.socket = dealer->monitor, .events = ZMQ_POLLIN},
    };
    int happened = zmq_poll(items, dealer->socket ? 2 : 0, early ? (int)ms : timeout_ms);
    return happened > 0 || (early && happened == 0);
}

/* Opening and closing */

static char *copy(const char *text) {
    return strdup(text ? text : "");
}

struct dealer *dealer_open(const struct dealer_options *options, struct wb_error *err) {
    struct dealer *dealer = calloc(1, sizeof *dealer);
    void *context = dealer ? context_hold() : NULL;
    if (!context) {
        problem(err, WB_E_SYSTEM, "no memory for a connection");
        free(dealer);
        return NULL;
    }
    dealer->context = context;
    dealer->epoll = -1;
    dealer->patience_us = PATIENCE_US;
    dealer->send_messages = options->send_messages;
    dealer->receive_messages = options->receive_messages;
    dealer->server_key = copy(options->keys.server_key);
    dealer->key_file = copy(options->keys.key_file);
    int failed = -1;
    if (!dealer->server_key || !dealer->key_file)
        problem(err, WB_E_SYSTEM, "no memory for a connection");
    else
        failed = endpoints_parse(&dealer->list, options->endpoints, err) ||
                 attempt(dealer, monotonic_us(), err);
    if (!failed)
        return dealer;
    dealer_close(dealer, 0);
    return NULL;
}

void dealer_close(struct dealer *dealer, int linger_ms) {
    if (!dealer)
        return;
    drop(dealer, linger_ms);
    context_release();
    free(dealer->server_key);
    free(dealer->key_file);
    free(dealer);
}
