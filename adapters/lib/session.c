#include "session.h"

#include "common/digest.h"
#include "common/timestamp.h"
#include "gist.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "proto/problem.h"
#include "transport.h"
#include "window.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_FIRST_US INT64_C(100000)
#define BACKOFF_LAST_US  INT64_C(2000000)
#define PING_US          INT64_C(5000000)    /* until the broker says otherwise */
#define PING_LEAST_US    INT64_C(10000)      /* what a broker may ask for … */
#define PING_MOST_US     INT64_C(600000000)  /* … and no more */
#define SILENT_PINGS     4                   /* intervals without a word end a session */
#define READ_QUOTA       256                 /* messages in one step */
#define ARENA_BYTES      ((size_t)8 << 20)   /* LIMIT_MESSAGE_BYTES, unpacked */
#define BATCH_OVERHEAD   64                  /* of a Publish around its events */
#define FULL_BATCH_BYTES ((size_t)128 << 10) /* enough to be sent beside others */

static void notify(struct session *s, bool up, const char *words) {
    if (s->notify)
        s->notify(s->arg, up, words);
}

/* Every change of state goes through here. What was sent and not acknowledged will be sent again
 * in the next session. */
static void enter(struct session *s, enum session_state state, const char *words) {
    enum session_state before = s->state;
    s->state = state;
    if (before == SESSION_OPEN && state != SESSION_OPEN) {
        window_rewind(s->window);
        s->flight_count = 0;
        s->pinged = false;
        notify(s, false, words);
    } else if (before != SESSION_OPEN && state == SESSION_OPEN) {
        notify(s, true, words);
    }
}

static void expect(struct session *s, int64_t now_us) {
    if (!s->flight_count && !s->pinged)
        s->expecting_us = now_us;
}

static bool send_message(struct session *s, const client_message *message) {
    buffer_clear(&s->out);
    frame_put_client(&s->out, message);
    return !s->out.failed && transport_send(s->transport, &s->out);
}

static void greet(struct session *s, int64_t now_us, const char *words) {
    s->number = random_u64();
    Waybill__V1__Hello hello = WAYBILL__V1__HELLO__INIT;
    hello.version = PROTOCOL_VERSION;
    hello.session = s->number;
    hello.source = (char *)s->source;
    hello.client = (char *)s->client;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    send_message(s, &message); /* what is not taken is not answered, and said again */
    s->heard_us = now_us;
    s->expecting_us = now_us;
    enter(s, SESSION_GREETING, words);
}

static void ping(struct session *s, int64_t now_us) {
    Waybill__V1__Ping body = WAYBILL__V1__PING__INIT;
    body.token = ++s->ping_token;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_PING;
    message.ping = &body;
    if (!send_message(s, &message))
        s->ping_token--;
    expect(s, now_us);
    s->pinged = true;
    s->pinged_us = now_us;
}

/* Where there is another broker, that one is asked, and not this one a little later. */
static void wait_and_greet(struct session *s, int64_t now_us, const char *words) {
    if (transport_leave(s->transport, false)) {
        enter(s, SESSION_DOWN, words);
        return;
    }
    s->backoff_us = s->backoff_us ? s->backoff_us * 2 : BACKOFF_FIRST_US;
    if (s->backoff_us > BACKOFF_LAST_US)
        s->backoff_us = BACKOFF_LAST_US;
    s->retry_us = now_us + s->backoff_us;
    enter(s, SESSION_WAITING, words);
}

static bool listening(const struct session *s) {
    return s->state == SESSION_GREETING || s->state == SESSION_OPEN;
}

/* The broker said something that it should not say. Without a session, and above all behind a
 * refusal for good, it changes nothing. */
static void protocol_error(struct session *s, int64_t now_us, const char *words) {
    if (!listening(s))
        return;
    bool open = s->state == SESSION_OPEN;
    wait_and_greet(s, now_us, words);
    if (!open)
        notify(s, false, words);
}

