#include "subscribers/gateway/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buffer.h"
#include "common/http.h"
#include "proto/problem.h"
#include "subscribers/gateway/api.h"
#include "subscribers/gateway/asset.h"
#include "subscribers/gateway/channels.h"
#include "subscribers/gateway/follow.h"
#include "subscribers/gateway/inquiry.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/page.h"
#include "subscribers/gateway/throttle.h"
#include "subscribers/gateway/view.h"

#define PARTS_MAX  8
#define GIVEN_MAX  128 /* bytes of a case number or code that somebody typed */
#define PLAIN_TEXT "text/plain; charset=utf-8"

struct call {
    const struct site *site;
    struct http_exchange *exchange;
    const char *parts[PARTS_MAX];
    size_t part_count;
};

static const char *const no_store[] = {"Cache-Control: no-store", NULL};

static void answer_text(struct http_exchange *exchange, int status, const char *text) {
    http_answer(exchange, status, PLAIN_TEXT, no_store, text, strlen(text));
}

/* Questions whose answer becomes a page or JSON */

enum form { FORM_PAGE, FORM_FRAGMENT, FORM_JSON };

struct visit {
    const struct site *site;
    struct http_exchange *exchange;
    enum form form;
    char *case_no, *code;
    struct attempt attempt;
    struct inquiry *inquiry;
};

static void visit_free(struct visit *visit) {
    free(visit->case_no);
    free(visit->code);
    free(visit);
}

static void on_visitor_gone(void *arg, struct http_exchange *exchange) {
    (void)exchange;
    struct visit *visit = arg;
    inquiry_cancel(visit->inquiry);
    visit_free(visit);
}

static void visit_fail(const struct visit *visit, const struct wb_error *err) {
    if (err->code == WB_E_CASE_NOT_FOUND)
        throttle_wrong(visit->site->throttle, &visit->attempt);
    if (visit->form == FORM_JSON)
        api_error(visit->exchange, err);
    else if (err->code == WB_E_CASE_NOT_FOUND)
        page_missing_case(visit->site->pages, visit->exchange);
    else
        page_away(visit->site->pages, visit->exchange);
}

static void on_case(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct visit *visit = arg;
    if (answer)
        throttle_right(visit->site->throttle, &visit->attempt);
    if (!answer) {
        visit_fail(visit, err);
    } else if (visit->form == FORM_JSON) {
        api_answer(visit->exchange, 200, view_case(answer));
    } else {
        json_t *view = view_case(answer);
        page_case(visit->site->pages, visit->exchange, view, visit->case_no, visit->code,
                  visit->form == FORM_FRAGMENT);
        json_decref(view);
    }
    visit_free(visit);
}

/* True, and answered, if the question may not be put now. */
static bool throttled(const struct call *call, const struct attempt *attempt, enum form form) {
    int wait_s = throttle_wait_s(call->site->throttle, attempt);
    if (wait_s && form == FORM_JSON)
        api_throttled(call->exchange, wait_s);
    else if (wait_s)
        page_throttled(call->site->pages, call->exchange, wait_s);
    return wait_s;
}

static void visit_case(const struct call *call, const char *case_no, const char *code,
                       enum form form) {
    struct wb_error err;
    struct attempt attempt =
        throttle_attempt(call->site->throttle, http_peer(call->exchange), case_no, code);
    if (throttled(call, &attempt, form))
        return;
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit) {
        visit->attempt = attempt;
        visit->site = call->site;
        visit->exchange = call->exchange;
        visit->form = form;
        visit->case_no = strdup(case_no);
        visit->code = strdup(code);
    }
    if (!visit || !visit->case_no || !visit->code) {
        answer_text(call->exchange, 503, "The server is busy. Try again in a moment.\n");
        if (visit)
            visit_free(visit);
        return;
    }
    http_on_gone(call->exchange, on_visitor_gone, visit);
    visit->inquiry = inquiry_ask(call->site->inquirer, case_no, code, on_case, visit, &err);
    if (!visit->inquiry) {
        visit_fail(visit, &err);
        visit_free(visit);
    }
}

/* Finding a case by what stands on the receipt */

/* The letter, digit or sign that the text begins with as Chinese keyboards may give it, full-width
 * (U+FF01 to U+FF5E); 0 if it does not. */
static unsigned char wide_ascii(const unsigned char *text) {
    bool wide = text[0] == 0xEF && (text[1] == 0xBC || text[1] == 0xBD) && text[2];
    unsigned point = wide ? (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu) : 0;
    return point >= 0xF01 && point <= 0xF5E ? (unsigned char)(point - 0xF01 + '!') : 0;
}

/* Whether somebody left the keyboard at full width; among other characters such a one may belong to
 * the case number. */
