#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/timestamp.h"

#define WORDS_MAX 2048 /* bytes of a line's words; longer ones are cut and end in "..." */

static const char *const names[] = {"error", "warn", "info", "debug"};
static enum log_level threshold = LOG_INFO;

void log_level_set(enum log_level level) {
    threshold = level;
}

int log_level_parse(const char *name) {
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcasecmp(name, names[i]))
            return i;
    return -1;
}

static char *put_hex(char *out, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    *out++ = '\\', *out++ = 'x';
    *out++ = digits[byte >> 4], *out++ = digits[byte & 15];
    return out;
}

/* Replaces control characters, also those of U+0080 to U+009F, which some terminals obey. */
static size_t escape(char *out, const char *words) {
    char *at = out;
    for (const unsigned char *c = (const unsigned char *)words; *c; c++) {
        if (*c == '\n') {
            *at++ = '\\', *at++ = 'n';
        } else if (*c < 0x20 || *c == 0x7f) {
            at = put_hex(at, *c);
        } else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
            at = put_hex(at, *++c);
        } else {
            *at++ = (char)*c;
        }
    }
    return (size_t)(at - out);
}

void log_write(enum log_level level, const char *part, const char *format, ...) {
    if (level > threshold)
        return;
    int saved = errno;
    char words[WORDS_MAX];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(words, sizeof words, format, args);
    va_end(args);
    if (wanted >= (int)sizeof words)
        memcpy(words + sizeof words - 4, "...", 4);

    struct timestamp now = {.us = timestamp_now_us() / 1000 * 1000};
    char time[TIMESTAMP_TEXT];
    char line[128 + 4 * WORDS_MAX];
    int head =
        snprintf(line, 128, "%s %-5s %s: ", timestamp_format(&now, time), names[level], part);
    size_t length = head < 128 ? (size_t)head : 127;
    length += escape(line + length, wanted < 0 ? "(a message that cannot be formatted)" : words);
    line[length++] = '\n';
    /* One write, so that the lines of programs that share a terminal do not mix. */
    while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
        ;
    errno = saved;
}
