/* A record of any content through a mapping that uses all there is. Each line of the input is the
 * value of one column that the mapping names, in its order. */
#include "adapters/lib/record.h"

#include <string.h>

#include "adapters/lib/mapping.h"
#include "common/arena.h"
#include "fuzz.h"
#include "proto/validate.h"
#include "valid.h"

static struct columns *columns;
static struct mapping *mapping;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    struct wb_error err;
    (void)argc, (void)argv;
    columns = columns_new();
    mapping = mapping_load(MAPPINGS "/record.yaml", columns, &err);
    FUZZ_CHECK(mapping);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct wb_error err = {0};
    struct arena arena;
    wb_event *event;
    const char *at = (const char *)data, *end = at + bytes;
    struct record *record = record_new(columns);
    FUZZ_CHECK(record);
    record_begin(record, 1);
    for (size_t i = 0; at < end && i < columns_count(columns); i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        FUZZ_CHECK(record_put(record, (int)i, at, length, &err) == 0);
        at += length + (newline != NULL);
    }
    arena_init(&arena, VALID_ARENA);
    switch (mapping_apply(mapping, record, &arena, &event, &err)) {
    case MAPPING_EVENT:
        if (event_validate(event, &err) == 0)
            valid_event(event);
        break;
    case MAPPING_REJECTED:
        FUZZ_CHECK(err.code && err.detail[0]);
        break;
    case MAPPING_SKIPPED:
        break;
    }
    arena_free(&arena);
    record_free(record);
    return 0;
}
