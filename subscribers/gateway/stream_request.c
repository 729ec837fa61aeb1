#include "subscribers/gateway/stream_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/http.h"
#include "proto/field.h"
#include "proto/problem.h"
#include "proto/wire.h"

__attribute__((format(printf, 5, 6))) static bool refuse(struct stream_refusal *refusal, int status,
                                                         const char *code, const char *hint,
                                                         const char *format, ...) {
    va_list args;
    refusal->status = status;
    refusal->code = code;
    refusal->hint = hint;
    va_start(args, format);
    vsnprintf(refusal->message, sizeof refusal->message, format, args);
    va_end(args);
    return false;
}

/* The filter */

static const struct parameter {
    const char *name;
    enum stream_list list;
    bool staff; /* only there: the public is told no case numbers, and must not guess them either */
} lists[] = {
    {"item", STREAM_ITEM, false},     {"region", STREAM_REGION, false},
    {"agency", STREAM_AGENCY, false}, {"case", STREAM_CASE, true},
    {"parent", STREAM_PARENT, true},
};

static void list_of(wb_filter *filter, enum stream_list list, size_t **count, char ****values) {
    struct {
        size_t *count;
        char ***values;
    } all[STREAM_LISTS] = {
        [STREAM_ITEM] = {&filter->n_item_codes, &filter->item_codes},
        [STREAM_REGION] = {&filter->n_region_codes, &filter->region_codes},
        [STREAM_AGENCY] = {&filter->n_agencies, &filter->agencies},
        [STREAM_CASE] = {&filter->n_case_nos, &filter->case_nos},
        [STREAM_PARENT] = {&filter->n_parent_case_nos, &filter->parent_case_nos},
    };
    *count = all[list].count;
    *values = all[list].values;
}

static bool too_many(const char *name, struct stream_refusal *refusal) {
    return refuse(refusal, 400, "FILTER", "leave some out, or choose a shorter prefix",
                  "%s is given more than %d times", name, LIMIT_FILTER_VALUES);
}

static bool add_text(struct stream_request *request, const struct parameter *parameter,
                     const char *value, struct stream_refusal *refusal) {
    size_t *count;
    char ***values;
    list_of(&request->filter, parameter->list, &count, &values);
    if (*count == LIMIT_FILTER_VALUES)
        return too_many(parameter->name, refusal);
    /* The broker ends the session of a client that sends it what is no text. */
    if (!*value || strlen(value) > LIMIT_FILTER_BYTES || !wire_utf8(value, strlen(value), false))
        return refuse(refusal, 400, "FILTER", "leave the parameter out to get them all",
                      "a value of %s has %zu bytes: it takes one line of text of 1 to %d",
                      parameter->name, strlen(value), LIMIT_FILTER_BYTES);
    *values = request->texts[parameter->list];
    (*values)[(*count)++] = (char *)value;
    return true;
}

static bool no_such(const char *name, const char *value, const char *hint,
                    struct stream_refusal *refusal) {
    char text[PROBLEM_VALUE];
    return refuse(refusal, 400, "FILTER", hint, "there is no %s %s", name,
                  problem_value(value, strlen(value), text));
}

static bool add_stage(struct stream_request *request, const char *value,
                      struct stream_refusal *refusal) {
    int stage = stage_parse(value);
    if (stage < 0)
        return no_such("stage", value, "write ACCEPTED, GRANTED … as event.proto has them",
                       refusal);
    if (request->filter.n_stages == LIMIT_FILTER_VALUES)
        return too_many("stage", refusal);
    request->filter.stages = request->stages;
    request->stages[request->filter.n_stages++] = (wb_stage)stage;
    return true;
}

static bool add_kind(struct stream_request *request, const char *value,
                     struct stream_refusal *refusal) {
    int kind = kind_parse(value);
    if (kind < 0)
        return no_such("kind", value, "write progress, correction, retraction or alert", refusal);
    if (request->filter.n_kinds == LIMIT_FILTER_VALUES)
        return too_many("kind", refusal);
    request->filter.kinds = request->kinds;
    request->kinds[request->filter.n_kinds++] = (Waybill__V1__Kind)kind;
    return true;
}

static bool add_light(struct stream_request *request, const char *value,
                      struct stream_refusal *refusal) {
    int light = light_parse(value);
    if (light <= 0)
        return no_such("light", value, "write green, yellow or red", refusal);
    if (request->filter.n_lights == LIMIT_FILTER_VALUES)
        return too_many("light", refusal);
    request->filter.lights = request->lights;
    request->lights[request->filter.n_lights++] = (Waybill__V1__Light)light;
    return true;
}

