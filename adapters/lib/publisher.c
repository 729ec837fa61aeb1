#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "outbox.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/validate.h"
#include "session.h"
#include "transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_US     1000 /* while events are sent, messages are looked for this often */
#define STEP_EVENTS 64   /* or after so many */
#define LINGER_MS   250  /* for the last word */
#define STOP_MS     200  /* a signal may come between looking and waiting */

struct wb_publisher {
    struct session session;
    struct outbox outbox;
    struct transport *transport;
    char *source, *client;
    wb_receipt_fn *receipt; /* may be NULL */
    void *arg;
    bool in_trouble; /* told of the spool's */
    const volatile sig_atomic_t *stop;
    bool busy; /* in a callback */
    int64_t stepped_us;
    unsigned unlooked; /* events since the last step */
    uint8_t scratch[LIMIT_EVENT_BYTES];
};

static void on_answer(void *owner, uint64_t seq, const struct wb_receipt *receipt) {
    wb_publisher *p = owner;
    outbox_answered(&p->outbox, seq, receipt->refusal, p->stepped_us);
    if (p->receipt)
        p->receipt(p->arg, receipt);
}

static void set_up(wb_publisher *p, const struct wb_publisher_options *o, const char *source) {
    p->stop = o->stop;
    p->receipt = o->receipt;
    p->arg = o->arg;
    p->source = strdup(source);
    p->client = strdup(o->client ? o->client : "libwaybill-publisher " WAYBILL_VERSION);
    p->session = (struct session){
        .window = &p->outbox.window,
        .source = p->source,
        .client = p->client,
        .want_codes = o->want_codes,
        .window_events = o->window_events < WINDOW_EVENTS ? o->window_events : WINDOW_EVENTS,
        .answer = on_answer,
        .owner = p,
        .notify = o->session,
        .arg = o->arg,
    };
    session_init(&p->session);
}

wb_publisher *wb_publisher_open(const char *endpoint, const char *source,
                                const struct wb_publisher_options *options, struct wb_error *err) {
    static const struct wb_publisher_options defaults;
    const struct wb_publisher_options *o = options ? options : &defaults;
    const char *name = source ? source : "";
    if (source_validate(name, err))
        return NULL;
    wb_publisher *p = calloc(1, sizeof *p);
    if (!p) {
        problem(err, WB_E_SYSTEM, "no memory for a publisher");
        return NULL;
    }
    set_up(p, o, name);
    uint32_t window = p->session.window_events ? p->session.window_events : WINDOW_EVENTS;
    if (!p->source || !p->client)
        problem(err, WB_E_SYSTEM, "no memory for a publisher");
    else if (!outbox_open(&p->outbox, o->spool, name, o->spool_bytes, window, err))
        p->transport = transport_open(endpoint ? endpoint : "",
                                      &(struct curve_client){o->server_key, o->key_file}, err);
    p->session.transport = p->transport;
    if (p->transport)
        return p;
    wb_publisher_close(p);
    return NULL;
}

void wb_publisher_close(wb_publisher *p) {
    if (!p)
        return;
    bool said = session_end(&p->session);
    transport_close(p->transport, said ? LINGER_MS : 0);
    outbox_tend(&p->outbox, monotonic_us(), true);
    outbox_close(&p->outbox);
    free(p->source);
    free(p->client);
    free(p);
}

static bool stopped(const wb_publisher *p) {
    return p->stop && *p->stop;
}

static int usable(const wb_publisher *p, struct wb_error *err) {
    if (p->busy)
        return problem(err, WB_E_USAGE, "the publisher was called from within its own callback");
    if (!p->outbox.broken.code)
        return 0;
    if (err)
        *err = p->outbox.broken;
    return -1;
}

/* Fails where a callback calls the publisher, and once nothing can be sent any more: the session
 * was refused for good, the spool is damaged. */
static int ready(const wb_publisher *p, struct wb_error *err) {
    if (usable(p, err))
        return -1;
    if (p->session.state != SESSION_REFUSED)
        return 0;
    if (err)
        *err = p->session.refusal;
    return -1;
}

static void tell_trouble(wb_publisher *p) {
    const struct wb_error *trouble = &p->outbox.trouble;
    char words[600];
    if (trouble->code && !p->in_trouble && p->session.notify)
        p->session.notify(p->arg, p->session.state == SESSION_OPEN,
                          problem_line(trouble, words, sizeof words));
    p->in_trouble = trouble->code;
}

static int step(wb_publisher *p, int64_t now_us) {
    p->busy = true;
    p->stepped_us = now_us;
    p->unlooked = 0;
    int handled = session_step(&p->session, now_us);
    if (p->outbox.spool) {
        outbox_tend(&p->outbox, now_us, false);
        tell_trouble(p);
        if (session_can_send(&p->session)) /* what came from the spool */
            handled += session_step(&p->session, now_us);
    }
    p->busy = false;
    return handled;
}

