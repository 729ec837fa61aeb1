#include "common/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 256

void buffer_init(struct buffer *buffer, size_t max_bytes) {
    *buffer = (struct buffer){.max = max_bytes};
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_clear(struct buffer *buffer) {
    buffer->length = 0;
    buffer->failed = false;
}

/* There is always one byte more than asked for: the NUL's. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes) {
    if (buffer->failed)
        return NULL;
    if (bytes < buffer->capacity - buffer->length)
        return buffer->data + buffer->length;
    size_t max = buffer->max && buffer->max < SIZE_MAX / 2 ? buffer->max : SIZE_MAX / 2;
    if (buffer->length > max || bytes > max - buffer->length) {
        buffer->failed = true;
        return NULL;
    }
    size_t needed = buffer->length + bytes + 1;
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : CAPACITY_FIRST;
    if (capacity > max + 1)
        capacity = max + 1;
    if (capacity < needed)
        capacity = needed;
    uint8_t *data = realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t bytes) {
    if (!bytes)
        return;
    uint8_t *room = buffer_reserve(buffer, bytes);
    if (room) {
        memcpy(room, data, bytes);
        buffer->length += bytes;
    }
}

void buffer_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    if (bytes < 0)
        buffer->failed = true;
    uint8_t *room = buffer->failed ? NULL : buffer_reserve(buffer, (size_t)bytes);
    if (room) {
        vsnprintf((char *)room, (size_t)bytes + 1, format, again);
        buffer->length += (size_t)bytes;
    }
    va_end(again);
    va_end(args);
}

void buffer_consume(struct buffer *buffer, size_t bytes) {
    assert(bytes <= buffer->length);
    buffer->length -= bytes;
    if (buffer->length && bytes)
        memmove(buffer->data, buffer->data + bytes, buffer->length);
}

const char *buffer_string(struct buffer *buffer) {
    if (!buffer->data)
        return "";
    buffer->data[buffer->length] = '\0';
    return (const char *)buffer->data;
}

static void append_be(struct buffer *buffer, uint64_t value, size_t bytes) {
    uint8_t *room = buffer_reserve(buffer, bytes);
    if (!room)
        return;
    for (size_t i = bytes; i-- > 0; value >>= 8)
        room[i] = (uint8_t)value;
    buffer->length += bytes;
}

void buffer_be16(struct buffer *buffer, uint16_t value) {
    append_be(buffer, value, 2);
}

void buffer_be32(struct buffer *buffer, uint32_t value) {
    append_be(buffer, value, 4);
}

void buffer_be64(struct buffer *buffer, uint64_t value) {
    append_be(buffer, value, 8);
}
