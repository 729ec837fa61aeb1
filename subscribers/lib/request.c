#include "subscribers/lib/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "proto/problem.h"
#include "subscribers/lib/subscriber.h"

struct request {
    struct request *next;
    uint64_t number;
    char *case_no, *code, *token; /* "" for none */
    wb_audience audience;
    uint32_t limit;
    int64_t deadline_us, retry_us; /* retry_us: 0 unless the broker was busy */
    unsigned failures;
    wb_case_fn *answer;
    void *arg;
};

static void release(struct request *request) {
    if (!request)
        return;
    free(request->case_no);
    free(request->code);
    free(request->token);
    free(request);
}

/* Each time under a new number, so that nothing of an earlier session passes for the answer. */
static void ask(wb_subscriber *subscriber, struct request *request) {
    Waybill__V1__CaseQuery query = WAYBILL__V1__CASE_QUERY__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_CASE_QUERY;
    message.case_query = &query;
    query.request = request->number = ++subscriber->numbers;
    query.case_no = request->case_no;
    query.code = request->code;
    query.token = request->token;
    query.audience = request->audience;
    query.limit = request->limit;
    request->retry_us = 0;
    session_send(subscriber->session, &message);
}

static struct request **find(wb_subscriber *subscriber, uint64_t number) {
    struct request **link = &subscriber->requests;
    while (*link && (*link)->number != number)
        link = &(*link)->next;
    return link;
}

/* Out of the list before its function is called, which may ask anew. */
static void finish(wb_subscriber *subscriber, struct request **link, const wb_case *answer,
                   const struct wb_error *err) {
    struct request *request = *link;
    *link = request->next;
    subscriber->request_count--;
    request->answer(request->arg, answer, err);
    release(request);
}

void requests_opened(wb_subscriber *subscriber) {
    for (struct request *request = subscriber->requests; request; request = request->next)
        ask(subscriber, request);
}

void requests_answer(wb_subscriber *subscriber, const wb_case *answer) {
    struct request **link = find(subscriber, answer->request);
    if (!*link)
        return;
    if (answer->state) {
        finish(subscriber, link, answer, NULL);
        return;
    }
    struct wb_error err;
    problem(&err, WB_E_MALFORMED, "the answer for case '%.100s' has no state", (*link)->case_no);
    finish(subscriber, link, NULL, &err);
}

void requests_refuse(wb_subscriber *subscriber, const Waybill__V1__Refusal *refusal) {
    struct request **link = find(subscriber, refusal->request);
    if (!*link)
        return;
    struct wb_error err;
    frame_refusal_error(refusal, &err);
    if (err.retriable)
        (*link)->retry_us = monotonic_us() + session_retry_us((*link)->failures++);
    else
        finish(subscriber, link, NULL, &err);
}

static void expire(wb_subscriber *subscriber, struct request **link) {
    struct wb_error err;
    const char *words = session_words(subscriber->session);
    problem(&err, WB_E_TIMEOUT, "case '%.60s': %.150s", (*link)->case_no,
            *words ? words : "the broker has not answered");
    finish(subscriber, link, NULL, &err);
}

static struct request **expired(wb_subscriber *subscriber, int64_t now_us) {
    struct request **link = &subscriber->requests;
    while (*link && (*link)->deadline_us > now_us)
        link = &(*link)->next;
    return link;
}

void requests_tend(wb_subscriber *subscriber, int64_t now_us) {
    for (struct request **link; *(link = expired(subscriber, now_us));)
        expire(subscriber, link);
    for (struct request *request = subscriber->requests; request; request = request->next)
        if (request->retry_us && request->retry_us <= now_us)
            ask(subscriber, request);
}

void requests_fail(wb_subscriber *subscriber, const struct wb_error *err) {
    /* Only those of now: a function that asks again is told in the next turn. */
    for (size_t count = subscriber->request_count; count && subscriber->requests; count--)
        finish(subscriber, &subscriber->requests, NULL, err);
}

void requests_free(wb_subscriber *subscriber) {
    while (subscriber->requests) {
        struct request *request = subscriber->requests;
        subscriber->requests = request->next;
        release(request);
    }
    subscriber->request_count = 0;
}

