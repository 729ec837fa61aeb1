#include "subscribers/gateway/gateway.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/subscriber.h>

#include "common/http.h"
#include "common/log.h"
#include "proto/problem.h"
#include "subscribers/gateway/asset.h"
#include "subscribers/gateway/channel.h"
#include "subscribers/gateway/channels.h"
#include "subscribers/gateway/follow.h"
#include "subscribers/gateway/inquiry.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/options.h"
#include "subscribers/gateway/page.h"
#include "subscribers/gateway/route.h"
#include "subscribers/gateway/throttle.h"

#define BODY_BYTES 16384
#define REOPEN_MS  5000 /* after a refusal for good: somebody may have mended what it was */
#define TICK_MS    100  /* the library wants to be called at least so often */

struct gateway {
    const struct options *options;
    wb_subscriber *subscriber;
    wb_subscription *cases; /* that somebody follows */
    struct inquirer *inquirer;
    struct followers *followers;
    struct throttle *throttle;
    struct channels *channels;
    struct pages *pages;
    struct http_server *server;
    struct site site;
    uv_loop_t *loop;
    uv_poll_t *readable; /* of the subscriber's descriptor */
    uv_prepare_t before; /* what was sent in a turn may have used up the edge of the descriptor */
    uv_check_t after;
    uv_idle_t busy; /* runs while there is more for the channels to do at once */
    uv_timer_t tick, notice;
    bool stopping, warned_of_proxy;
    uint64_t refused_ms; /* when the broker refused the session for good; 0: it did not */
    char why_not[512];   /* "": the broker can be asked */
};

/* No script, style or image but our own, no frame, no form elsewhere; the address of a case page
 * holds its code, so it is never given on. */
#define CONTENT_SECURITY_POLICY                                                                    \
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "                    \
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

static const char *const headers[] = {
    "Content-Security-Policy: " CONTENT_SECURITY_POLICY,
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "X-Robots-Tag: noindex, nofollow",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    "Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    NULL,
};

static void on_session(void *arg, bool up, const char *words) {
    struct gateway *gateway = arg;
    meter_set(METER_BROKER_UP, up);
    snprintf(gateway->why_not, sizeof gateway->why_not, "%s%s",
             up ? "" : "the broker is away: ", up ? "" : words);
    if (up)
        log_info("gateway", "session with the broker: %s", words);
    else
        log_warn("gateway", "no session with the broker: %s", words);
    if (!up && gateway->followers)
        followers_away(gateway->followers);
}

static void on_record(void *arg, const wb_record *record) {
    struct gateway *gateway = arg;
    meter_add(METER_RECORDS, NULL, 1);
    followers_record(gateway->followers, record);
}

static void on_place(void *arg, wb_place *place, const wb_place_answer *answer) {
    const struct gateway *gateway = arg;
    followers_placed(gateway->followers, place, answer);
}

static int follow_cases(struct gateway *gateway, uint64_t cursor, struct wb_error *err) {
    const struct wb_subscribe_options options = {.audience = WB_AUDIENCE(APPLICANT),
                                                 .answered = on_place};
    gateway->cases =
        wb_subscribe_with(gateway->subscriber, cursor, NULL, &options, on_record, gateway, err);
    followers_use(gateway->followers, gateway->subscriber, gateway->cases);
    return gateway->cases ? 0 : -1;
}

static void note_refusal(struct gateway *gateway, const struct wb_error *err) {
    char words[600];
    if (gateway->refused_ms)
        return;
    log_error("gateway", "the broker refuses this gateway: %s",
              problem_line(err, words, sizeof words));
    snprintf(gateway->why_not, sizeof gateway->why_not, "the broker refuses this gateway: %s",
             err->message);
    gateway->refused_ms = uv_now(gateway->loop);
}

/* The cursor is of no use: it lies before the beginning of the log, because the gateway was away
 * for that long, or beyond its end: another log, or one restored from before. */
