#include "subscribers/lib/subscriber.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "subscribers/lib/request.h"
#include "subscribers/lib/subscription.h"

#define TICK_US       100000                     /* how often timers are looked at */
#define RECORDS_BYTES ((size_t)32 * 1024 * 1024) /* a decoded message of LIMIT_MESSAGE_BYTES */

static void on_opened(void *arg) {
    subscriptions_opened(arg);
    requests_opened(arg);
}

static void on_deliver(void *arg, zmq_msg_t *message) {
    subscriptions_deliver(arg, message);
}

static void on_message(void *arg, const broker_message *message) {
    switch (message->body_case) {
    case WAYBILL__V1__BROKER_MESSAGE__BODY_SUBSCRIBED:
        subscriptions_subscribed(arg, message->subscribed);
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_FOLLOWED:
        subscriptions_followed(arg, message->followed);
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER:
        requests_answer(arg, message->case_answer);
        break;
    case WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL:
        if (message->refusal->subscription)
            subscriptions_refuse(arg, message->refusal);
        else
            requests_refuse(arg, message->refusal);
        break;
    default:
        break; /* of a later protocol, or of the other endpoint: nothing that was asked for */
    }
}

static void on_changed(void *arg, bool up, const char *words) {
    wb_subscriber *subscriber = arg;
    if (subscriber->options.session)
        subscriber->options.session(subscriber->options.arg, up, words);
}

static const struct session_handler handler = {on_opened, on_deliver, on_message, on_changed};

wb_subscriber *wb_subscriber_open(const char *endpoint, const struct wb_subscriber_options *options,
                                  struct wb_error *err) {
    wb_subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber) {
        problem(err, WB_E_SYSTEM, "%s", strerror(ENOMEM));
        return NULL;
    }
    if (options)
        subscriber->options = *options;
    const char *client = subscriber->options.client;
    const struct curve_client keys = {subscriber->options.server_key, subscriber->options.key_file};
    subscriber->options.client = subscriber->options.server_key = subscriber->options.key_file =
        NULL;
    subscriber->session = session_open(endpoint ? endpoint : "", &keys,
                                       client ? client : "waybill-subscriber " WAYBILL_VERSION,
                                       &handler, subscriber, err);
    if (!subscriber->session) {
        free(subscriber);
        return NULL;
    }
    arena_init(&subscriber->records, RECORDS_BYTES);
    return subscriber;
}

void wb_subscriber_close(wb_subscriber *subscriber) {
    if (!subscriber)
        return;
    subscriptions_closing(subscriber);
    session_close(subscriber->session);
    subscriptions_free(subscriber);
    requests_free(subscriber);
    arena_free(&subscriber->records);
    free(subscriber);
}

int wb_subscriber_fd(const wb_subscriber *subscriber) {
    return session_fd(subscriber->session);
}

int wb_subscriber_process(wb_subscriber *subscriber, struct wb_error *err) {
    if (subscriber->busy)
        return problem(err, WB_E_USAGE, "wb_subscriber_process was called from within a callback");
    struct wb_error refused;
    subscriber->busy = true;
    int result = session_process(subscriber->session, &refused);
    int64_t now = monotonic_us();
    if (result) {
        requests_fail(subscriber, &refused);
        if (err)
            *err = refused;
    } else {
        requests_tend(subscriber, now);
        subscriptions_tend(subscriber, now);
        session_rearm(subscriber->session);
    }
    subscriber->busy = false;
    subscriber->processed_us = now;
    return result;
}

int subscriber_keep_up(wb_subscriber *subscriber, struct wb_error *err) {
    if (monotonic_us() - subscriber->processed_us < TICK_US)
        return 0;
    return wb_subscriber_process(subscriber, err);
}

int64_t subscriber_deadline(int timeout_ms) {
    return timeout_ms < 0 ? INT64_MAX : monotonic_us() + (int64_t)timeout_ms * 1000;
}

void subscriber_wait(wb_subscriber *subscriber, int64_t deadline_us) {
    int64_t left_us = deadline_us - monotonic_us();
    if (left_us > TICK_US)
        left_us = TICK_US;
    if (left_us > 0)
        session_wait(subscriber->session, (int)((left_us + 999) / 1000));
}

bool wb_subscriber_up(const wb_subscriber *subscriber) {
    return session_is_open(subscriber->session);
}

const struct wb_error *wb_subscriber_error(const wb_subscriber *subscriber) {
    return session_refusal(subscriber->session);
}

const char *wb_subscriber_endpoint(const wb_subscriber *subscriber) {
    return session_endpoint(subscriber->session);
}

const char *wb_subscriber_public_url(const wb_subscriber *subscriber) {
    return session_public_url(subscriber->session);
}
