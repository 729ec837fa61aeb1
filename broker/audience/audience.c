#include "broker/audience/audience.h"

#include "broker/audience/redact.h"
#include "common/arena.h"
#include "common/buffer.h"

static enum disclosure ask(const void *access, struct slice item_code) {
    return access_disclosure(access, item_code);
}

bool audience_put(const struct access *access, Waybill__V1__Audience audience, struct slice event,
                  struct buffer *out) {
    if (audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL) {
        buffer_append(out, event.data, event.length);
        return !out->failed;
    }
    uint8_t *at = buffer_reserve(out, REDACT_ROOM(event.length));
    size_t length = at ? redact_event(audience, ask, access, event, at) : 0;
    out->length += length;
    return length > 0;
}

size_t audience_make(const struct access *access, Waybill__V1__Audience audience,
                     struct slice event, uint8_t *out) {
    return redact_event(audience, ask, access, event, out);
}

/* By way of its bytes, so that there is one table of what may leave and not two. */
static wb_event *narrow(const struct access *access, Waybill__V1__Audience audience,
                        const wb_event *event, struct arena *arena) {
    size_t bytes = waybill__v1__event__get_packed_size(event);
    uint8_t *packed = arena_alloc(arena, bytes), *made = arena_alloc(arena, REDACT_ROOM(bytes));
    if (!packed || !made)
        return NULL;
    struct slice slice = {packed, waybill__v1__event__pack(event, packed)};
    size_t length = redact_event(audience, ask, access, slice, made);
    return length ? waybill__v1__event__unpack(&arena->protobuf, length, made) : NULL;
}

bool audience_narrow_record(const struct access *access, Waybill__V1__Audience audience,
                            wb_record *record, struct arena *arena) {
    if (audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return true;
    record->event = narrow(access, audience, record->event, arena);
    return record->event != NULL;
}

bool audience_narrow_state(const struct access *access, Waybill__V1__Audience audience,
                           Waybill__V1__CaseState *state, struct arena *arena) {
    wb_event event = WB_EVENT_INIT;
    if (audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return true;
    event.occurred_at_us = 1; /* of any case there is something to say */
    event.case_no = state->case_no;
    event.parent_case_no = state->parent_case_no;
    event.item_code = state->item_code;
    event.item_name = state->item_name;
    event.region_code = state->region_code;
    event.agency = state->agency;
    event.handler = state->handler;
    const wb_event *made = narrow(access, audience, &event, arena);
    if (!made)
        return false;
    state->case_no = made->case_no;
    state->parent_case_no = made->parent_case_no;
    state->item_code = made->item_code;
    state->item_name = made->item_name;
    state->region_code = made->region_code;
    state->agency = made->agency;
    state->handler = made->handler;
    return true;
}
