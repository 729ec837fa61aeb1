/* Bytes that a publisher says are an event. */
#include "common/arena.h"
#include "fuzz.h"
#include "proto/bounds.h"
#include "proto/validate.h"
#include "valid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct arena arena;
    wb_event *event;
    arena_init(&arena, VALID_ARENA);
    if (event_decode(data, bytes, &arena, &event, &err) == 0) {
        FUZZ_CHECK(bytes <= LIMIT_EVENT_BYTES);
        valid_event(event);
    } else {
        FUZZ_CHECK(!event && err.code && err.message[0]);
        /* What is not well-formed is refused before anything is allocated. */
        FUZZ_CHECK(err.code != WB_E_EVENT_MALFORMED || arena.used == 0);
    }
    arena_free(&arena);
    return 0;
}
