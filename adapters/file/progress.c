#include "adapters/file/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/timestamp.h"

#define EVERY_CALLS 64 /* the clock is looked at */
#define EVERY_US    100000

void progress_begin(struct progress *progress, bool quiet) {
    *progress = (struct progress){.shown = !quiet && isatty(STDERR_FILENO)};
    progress->began_us = progress->said_us = monotonic_us();
}

const char *progress_words(uint64_t done, uint64_t total, uint64_t events, double seconds,
                           char *text, size_t size) {
    double part = total > 0 ? (double)done / (double)total : 0;
    double rate = seconds > 0 ? (double)events / seconds : 0;
    int length = 0;
    if (total > 0)
        length = snprintf(text, size, "%.0f %%  ", part * 100);
    length += snprintf(text + length, size - (size_t)length, "%llu events  %.0f/s",
                       (unsigned long long)events, rate);
    if (part > 0.001 && part < 1 && length > 0 && (size_t)length < size)
        snprintf(text + length, size - (size_t)length, "  %.0f s left",
                 seconds * (1 - part) / part);
    return text;
}

void progress_tick(struct progress *progress, uint64_t done, uint64_t total, uint64_t events) {
    char text[120];
    if (!progress->shown || ++progress->calls % EVERY_CALLS != 0)
        return;
    int64_t now_us = monotonic_us();
    if (now_us - progress->said_us < EVERY_US)
        return;
    progress->said_us = now_us;
    progress->open = true;
    double seconds = (double)(now_us - progress->began_us) / 1e6;
    fprintf(stderr, "\r\033[K%s", progress_words(done, total, events, seconds, text, sizeof(text)));
}

void progress_clear(struct progress *progress) {
    if (progress->open)
        fputs("\r\033[K", stderr);
    progress->open = false;
}
