#include "adapters/file/decode.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buffer.h"
#include "proto/problem.h"

/* U+FDD0 to U+FDEF are noncharacters, EF B7 90 to EF B7 AF in UTF-8: sixteen for the high half of a
 * byte, sixteen for the low one. */
#define CARRIER_HIGH 0x90
#define CARRIER_LOW  0xa0

#define MARK_BYTES 3
static const unsigned char mark[MARK_BYTES] = {0xef, 0xbb, 0xbf};

struct decode {
    bool converts; /* else it is UTF-8 already */
    iconv_t iconv;
    struct buffer bytes; /* not converted yet: the beginning of a character, then what came */
    char head[MARK_BYTES];
    size_t head_bytes; /* the beginning of a byte order mark, not given out yet */
    bool begun;        /* there was no mark, or it is behind us */
};

static bool is_utf8(const char *encoding) {
    return !encoding || strcasecmp(encoding, "UTF-8") == 0 || strcasecmp(encoding, "UTF8") == 0;
}

struct decode *decode_new(const char *encoding, struct wb_error *err) {
    struct decode *decode = calloc(1, sizeof(*decode));
    if (!decode) {
        problem(err, WB_E_SYSTEM, "no memory to decode text");
        return NULL;
    }
    decode->converts = false;
    buffer_init(&decode->bytes, 0);
    if (is_utf8(encoding))
        return decode;
    decode->iconv = iconv_open("UTF-8", encoding);
    decode->converts = (intptr_t)decode->iconv != -1;
    if (decode->converts)
        return decode;
    free(decode);
    problem(err, WB_E_USAGE, "the encoding '%.60s' is not known", encoding);
    problem_hint(err, "use a name that 'iconv -l' lists: UTF-8, GB18030, BIG5");
    return NULL;
}

void decode_free(struct decode *decode) {
    if (!decode)
        return;
    if (decode->converts)
        iconv_close(decode->iconv);
    buffer_free(&decode->bytes);
    free(decode);
}

static void carry(struct buffer *out, unsigned char byte) {
    unsigned char pair[6] = {0xef, 0xb7, (unsigned char)(CARRIER_HIGH + (byte >> 4)),
                             0xef, 0xb7, (unsigned char)(CARRIER_LOW + (byte & 15))};
    buffer_append(out, pair, sizeof(pair));
}

/* Converts until the bytes are used up or a character is not complete; gives back how many are
 * left. */
static size_t convert(struct decode *decode, char *data, size_t bytes, struct buffer *out) {
    while (bytes > 0) {
        size_t room = bytes * 4 + 16;
        char *to = (char *)buffer_reserve(out, room), *from = to;
        if (!to)
            return 0;
        size_t result = iconv(decode->iconv, &data, &bytes, &to, &room);
        out->length += (size_t)(to - from);
        if (result != (size_t)-1 || errno == EINVAL)
            return bytes;
        if (errno == E2BIG)
            continue;
        carry(out, (unsigned char)*data++);
        bytes--;
    }
    return 0;
}

/* Keeps back what may become a byte order mark, and leaves one out. */
static void drop_mark(struct decode *decode, bool last, struct buffer *out, size_t from) {
    size_t bytes = out->length - from;
    char *text = bytes ? (char *)out->data + from : NULL;
    bool begins = bytes == 0 || memcmp(text, mark, bytes < MARK_BYTES ? bytes : MARK_BYTES) == 0;
    if (begins && bytes < MARK_BYTES && !last) {
        if (bytes > 0)
            memcpy(decode->head, text, bytes);
        decode->head_bytes = bytes;
        out->length = from;
        return;
    }
    decode->begun = true;
    if (begins && bytes >= MARK_BYTES) {
        memmove(text, text + MARK_BYTES, bytes - MARK_BYTES);
        out->length -= MARK_BYTES;
    }
}

void decode_feed(struct decode *decode, const char *data, size_t bytes, bool last,
                 struct buffer *out) {
    size_t from = out->length;
    if (!decode->begun) {
        buffer_append(out, decode->head, decode->head_bytes);
        decode->head_bytes = 0;
    }
    if (!decode->converts) {
        buffer_append(out, data, bytes);
    } else {
        buffer_append(&decode->bytes, data, bytes);
        size_t left = convert(decode, (char *)decode->bytes.data, decode->bytes.length, out);
        buffer_consume(&decode->bytes, decode->bytes.length - left);
        for (size_t i = 0; last && i < left; i++)
            carry(out, decode->bytes.data[i]);
    }
    if (!decode->begun && !out->failed)
        drop_mark(decode, last, out, from);
}

static bool is_carrier(const unsigned char *at, const unsigned char *end, unsigned char base) {
    return end - at >= 3 && at[0] == 0xef && at[1] == 0xb7 && (at[2] & 0xf0) == base;
}

size_t decode_restore(char *text, size_t bytes) {
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    char *to = text;
    if (!memchr(text, 0xef, bytes))
        return bytes;
    while (at < end) {
        if (is_carrier(at, end, CARRIER_HIGH) && is_carrier(at + 3, end, CARRIER_LOW)) {
            *to++ = (char)((at[2] & 15) << 4 | (at[5] & 15));
            at += 6;
        } else {
            *to++ = (char)*at++;
        }
    }
    return (size_t)(to - text);
}
