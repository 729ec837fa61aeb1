#include "subscribers/gateway/ring.h"

#include <stdlib.h>
#include <string.h>

void ring_init(struct ring *ring, size_t max_bytes, uint64_t after) {
    *ring = (struct ring){.after = after, .max = max_bytes};
    buffer_init(&ring->text, 0);
}

void ring_free(struct ring *ring) {
    buffer_free(&ring->text);
    free(ring->events);
    ring->events = NULL;
    ring->count = ring->capacity = 0;
}

void ring_restart(struct ring *ring, uint64_t after) {
    size_t max = ring->max;
    ring_free(ring);
    ring_init(ring, max, after);
}

static uint64_t begin_of(const struct ring *ring, size_t index) {
    return index == 0 ? ring->before : ring->events[index - 1].end;
}

/* More than what is in the way, so that what stays is seldom moved. */
static void drop_oldest(struct ring *ring, size_t room) {
    size_t dropped = 0, bytes = 0;
    while (dropped < ring->count && ring->text.length - bytes + room > ring->max)
        bytes = (size_t)(ring->events[dropped++].end - ring->before);
    if (!dropped)
        return;
    ring->after = ring->events[dropped - 1].offset;
    buffer_consume(&ring->text, bytes);
    ring->before += bytes;
    ring->count -= dropped;
    memmove(ring->events, ring->events + dropped, ring->count * sizeof *ring->events);
}

static int grow(struct ring *ring) {
    if (ring->count < ring->capacity)
        return 0;
    size_t capacity = ring->capacity * 2 + 64;
    struct ring_event *events = realloc(ring->events, capacity * sizeof *events);
    if (!events)
        return -1;
    ring->events = events;
    ring->capacity = capacity;
    return 0;
}

int ring_put(struct ring *ring, uint64_t offset, const void *text, size_t bytes) {
    if (ring->text.length + bytes > ring->max)
        drop_oldest(ring, bytes + ring->max / 4);
    buffer_append(&ring->text, text, bytes);
    if (ring->text.failed || grow(ring)) {
        ring_restart(ring, offset);
        return -1;
    }
    ring->events[ring->count++] = (struct ring_event){offset, ring->before + ring->text.length};
    return 0;
}

/* The first event behind the cursor. */
static size_t find(const struct ring *ring, uint64_t cursor) {
    size_t low = 0, high = ring->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->events[middle].offset > cursor)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The last event that still fits behind the first. */
static size_t find_last(const struct ring *ring, size_t first, uint64_t begin, size_t max_bytes) {
    size_t low = first, high = ring->count - 1;
    while (low < high) {
        size_t middle = high - (high - low) / 2;
        if (ring->events[middle].end - begin > max_bytes)
            high = middle - 1;
        else
            low = middle;
    }
    return low;
}

const void *ring_behind(const struct ring *ring, uint64_t cursor, size_t max_bytes, size_t *bytes,
                        uint64_t *through, size_t *count) {
    size_t first = find(ring, cursor);
    *bytes = *count = 0;
    *through = cursor;
    if (first == ring->count)
        return "";
    uint64_t begin = begin_of(ring, first);
    size_t last = find_last(ring, first, begin, max_bytes);
    *bytes = (size_t)(ring->events[last].end - begin);
    *through = ring->events[last].offset;
    *count = last - first + 1;
    return ring->text.data + (begin - ring->before);
}
