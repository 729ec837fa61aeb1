/* The broker's short way to an event's header, against the long one through protobuf-c. */
#include "broker/journal/header.h"

#include <string.h>

#include "common/arena.h"
#include "fuzz.h"
#include "proto/validate.h"
#include "valid.h"

static void same(struct slice slice, const char *text) {
    FUZZ_CHECK(slice.length == strlen(text));
    FUZZ_CHECK(slice.length == 0 || memcmp(slice.data, text, slice.length) == 0);
}

static void within(struct slice slice, const uint8_t *data, size_t bytes) {
    FUZZ_CHECK(slice.length <= bytes);
    FUZZ_CHECK(slice.length == 0 ||
               (slice.data >= data && slice.data + slice.length <= data + bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct header header;
    struct arena arena;
    wb_event *event;
    bool read = header_read(data, bytes, &header);
    within(header.event_id, data, bytes);
    within(header.case_no, data, bytes);
    within(header.agency, data, bytes);
    arena_init(&arena, VALID_ARENA);
    if (event_decode(data, bytes, &arena, &event, NULL) == 0) {
        FUZZ_CHECK(read);
        same(header.event_id, event->event_id);
        same(header.case_no, event->case_no);
        same(header.parent_case_no, event->parent_case_no);
        same(header.item_code, event->item_code);
        same(header.region_code, event->region_code);
        same(header.agency, event->agency);
        FUZZ_CHECK(header.occurred_at_us == event->occurred_at_us);
        FUZZ_CHECK(header.utc_offset_minutes == event->utc_offset_minutes);
        FUZZ_CHECK(header.light == (event->alert ? (int)event->alert->light : 0));
        FUZZ_CHECK(header.kind == (int)event->kind && header.stage == (int)event->stage);
    }
    arena_free(&arena);
    return 0;
}
