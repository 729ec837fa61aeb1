#include "glance.h"

#include "bounds.h"
#include "field.h"
#include "wire.h"

#include <string.h>

#define NUMBERS 32 /* field numbers of a message, from 1 */

enum look {
    LOOK_CLOSER, /* an unknown field, or one that is rare or not simple */
    LOOK_TEXT,
    LOOK_UP_TO, /* a number or an enumeration */
    LOOK_STAGE,
    LOOK_TIME,
    LOOK_OFFSET,
    LOOK_PART
};

struct spot {
    enum look look;
    const struct field *field; /* of LOOK_TEXT */
    enum field_part part;      /* of LOOK_PART */
    uint32_t max;              /* a number's largest value, or how many parts */
    bool needed;
};

/* By part and field number. The last part is an attribute. Made from the table of fields and the
 * .proto file's descriptors when it is first needed. */
static struct spot spots[PART_COUNT + 1][NUMBERS];
static bool ready;

static const ProtobufCMessageDescriptor *const descriptors[PART_COUNT + 1] = {
    [PART_EVENT] = &waybill__v1__event__descriptor,
    [PART_HANDLER] = &waybill__v1__handler__descriptor,
    [PART_SPECIAL] = &waybill__v1__special_procedure__descriptor,
    [PART_EXTENSION] = &waybill__v1__extension__descriptor,
    [PART_DECISION] = &waybill__v1__decision__descriptor,
    [PART_NOTICE] = &waybill__v1__notice__descriptor,
    [PART_ALERT] = &waybill__v1__alert__descriptor,
    [PART_COUNT] = &waybill__v1__attribute__descriptor,
};

static void place(enum field_part part, const char *name, struct spot spot) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptors[part], name);
    if (field && field->id < NUMBERS)
        spots[part][field->id] = spot;
}

static enum look look_of(const struct field *field) {
    switch (field->type) {
    case FIELD_NUMBER:
    case FIELD_NOTICE:
        return LOOK_UP_TO;
    case FIELD_STAGE:
        return LOOK_STAGE;
    case FIELD_KIND:
    case FIELD_TIME:
    case FIELD_CLOCK:
    case FIELD_LIGHT:
    case FIELD_FLAG:
    case FIELD_DAYS:
        return LOOK_CLOSER;
    default:
        return strcmp(field->name, "replaces") == 0 ? LOOK_CLOSER : LOOK_TEXT;
    }
}

static void place_fields(void) {
    for (const struct field *field = fields; field < fields + field_count; field++) {
        const char *dot = strchr(field->name, '.');
        struct spot spot = {.look = look_of(field), .field = field, .max = (uint32_t)field->max};
        if (field->type == FIELD_NOTICE)
            spot.max = WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY;
        spot.needed = field->part == PART_EVENT &&
                      (strcmp(field->name, "event_id") == 0 ||
                       strcmp(field->name, "case_no") == 0 || field->type == FIELD_STAGE);
        place(field->part, dot ? dot + 1 : field->name, spot);
    }
}

static void make_ready(void) {
    static const struct {
        const char *name;
        enum field_part part;
        uint32_t max;
    } parts[] = {{"handler", PART_HANDLER, 1},
                 {"special", PART_SPECIAL, 1},
                 {"extension", PART_EXTENSION, 1},
                 {"decision", PART_DECISION, 1},
                 {"notices", PART_NOTICE, LIMIT_NOTICES},
                 {"attributes", PART_COUNT, LIMIT_ATTRIBUTES}};
    place_fields();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        place(PART_EVENT, parts[i].name,
              (struct spot){.look = LOOK_PART, .part = parts[i].part, .max = parts[i].max});
    place(PART_EVENT, "occurred_at_us", (struct spot){.look = LOOK_TIME, .needed = true});
    place(PART_EVENT, "utc_offset_minutes", (struct spot){.look = LOOK_OFFSET});
    place(PART_EVENT, "date_only", (struct spot){.look = LOOK_UP_TO, .max = 1});
    place(PART_COUNT, "name",
          (struct spot){.look = LOOK_TEXT, .field = &field_attribute_name, .needed = true});
    place(PART_COUNT, "value", (struct spot){.look = LOOK_TEXT, .field = &field_attribute_value});
    ready = true;
}

static bool is_text(const struct spot *spot, const struct wire_field *f) {
    if (f->type != WIRE_BYTES)
        return false;
    return f->length ? field_fits(spot->field, (const char *)f->data, f->length) : !spot->needed;
}

static bool is_number(const struct spot *spot, const struct wire_field *f) {
    if (f->type != WIRE_VARINT)
        return false;
    switch (spot->look) {
    case LOOK_UP_TO:
        return f->value <= spot->max;
    case LOOK_STAGE:
        return f->value > WB_STAGE(UNSPECIFIED) && f->value <= WB_STAGE(CANCELLED);
    case LOOK_TIME:
        return f->value > 0 && f->value < (uint64_t)FIELD_TIME_END_US;
    case LOOK_OFFSET: /* zigzag: 2n, or -2n - 1 */
        return f->value <= 2 * FIELD_OFFSET_MINUTES;
    default:
        return false;
    }
}

static bool look_at(enum field_part part, const uint8_t *data, size_t bytes);

/* Whether the field is as it should be and not there too often. */
static bool fits(const struct spot *spot, const struct wire_field *f, uint8_t *count) {
    uint32_t most = spot->look == LOOK_PART ? spot->max : 1;
    if (spot->look == LOOK_CLOSER || ++*count > most)
        return false;
    if (spot->look == LOOK_PART)
        return f->type == WIRE_BYTES && look_at(spot->part, f->data, f->length);
    return spot->look >= LOOK_UP_TO ? is_number(spot, f) : is_text(spot, f);
}

/* Parts hold no parts, so this goes two deep. */
static bool look_at(enum field_part part, const uint8_t *data, size_t bytes) {
    struct wire wire = {data, data + bytes};
    struct wire_field f;
    uint8_t counts[NUMBERS] = {0};
    int more;
    while ((more = wire_next(&wire, &f)) == 1)
        if (f.number >= NUMBERS || !fits(&spots[part][f.number], &f, &counts[f.number]))
            return false;
    for (size_t i = 0; i < NUMBERS; i++)
        if (spots[part][i].needed && !counts[i])
            return false;
    return more == 0;
}

bool event_glance(const uint8_t *data, size_t bytes) {
    if (!ready)
        make_ready();
    return bytes <= LIMIT_EVENT_BYTES && look_at(PART_EVENT, data, bytes);
}
