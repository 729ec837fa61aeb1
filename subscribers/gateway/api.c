#include "subscribers/gateway/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "proto/problem.h"

#define JSON "application/json; charset=utf-8"

static void answer(struct http_exchange *exchange, int status, json_t *value,
                   const char *const *headers) {
    static const char failed[] = "{\"error\":{\"code\":\"SYSTEM\",\"message\":\"out of memory\","
                                 "\"hint\":\"try again in a moment\"}}";
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (text)
        http_answer(exchange, status, JSON, headers, text, strlen(text));
    else
        http_answer(exchange, 500, JSON, headers, failed, sizeof failed - 1);
    free(text);
}

void api_answer(struct http_exchange *exchange, int status, json_t *value) {
    static const char *const headers[] = {"Cache-Control: no-store", NULL};
    answer(exchange, status, value, headers);
}

static json_t *error_json(const char *code, const char *message, const char *hint) {
    return json_pack("{s:{s:s, s:s, s:s}}", "error", "code", code, "message", message, "hint",
                     hint);
}

void api_refuse(struct http_exchange *exchange, int status, const char *code, const char *message,
                const char *hint) {
    static const char *const headers[] = {"Cache-Control: no-store", NULL};
    static const char *const token[] = {"Cache-Control: no-store",
                                        "WWW-Authenticate: Bearer realm=\"stream\"", NULL};
    static const char *const later[] = {"Cache-Control: no-store", "Retry-After: 2", NULL};
    answer(exchange, status, error_json(code, message, hint),
           status == 401   ? token
           : status == 503 ? later
                           : headers);
}

static int status_of(int code) {
    switch (code) {
    case WB_E_CASE_NOT_FOUND:
        return 404;
    case WB_E_TOKEN:
        return 401;
    case WB_E_AUDIENCE:
        return 403;
    case WB_E_FILTER:
        return 400;
    default:
        return 503;
    }
}

void api_error(struct http_exchange *exchange, const struct wb_error *err) {
    api_refuse(exchange, status_of(err->code), problem_name(err->code), err->message, err->hint);
}

void api_throttled(struct http_exchange *exchange, int wait_s) {
    char retry[32], hint[64];
    const char *const headers[] = {"Cache-Control: no-store", retry, NULL};
    snprintf(retry, sizeof retry, "Retry-After: %d", wait_s);
    snprintf(hint, sizeof hint, "try again in %d s, or from another network", wait_s);
    answer(exchange, 429,
           error_json("TOO_MANY_WRONG_CODES",
                      "too many wrong codes came from this network or for this case", hint),
           headers);
}

void api_unauthorized(struct http_exchange *exchange) {
    static const char *const headers[] = {"Cache-Control: no-store",
                                          "WWW-Authenticate: Bearer realm=\"case\"", NULL};
    answer(exchange, 401,
           error_json("CODE_MISSING", "the case's code is missing",
                      "send it as 'Authorization: Bearer CODE'"),
           headers);
}
