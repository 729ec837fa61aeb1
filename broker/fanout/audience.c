#include "broker/fanout/audience.h"

#include "common/buffer.h"

bool audience_put(const struct access *access, Waybill__V1__Audience audience, struct slice event,
                  struct buffer *out) {
    (void)access;
    if (audience != WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return false;
    buffer_append(out, event.data, event.length);
    return !out->failed;
}

bool audience_narrow_state(const struct access *access, Waybill__V1__Audience audience,
                           Waybill__V1__CaseState *state, struct arena *arena) {
    (void)access, (void)state, (void)arena;
    return audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL;
}
