#include "adapters/file/tally.h"

#include <stdlib.h>

#define SLOTS_MIN 1024 /* a power of two */

struct slot {
    uint64_t key;
    uint32_t count, round; /* of another round: free */
};

struct tally {
    struct slot *slots;
    uint64_t size, used;
    uint32_t round;
};

struct tally *tally_new(void) {
    struct tally *tally = calloc(1, sizeof(*tally));
    if (!tally)
        return NULL;
    tally->size = SLOTS_MIN;
    tally->round = 1;
    tally->slots = calloc(tally->size, sizeof(*tally->slots));
    if (tally->slots)
        return tally;
    free(tally);
    return NULL;
}

void tally_free(struct tally *tally) {
    if (!tally)
        return;
    free(tally->slots);
    free(tally);
}

void tally_clear(struct tally *tally) {
    tally->used = 0;
    if (++tally->round != 0)
        return;
    for (uint64_t i = 0; i < tally->size; i++)
        tally->slots[i].round = 0;
    tally->round = 1;
}

/* The slot of the key, or the free one where it belongs. */
static struct slot *find(struct slot *slots, uint64_t size, uint32_t round, uint64_t key) {
    uint64_t at = key & (size - 1);
    while (slots[at].round == round && slots[at].key != key)
        at = (at + 1) & (size - 1);
    return &slots[at];
}

static int grow(struct tally *tally) {
    uint64_t size = tally->size * 2;
    struct slot *slots = calloc(size, sizeof(*slots));
    if (!slots)
        return -1;
    for (uint64_t i = 0; i < tally->size; i++)
        if (tally->slots[i].round == tally->round)
            *find(slots, size, tally->round, tally->slots[i].key) = tally->slots[i];
    free(tally->slots);
    tally->slots = slots;
    tally->size = size;
    return 0;
}

/* The first 64 of the id's 128 bits. */
static uint64_t key_of(const char *id) {
    uint64_t key = 0;
    for (int i = 0; i < 16; i++)
        key = key << 4 | (uint64_t)(id[i] <= '9' ? id[i] - '0' : (id[i] | 32) - 'a' + 10);
    return key;
}

int64_t tally_met(struct tally *tally, const char *id) {
    uint64_t key = key_of(id);
    struct slot *slot = find(tally->slots, tally->size, tally->round, key);
    if (slot->round == tally->round)
        return slot->count++;
    if (tally->used == TALLY_MAX || (tally->used * 2 >= tally->size && grow(tally)))
        return -1;
    *find(tally->slots, tally->size, tally->round, key) =
        (struct slot){.key = key, .count = 1, .round = tally->round};
    tally->used++;
    return 0;
}
