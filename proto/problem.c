#include "problem.h"

#include "wire.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct entry {
    int code;
    bool retriable;
    const char *name, *message, *hint;
} entries[] = {
#define WB_ERROR(number, name, retriable, message, hint) {number, retriable, #name, message, hint},
#include <waybill/errors.def>
#undef WB_ERROR
};

static const struct entry *find(int code) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (entries[i].code == code)
            return &entries[i];
    return NULL;
}

/* A Refusal carries these texts to programs in other languages, which refuse a message whose text
 * is not UTF-8: a cut or a foreign text must not break the answer. */
static void clean(char *text) {
    size_t left = strlen(text);
    for (char *at = text; left > 0;) {
        unsigned length = wire_utf8_next(at, left);
        if (length == 0 && left < 4 && (unsigned char)*at >= 0xc0) {
            *at = '\0'; /* a character that was cut off */
            return;
        }
        if (length <= 1) {
            unsigned char c = (unsigned char)*at;
            if (c == '\n' || c == '\r' || c == '\t')
                *at = ' ';
            else if (length == 0 || c < 0x20 || c == 0x7f)
                *at = '?';
            length = 1;
        } else if ((unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0) {
            at[0] = at[1] = '?';
        }
        at += length;
        left -= length;
    }
}

static void set(char *to, size_t size, const char *text) {
    size_t length = strnlen(text, size - 1);
    memcpy(to, text, length);
    to[length] = '\0';
    clean(to);
}

static void print(char *to, size_t size, const char *format, va_list arguments) {
    to[0] = '\0';
    if (format)
        vsnprintf(to, size, format, arguments);
    clean(to);
}

static void fill(struct wb_error *err, int code, const char *field) {
    const struct entry *entry = find(code);
    err->code = code;
    err->retriable = entry && entry->retriable;
    set(err->message, sizeof err->message, entry ? entry->message : "an unknown error");
    set(err->hint, sizeof err->hint, entry ? entry->hint : "");
    set(err->field, sizeof err->field, field);
}

int problem(struct wb_error *err, int code, const char *detail, ...) {
    if (!err)
        return -1;
    fill(err, code, "");
    va_list arguments;
    va_start(arguments, detail);
    print(err->detail, sizeof err->detail, detail, arguments);
    va_end(arguments);
    return -1;
}

int problem_field(struct wb_error *err, int code, const char *field, const char *detail, ...) {
    if (!err)
        return -1;
    fill(err, code, field);
    va_list arguments;
    va_start(arguments, detail);
    print(err->detail, sizeof err->detail, detail, arguments);
    va_end(arguments);
    return -1;
}

int problem_hint(struct wb_error *err, const char *hint, ...) {
    if (!err)
        return -1;
    va_list arguments;
    va_start(arguments, hint);
    print(err->hint, sizeof err->hint, hint, arguments);
    va_end(arguments);
    return -1;
}

const char *problem_name(int code) {
    const struct entry *entry = find(code);
    return entry ? entry->name : "UNKNOWN";
}

bool problem_retriable(int code) {
    const struct entry *entry = find(code);
    return entry && entry->retriable;
}

/* Writes one character of a value, escaped if it cannot be printed; returns how many bytes. */
static unsigned quote(char to[8], const char *at, unsigned length) {
    unsigned char c = (unsigned char)*at;
    const char *named = strchr("\nn\rr\tt\"\"\\\\", c);
    if (length == 1 && c && named && (c < 0x20 || c == '"' || c == '\\'))
        return (unsigned)snprintf(to, 8, "\\%c", named[1]);
    if (length == 0 || (length == 1 && (c < 0x20 || c == 0x7f)))
        return (unsigned)snprintf(to, 8, "\\x%02x", c);
    if (length == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0)
        return (unsigned)snprintf(to, 8, "\\u%04x", (unsigned char)at[1]);
    memcpy(to, at, length);
    return length;
}

const char *problem_value(const char *value, size_t bytes, char text[PROBLEM_VALUE]) {
    enum { MOST = 60 };
    char piece[8];
    size_t length = 1;
    text[0] = '"';
    size_t i = 0;
    while (i < bytes) {
        unsigned of = wire_utf8_next(value + i, bytes - i);
        unsigned written = quote(piece, value + i, of);
        if (length + written > MOST + 1)
            break;
        memcpy(text + length, piece, written);
        length += written;
        i += of ? of : 1;
    }
    snprintf(text + length, PROBLEM_VALUE - length, "%s", i < bytes ? "…\"" : "\"");
    return text;
}

void problem_clean(struct wb_error *err) {
    clean(err->message);
    clean(err->detail);
    clean(err->hint);
    clean(err->field);
}

const char *problem_line(const struct wb_error *err, char *text, unsigned long size) {
    const char *colon = err->detail[0] ? ": " : "";
    if (err->hint[0])
        snprintf(text, size, "%s%s%s (%s)", err->message, colon, err->detail, err->hint);
    else
        snprintf(text, size, "%s%s%s", err->message, colon, err->detail);
    if (size > 0)
        clean(text);
    return text;
}