static bool all_wide(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at && wide_ascii(at))
        at += 3;
    return !*at;
}

static void narrow(char *text) {
    unsigned char *out = (unsigned char *)text;
    for (const unsigned char *in = out; *in;) {
        unsigned char narrowed = wide_ascii(in);
        if (narrowed) {
            *out++ = narrowed;
            in += 3;
        } else {
            *out++ = *in++;
        }
    }
    *out = 0;
}

static const char *skip_blank(const char *text) {
    for (;;) {
        if (*text == ' ' || *text == '\t' || *text == '\n')
            text++;
        else if (!strncmp(text, "\u3000", 3))
            text += 3;
        else
            return text;
    }
}

/* Without blanks at either end. False if it does not fit. */
static bool trim(const char *text, char out[GIVEN_MAX + 1]) {
    text = skip_blank(text);
    size_t bytes = strlen(text), end = 0;
    for (size_t i = 0; i < bytes; i++)
        if (skip_blank(text + i) == text + i)
            end = i + 1;
        else if (!strncmp(text + i, "\u3000", 3))
            i += 2;
    if (end > GIVEN_MAX)
        return false;
    memcpy(out, text, end);
    out[end] = 0;
    return true;
}

static void find_case(const struct call *call, const char *case_text, const char *code_text) {
    char case_no[GIVEN_MAX + 1] = "", code[GIVEN_MAX + 1] = "";
    const struct pages *pages = call->site->pages;
    if (!trim(case_text ? case_text : "", case_no) || !trim(code_text ? code_text : "", code)) {
        page_find(pages, call->exchange, 422, "find.too_long", case_no);
        return;
    }
    narrow(code);
    if (all_wide(case_no))
        narrow(case_no);
    if (!*case_no || !*code)
        page_find(pages, call->exchange, 422, "find.missing", case_no);
    else
        page_go(pages, call->exchange, case_no, code);
}

static void on_find(const struct call *call) {
    const char *case_no = http_query(call->exchange, "case");
    const char *code = http_query(call->exchange, "code");
    if (case_no && code)
        find_case(call, case_no, code);
    else
        page_find(call->site->pages, call->exchange, 200, NULL, case_no ? case_no : "");
}

static void on_find_form(const struct call *call) {
    find_case(call, http_form(call->exchange, "case"), http_form(call->exchange, "code"));
}

/* Cases */

static void on_page(const struct call *call) {
    visit_case(call, call->parts[1], call->parts[2], FORM_PAGE);
}

static void on_fragment(const struct call *call) {
    visit_case(call, call->parts[1], call->parts[2], FORM_FRAGMENT);
}

static void follow_case(const struct call *call, const char *case_no, const char *code) {
    const char *cursor = http_header(call->exchange, "last-event-id");
    if (!cursor)
        cursor = http_query(call->exchange, "last_event_id");
    struct attempt attempt =
        throttle_attempt(call->site->throttle, http_peer(call->exchange), case_no, code);
    if (!throttled(call, &attempt, FORM_JSON))
        follow(call->site->followers, call->exchange, case_no, code, cursor, &attempt);
}

static void on_page_events(const struct call *call) {
    follow_case(call, call->parts[1], call->parts[2]);
}

static void on_api_path(const struct call *call) {
    visit_case(call, call->parts[3], call->parts[4], FORM_JSON);
}

static void on_api_path_events(const struct call *call) {
    follow_case(call, call->parts[3], call->parts[4]);
}

/* "Authorization: Bearer CODE"; NULL, and answered, if there is none. */
static const char *bearer(const struct call *call) {
    static const char scheme[] = "Bearer ";
    const char *header = http_header(call->exchange, "authorization");
    if (header && !strncasecmp(header, scheme, sizeof scheme - 1) && header[sizeof scheme - 1])
        return header + sizeof scheme - 1;
    api_unauthorized(call->exchange);
    return NULL;
}

static void on_api(const struct call *call) {
    const char *code = bearer(call);
    if (code)
        visit_case(call, call->parts[3], code, FORM_JSON);
}

static void on_api_events(const struct call *call) {
    const char *code = bearer(call);
    if (code)
        follow_case(call, call->parts[3], code);
}

/* Streams */

static void on_staff_stream(const struct call *call) {
    channels_follow(call->site->channels, call->exchange, WB_AUDIENCE(STAFF), true);
}

static void on_public_stream(const struct call *call) {
    enum public_stream who = call->site->public_stream;
    if (who == PUBLIC_STREAM_OFF)
        api_refuse(call->exchange, 404, "PUBLIC_STREAM_OFF", "there is no public stream here",
                   "the operator may open it: public_stream");
    else
        channels_follow(call->site->channels, call->exchange, WB_AUDIENCE(PUBLIC),
                        who != PUBLIC_STREAM_ON);
}

