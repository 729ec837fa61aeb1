/* What the broker, or somebody in its place, sends to a client. */
#include <jansson.h>
#include <string.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "fuzz.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "proto/wire.h"
#include "valid.h"

static void check_refusal(const Waybill__V1__Refusal *refusal, struct arena *arena) {
    struct wb_error err;
    broker_message *again;
    struct buffer frame;
    char line[600];
    buffer_init(&frame, 0);
    frame_refusal_error(refusal, &err);
    problem_line(&err, line, sizeof line);
    FUZZ_CHECK(wire_utf8(line, strlen(line), false));
    frame_put_refusal(&frame, &err, refusal->batch, refusal->subscription, refusal->request);
    FUZZ_CHECK(frame_broker(frame.data, frame.length, arena, &again, NULL) == 0);
    FUZZ_CHECK(again->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL);
    FUZZ_CHECK(strcmp(again->refusal->detail, err.detail) == 0);
    buffer_free(&frame);
}

/* What a client shows of it; not all that is well-formed is valid. */
static void check_contents(const broker_message *message) {
    json_t *json = NULL;
    if (message->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER) {
        json = case_answer_to_json(message->case_answer);
        FUZZ_CHECK(json);
    } else if (message->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_DELIVER) {
        for (size_t i = 0; i < message->deliver->n_records; i++) {
            json_decref(json);
            json = record_to_json(message->deliver->records[i]);
            FUZZ_CHECK(json);
        }
    }
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    broker_message *message, *again;
    struct arena arena;
    struct buffer once, twice;
    arena_init(&arena, VALID_ARENA);
    buffer_init(&once, 0);
    buffer_init(&twice, 0);
    if (frame_broker(data, bytes, &arena, &message, &err)) {
        FUZZ_CHECK(!message && err.code && err.message[0]);
        FUZZ_CHECK(err.code != WB_E_MALFORMED || arena.used == 0);
    } else {
        frame_put_broker(&once, message);
        FUZZ_CHECK(frame_broker(once.data, once.length, &arena, &again, NULL) == 0);
        frame_put_broker(&twice, again);
        FUZZ_CHECK(once.length == twice.length);
        FUZZ_CHECK(!once.length || memcmp(once.data, twice.data, once.length) == 0);
        if (message->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL)
            check_refusal(message->refusal, &arena);
        check_contents(message);
    }
    buffer_free(&once);
    buffer_free(&twice);
    arena_free(&arena);
    return 0;
}