static void begin_anew(struct gateway *gateway, const struct wb_error *refused) {
    struct wb_error err, why = *refused;
    char words[600];
    log_error("gateway", "followers begin anew: %s", problem_line(&why, words, sizeof words));
    followers_use(gateway->followers, NULL, NULL);
    wb_subscription_close(gateway->cases);
    if (follow_cases(gateway, WB_FROM_NOW, &err))
        note_refusal(gateway, &err);
    if (why.code == WB_E_CURSOR_UNKNOWN)
        followers_reset(gateway->followers, "log_replaced");
}

/* Keeps the loop from waiting; the turn that follows does the work. */
static void on_busy(uv_idle_t *handle) {
    (void)handle;
}

static void turn(struct gateway *gateway) {
    struct wb_error err;
    if (wb_subscriber_process(gateway->subscriber, &err))
        note_refusal(gateway, &err);
    followers_flush(gateway->followers);
    if (channels_turn(gateway->channels))
        uv_idle_start(&gateway->busy, on_busy);
    else
        uv_idle_stop(&gateway->busy);
    const struct wb_error *refused = gateway->cases ? wb_subscription_error(gateway->cases) : NULL;
    if (!refused || gateway->refused_ms)
        return;
    if (refused->code == WB_E_CURSOR_UNKNOWN || refused->code == WB_E_CURSOR_EXPIRED)
        begin_anew(gateway, refused);
    else
        note_refusal(gateway, refused);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
    (void)status, (void)events;
    turn(handle->data);
}

static void on_before(uv_prepare_t *handle) {
    turn(handle->data);
}