static bool holds_token(const char *name) {
    static const char *const names[] = {"token", "access_token", "bearer", "authorization", "key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(name, names[i]))
            return true;
    return false;
}

static bool read_parameter(struct stream_request *request, const struct http_pair *pair,
                           struct stream_refusal *refusal) {
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (strcmp(pair->name, lists[i].name) != 0)
            continue;
        if (lists[i].staff && request->audience != WB_AUDIENCE(STAFF))
            return refuse(refusal, 400, "FILTER", "leave the parameter out",
                          "the public stream has no case numbers: %s is for staff", pair->name);
        return add_text(request, &lists[i], pair->value, refusal);
    }
    if (!strcmp(pair->name, "stage"))
        return add_stage(request, pair->value, refusal);
    if (!strcmp(pair->name, "kind"))
        return add_kind(request, pair->value, refusal);
    if (!strcmp(pair->name, "light"))
        return add_light(request, pair->value, refusal);
    if (!strcmp(pair->name, "from") || !strcmp(pair->name, "last_event_id"))
        return true;
    if (holds_token(pair->name))
        return refuse(refusal, 400, "TOKEN_IN_QUERY",
                      "send it as 'Authorization: Bearer TOKEN', and have this one revoked",
                      "a token in an address ends in logs: it is not looked at");
    char text[PROBLEM_VALUE];
    return refuse(refusal, 400, "QUERY",
                  "use item, region, agency, stage, kind, light, from, last_event_id; for staff "
                  "also case and parent",
                  "there is no parameter %s", problem_value(pair->name, strlen(pair->name), text));
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_numbers(const void *a, const void *b) {
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* In order, each once. The enums of protobuf-c are as large as an int. */
static void settle(void *values, size_t *count, size_t size,
                   int (*compare)(const void *, const void *)) {
    char *all = values;
    size_t kept = 0;
    if (!*count)
        return;
    qsort(values, *count, size, compare);
    for (size_t i = 1; i < *count; i++)
        if (compare(all + kept * size, all + i * size) != 0)
            memmove(all + ++kept * size, all + i * size, size);
    *count = kept + 1;
}

static void settle_filter(struct stream_request *request) {
    wb_filter *filter = &request->filter;
    for (enum stream_list list = 0; list < STREAM_LISTS; list++) {
        size_t *count;
        char ***values;
        list_of(filter, list, &count, &values);
        settle(request->texts[list], count, sizeof(char *), compare_texts);
    }
    settle(request->stages, &filter->n_stages, sizeof(wb_stage), compare_numbers);
    settle(request->kinds, &filter->n_kinds, sizeof(Waybill__V1__Kind), compare_numbers);
    settle(request->lights, &filter->n_lights, sizeof(Waybill__V1__Light), compare_numbers);
}

/* Where from */

static bool number(const char *text, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *value < INT64_MAX;
}

static bool read_from(struct stream_request *request, const char *from,
                      struct stream_refusal *refusal) {
    uint64_t first;
    request->cursor = WB_FROM_NOW;
    if (!from || !strcmp(from, "now"))
        return true;
    if (!strcmp(from, "start")) {
        request->cursor = 0;
        return true;
    }
    char text[PROBLEM_VALUE];
    if (!number(from, &first) || !first)
        return refuse(refusal, 400, "QUERY",
                      "write start, now, or the offset of the first event wanted",
                      "from %s is no place in the log", problem_value(from, strlen(from), text));
    request->cursor = first - 1;
    return true;
}

/* What a client that comes again says counts, whatever the address says, which stays the same. */
static void read_cursor(struct stream_request *request, const struct http_exchange *exchange) {
    const char *text = http_header(exchange, "last-event-id");
    if (!text)
        text = http_query(exchange, "last_event_id");
    if (!text || !*text)
        return;
    uint64_t cursor;
    if (number(text, &cursor))
        request->cursor = cursor;
    else
        request->reset = "cursor_invalid";
}

/* Tokens are plain ASCII. */
static bool plausible(const char *token) {
    size_t bytes = 0;
    while (token[bytes] > ' ' && token[bytes] < 0x7F)
        bytes++;
    return !token[bytes] && bytes <= LIMIT_FILTER_BYTES;
}

bool stream_request_read(struct stream_request *request, const struct http_exchange *exchange,
                         wb_audience audience, bool token_wanted, struct stream_refusal *refusal) {
    static const char scheme[] = "Bearer ";
    const wb_filter none = WB_FILTER_INIT;
    const struct http_pair *pairs;
    bool passed_over;
    size_t count = http_queries(exchange, &pairs, &passed_over);
    request->audience = audience;
    request->filter = none;
    request->token = request->reset = NULL;
    for (size_t i = 0; i < count; i++)
        if (!read_parameter(request, &pairs[i], refusal))
            return false;
    if (passed_over)
        return refuse(refusal, 400, "QUERY", "percent-encode UTF-8 text, and ask for less at once",
                      "the query has parameters that cannot be read, or too many");
    const char *header = http_header(exchange, "authorization");
    if (header && !strncasecmp(header, scheme, sizeof scheme - 1) && header[sizeof scheme - 1])
        request->token = header + sizeof scheme - 1;
    if ((header || token_wanted) && !request->token)
        return refuse(refusal, 401, "TOKEN_MISSING", "send it as 'Authorization: Bearer TOKEN'",
                      "a token is needed for this stream");
    if (request->token && !plausible(request->token))
        return refuse(refusal, 401, "TOKEN", "send it as 'waybill admin token add' printed it",
                      "the token is not valid");
    settle_filter(request);
    if (!read_from(request, http_query(exchange, "from"), refusal))
        return false;
    read_cursor(request, exchange);
    return true;
}
