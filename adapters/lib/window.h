/* The events that have no receipt yet, in the order in which they were given: encoded, as the
 * Publish message wants them, so that sending and repeating a batch is one copy.
 *
 * They lie in blocks of memory that are used again. An event is either sent or not; those that were
 * sent come before those that were not, and all of them become unsent when a session is lost. */
#ifndef LIB_WINDOW_H
#define LIB_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_BLOCK_BYTES ((size_t)256 * 1024)
#define WINDOW_BLOCKS      64    /* 16 MiB: the most that a publisher keeps */
#define WINDOW_EVENTS      65536 /* the most, also where the broker allows more */

struct window_block;
struct window_event;

struct window {
    struct window_event *events; /* a ring, indexed by the counters below */
    size_t ring;                 /* its size, a power of two */
    size_t max_events;
    uint64_t first, next, end;         /* the oldest kept, the first unsent, behind the newest */
    size_t unsent_bytes, sent_bytes;   /* of the events' fields */
    struct window_block *front, *back; /* the oldest in use, the one being filled */
    struct window_block *spare;
    size_t blocks; /* in use */
};

struct window_batch {
    const uint8_t *data; /* the events' fields of a Publish; valid until the window changes */
    size_t bytes;
    size_t count;
};

void window_init(struct window *window, size_t max_events);
void window_free(struct window *window);

/* Copies an encoded event in; seq is its place in the spool, 0 without one. 1: done, 0: full, -1:
 * no memory. */
int window_add(struct window *window, const void *event, size_t bytes, uint64_t seq, void *tag);

/* The oldest unsent events that can go as one message; count is 0 if there are none. One event is
 * given even if it is larger than max_bytes. */
struct window_batch window_batch(const struct window *window, size_t max_events, size_t max_bytes);
void window_sent(struct window *window, size_t count); /* the oldest unsent became sent */
void window_rewind(struct window *window);             /* all are unsent again */

struct window_item {
    const uint8_t *data; /* the event; valid until the window changes */
    size_t bytes;
    uint64_t seq;
    void *tag;
};

struct window_item window_item(const struct window *window, size_t index); /* from the oldest */
void window_drop(struct window *window, size_t count); /* the oldest, which were sent */

size_t window_count(const struct window *window);
size_t window_unsent(const struct window *window);
/* As fields of a Publish: a few bytes more than the events themselves. */
size_t window_sent_bytes(const struct window *window);
size_t window_next_bytes(const struct window *window); /* of the oldest unsent; 0: none */

#endif
