#include "broker/fanout/trail.h"

#include <stdlib.h>

#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "common/digest.h"

#define SLOTS_MIN 1024

/* Open addressing with linear probing; a slot whose hash is 0 is free. */
struct slot {
    uint64_t hash, newest;
};

struct trail {
    struct slot *slots;
    size_t size, count; /* the size is a power of two, at least twice the count */
};

struct trail *trail_new(void) {
    struct trail *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->size = SLOTS_MIN;
    t->slots = calloc(t->size, sizeof *t->slots);
    if (t->slots)
        return t;
    free(t);
    return NULL;
}

void trail_free(struct trail *t) {
    if (!t)
        return;
    free(t->slots);
    free(t);
}

uint64_t trail_hash(struct slice case_no) {
    return digest_short(case_no.data, case_no.length);
}

struct slice trail_case(const struct log_record *record) {
    struct header h;
    if (record->case_bytes)
        return (struct slice){record->event.data + record->case_at, record->case_bytes};
    return header_read(record->event.data, record->event.length, &h) ? h.case_no
                                                                     : (struct slice){0};
}

bool trail_is(const struct log_record *record, struct slice case_no) {
    return slice_equal(trail_case(record), case_no);
}

/* The slot of the hash, or the free one where it belongs. */
static size_t place_of(const struct trail *t, uint64_t hash) {
    size_t at = hash & (t->size - 1);
    while (t->slots[at].hash && t->slots[at].hash != hash)
        at = (at + 1) & (t->size - 1);
    return at;
}

static bool resize(struct trail *t, size_t size) {
    struct trail other = {.size = size, .count = t->count};
    other.slots = calloc(size, sizeof *other.slots);
    if (!other.slots)
        return false;
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i].hash)
            other.slots[place_of(&other, t->slots[i].hash)] = t->slots[i];
    free(t->slots);
    *t = other;
    return true;
}

bool trail_add(struct trail *t, struct log_record *record) {
    if ((t->count + 1) * 2 > t->size && !resize(t, t->size * 2))
        return false;
    uint64_t hash = record->case_hash;
    struct slot *slot = &t->slots[place_of(t, hash)];
    t->count += !slot->hash;
    record->before = slot->newest;
    *slot = (struct slot){hash, record->offset};
    return true;
}

/* Moves up those behind it that would not be found across the gap. */
static void empty(struct trail *t, size_t gap) {
    size_t mask = t->size - 1;
    for (size_t at = (gap + 1) & mask; t->slots[at].hash; at = (at + 1) & mask) {
        size_t home = t->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        t->slots[gap] = t->slots[at];
        gap = at;
    }
    t->slots[gap] = (struct slot){0};
    t->count--;
}

void trail_drop(struct trail *t, const struct log_record *record) {
    size_t at = place_of(t, record->case_hash);
    if (!record->case_hash || t->slots[at].newest != record->offset)
        return;
    empty(t, at);
    if (t->size > SLOTS_MIN && t->count * 8 < t->size)
        resize(t, t->size / 2); /* without memory it stays as large as it is */
}

uint64_t trail_newest(const struct trail *t, uint64_t hash) {
    return t->slots[place_of(t, hash)].newest;
}
