/* Bytes that grow. The error is sticky: build freely and look once, at the end. */
#ifndef COMMON_BUFFER_H
#define COMMON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t length, capacity;
    size_t max;  /* bytes; 0: no other limit than memory */
    bool failed; /* something did not fit: the contents are incomplete */
};

void buffer_init(struct buffer *buffer, size_t max_bytes);
void buffer_free(struct buffer *buffer);  /* may be used again after buffer_init */
void buffer_clear(struct buffer *buffer); /* keeps the memory, mends `failed` */

/* Room for so many bytes at data + length, NULL (and failed) if there is none. The caller adds to
 * length what it wrote. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t bytes);
void buffer_append(struct buffer *buffer, const void *data, size_t bytes);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_consume(struct buffer *buffer, size_t bytes); /* from the front */

/* The contents as a C string (a NUL is kept behind them); "" when empty. */
const char *buffer_string(struct buffer *buffer);

/* Big-endian, as PostgreSQL's binary formats want them. */
void buffer_be16(struct buffer *buffer, uint16_t value);
void buffer_be32(struct buffer *buffer, uint32_t value);
void buffer_be64(struct buffer *buffer, uint64_t value);

#endif