/* A limit that is not announced is the protocol's. */
static uint32_t limit(uint32_t value, uint32_t most) {
    return value && value < most ? value : most;
}

/* The window moves while the session lasts; 0 leaves it as it was. */
static void take_window(struct session *s, uint32_t events, uint32_t bytes) {
    uint32_t own = s->window_events ? s->window_events : WINDOW_EVENTS;
    if (events)
        s->limits.window_events = limit(events, own);
    if (bytes)
        s->limits.window_bytes = bytes;
}

static void on_welcome(struct session *s, const Waybill__V1__Welcome *welcome) {
    if (s->state != SESSION_GREETING || welcome->session != s->number)
        return;
    const Waybill__V1__Limits none = WAYBILL__V1__LIMITS__INIT;
    const Waybill__V1__Limits *limits = welcome->limits ? welcome->limits : &none;
    int64_t ping_us = limits->ping_interval_ms ? limits->ping_interval_ms * INT64_C(1000) : PING_US;
    s->limits = (struct session_limits){
        .window_events = s->window_events ? s->window_events : WINDOW_EVENTS,
        .window_bytes = UINT32_MAX,
        .batch_events = limit(limits->batch_events, LIMIT_BATCH_EVENTS),
        .message_bytes = limit(limits->message_bytes, LIMIT_MESSAGE_BYTES),
        .ping_us = ping_us < PING_LEAST_US  ? PING_LEAST_US
                   : ping_us > PING_MOST_US ? PING_MOST_US
                                            : ping_us,
    };
    take_window(s, limits->window_events, limits->window_bytes);
    snprintf(s->public_url, sizeof s->public_url, "%s", welcome->public_url);
    s->batch = 1;
    s->told_codes = 0;
    transport_works(s->transport);
    char words[160];
    snprintf(words, sizeof words, "session open with %.100s", welcome->server);
    enter(s, SESSION_OPEN, words);
}

static bool receipts_fit(const struct session *s, const Waybill__V1__Acknowledgement *ack) {
    if (!s->flight_count || ack->batch != s->batch || ack->n_receipts != s->flights[0])
        return false;
    for (size_t i = 0; i < ack->n_receipts; i++)
        if (!ack->receipts[i]->offset == !ack->receipts[i]->refusal ||
            (ack->receipts[i]->refusal && !ack->receipts[i]->refusal->code))
            return false;
    return true;
}

static void answer(const struct session *s, struct window_item item,
                   const Waybill__V1__Receipt *from) {
    struct wb_error refusal;
    struct gist gist;
    gist_read(&gist, item.data, item.bytes);
    struct wb_receipt receipt = {.tag = item.tag,
                                 .offset = from->offset,
                                 .repeat = from->repeat,
                                 .code = from->code,
                                 .event_id = gist.event_id,
                                 .case_no = gist.case_no,
                                 .stage = gist.stage,
                                 .kind = gist.kind,
                                 .bytes = item.bytes};
    if (from->refusal) {
        frame_refusal_error(from->refusal, &refusal);
        receipt.refusal = &refusal;
    }
    s->answer(s->owner, item.seq, &receipt);
}

static void on_acknowledgement(struct session *s, const Waybill__V1__Acknowledgement *ack,
                               int64_t now_us) {
    if (s->state != SESSION_OPEN)
        return;
    if (!receipts_fit(s, ack)) {
        char words[160];
        snprintf(words, sizeof words,
                 "the broker acknowledged %zu events in batch %" PRIu64
                 ", %zu were sent in batch %" PRIu64 "; opening the session anew",
                 ack->n_receipts, ack->batch, s->flight_count ? s->flights[0] : 0, s->batch);
        protocol_error(s, now_us, words);
        return;
    }
    for (size_t i = 0; i < ack->n_receipts; i++)
        answer(s, window_item(s->window, i), ack->receipts[i]);
    window_drop(s->window, ack->n_receipts);
    take_window(s, ack->window_events, ack->window_bytes);
    memmove(s->flights, s->flights + 1, --s->flight_count * sizeof *s->flights);
    s->batch++;
    s->backoff_us = 0;
}