static int check(const wb_subscriber *subscriber, const char *case_no,
                 const struct wb_case_options *options, struct wb_error *err) {
    if (!*case_no)
        return problem(err, WB_E_USAGE, "a case number is wanted");
    if (strlen(case_no) > LIMIT_CASE_NO_BYTES)
        return problem(err, WB_E_USAGE, "the case number '%.40s…' is longer than %d bytes", case_no,
                       LIMIT_CASE_NO_BYTES);
    if ((options->code && strlen(options->code) > LIMIT_CASE_NO_BYTES) ||
        (options->token && strlen(options->token) > LIMIT_CASE_NO_BYTES))
        return problem(err, WB_E_USAGE, "the code or token is longer than %d bytes",
                       LIMIT_CASE_NO_BYTES);
    if (subscriber->request_count >= REQUESTS_MAX)
        return problem(err, WB_E_BUSY, "%d questions wait for their answers", REQUESTS_MAX);
    return 0;
}

static struct request *new_request(const char *case_no, const struct wb_case_options *options) {
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->case_no = strdup(case_no);
    request->code = strdup(options->code ? options->code : "");
    request->token = strdup(options->token ? options->token : "");
    request->audience = options->audience;
    request->limit = options->limit;
    if (request->case_no && request->code && request->token)
        return request;
    release(request);
    return NULL;
}

int wb_case_request_with(wb_subscriber *subscriber, const char *case_no,
                         const struct wb_case_options *options, int timeout_ms, wb_case_fn *answer,
                         void *arg, struct wb_error *err) {
    if (check(subscriber, case_no, options, err))
        return -1;
    struct request *request = new_request(case_no, options);
    if (!request)
        return problem(err, WB_E_SYSTEM, "%s", strerror(ENOMEM));
    request->deadline_us = subscriber_deadline(timeout_ms);
    request->answer = answer;
    request->arg = arg;
    struct request **link = &subscriber->requests;
    while (*link)
        link = &(*link)->next;
    *link = request;
    subscriber->request_count++;
    ask(subscriber, request);
    if (!subscriber->busy)
        session_rearm(subscriber->session);
    return 0;
}

int wb_case_request(wb_subscriber *subscriber, const char *case_no, const char *code,
                    uint32_t limit, int timeout_ms, wb_case_fn *answer, void *arg,
                    struct wb_error *err) {
    const struct wb_case_options options = {.code = code, .limit = limit};
    return wb_case_request_with(subscriber, case_no, &options, timeout_ms, answer, arg, err);
}

/* Waiting */

struct waiting {
    bool done;
    wb_case *answer;
    struct wb_error err;
};

/* The answer that came lives in the session's memory: a copy outlasts it. */
static wb_case *copy(const wb_case *answer) {
    size_t bytes = protobuf_c_message_get_packed_size(&answer->base);
    uint8_t *packed = malloc(bytes ? bytes : 1);
    if (!packed)
        return NULL;
    protobuf_c_message_pack(&answer->base, packed);
    wb_case *twin = waybill__v1__case_answer__unpack(NULL, bytes, packed);
    free(packed);
    return twin;
}

static void take(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct waiting *waiting = arg;
    waiting->done = true;
    if (answer)
        waiting->answer = copy(answer);
    if (err)
        waiting->err = *err;
    else if (!waiting->answer)
        problem(&waiting->err, WB_E_SYSTEM, "%s", strerror(ENOMEM));
}

int wb_case_get_with(wb_subscriber *subscriber, const char *case_no,
                     const struct wb_case_options *options, int timeout_ms, wb_case **answer,
                     struct wb_error *err) {
    struct waiting waiting = {.done = false};
    *answer = NULL;
    if (subscriber->busy)
        return problem(err, WB_E_USAGE, "wb_case_get was called from within a callback");
    if (wb_case_request_with(subscriber, case_no, options, timeout_ms, take, &waiting, err))
        return -1;
    while (!waiting.done) {
        wb_subscriber_process(subscriber, NULL); /* its failure ends the request */
        if (!waiting.done)
            subscriber_wait(subscriber, INT64_MAX);
    }
    *answer = waiting.answer;
    if (!waiting.answer && err)
        *err = waiting.err;
    return waiting.answer ? 0 : -1;
}

int wb_case_get(wb_subscriber *subscriber, const char *case_no, const char *code, uint32_t limit,
                int timeout_ms, wb_case **answer, struct wb_error *err) {
    const struct wb_case_options options = {.code = code, .limit = limit};
    return wb_case_get_with(subscriber, case_no, &options, timeout_ms, answer, err);
}

void wb_case_free(wb_case *answer) {
    if (answer)
        protobuf_c_message_free_unpacked(&answer->base, NULL);
}