static int wait_ms(const wb_publisher *p, int64_t now_us, int64_t deadline_us) {
    int64_t until_us = session_due_us(&p->session);
    int64_t tend_us = outbox_due_us(&p->outbox);
    until_us = until_us < tend_us ? until_us : tend_us;
    until_us = until_us < deadline_us ? until_us : deadline_us;
    int64_t ms = until_us <= now_us ? 0 : (until_us - now_us + 999) / 1000;
    int64_t most = p->stop ? STOP_MS : 60 * 1000;
    return (int)(ms < most ? ms : most);
}

/* Does what is due until something happens: 1; 0 when it is deadline_us or the program was told to
 * stop; -1 and err when nothing can be sent any more. */
static int turn(wb_publisher *p, int64_t deadline_us, struct wb_error *err) {
    for (;;) {
        int64_t now_us = monotonic_us();
        int handled = step(p, now_us);
        if (ready(p, err))
            return -1;
        if (handled)
            return 1;
        if (now_us >= deadline_us || stopped(p))
            return 0;
        transport_wait(p->transport, wait_ms(p, now_us, deadline_us));
    }
}

static int64_t deadline(int timeout_ms) {
    return timeout_ms < 0 ? INT64_MAX : monotonic_us() + timeout_ms * INT64_C(1000);
}

static int encode(wb_publisher *p, const wb_event *event, size_t *bytes, struct wb_error *err) {
    if (event_validate(event, err))
        return -1;
    *bytes = protobuf_c_message_get_packed_size(&event->base);
    if (*bytes > sizeof p->scratch)
        return problem(err, WB_E_EVENT_TOO_LARGE, "event '%s' takes %zu bytes, the limit is %d",
                       event->event_id, *bytes, LIMIT_EVENT_BYTES);
    protobuf_c_message_pack(&event->base, p->scratch);
    return 0;
}

/* Lets the session work now and then, while events are given one after the other. */
static void glance(wb_publisher *p, unsigned events) {
    int64_t now_us = monotonic_us();
    p->unlooked += events;
    if (p->unlooked >= STEP_EVENTS || now_us - p->stepped_us >= STEP_US ||
        session_can_send(&p->session))
        step(p, now_us);
}

int wb_publisher_send(wb_publisher *p, const wb_event *event, void *tag, struct wb_error *err) {
    size_t bytes;
    bool spooled = p->outbox.spool;
    if ((spooled ? usable(p, err) : ready(p, err)) || encode(p, event, &bytes, err))
        return -1;
    int added;
    while ((added = outbox_put(&p->outbox, p->scratch, bytes, tag, err)) == 0) {
        int happened = turn(p, INT64_MAX, err);
        if (happened < 0)
            return -1;
        if (!happened)
            return problem(err, WB_E_TIMEOUT, "told to stop while %zu events wait for the broker",
                           wb_publisher_pending(p));
    }
    if (added < 0)
        return -1;
    glance(p, 1);
    return 0;
}

void wb_publisher_hold(wb_publisher *p) {
    outbox_hold(&p->outbox);
}

int wb_publisher_release(wb_publisher *p, struct wb_error *err) {
    if (usable(p, err) || outbox_release(&p->outbox, err))
        return -1;
    glance(p, 0);
    return 0;
}

int wb_publisher_poll(wb_publisher *p, int timeout_ms, struct wb_error *err) {
    if (ready(p, err))
        return -1;
    return turn(p, deadline(timeout_ms), err) < 0 ? -1 : 0;
}

int wb_publisher_flush(wb_publisher *p, int timeout_ms, struct wb_error *err) {
    if (wb_publisher_release(p, err) || ready(p, err))
        return -1;
    int64_t deadline_us = deadline(timeout_ms);
    while (wb_publisher_pending(p)) {
        int happened = turn(p, deadline_us, err);
        if (happened < 0)
            return -1;
        size_t left = wb_publisher_pending(p);
        if (left && (!happened || monotonic_us() >= deadline_us))
            return problem(err, WB_E_TIMEOUT, "%zu events have no receipt yet", left);
    }
    outbox_tend(&p->outbox, monotonic_us(), true);
    return 0;
}

size_t wb_publisher_pending(const wb_publisher *p) {
    return outbox_count(&p->outbox);
}

/* Percent-encodes all but the unreserved characters of RFC 3986. Returns the length, or size if it
 * does not fit with its NUL. */
static size_t url_encode(const char *from, char *to, size_t size) {
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)from; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr("-._~", *c);
        if (n + 4 > size)
            return size;
        n += (size_t)snprintf(to + n, size - n, plain ? "%c" : "%%%02X", *c);
    }
    return n;
}

int wb_publisher_link(const wb_publisher *p, const char *case_no, const char *code, char *text,
                      size_t size) {
    char number[3 * LIMIT_CASE_NO_BYTES + 4], key[256];
    const char *url = p->session.public_url;
    size_t length = strlen(url);
    if (!length || url_encode(case_no, number, sizeof number) == sizeof number ||
        url_encode(code, key, sizeof key) == sizeof key)
        return -1;
    int slash = url[length - 1] == '/';
    int written = snprintf(text, size, "%.*s/c/%s/%s", (int)length - slash, url, number, key);
    return written < 0 || (size_t)written >= size ? -1 : 0;
}