/* Refusals that answer a message of the session before cannot be the answer to Hello. */
static bool is_of_the_past(const struct session *s, int code) {
    return s->state == SESSION_GREETING &&
           (code == WB_E_NO_SESSION || code == WB_E_OUT_OF_SEQUENCE ||
            code == WB_E_WINDOW_EXCEEDED);
}

static void on_refusal(struct session *s, const Waybill__V1__Refusal *refusal, int64_t now_us) {
    struct wb_error err;
    frame_refusal_error(refusal, &err);
    if (!listening(s))
        return;
    if (is_of_the_past(s, err.code))
        return;
    if (!err.code) {
        protocol_error(s, now_us, "the broker sent a refusal without a code");
        return;
    }
    char words[600];
    problem_line(&err, words, sizeof words);
    bool open = s->state == SESSION_OPEN;
    if (!err.retriable) {
        s->refusal = err;
        enter(s, SESSION_REFUSED, words);
    } else if (err.code == WB_E_NO_SESSION && !s->backoff_us) {
        s->backoff_us = BACKOFF_FIRST_US; /* at once only if the last one got somewhere */
        greet(s, now_us, words);
    } else {
        wait_and_greet(s, now_us, words);
    }
    uint32_t bit = UINT32_C(1) << ((unsigned)err.code & 31);
    if (!open && !(s->told_codes & bit))
        notify(s, false, words);
    s->told_codes |= bit;
}

static void on_message(struct session *s, const uint8_t *data, size_t bytes, int64_t now_us) {
    broker_message *message;
    struct wb_error err;
    arena_reset(&s->arena);
    if (frame_broker(data, bytes, &s->arena, &message, &err)) {
        char words[600];
        problem_hint(&err, "is this a Waybill broker's ingest endpoint?");
        protocol_error(s, now_us, problem_line(&err, words, sizeof words));
        return;
    }
    s->heard_us = now_us;
    switch (message->body_case) {
    case WAYBILL__V1__BROKER_MESSAGE__BODY_WELCOME:
        on_welcome(s, message->welcome);
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_PONG:
        if (message->pong->token == s->ping_token)
            s->pinged = false;
        if (s->state == SESSION_OPEN && !s->flight_count)
            s->backoff_us = 0;
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_ACKNOWLEDGEMENT:
        on_acknowledgement(s, message->acknowledgement, now_us);
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL:
        on_refusal(s, message->refusal, now_us);
        break;
    default: /* of another endpoint or a later version */
        break;
    }
}

static void on_change(struct session *s, enum transport_change change, int64_t now_us) {
    if (s->state == SESSION_REFUSED)
        return;
    if (change == TRANSPORT_CONNECTED)
        greet(s, now_us, "connected to the broker");
    else if (change == TRANSPORT_DISCONNECTED)
        enter(s, SESSION_DOWN, transport_words(s->transport));
    else
        notify(s, false, transport_words(s->transport));
}

/* Bytes that may be sent beside those under way; one event always may, however large. */
static size_t byte_room(const struct session *s) {
    size_t sent = window_sent_bytes(s->window);
    return sent < s->limits.window_bytes ? s->limits.window_bytes - sent : 0;
}

bool session_can_send(const struct session *s) {
    size_t unsent = window_unsent(s->window);
    size_t sent = window_count(s->window) - unsent;
    if (s->state != SESSION_OPEN || !unsent || s->flight_count == SESSION_FLIGHTS ||
        sent >= s->limits.window_events || (sent && window_next_bytes(s->window) > byte_room(s)))
        return false;
    if (s->flight_count < 2) /* one that is being committed, and one that waits for it */
        return true;
    bool full = unsent >= s->limits.batch_events || s->window->unsent_bytes >= FULL_BATCH_BYTES;
    return full && s->limits.window_events - sent >= s->limits.batch_events &&
           byte_room(s) >= FULL_BATCH_BYTES;
}

