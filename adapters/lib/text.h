/* Texts that systems hand over: where one stops being clean, and how it is written for people and
 * for JSON. */
#ifndef LIB_TEXT_H
#define LIB_TEXT_H

#include <stddef.h>

struct buffer;

enum text_fault {
    TEXT_CLEAN,
    TEXT_NOT_UTF8, /* RFC 3629: stray, missing or overlong bytes */
    TEXT_NUL,
    TEXT_TWICE, /* C1 controls: UTF-8 that was taken for Latin-1 and encoded again */
};

/* The first fault; *at and *length are the run of bytes outside ASCII around it (one byte for a
 * NUL). */
enum text_fault text_check(const char *text, size_t bytes, size_t *at, size_t *length);

/* "e2 80 99", at most `most` bytes of it, then "...". Returns out. */
const char *text_hex(const char *text, size_t bytes, size_t most, char *out, size_t size);

/* The text as a JSON string; bytes that are not UTF-8 as {"bytes": "c3e9"}, so that none is lost.
 */
void text_json(struct buffer *out, const char *text, size_t bytes);

#endif
