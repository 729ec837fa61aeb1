#include "broker/journal/header.h"

#include <string.h>

#include "proto/wire.h"

/* Field numbers of waybill.v1.Event. */
enum {
    EVENT_ID = 1,
    KIND = 2,
    CASE_NO = 3,
    PARENT_CASE_NO = 4,
    STAGE = 5,
    OCCURRED_AT_US = 7,
    UTC_OFFSET_MINUTES = 8,
    ITEM_CODE = 12,
    REGION_CODE = 14,
    AGENCY = 15,
    ALERT = 20,
};
enum { ALERT_LIGHT = 2 };

static int64_t zigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static uint8_t light_of(const uint8_t *alert, size_t bytes) {
    struct wire wire = {.at = alert, .end = alert + bytes};
    struct wire_field field;
    uint8_t light = 0;
    while (wire_next(&wire, &field) == 1)
        if (field.number == ALERT_LIGHT)
            light = (uint8_t)field.value;
    return light;
}

bool header_read(const uint8_t *event, size_t bytes, struct header *header) {
    struct wire wire = {.at = event, .end = event + bytes};
    struct wire_field field;
    int more;
    memset(header, 0, sizeof *header);
    while ((more = wire_next(&wire, &field)) == 1) {
        struct slice text = {.data = field.data, .length = field.length};
        switch (field.number) {
        case EVENT_ID:
            header->event_id = text;
            break;
        case KIND:
            header->kind = (uint8_t)field.value;
            break;
        case CASE_NO:
            header->case_no = text;
            break;
        case PARENT_CASE_NO:
            header->parent_case_no = text;
            break;
        case STAGE:
            header->stage = (uint8_t)field.value;
            break;
        case OCCURRED_AT_US:
            header->occurred_at_us = (int64_t)field.value;
            break;
        case UTC_OFFSET_MINUTES:
            header->utc_offset_minutes = (int16_t)zigzag(field.value);
            break;
        case ITEM_CODE:
            header->item_code = text;
            break;
        case REGION_CODE:
            header->region_code = text;
            break;
        case AGENCY:
            header->agency = text;
            break;
        case ALERT:
            if (field.type == WIRE_BYTES)
                header->light = light_of(field.data, field.length);
            break;
        default:
            break;
        }
    }
    return more == 0;
}

bool slice_equal(struct slice a, struct slice b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}
