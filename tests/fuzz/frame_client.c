/* What a client sends to the broker. */
#include <string.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "fuzz.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "valid.h"

static void check_publish(const struct frame_publish *publish, const uint8_t *data, size_t bytes,
                          struct arena *arena) {
    struct frame_publish again;
    client_message *none;
    struct buffer events, frame;
    buffer_init(&events, 0);
    buffer_init(&frame, 0);
    FUZZ_CHECK(publish->count <= LIMIT_BATCH_EVENTS);
    for (size_t i = 0; i < publish->count; i++) {
        const struct slice *event = &publish->events[i];
        FUZZ_CHECK(event->data >= data && event->data + event->length <= data + bytes);
        frame_add_event(&events, event->data, event->length);
    }
    frame_put_publish(&frame, publish->batch, publish->want_codes, &events);
    FUZZ_CHECK(frame_client(frame.data, frame.length, arena, &none, &again, NULL) == 0 && !none);
    FUZZ_CHECK(again.batch == publish->batch && again.want_codes == publish->want_codes);
    FUZZ_CHECK(again.count == publish->count);
    for (size_t i = 0; i < publish->count; i++)
        FUZZ_CHECK(again.events[i].length == publish->events[i].length &&
                   memcmp(again.events[i].data, publish->events[i].data, again.events[i].length) ==
                       0);
    buffer_free(&events);
    buffer_free(&frame);
}

static void check_message(const client_message *message, struct arena *arena) {
    struct frame_publish publish;
    client_message *again;
    struct buffer once, twice;
    buffer_init(&once, 0);
    buffer_init(&twice, 0);
    FUZZ_CHECK(message->body_case != WAYBILL__V1__CLIENT_MESSAGE__BODY__NOT_SET);
    frame_put_client(&once, message);
    FUZZ_CHECK(frame_client(once.data, once.length, arena, &again, &publish, NULL) == 0 && again);
    frame_put_client(&twice, again);
    FUZZ_CHECK(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
    buffer_free(&once);
    buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct frame_publish publish;
    client_message *message;
    struct arena arena;
    arena_init(&arena, VALID_ARENA);
    if (frame_client(data, bytes, &arena, &message, &publish, &err))
        FUZZ_CHECK(!message && err.code && err.message[0]);
    else if (message)
        check_message(message, &arena);
    else
        check_publish(&publish, data, bytes, &arena);
    arena_free(&arena);
    return 0;
}
