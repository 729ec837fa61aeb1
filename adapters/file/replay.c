#include "adapters/file/replay.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 500 /* the longest in one piece */

bool replay_speed(const char *text, double *factor) {
    char *end;
    if (strcmp(text, "max") == 0) {
        *factor = REPLAY_MAX;
        return true;
    }
    if (text[0] < '0' || text[0] > '9')
        return false;
    *factor = strtod(text, &end);
    if (*end == 'x')
        end++;
    return *end == '\0' && *factor >= REPLAY_SLOWEST && *factor <= 1e12;
}

/* Waits until the event is due, with acknowledgements handled meanwhile. */
static int wait_until(const struct replay_outlet *outlet, int64_t due_us, struct wb_error *err) {
    while (!outlet->stopped(outlet->arg)) {
        int64_t left_ms = (due_us - outlet->now_us(outlet->arg)) / 1000;
        if (left_ms <= 0)
            break;
        if (outlet->pause(outlet->arg, left_ms < PAUSE_MS ? (int)left_ms : PAUSE_MS, err))
            return -1;
    }
    return 0;
}

int replay_run(struct sorter *sorter, double factor, const struct replay_outlet *outlet,
               struct wb_error *err) {
    struct sorter_entry entry;
    int64_t began_us = outlet->now_us(outlet->arg), first = 0;
    bool begun = false;
    while (!outlet->stopped(outlet->arg)) {
        int more = sorter_next(sorter, &entry, err);
        if (more <= 0)
            return more;
        if (!begun)
            first = entry.time;
        begun = true;
        double after_us = factor > 0 ? (double)(entry.time - first) / factor : 0;
        if (after_us > 0 && wait_until(outlet, began_us + (int64_t)after_us, err))
            return -1;
        if (outlet->stopped(outlet->arg))
            break;
        if (outlet->send(outlet->arg, &entry, err))
            return -1;
    }
    return 0;
}
