/* Lines from a file, a pipe or a terminal, without waiting longer than told. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINES_BYTES_MAX ((size_t)256 * 1024) /* of one line */

struct lines {
    int fd;
    char *bytes;       /* what was read */
    size_t begin, end; /* the part not handed out */
    size_t number;     /* of the line handed out last, from 1 */
    bool skipping;     /* the rest of a line that was too long */
    bool ended;
};

enum lines_outcome {
    LINES_LINE,
    LINES_TOO_LONG, /* said once; the line is passed over */
    LINES_NONE,     /* nothing came within timeout_ms, or a signal came */
    LINES_END,
    LINES_ERROR /* see errno */
};

/* False without memory. fd stays the caller's. */
bool lines_init(struct lines *lines, int fd);
void lines_free(struct lines *lines);

/* The next line without its newline, valid until the next call. */
enum lines_outcome lines_next(struct lines *lines, int timeout_ms, const char **line,
                              size_t *length);

#endif