static struct window_batch next_batch(const struct session *s) {
    size_t sent = window_count(s->window) - window_unsent(s->window);
    size_t events = s->limits.window_events - sent;
    size_t bytes = s->limits.message_bytes;
    bytes = bytes > BATCH_OVERHEAD ? bytes - BATCH_OVERHEAD : 0;
    size_t room = byte_room(s);
    return window_batch(s->window,
                        events < s->limits.batch_events ? events : s->limits.batch_events,
                        bytes < room ? bytes : room);
}

static void send_batches(struct session *s, int64_t now_us) {
    while (session_can_send(s)) {
        struct window_batch batch = next_batch(s);
        struct buffer events = {.data = (uint8_t *)batch.data, .length = batch.bytes};
        buffer_clear(&s->out);
        frame_put_publish(&s->out, s->batch + s->flight_count, s->want_codes, &events);
        if (s->out.failed || !transport_send(s->transport, &s->out))
            return;
        expect(s, now_us);
        s->flights[s->flight_count++] = batch.count;
        window_sent(s->window, batch.count);
    }
}

static bool expecting(const struct session *s) {
    return s->flight_count || s->pinged;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t session_due_us(const struct session *s) {
    switch (s->state) {
    case SESSION_WAITING:
        return s->retry_us;
    case SESSION_GREETING:
        return s->heard_us +
               earlier(SILENT_PINGS * s->limits.ping_us, transport_patience_us(s->transport));
    case SESSION_OPEN: {
        int64_t ping_us = later(s->heard_us, s->pinged_us) + s->limits.ping_us;
        int64_t end_us = later(s->heard_us, s->expecting_us) + SILENT_PINGS * s->limits.ping_us;
        return expecting(s) && end_us < ping_us ? end_us : ping_us;
    }
    case SESSION_DOWN:
    case SESSION_REFUSED:
        break;
    }
    return INT64_MAX;
}

static void on_time(struct session *s, int64_t now_us) {
    if (now_us < session_due_us(s))
        return;
    if (s->state == SESSION_OPEN) {
        int64_t silent_us = now_us - later(s->heard_us, s->expecting_us);
        if (!expecting(s) || silent_us < SILENT_PINGS * s->limits.ping_us) {
            ping(s, now_us);
            return;
        }
    }
    const char *words = "the broker is silent; opening the session anew";
    if (s->state != SESSION_WAITING && transport_leave(s->transport, true))
        enter(s, SESSION_DOWN, words);
    else
        greet(s, now_us, words);
}

int session_step(struct session *s, int64_t now_us) {
    const uint8_t *data;
    size_t bytes;
    int handled = 0, got;
    for (; handled < READ_QUOTA && (got = transport_receive(s->transport, &data, &bytes));
         handled++) {
        if (got < 0)
            protocol_error(s, now_us, "the broker sent a message of several frames");
        else
            on_message(s, data, bytes, now_us);
    }
    enum transport_change change;
    for (; (change = transport_change(s->transport)) != TRANSPORT_SAME; handled++)
        on_change(s, change, now_us);
    on_time(s, now_us);
    send_batches(s, now_us);
    return handled;
}

void session_init(struct session *s) {
    s->state = SESSION_DOWN;
    s->limits = (struct session_limits){.ping_us = PING_US};
    arena_init(&s->arena, ARENA_BYTES);
    buffer_init(&s->out, LIMIT_MESSAGE_BYTES);
}

bool session_end(struct session *s) {
    bool said = false;
    if (s->state == SESSION_OPEN) {
        Waybill__V1__Bye body = WAYBILL__V1__BYE__INIT;
        client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
        message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE;
        message.bye = &body;
        said = send_message(s, &message);
    }
    arena_free(&s->arena);
    buffer_free(&s->out);
    return said;
}
