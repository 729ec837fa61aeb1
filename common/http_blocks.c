#include "common/http_blocks.h"

#include "common/digest.h"

#include <assert.h>
#include <stdlib.h>

struct http_block {
    uint64_t block; /* 0: the slot is free */
    uint32_t count;
};

int http_blocks_open(struct http_blocks *blocks, size_t connections) {
    size_t slots = 16;
    while (slots < 2 * connections)
        slots *= 2;
    *blocks = (struct http_blocks){.mask = slots - 1, .seed = random_u64()};
    blocks->slots = calloc(slots, sizeof *blocks->slots);
    return blocks->slots ? 0 : -1;
}

void http_blocks_close(struct http_blocks *blocks) {
    free(blocks->slots);
}

/* The finisher of splitmix64, seeded. */
static size_t home_of(const struct http_blocks *blocks, uint64_t block) {
    uint64_t hash = block ^ blocks->seed;
    hash = (hash ^ hash >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94D049BB133111EB);
    return (hash ^ hash >> 31) & blocks->mask;
}

/* The block's slot, or the free one where it would be. Half of them are always free. */
static size_t slot_of(const struct http_blocks *blocks, uint64_t block) {
    size_t slot = home_of(blocks, block);
    while (blocks->slots[slot].block && blocks->slots[slot].block != block)
        slot = (slot + 1) & blocks->mask;
    return slot;
}

uint32_t http_blocks_enter(struct http_blocks *blocks, uint64_t block) {
    struct http_block *slot = &blocks->slots[slot_of(blocks, block)];
    if (!slot->block) {
        if (blocks->used > blocks->mask / 2)
            return 0;
        slot->block = block;
        blocks->used++;
    }
    return ++slot->count;
}

/* Moves those that lie behind the hole only because it was taken, so that no search ends there too
 * early. */
static void close_hole(struct http_blocks *blocks, size_t hole) {
    size_t slot = hole;
    for (;;) {
        slot = (slot + 1) & blocks->mask;
        if (!blocks->slots[slot].block)
            break;
        size_t home = home_of(blocks, blocks->slots[slot].block);
        if (((slot - home) & blocks->mask) < ((slot - hole) & blocks->mask))
            continue;
        blocks->slots[hole] = blocks->slots[slot];
        hole = slot;
    }
    blocks->slots[hole] = (struct http_block){0};
}

void http_blocks_leave(struct http_blocks *blocks, uint64_t block) {
    size_t slot = slot_of(blocks, block);
    assert(blocks->slots[slot].block == block && blocks->slots[slot].count);
    if (--blocks->slots[slot].count)
        return;
    blocks->used--;
    close_hole(blocks, slot);
}
