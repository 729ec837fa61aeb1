/* The JSON form of an event, as the CLI and NDJSON files have it. */
#include <stdlib.h>

#include "adapters/file/ndjson.h"
#include "common/arena.h"
#include "fuzz.h"
#include "proto/json.h"
#include "proto/validate.h"
#include "valid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct arena arena;
    wb_event *event;
    json_t *json = ndjson_parse((const char *)data, bytes, &err);
    if (!json) {
        FUZZ_CHECK(err.code && err.detail[0]);
        return 0;
    }
    arena_init(&arena, VALID_ARENA);
    if (event_from_json(json, &arena, &event, &err))
        FUZZ_CHECK(!event && err.code && err.message[0]);
    else if (event_validate(event, &err) == 0)
        valid_event(event);
    arena_free(&arena);
    json_decref(json);
    return 0;
}
