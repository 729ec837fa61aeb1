#include "broker/journal/repeat.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/submission.h"

struct place {
    struct entry *entry;
    uint64_t hash;
    int32_t source;
    uint32_t round; /* the place is free unless this is the table's */
};

struct repeat {
    size_t mask;
    uint32_t round; /* counting up empties the table without touching it */
    /* Publishers choose the ids, so the hash is keyed: nobody can make them collide. */
    unsigned char key[crypto_shorthash_KEYBYTES];
    struct place places[];
};

struct repeat *repeat_new(size_t max) {
    size_t size = 16;
    while (size < max * 2)
        size *= 2;
    struct repeat *r = calloc(1, sizeof *r + size * sizeof *r->places);
    if (!r)
        return NULL;
    r->mask = size - 1;
    r->round = 1;
    crypto_shorthash_keygen(r->key);
    return r;
}

void repeat_free(struct repeat *r) {
    free(r);
}

void repeat_clear(struct repeat *r) {
    if (++r->round == 0) {
        memset(r->places, 0, (r->mask + 1) * sizeof *r->places);
        r->round = 1;
    }
}

static uint64_t hash_of(const struct repeat *r, int32_t source, struct slice id) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, id.data, id.length, r->key);
    return hash + (uint64_t)source * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t place_of(const struct repeat *r, int32_t source, struct slice id, uint64_t hash) {
    size_t at = hash & r->mask;
    for (; r->places[at].round == r->round; at = (at + 1) & r->mask) {
        const struct place *p = &r->places[at];
        if (p->hash == hash && p->source == source && slice_equal(p->entry->header.event_id, id))
            break;
    }
    return at;
}

struct entry *repeat_add(struct repeat *r, int32_t source, struct entry *entry) {
    uint64_t hash = hash_of(r, source, entry->header.event_id);
    struct place *p = &r->places[place_of(r, source, entry->header.event_id, hash)];
    if (p->round == r->round)
        return p->entry;
    *p = (struct place){.entry = entry, .hash = hash, .source = source, .round = r->round};
    return NULL;
}

struct entry *repeat_find(const struct repeat *r, int32_t source, struct slice id) {
    const struct place *p = &r->places[place_of(r, source, id, hash_of(r, source, id))];
    return p->round == r->round ? p->entry : NULL;
}
