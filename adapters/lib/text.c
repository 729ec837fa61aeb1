#include "adapters/lib/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"

/* Bytes of the character that begins here, 0 if none does. The first continuation byte's range
 * keeps overlong forms, surrogates and what lies beyond U+10FFFF out. */
static size_t character_bytes(const unsigned char *at, size_t left) {
    unsigned char first = at[0], low = 0x80, high = 0xbf;
    size_t bytes = 0;
    if (first >= 0xc2 && first <= 0xdf)
        bytes = 2;
    else if (first >= 0xe0 && first <= 0xef)
        bytes = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        bytes = 4;
    if (bytes == 0 || left < bytes)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

static enum text_fault fault_at(const char *text, size_t bytes, size_t i, enum text_fault fault,
                                size_t *at, size_t *length) {
    size_t from = i, to = i + 1;
    if (fault != TEXT_NUL) {
        while (from > 0 && (unsigned char)text[from - 1] >= 0x80)
            from--;
        while (to < bytes && (unsigned char)text[to] >= 0x80)
            to++;
    }
    *at = from;
    *length = to - from;
    return fault;
}

enum text_fault text_check(const char *text, size_t bytes, size_t *at, size_t *length) {
    const unsigned char *all = (const unsigned char *)text;
    size_t i = 0;
    while (i < bytes) {
        uint64_t eight;
        if (i + 8 <= bytes) {
            memcpy(&eight, all + i, 8);
            bool ascii = (eight & 0x8080808080808080u) == 0;
            bool zero = ((eight - 0x0101010101010101u) & ~eight & 0x8080808080808080u) != 0;
            if (ascii && !zero) {
                i += 8;
                continue;
            }
        }
        if (all[i] == 0)
            return fault_at(text, bytes, i, TEXT_NUL, at, length);
        if (all[i] < 0x80) {
            i++;
            continue;
        }
        size_t character = character_bytes(all + i, bytes - i);
        if (character == 0)
            return fault_at(text, bytes, i, TEXT_NOT_UTF8, at, length);
        if (all[i] == 0xc2 && all[i + 1] < 0xa0)
            return fault_at(text, bytes, i, TEXT_TWICE, at, length);
        i += character;
    }
    return TEXT_CLEAN;
}

const char *text_hex(const char *text, size_t bytes, size_t most, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < bytes && i < most && used + 4 < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, i ? " %02x" : "%02x", (unsigned char)text[i]);
    if (bytes > most && used + 5 < size)
        snprintf(out + used, size - used, " ...");
    return out;
}

static void json_bytes(struct buffer *out, const char *text, size_t bytes) {
    static const char digits[] = "0123456789abcdef";
    buffer_text(out, "{\"bytes\": \"");
    for (size_t i = 0; i < bytes; i++) {
        char pair[2] = {digits[(unsigned char)text[i] >> 4], digits[text[i] & 15]};
        buffer_append(out, pair, 2);
    }
    buffer_text(out, "\"}");
}

static void json_character(struct buffer *out, unsigned char c) {
    static const char named[] = "\b\t\n\f\r", letters[] = "btnfr";
    const char *at = c ? strchr(named, c) : NULL;
    if (c == '"' || c == '\\')
        buffer_append(out, (char[]){'\\', (char)c}, 2);
    else if (at)
        buffer_append(out, (char[]){'\\', letters[at - named]}, 2);
    else
        buffer_printf(out, "\\u%04x", c);
}

/* Wherever else the text has faults. */
static bool is_utf8(const char *text, size_t bytes) {
    const unsigned char *all = (const unsigned char *)text;
    size_t i = 0, character = 1;
    for (; i < bytes && character > 0; i += character)
        character = all[i] < 0x80 ? 1 : character_bytes(all + i, bytes - i);
    return character > 0;
}

void text_json(struct buffer *out, const char *text, size_t bytes) {
    if (!is_utf8(text, bytes)) {
        json_bytes(out, text, bytes);
        return;
    }
    buffer_append(out, "\"", 1);
    size_t from = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buffer_append(out, text + from, i - from);
        json_character(out, c);
        from = i + 1;
    }
    buffer_append(out, text + from, bytes - from);
    buffer_append(out, "\"", 1);
}