static void on_after(uv_check_t *handle) {
    turn(handle->data);
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

static int watch_subscriber(struct gateway *gateway, struct wb_error *err) {
    uv_poll_t *poll = calloc(1, sizeof *poll);
    if (!poll)
        return problem(err, WB_E_SYSTEM, "out of memory");
    int status = uv_poll_init(gateway->loop, poll, wb_subscriber_fd(gateway->subscriber));
    if (status) {
        free(poll);
        return problem(err, WB_E_SYSTEM, "cannot watch the broker's socket: %s",
                       uv_strerror(status));
    }
    poll->data = gateway;
    uv_poll_start(poll, UV_READABLE, on_readable);
    gateway->readable = poll;
    return 0;
}

static void unwatch_subscriber(struct gateway *gateway) {
    if (gateway->readable)
        uv_close((uv_handle_t *)gateway->readable, on_poll_closed);
    gateway->readable = NULL;
}

static wb_subscriber *open_subscriber(struct gateway *gateway, struct wb_error *err) {
    const struct wb_subscriber_options options = {
        .client = "waybill-gateway " WAYBILL_VERSION,
        .server_key = gateway->options->server_key,
        .key_file = gateway->options->key_file,
        .session = on_session,
        .arg = gateway,
    };
    return wb_subscriber_open(gateway->options->streams, &options, err);
}

/* A session that was refused for good stays so: another one takes its place, and goes on where the
 * old one was. */
static void reopen(struct gateway *gateway) {
    struct wb_error err;
    char words[600];
    uint64_t cursor = gateway->cases ? wb_subscription_cursor(gateway->cases) : WB_FROM_NOW;
    wb_subscriber *subscriber = open_subscriber(gateway, &err);
    gateway->refused_ms = subscriber ? 0 : uv_now(gateway->loop);
    if (!subscriber) {
        log_error("gateway", "%s", problem_line(&err, words, sizeof words));
        return;
    }
    unwatch_subscriber(gateway);
    followers_use(gateway->followers, NULL, NULL);
    channels_use(gateway->channels, subscriber);
    wb_subscriber_close(gateway->subscriber);
    gateway->subscriber = subscriber;
    inquirer_use(gateway->inquirer, subscriber);
    if (follow_cases(gateway, cursor, &err) || watch_subscriber(gateway, &err))
        note_refusal(gateway, &err);
}

static void on_tick(uv_timer_t *handle) {
    struct gateway *gateway = handle->data;
    uint64_t now_ms = uv_now(gateway->loop);
    if (gateway->refused_ms && now_ms - gateway->refused_ms >= REOPEN_MS)
        reopen(gateway);
    turn(gateway);
    followers_tick(gateway->followers, now_ms);
    channels_tick(gateway->channels, now_ms);
    if (!gateway->server)
        return;
    if (gateway->cases && wb_subscription_begun(gateway->cases))
        meter_set(METER_CURSOR, (int64_t)wb_subscription_cursor(gateway->cases));
    meter_set(METER_CONNECTIONS, http_connections(gateway->server));
    meter_set(METER_OUTPUT, (int64_t)http_output_bytes(gateway->server));
}

/* Behind a proxy that is not believed all clients are one, and throttled as one. */
static void warn_of_proxy(struct gateway *gateway, const struct http_exchange *exchange) {
    const struct options *options = gateway->options;
    if (gateway->warned_of_proxy || *options->trusted_proxies ||
        !http_header(exchange, options->proxy_header))
        return;
    gateway->warned_of_proxy = true;
    log_warn("gateway",
             "a request came with %s, which is not believed: if a proxy is in front, name its "
             "addresses in trusted_proxies",
             options->proxy_header);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    struct gateway *gateway = arg;
    warn_of_proxy(gateway, exchange);
    route(&gateway->site, exchange);
}

static void on_observed(void *arg, int status, int64_t took_us, const char *reason) {
    (void)arg;
    if (reason) {
        meter_add(METER_CLOSED, reason, 1);
        return;
    }
    char text[8];
    snprintf(text, sizeof text, "%d", status);
    meter_add(METER_ANSWERS, text, 1);
    meter_observe_us(METER_ANSWER_TIME, took_us);
}

static void on_farewell(void *arg, const char *reason, struct buffer *out) {
    const struct gateway *gateway = arg;
    followers_farewell(gateway->followers, reason, out);
}

static const char *why_not_ready(void *arg) {
    const struct gateway *gateway = arg;
    return gateway->stopping ? "the gateway is stopping" : gateway->why_not;
}

static const char *broker(void *arg) {
    const struct gateway *gateway = arg;
    return wb_subscriber_endpoint(gateway->subscriber);
}

static struct channels *open_channels(struct gateway *gateway) {
    const struct options *options = gateway->options;
    const struct channel_limits limits = {
        .channels = (size_t)options->channels,
        .channel_bytes = (size_t)options->channel_bytes,
        .catch_ups = (size_t)options->catch_ups,
        .linger_ms = (uint64_t)options->linger,
        .wait_ms = (uint64_t)options->case_timeout,
        .keepalive_ms = (uint64_t)options->keepalive,
        .retry_ms = (uint64_t)options->retry,
    };
    return channels_new(gateway->subscriber, gateway->throttle, &limits);
}

static int open_broker(struct gateway *gateway, struct wb_error *err) {
    snprintf(gateway->why_not, sizeof gateway->why_not, "the broker has not answered yet");
    gateway->subscriber = open_subscriber(gateway, err);
    if (!gateway->subscriber)
        return -1;
    gateway->inquirer = inquirer_new(gateway->subscriber, (int)gateway->options->case_timeout);
    if (!gateway->inquirer)
        return problem(err, WB_E_SYSTEM, "out of memory");
    const struct throttle_rates rates = {
        .block_per_minute = gateway->options->wrong_codes_block,
        .case_per_minute = gateway->options->wrong_codes_case,
    };
    gateway->throttle = throttle_new(&rates);
    if (gateway->throttle)
        gateway->followers = followers_new(gateway->inquirer, gateway->throttle,
                                           gateway->options->keepalive, gateway->options->retry);
    if (gateway->throttle)
        gateway->channels = open_channels(gateway);
    if (!gateway->followers || !gateway->channels)
        return problem(err, WB_E_SYSTEM, "out of memory");
    return follow_cases(gateway, WB_FROM_NOW, err);
}

static int open_server(struct gateway *gateway, struct wb_error *err) {
    struct http_limits limits = http_limits_default;
    limits.connections = (int)gateway->options->connections;
    limits.block_connections = (int)gateway->options->block_connections;
    limits.queued_bytes = (size_t)gateway->options->queued_bytes;
    limits.output_bytes = (size_t)gateway->options->output_bytes;
    limits.request_ms = gateway->options->request_time;
    limits.body_bytes = BODY_BYTES; /* the largest that is sent is the form of the find page */
    gateway->site = (struct site){
        .pages = gateway->pages,
        .inquirer = gateway->inquirer,
        .followers = gateway->followers,
        .throttle = gateway->throttle,
        .channels = gateway->channels,
        .public_stream = (enum public_stream)options_public_stream(gateway->options),
        .why_not_ready = why_not_ready,
        .broker = broker,
        .arg = gateway,
    };
    const struct http_options options = {
        .addresses = gateway->options->listen,
        .limits = &limits,
        .headers = headers,
        .handler = on_request,
        .observer = on_observed,
        .farewell = on_farewell,
        .trusted_proxies = gateway->options->trusted_proxies,
        .proxy_header = gateway->options->proxy_header,
        .arg = gateway,
    };
    gateway->server = http_listen(gateway->loop, &options, err);
    return gateway->server ? 0 : -1;
}

static void start_handles(struct gateway *gateway) {
    uv_prepare_init(gateway->loop, &gateway->before);
    uv_check_init(gateway->loop, &gateway->after);
    uv_timer_init(gateway->loop, &gateway->tick);
    uv_idle_init(gateway->loop, &gateway->busy);
    uv_timer_init(gateway->loop, &gateway->notice);
    gateway->before.data = gateway->after.data = gateway;
    gateway->tick.data = gateway->notice.data = gateway;
    uv_prepare_start(&gateway->before, on_before);
    uv_check_start(&gateway->after, on_after);
    uv_timer_start(&gateway->tick, on_tick, 0, TICK_MS);
}

struct gateway *gateway_new(uv_loop_t *loop, const struct options *options, struct wb_error *err) {
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (!gateway) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    gateway->loop = loop;
    gateway->options = options;
    asset_open();
    gateway->pages = pages_open(err);
    if (!gateway->pages || open_broker(gateway, err) || open_server(gateway, err) ||
        watch_subscriber(gateway, err)) {
        gateway_free(gateway);
        return NULL;
    }
    start_handles(gateway);
    log_info("gateway", "listening on %s, the broker is %s", http_address(gateway->server),
             options->streams);
    return gateway;
}

static void on_server_closed(void *arg) {
    struct gateway *gateway = arg;
    unwatch_subscriber(gateway);
    uv_close((uv_handle_t *)&gateway->before, NULL);
    uv_close((uv_handle_t *)&gateway->after, NULL);
    uv_close((uv_handle_t *)&gateway->tick, NULL);
    uv_close((uv_handle_t *)&gateway->busy, NULL);
    uv_close((uv_handle_t *)&gateway->notice, NULL);
}

static void on_noticed(uv_timer_t *timer) {
    struct gateway *gateway = timer->data;
    http_stop(gateway->server, gateway->options->drain, on_server_closed, gateway);
    gateway->server = NULL;
}

void gateway_stop(struct gateway *gateway) {
    if (gateway->stopping)
        return;
    gateway->stopping = true; /* /readyz says so from here on */
    if (gateway->options->notice)
        uv_timer_start(&gateway->notice, on_noticed, (uint64_t)gateway->options->notice, 0);
    else
        on_noticed(&gateway->notice);
}

void gateway_free(struct gateway *gateway) {
    if (!gateway)
        return;
    channels_free(gateway->channels);
    wb_subscriber_close(gateway->subscriber);
    inquirer_free(gateway->inquirer);
    followers_free(gateway->followers);
    throttle_free(gateway->throttle);
    pages_free(gateway->pages);
    free(gateway);
}
