/* The fields by which an event is told apart, indexed and filtered, read from its bytes without
 * unpacking it. */
#ifndef BROKER_JOURNAL_HEADER_H
#define BROKER_JOURNAL_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

struct header {
    struct slice event_id, case_no, parent_case_no, item_code, region_code, agency;
    int64_t occurred_at_us;
    int16_t utc_offset_minutes;
    uint8_t kind, stage, light; /* light: of an alert */
};

/* The slices lie in the event's bytes; a field that is not set has length 0. False if the bytes are
 * not well-formed, which cannot be for an event that event_decode accepted. */
bool header_read(const uint8_t *event, size_t bytes, struct header *header);

bool slice_equal(struct slice a, struct slice b);

#endif
