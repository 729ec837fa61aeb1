#include "broker/journal/binary.h"

#define COUNT_AT 12 /* behind the dimensions, the flag for nulls and the type */

void binary_bytes(struct buffer *out, const void *data, size_t bytes) {
    buffer_be32(out, (uint32_t)bytes);
    buffer_append(out, data, bytes);
}

void binary_int2(struct buffer *out, int value) {
    buffer_be32(out, 2);
    buffer_be16(out, (uint16_t)value);
}

void binary_int4(struct buffer *out, int32_t value) {
    buffer_be32(out, 4);
    buffer_be32(out, (uint32_t)value);
}

void binary_int8(struct buffer *out, int64_t value) {
    buffer_be32(out, 8);
    buffer_be64(out, (uint64_t)value);
}

void binary_array(struct buffer *out, uint32_t type, size_t count) {
    buffer_clear(out);
    buffer_be32(out, 1); /* dimensions */
    buffer_be32(out, 0); /* no nulls */
    buffer_be32(out, type);
    buffer_be32(out, (uint32_t)count);
    buffer_be32(out, 1); /* lower bound */
}

void binary_array_count(struct buffer *out, size_t count) {
    if (out->failed)
        return;
    for (int i = 0; i < 4; i++)
        out->data[COUNT_AT + i] = (uint8_t)(count >> (24 - 8 * i));
}

void binary_put8(uint8_t out[8], int64_t value) {
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}
