/* One line on a terminal that says how far an import is, rewritten at most ten times a second. */
#ifndef FILE_PROGRESS_H
#define FILE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool shown; /* standard error is a terminal and nobody wants it quiet */
    bool open;  /* a line stands there that is not ended */
    int64_t began_us, said_us;
    unsigned calls;
};

void progress_begin(struct progress *progress, bool quiet);

/* To be called for every event: cheap. done of total: bytes read or events sent; total 0: not
 * known. */
void progress_tick(struct progress *progress, uint64_t done, uint64_t total, uint64_t events);

/* Takes the line away, so that words can be written in its place. */
void progress_clear(struct progress *progress);

/* The line's words: "42 %  12345 events  51234/s  3 s left". Returns text. */
const char *progress_words(uint64_t done, uint64_t total, uint64_t events, double seconds,
                           char *text, size_t size);

#endif
