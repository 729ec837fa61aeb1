/* The file of a mapping. What is accepted can be used. */
#include "adapters/lib/mapping.h"

#include "common/arena.h"
#include "fuzz.h"
#include "proto/validate.h"
#include "valid.h"

static void apply(struct mapping *mapping, struct columns *columns, const char *value) {
    struct wb_error err = {0};
    struct arena arena;
    wb_event *event;
    struct record *record = record_new(columns);
    FUZZ_CHECK(record);
    record_begin(record, 1);
    for (size_t i = 0; i < columns_count(columns); i++)
        FUZZ_CHECK(record_put(record, (int)i, value, __builtin_strlen(value), &err) == 0);
    arena_init(&arena, VALID_ARENA);
    if (mapping_apply(mapping, record, &arena, &event, &err) == MAPPING_EVENT &&
        event_validate(event, &err) == 0)
        valid_event(event);
    arena_free(&arena);
    record_free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct columns *columns = columns_new();
    FUZZ_CHECK(columns);
    struct mapping *mapping = mapping_load(fuzz_file(data, bytes), columns, &err);
    if (mapping) {
        apply(mapping, columns, "2026-03-02T09:30:00+08:00");
        apply(mapping, columns, "x");
        apply(mapping, columns, "");
    } else {
        FUZZ_CHECK(err.code == WB_E_CONFIG && err.detail[0]);
    }
    mapping_free(mapping);
    columns_free(columns);
    return 0;
}
