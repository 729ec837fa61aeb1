/* Bytes of any encoding that iconv knows to UTF-8, as a stream.
 *
 * Bytes that the encoding does not have are carried along as pairs of Unicode noncharacters, so
 * that the fields around them can still be told apart; decode_restore makes the bytes of them
 * again. */
#ifndef FILE_DECODE_H
#define FILE_DECODE_H

#include <stddef.h>
#include <waybill/error.h>

struct decode;
struct buffer;

/* encoding: as iconv names it; NULL: UTF-8, whose bytes pass unchanged, broken ones too. A byte
 * order mark at the beginning is left out. NULL and err if it is not known. */
struct decode *decode_new(const char *encoding, struct wb_error *err);
void decode_free(struct decode *decode);

/* Appends to out. last: the file ends here; what is left of a character is a fault then. */
void decode_feed(struct decode *decode, const char *data, size_t bytes, bool last,
                 struct buffer *out);

/* In place: the length after the carried bytes were made bytes again. */
size_t decode_restore(char *text, size_t bytes);

#endif
