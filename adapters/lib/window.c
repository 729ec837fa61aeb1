#include "window.h"

#include "common/buffer.h"
#include "proto/frame.h"
#include "proto/wire.h"

#include <assert.h>
#include <stdlib.h>

#define FIELD_OVERHEAD 12 /* tag and length before an event, with some to spare */
#define SPARE_BLOCKS   4

struct window_block {
    struct window_block *next;
    struct buffer bytes;
    size_t live; /* events in it that are kept */
};

struct window_event {
    void *tag;
    uint64_t seq;
    const struct window_block *block;
    uint32_t offset, bytes; /* of the field in the block */
};

void window_init(struct window *window, size_t max_events) {
    *window = (struct window){.max_events = max_events};
}

static void free_list(struct window_block *block) {
    while (block) {
        struct window_block *next = block->next;
        buffer_free(&block->bytes);
        free(block);
        block = next;
    }
}

void window_free(struct window *window) {
    free_list(window->front);
    free_list(window->spare);
    free(window->events);
    window_init(window, window->max_events);
}

static struct window_event *event_at(const struct window *window, uint64_t counter) {
    return &window->events[counter & (window->ring - 1)];
}

static bool ring_grow(struct window *window) {
    size_t size = window->ring ? window->ring * 2 : 256;
    struct window_event *events = malloc(size * sizeof *events);
    if (!events)
        return false;
    for (uint64_t i = window->first; i < window->end; i++)
        events[i & (size - 1)] = *event_at(window, i);
    free(window->events);
    window->events = events;
    window->ring = size;
    return true;
}

static struct window_block *block_take(struct window *window) {
    struct window_block *block = window->spare;
    if (block) {
        window->spare = block->next;
    } else {
        block = malloc(sizeof *block);
        if (!block)
            return NULL;
        buffer_init(&block->bytes, WINDOW_BLOCK_BYTES);
        if (!buffer_reserve(&block->bytes, WINDOW_BLOCK_BYTES)) {
            buffer_free(&block->bytes);
            free(block);
            return NULL;
        }
    }
    block->next = NULL;
    block->live = 0;
    buffer_clear(&block->bytes);
    return block;
}

/* 1: window->back has room, 0: the window is full, -1: no memory. */
static int block_ready(struct window *window, size_t bytes) {
    if (window->back && window->back->bytes.length + bytes <= WINDOW_BLOCK_BYTES)
        return 1;
    if (window->blocks == WINDOW_BLOCKS)
        return 0;
    struct window_block *block = block_take(window);
    if (!block)
        return -1;
    if (window->back)
        window->back->next = block;
    else
        window->front = block;
    window->back = block;
    window->blocks++;
    return 1;
}

int window_add(struct window *window, const void *event, size_t bytes, uint64_t seq, void *tag) {
    if (window_count(window) == window->max_events)
        return 0;
    if (window_count(window) == window->ring && !ring_grow(window))
        return -1;
    int ready = block_ready(window, bytes + FIELD_OVERHEAD);
    if (ready != 1)
        return ready;
    struct window_block *block = window->back;
    size_t offset = block->bytes.length;
    frame_add_event(&block->bytes, event, bytes);
    if (block->bytes.failed) {
        block->bytes.length = offset;
        block->bytes.failed = false;
        return -1;
    }
    *event_at(window, window->end++) = (struct window_event){
        tag, seq, block, (uint32_t)offset, (uint32_t)(block->bytes.length - offset)};
    window->unsent_bytes += block->bytes.length - offset;
    block->live++;
    return 1;
}

struct window_batch window_batch(const struct window *window, size_t max_events, size_t max_bytes) {
    struct window_batch batch = {0};
    if (window->next == window->end)
        return batch;
    const struct window_event *first = event_at(window, window->next);
    batch.data = first->block->bytes.data + first->offset;
    for (uint64_t i = window->next; i < window->end && batch.count < max_events; i++) {
        const struct window_event *event = event_at(window, i);
        if (event->block != first->block)
            break;
        if (batch.count && batch.bytes + event->bytes > max_bytes)
            break;
        batch.bytes += event->bytes;
        batch.count++;
    }
    return batch;
}

void window_sent(struct window *window, size_t count) {
    assert(count <= window_unsent(window));
    while (count--) {
        size_t bytes = event_at(window, window->next++)->bytes;
        window->unsent_bytes -= bytes;
        window->sent_bytes += bytes;
    }
}

void window_rewind(struct window *window) {
    while (window->next > window->first)
        window->unsent_bytes += event_at(window, --window->next)->bytes;
    window->sent_bytes = 0;
}

struct window_item window_item(const struct window *window, size_t index) {
    assert(index < window_count(window));
    const struct window_event *event = event_at(window, window->first + index);
    const uint8_t *at = event->block->bytes.data + event->offset;
    struct wire wire = {at, at + event->bytes};
    struct wire_field field = {0};
    wire_next(&wire, &field); /* around the event's own bytes, as window_add wrote it */
    return (struct window_item){field.data, field.length, event->seq, event->tag};
}

static void block_release(struct window *window) {
    struct window_block *block = window->front;
    if (block == window->back) {
        buffer_clear(&block->bytes);
        return;
    }
    window->front = block->next;
    window->blocks--;
    size_t spares = 0;
    for (struct window_block *at = window->spare; at; at = at->next)
        spares++;
    block->next = spares < SPARE_BLOCKS ? window->spare : NULL;
    if (spares < SPARE_BLOCKS)
        window->spare = block;
    else
        free_list(block);
}

void window_drop(struct window *window, size_t count) {
    assert(count <= window->next - window->first);
    while (count--) {
        window->sent_bytes -= event_at(window, window->first++)->bytes;
        if (--window->front->live == 0)
            block_release(window);
    }
}

size_t window_count(const struct window *window) {
    return (size_t)(window->end - window->first);
}

size_t window_unsent(const struct window *window) {
    return (size_t)(window->end - window->next);
}

size_t window_sent_bytes(const struct window *window) {
    return window->sent_bytes;
}

size_t window_next_bytes(const struct window *window) {
    return window->next < window->end ? event_at(window, window->next)->bytes : 0;
}
