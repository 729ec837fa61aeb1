#include "wire.h"

#include "bounds.h"
#include "common/buffer.h"
#include "problem.h"
#include <stdio.h>
#include <string.h>

/* The most fields that a message of this protocol declares; a test looks after it. */
#define MOST_FIELDS 32

static int get_varint(struct wire *wire, unsigned most, uint64_t *value) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < most && wire->at < wire->end; i++) {
        uint8_t byte = *wire->at++;
        if (i == 9 && byte > 1)
            return -1; /* more than 64 bits */
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            return 0;
        }
    }
    return -1;
}

static int get_fixed(struct wire *wire, unsigned bytes, uint64_t *value) {
    if ((size_t)(wire->end - wire->at) < bytes)
        return -1;
    *value = 0;
    for (unsigned i = 0; i < bytes; i++)
        *value |= (uint64_t)wire->at[i] << (8 * i);
    wire->at += bytes;
    return 0;
}

int wire_next(struct wire *wire, struct wire_field *field) {
    uint64_t tag, length;
    if (wire->at == wire->end)
        return 0;
    if (get_varint(wire, 5, &tag) || tag >> 32 || tag >> 3 == 0)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    field->value = 0;
    field->data = NULL;
    field->length = 0;
    switch (field->type) {
    case WIRE_VARINT:
        return get_varint(wire, 10, &field->value) ? -1 : 1;
    case WIRE_FIXED64:
        return get_fixed(wire, 8, &field->value) ? -1 : 1;
    case WIRE_FIXED32:
        return get_fixed(wire, 4, &field->value) ? -1 : 1;
    case WIRE_BYTES:
        if (get_varint(wire, 5, &length) || length > (uint64_t)(wire->end - wire->at))
            return -1;
        field->data = wire->at;
        field->length = (size_t)length;
        wire->at += length;
        return 1;
    }
    return -1;
}

/* One message on the way down, so that a complaint can say where it stands. */
struct level {
    const struct level *above;
    const ProtobufCMessageDescriptor *descriptor;
    const ProtobufCFieldDescriptor *field; /* the one that is being looked at */
    uint16_t counts[MOST_FIELDS];          /* entries seen of each field */
    unsigned unknown, depth;
};

struct complaint {
    int code;
    struct wb_error *err;
};

static size_t path(const struct level *level, char *text, size_t size) {
    size_t length = level->above ? path(level->above, text, size) : 0;
    if (!level->field)
        return length;
    int more =
        snprintf(text + length, size - length, "%s%s", length ? "." : "", level->field->name);
    length += more > 0 ? (size_t)more : 0;
    return length < size ? length : size - 1;
}

static int complain(const struct complaint *complaint, const struct level *level,
                    const char *what) {
    char name[80];
    if (!level->field && !level->above)
        return problem(complaint->err, complaint->code, "%s", what);
    path(level, name, sizeof name);
    return problem_field(complaint->err, complaint->code, name, "%s: %s", name, what);
}

/* Of an event's text a person can be told more than that the event is malformed. */
static int complain_text(const struct complaint *complaint, const struct level *level,
                         const struct wire_field *found) {
    char name[80], value[PROBLEM_VALUE];
    bool event = complaint->code == WB_E_EVENT_MALFORMED;
    path(level, name, sizeof name);
    return problem_field(complaint->err, event ? WB_E_FIELD_TEXT : complaint->code, name,
                         "%s is not UTF-8, or has a NUL: %s", name,
                         problem_value((const char *)found->data, found->length, value));
}

static enum wire_type declared(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    default:
        return WIRE_VARINT;
    }
}

/* The number of entries in a packed list, -1 if it is not well-formed. */
static int64_t packed(enum wire_type type, const struct wire_field *field) {
    if (type == WIRE_FIXED32 || type == WIRE_FIXED64) {
        size_t size = type == WIRE_FIXED32 ? 4 : 8;
        return field->length % size ? -1 : (int64_t)(field->length / size);
    }
    struct wire wire = {field->data, field->data + field->length};
    int64_t count = 0;
    for (uint64_t value; wire.at < wire.end; count++)
        if (get_varint(&wire, 10, &value))
            return -1;
    return count;
}

/* Whether another member of the same oneof was seen in the message. */
static bool oneof_taken(const struct level *level) {
    const ProtobufCMessageDescriptor *descriptor = level->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (level->counts[i] && descriptor->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
            descriptor->fields[i].quantifier_offset == level->field->quantifier_offset)
            return true;
    return false;
}

/* protobuf-c merges a part that comes twice by unpacking into new memory each time; nobody writes
 * such bytes except to attack. A text or number given twice is harmless, the last one counts. */
static int check_count(const struct complaint *complaint, struct level *level, int64_t entries) {
    const ProtobufCFieldDescriptor *field = level->field;
    uint16_t *count = &level->counts[field - level->descriptor->fields];
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        if (entries + *count > LIMIT_BATCH_EVENTS)
            return complain(complaint, level, "too many entries");
        *count = (uint16_t)(*count + entries);
        return 0;
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF && oneof_taken(level))
        return complain(complaint, level, "another member of the same oneof is there too");
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && *count)
        return complain(complaint, level, "given twice");
    *count = 1;
    return 0;
}

