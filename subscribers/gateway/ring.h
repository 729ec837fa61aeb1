/* The newest events of a channel as the text that its followers are sent, in the order of their
 * offsets. Bounded in bytes; the oldest make room. */
#ifndef SUBSCRIBERS_GATEWAY_RING_H
#define SUBSCRIBERS_GATEWAY_RING_H

#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

struct ring_event {
    uint64_t offset;
    uint64_t end; /* of its text, counted from the first byte that the ring ever held */
};

struct ring {
    uint64_t after;  /* the channel's events behind this offset are held, all of them */
    size_t max;      /* bytes */
    uint64_t before; /* bytes that went before those in text */
    struct buffer text;
    struct ring_event *events;
    size_t count, capacity;
};

void ring_init(struct ring *ring, size_t max_bytes, uint64_t after);
void ring_free(struct ring *ring);
/* Forgets what it holds. */
void ring_restart(struct ring *ring, uint64_t after);

/* The next event. Where memory is short the ring holds nothing afterwards, `after` being this
 * event's offset, and -1 is given. */
int ring_put(struct ring *ring, uint64_t offset, const void *text, size_t bytes);
/* The text behind the cursor, at least one event, as many as fit max_bytes; *bytes 0 if there are
 * none. *through: the offset of its last event, *count: how many. The cursor is not before `after`.
 * Valid until the next ring_put. */
const void *ring_behind(const struct ring *ring, uint64_t cursor, size_t max_bytes, size_t *bytes,
                        uint64_t *through, size_t *count);

#endif
