/* Values in PostgreSQL's binary form, each with its length before it, as COPY's fields and the
 * elements of an array have them. (src/backend/utils/adt: *_send; array_send) */
#ifndef BROKER_JOURNAL_BINARY_H
#define BROKER_JOURNAL_BINARY_H

#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

void binary_bytes(struct buffer *out, const void *data, size_t bytes); /* also text */
void binary_int2(struct buffer *out, int value);
void binary_int4(struct buffer *out, int32_t value);
void binary_int8(struct buffer *out, int64_t value);
/* What stands before the elements of an array without nulls: its elements' type and their count.
 * The buffer is cleared. */
void binary_array(struct buffer *out, uint32_t type, size_t count);
/* The same, when the count is known afterwards. */
void binary_array_count(struct buffer *out, size_t count);

/* A parameter by itself, without its length. */
void binary_put8(uint8_t out[8], int64_t value);

#endif
