/* Bytes that a publisher says are an event, at a glance and looked at closely. */
#include "common/arena.h"
#include "fuzz.h"
#include "proto/bounds.h"
#include "proto/glance.h"
#include "proto/validate.h"
#include "valid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct arena arena;
    wb_event *event;
    bool glanced = event_glance(data, bytes);
    arena_init(&arena, VALID_ARENA);
    if (event_decode(data, bytes, &arena, &event, &err) == 0) {
        FUZZ_CHECK(bytes <= LIMIT_EVENT_BYTES);
        FUZZ_CHECK(!glanced || event->kind == WAYBILL__V1__KIND__KIND_PROGRESS);
        valid_event(event);
    } else {
        FUZZ_CHECK(!glanced && !event && err.code && err.message[0]);
        /* What is not well-formed is refused before anything is allocated. */
        FUZZ_CHECK(err.code != WB_E_EVENT_MALFORMED || arena.used == 0);
    }
    arena_free(&arena);
    return 0;
}