/* The rest */

static void on_healthz(const struct call *call) {
    answer_text(call->exchange, 200, "ok\n");
}

static void on_readyz(const struct call *call) {
    const char *why_not = call->site->why_not_ready(call->site->arg);
    struct buffer text;
    buffer_init(&text, 0);
    if (*why_not)
        buffer_printf(&text, "%s\n", why_not);
    else
        buffer_printf(&text, "ready, with %s\n", call->site->broker(call->site->arg));
    answer_text(call->exchange, *why_not ? 503 : 200, buffer_string(&text));
    buffer_free(&text);
}

static void on_metrics(const struct call *call) {
    struct buffer text;
    buffer_init(&text, 0);
    meter_write(&text);
    http_answer(call->exchange, 200, "text/plain; version=0.0.4; charset=utf-8", no_store,
                text.data, text.length);
    buffer_free(&text);
}

static void on_robots(const struct call *call) {
    static const char text[] = "User-agent: *\nDisallow: /\n";
    static const char *const headers[] = {"Cache-Control: public, max-age=86400", NULL};
    http_answer(call->exchange, 200, PLAIN_TEXT, headers, text, sizeof text - 1);
}

static void on_asset(const struct call *call) {
    static const char *const keep[] = {"Cache-Control: public, max-age=31536000, immutable", NULL};
    static const char *const refresh[] = {"Cache-Control: public, max-age=86400", NULL};
    const struct asset *asset = asset_find(http_path(call->exchange));
    if (asset)
        http_answer(call->exchange, 200, asset->type, asset->immutable ? keep : refresh,
                    asset->data, asset->bytes);
    else
        page_missing(call->site->pages, call->exchange);
}

/* "*" stands for any part that is not empty. The first that fits is taken. GET serves HEAD too. */
static const struct {
    const char *method;
    const char *path;
    void (*handle)(const struct call *call);
} routes[] = {
    {"GET", "/", on_find},
    {"POST", "/", on_find_form},
    {"GET", "/c/*/*", on_page},
    {"GET", "/c/*/*/fragment", on_fragment},
    {"GET", "/c/*/*/events", on_page_events},
    {"GET", "/api/v1/cases/*", on_api},
    {"GET", "/api/v1/cases/*/events", on_api_events},
    {"GET", "/api/v1/cases/*/*", on_api_path},
    {"GET", "/api/v1/cases/*/*/events", on_api_path_events},
    {"GET", "/api/v1/streams/staff", on_staff_stream},
    {"GET", "/api/v1/streams/public", on_public_stream},
    {"GET", "/api/v1/openapi.json", on_asset},
    {"GET", "/api/v1/asyncapi.json", on_asset},
    {"GET", "/healthz", on_healthz},
    {"GET", "/readyz", on_readyz},
    {"GET", "/metrics", on_metrics},
    {"GET", "/robots.txt", on_robots},
    {"GET", "/favicon.svg", on_asset},
    {"GET", "/assets/*", on_asset},
};

static bool path_fits(const char *path, const struct call *call) {
    for (size_t i = 0; i < call->part_count; i++) {
        if (*path++ != '/')
            return false;
        size_t length = strcspn(path, "/");
        bool any = length == 1 && *path == '*';
        if (any ? !*call->parts[i]
                : strlen(call->parts[i]) != length || memcmp(call->parts[i], path, length) != 0)
            return false;
        path += length;
    }
    return !*path;
}

static bool method_fits(const char *wanted, const char *method) {
    return !strcmp(wanted, method) || (!strcmp(wanted, "GET") && !strcmp(method, "HEAD"));
}

void route(const struct site *site, struct http_exchange *exchange) {
    struct call call = {.site = site, .exchange = exchange};
    const char *method = http_method(exchange);
    call.part_count = http_parts(exchange, call.parts, PARTS_MAX);
    bool get = false, post = false;
    for (size_t i = 0; call.part_count <= PARTS_MAX && i < sizeof routes / sizeof *routes; i++) {
        if (!path_fits(routes[i].path, &call))
            continue;
        if (method_fits(routes[i].method, method)) {
            routes[i].handle(&call);
            return;
        }
        get = get || !strcmp(routes[i].method, "GET");
        post = post || !strcmp(routes[i].method, "POST");
    }
    static const char words[] = "This address is read with GET.\n";
    const char *const allow[] = {get && post ? "Allow: GET, HEAD, POST"
                                 : post      ? "Allow: POST"
                                             : "Allow: GET, HEAD",
                                 NULL};
    if (get || post)
        http_answer(exchange, 405, PLAIN_TEXT, allow, words, sizeof words - 1);
    else
        page_missing(site->pages, exchange);
}
