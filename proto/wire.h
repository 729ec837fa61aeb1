/* Protocol Buffers on the byte level, without copies: reading what a peer sent before anything is
 * allocated for it, and writing messages around bytes that are encoded already.
 * https://protobuf.dev/programming-guides/encoding/ */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

struct buffer;

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;      /* of a varint or fixed number */
    const uint8_t *data; /* of WIRE_BYTES, inside the message */
    size_t length;
};

/* 1: a field, 0: the end, -1: not well-formed (also groups, field 0, varints over ten bytes). */
int wire_next(struct wire *wire, struct wire_field *field);

/* Walks an encoded message as its descriptor has it, to at most `depth` levels: well-formed, wire
 * types as declared, texts UTF-8 without NUL, no part and no oneof given twice, at most
 * LIMIT_BATCH_EVENTS entries in a list and 4 times as many unknown fields in a message. Allocates
 * nothing. Returns 0, or -1 and err with the given code and the field's dotted name; a broken text
 * of an event is FIELD_TEXT rather than EVENT_MALFORMED. */
int wire_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t bytes,
               unsigned depth, int code, struct wb_error *err);

/* What a text holds, as bits. */
enum wire_text {
    WIRE_TEXT_BROKEN = 1,  /* not UTF-8 (RFC 3629), or NUL: then the other bits say nothing */
    WIRE_TEXT_NEWLINE = 2, /* '\n', '\r' or '\t' */
    WIRE_TEXT_CONTROL = 4, /* another control character, U+0001 to U+001F or U+007F to U+009F */
};
unsigned wire_text(const char *text, size_t bytes);

/* The length of the UTF-8 character at the text's beginning, 1 to 4; 0 if there is none. */
unsigned wire_utf8_next(const char *text, size_t bytes);

/* True if the bytes are UTF-8 (RFC 3629) without NUL and, unless newlines are allowed, without
 * control characters. */
bool wire_utf8(const char *text, size_t bytes, bool newlines);

void wire_put_varint(struct buffer *out, uint32_t field, uint64_t value); /* not if 0 */
void wire_put_bytes(struct buffer *out, uint32_t field, const void *data,
                    size_t bytes);                                        /* also empty */
void wire_put_text(struct buffer *out, uint32_t field, const char *text); /* not if "" */
size_t wire_varint_size(uint64_t value);
void wire_raw_varint(struct buffer *out, uint64_t value);

#endif