static int check_message(const struct complaint *complaint, struct level *level,
                         const uint8_t *data, size_t bytes);

static int check_field(const struct complaint *complaint, struct level *level,
                       const struct wire_field *found) {
    const ProtobufCFieldDescriptor *field = level->field;
    enum wire_type type = declared(field);
    int64_t entries = 1;
    if (found->type != type) {
        if (field->label != PROTOBUF_C_LABEL_REPEATED || found->type != WIRE_BYTES)
            return complain(complaint, level, "not of the type that the .proto file declares");
        entries = packed(type, found);
        if (entries < 0)
            return complain(complaint, level, "a packed list that is not well-formed");
    }
    if (check_count(complaint, level, entries))
        return -1;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        if (!wire_utf8((const char *)found->data, found->length, true))
            return complain_text(complaint, level, found);
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (level->depth == 0)
            return complain(complaint, level, "nested too deeply");
        struct level below = {
            .above = level, .descriptor = field->descriptor, .depth = level->depth - 1};
        return check_message(complaint, &below, found->data, found->length);
    }
    return 0;
}

static int check_message(const struct complaint *complaint, struct level *level,
                         const uint8_t *data, size_t bytes) {
    struct wire wire = {data, data + bytes};
    struct wire_field found;
    if (level->descriptor->n_fields > MOST_FIELDS)
        return complain(complaint, level, "a message with more fields than this program can check");
    for (;;) {
        int more = wire_next(&wire, &found);
        if (more == 0)
            return 0;
        level->field = NULL;
        if (more < 0)
            return complain(complaint, level, "the bytes do not form a protobuf message");
        level->field = protobuf_c_message_descriptor_get_field(level->descriptor, found.number);
        if (level->field) {
            if (check_field(complaint, level, &found))
                return -1;
        } else if (++level->unknown > 4 * LIMIT_BATCH_EVENTS) {
            return complain(complaint, level, "too many unknown fields");
        }
    }
}

int wire_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t bytes,
               unsigned depth, int code, struct wb_error *err) {
    struct complaint complaint = {code, err};
    struct level level = {.descriptor = descriptor, .depth = depth};
    return check_message(&complaint, &level, data, bytes);
}

static bool follows(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

/* RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
unsigned wire_utf8_next(const char *text, size_t bytes) {
    const uint8_t *at = (const uint8_t *)text;
    if (bytes == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    if (at[0] < 0xe0)
        return bytes >= 2 && follows(at[1]) ? 2 : 0;
    if (at[0] < 0xf0) {
        if (bytes < 3 || !follows(at[1]) || !follows(at[2]))
            return 0;
        return (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ? 0 : 3;
    }
    if (bytes < 4 || !follows(at[1]) || !follows(at[2]) || !follows(at[3]))
        return 0;
    return (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90) ? 0 : 4;
}

/* True if all eight bytes are from 0x20 to 0x7e: then no bit of a byte's sum or difference reaches
 * the top bit. A false alarm only costs the slow way. */
static bool plain8(const char *text) {
    const uint64_t ones = 0x0101010101010101, tops = ones << 7;
    uint64_t x;
    memcpy(&x, text, sizeof x);
    return ((x | (x - ones * 0x20) | (x + ones)) & tops) == 0;
}

unsigned wire_text(const char *text, size_t bytes) {
    unsigned found = 0;
    for (size_t i = 0; i < bytes;) {
        if (bytes - i >= 8 && plain8(text + i)) {
            i += 8;
            continue;
        }
        unsigned length = wire_utf8_next(text + i, bytes - i);
        unsigned char c = (unsigned char)text[i];
        if (length == 0 || c == 0)
            return WIRE_TEXT_BROKEN;
        if (c == '\n' || c == '\r' || c == '\t')
            found |= WIRE_TEXT_NEWLINE;
        else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
            found |= WIRE_TEXT_CONTROL;
        i += length;
    }
    return found;
}

bool wire_utf8(const char *text, size_t bytes, bool newlines) {
    unsigned found = wire_text(text, bytes);
    return newlines ? !(found & WIRE_TEXT_BROKEN) : found == 0;
}

size_t wire_varint_size(uint64_t value) {
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

void wire_raw_varint(struct buffer *out, uint64_t value) {
    uint8_t *at = buffer_reserve(out, 10);
    if (!at)
        return;
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
        out->length++;
    }
    *at = (uint8_t)value;
    out->length++;
}

static void put_tag(struct buffer *out, uint32_t field, enum wire_type type) {
    wire_raw_varint(out, (uint64_t)field << 3 | type);
}

void wire_put_varint(struct buffer *out, uint32_t field, uint64_t value) {
    if (value == 0)
        return;
    put_tag(out, field, WIRE_VARINT);
    wire_raw_varint(out, value);
}

void wire_put_bytes(struct buffer *out, uint32_t field, const void *data, size_t bytes) {
    put_tag(out, field, WIRE_BYTES);
    wire_raw_varint(out, bytes);
    buffer_append(out, data, bytes);
}

void wire_put_text(struct buffer *out, uint32_t field, const char *text) {
    if (text[0])
        wire_put_bytes(out, field, text, strlen(text));
}
