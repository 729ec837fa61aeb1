#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAPACITY (2 * LINES_BYTES_MAX)

bool lines_init(struct lines *lines, int fd) {
    *lines = (struct lines){.fd = fd, .bytes = malloc(CAPACITY)};
    return lines->bytes;
}

void lines_free(struct lines *lines) {
    free(lines->bytes);
    lines->bytes = NULL;
}

/* Reads what there is. LINES_LINE: something came, or the end. */
static enum lines_outcome fill(struct lines *lines, int timeout_ms) {
    struct pollfd ready = {.fd = lines->fd, .events = POLLIN};
    int polled = poll(&ready, 1, timeout_ms);
    if (polled == 0 || (polled < 0 && errno == EINTR))
        return LINES_NONE;
    if (polled < 0)
        return LINES_ERROR;
    if (lines->begin) {
        memmove(lines->bytes, lines->bytes + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    ssize_t got = read(lines->fd, lines->bytes + lines->end, CAPACITY - lines->end);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? LINES_NONE : LINES_ERROR;
    lines->end += (size_t)got;
    lines->ended = got == 0;
    return LINES_LINE;
}

/* Hands out so many bytes, of which the last may be a newline. */
static enum lines_outcome take(struct lines *lines, size_t bytes, bool newline, const char **line,
                               size_t *length) {
    *line = lines->bytes + lines->begin;
    *length = bytes - newline;
    lines->begin += bytes;
    bool rest = lines->skipping;
    lines->skipping = !newline;
    if (rest)
        return LINES_NONE;
    lines->number++;
    return *length > LINES_BYTES_MAX ? LINES_TOO_LONG : LINES_LINE;
}

enum lines_outcome lines_next(struct lines *lines, int timeout_ms, const char **line,
                              size_t *length) {
    for (;;) {
        size_t held = lines->end - lines->begin;
        const char *newline = held ? memchr(lines->bytes + lines->begin, '\n', held) : NULL;
        if (newline || held > LINES_BYTES_MAX || (lines->ended && held)) {
            size_t bytes = newline ? (size_t)(newline - (lines->bytes + lines->begin)) + 1 : held;
            enum lines_outcome outcome = take(lines, bytes, newline, line, length);
            if (outcome != LINES_NONE)
                return outcome;
            continue;
        }
        if (lines->ended)
            return LINES_END;
        enum lines_outcome outcome = fill(lines, timeout_ms);
        if (outcome != LINES_LINE)
            return outcome;
    }
}
