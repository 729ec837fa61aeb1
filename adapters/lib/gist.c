#include "gist.h"

#include "proto/wire.h"

#include <string.h>

enum {
    FIELD_EVENT_ID = 1,
    FIELD_KIND = 2,
    FIELD_CASE_NO = 3,
    FIELD_STAGE = 5
}; /* of event.proto */

static void take(char text[GIST_TEXT], const struct wire_field *field) {
    size_t bytes = field->length < GIST_TEXT ? field->length : GIST_TEXT - 1;
    memcpy(text, field->data, bytes);
    text[bytes] = '\0';
}

void gist_read(struct gist *gist, const uint8_t *event, size_t bytes) {
    struct wire wire = {event, event + bytes};
    struct wire_field field;
    *gist = (struct gist){0};
    /* Fields are written in the order of their numbers: the rest need not be looked at. */
    while (wire_next(&wire, &field) == 1 && field.number <= FIELD_STAGE) {
        if (field.number == FIELD_EVENT_ID && field.type == WIRE_BYTES)
            take(gist->event_id, &field);
        else if (field.number == FIELD_CASE_NO && field.type == WIRE_BYTES)
            take(gist->case_no, &field);
        else if (field.number == FIELD_KIND && field.type == WIRE_VARINT)
            gist->kind = (Waybill__V1__Kind)field.value;
        else if (field.number == FIELD_STAGE && field.type == WIRE_VARINT)
            gist->stage = (wb_stage)field.value;
    }
}
