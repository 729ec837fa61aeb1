#include "valid.h"

#include <stdlib.h>
#include <string.h>

#include "broker/journal/header.h"
#include "common/arena.h"
#include "fuzz.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include "proto/json.h"
#include "proto/validate.h"

#define MINUTE_US INT64_C(60000000)
#define DAY_US    (1440 * MINUTE_US)

static void check_bounds(const wb_event *event) {
    FUZZ_CHECK(event->event_id[0] && strlen(event->event_id) <= 128);
    FUZZ_CHECK(event->case_no[0] && strlen(event->case_no) <= LIMIT_CASE_NO_BYTES);
    FUZZ_CHECK(event->occurred_at_us > 0 && event->occurred_at_us < FIELD_TIME_END_US);
    FUZZ_CHECK(abs(event->utc_offset_minutes) <= FIELD_OFFSET_MINUTES);
    FUZZ_CHECK(event->n_notices <= LIMIT_NOTICES && event->n_attributes <= LIMIT_ATTRIBUTES);
    FUZZ_CHECK(event->stage >= 0 && event->stage <= WB_STAGE(CANCELLED));
}

static bool same(struct slice slice, const char *text) {
    return slice.length == strlen(text) && memcmp(slice.data, text, slice.length) == 0;
}

static bool same_or_absent(struct slice slice, const char *text) {
    return slice.length ? same(slice, text) : !text[0];
}

static void check_header(const wb_event *event, const uint8_t *data, size_t bytes) {
    struct header header;
    FUZZ_CHECK(header_read(data, bytes, &header));
    FUZZ_CHECK(same(header.event_id, event->event_id));
    FUZZ_CHECK(same(header.case_no, event->case_no));
    FUZZ_CHECK(same_or_absent(header.parent_case_no, event->parent_case_no));
    FUZZ_CHECK(same_or_absent(header.item_code, event->item_code));
    FUZZ_CHECK(same_or_absent(header.region_code, event->region_code));
    FUZZ_CHECK(same_or_absent(header.agency, event->agency));
    FUZZ_CHECK(header.occurred_at_us == event->occurred_at_us);
    FUZZ_CHECK(header.utc_offset_minutes == event->utc_offset_minutes);
    FUZZ_CHECK(header.kind == (int)event->kind && header.stage == (int)event->stage);
}

static void check_bytes(const wb_event *event) {
    struct arena arena;
    wb_event *again;
    size_t bytes = waybill__v1__event__get_packed_size(event);
    if (bytes > LIMIT_EVENT_BYTES)
        return;
    uint8_t *packed = malloc(bytes), *repacked = malloc(bytes);
    FUZZ_CHECK(packed && repacked);
    FUZZ_CHECK(waybill__v1__event__pack(event, packed) == bytes);
    check_header(event, packed, bytes);
    arena_init(&arena, VALID_ARENA);
    FUZZ_CHECK(event_decode(packed, bytes, &arena, &again, NULL) == 0);
    FUZZ_CHECK(waybill__v1__event__get_packed_size(again) == bytes);
    waybill__v1__event__pack(again, repacked);
    FUZZ_CHECK(memcmp(packed, repacked, bytes) == 0);
    arena_free(&arena);
    free(packed);
    free(repacked);
}

/* PROTOCOL.md: the time of a day alone is local midnight. Of another the JSON form has no place. */
static bool says_its_time(const wb_event *event) {
    int64_t local = event->occurred_at_us + event->utc_offset_minutes * MINUTE_US;
    return !event->date_only || local % DAY_US == 0;
}

/* What is empty is left out of the JSON form, so it is the second form that has to be the first. */
static void check_json(const wb_event *event) {
    struct arena arena;
    wb_event *once, *twice;
    if (!says_its_time(event))
        return;
    arena_init(&arena, VALID_ARENA);
    json_t *first = event_to_json(event);
    FUZZ_CHECK(first && event_from_json(first, &arena, &once, NULL) == 0);
    FUZZ_CHECK(event_validate(once, NULL) == 0);
    FUZZ_CHECK(once->occurred_at_us == event->occurred_at_us);
    FUZZ_CHECK(once->utc_offset_minutes == event->utc_offset_minutes);
    FUZZ_CHECK(once->stage == event->stage && once->kind == event->kind);
    json_t *second = event_to_json(once);
    FUZZ_CHECK(second && event_from_json(second, &arena, &twice, NULL) == 0);
    json_t *third = event_to_json(twice);
    FUZZ_CHECK(json_equal(second, third));
    json_decref(first);
    json_decref(second);
    json_decref(third);
    arena_free(&arena);
}

void valid_event(const wb_event *event) {
    check_bounds(event);
    check_bytes(event);
    check_json(event);
}
