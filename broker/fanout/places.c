#include "broker/fanout/places.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fanout/trail.h"
#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "broker/meter.h"

#define BUCKETS_MIN 64

struct place {
    struct place *next; /* in its bucket */
    uint64_t hash;
    size_t length;
    uint8_t case_no[];
};

struct places {
    struct place **buckets;
    size_t size, count, max; /* the size is a power of two */
};

struct places *places_new(size_t max) {
    struct places *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->max = max;
    p->size = BUCKETS_MIN;
    p->buckets = calloc(p->size, sizeof(struct place *));
    if (p->buckets)
        return p;
    free(p);
    return NULL;
}

void places_free(struct places *p) {
    if (!p)
        return;
    for (size_t i = 0; i < p->size; i++)
        for (struct place *place; (place = p->buckets[i]);) {
            p->buckets[i] = place->next;
            free(place);
        }
    meter_add(METER_FOLLOWED_CASES, NULL, -(int64_t)p->count);
    free(p->buckets);
    free(p);
}

/* The link that leads to the case, or to the end of its bucket. */
static struct place **find(const struct places *p, uint64_t hash, struct slice case_no) {
    struct place **link = &p->buckets[hash & (p->size - 1)];
    for (; *link; link = &(*link)->next)
        if ((*link)->hash == hash &&
            slice_equal((struct slice){(*link)->case_no, (*link)->length}, case_no))
            break;
    return link;
}

/* Where memory is short the chains just grow. */
static void grow(struct places *p) {
    size_t size = p->size * 2;
    struct place **buckets = calloc(size, sizeof(struct place *));
    if (!buckets)
        return;
    for (size_t i = 0; i < p->size; i++)
        for (struct place *place; (place = p->buckets[i]);) {
            p->buckets[i] = place->next;
            place->next = buckets[place->hash & (size - 1)];
            buckets[place->hash & (size - 1)] = place;
        }
    free(p->buckets);
    p->buckets = buckets;
    p->size = size;
}

bool places_add(struct places *p, struct slice case_no) {
    uint64_t hash = trail_hash(case_no);
    struct place **link = find(p, hash, case_no);
    if (*link)
        return true;
    struct place *place = p->count < p->max ? malloc(sizeof *place + case_no.length) : NULL;
    if (!place)
        return false;
    place->next = NULL;
    place->hash = hash;
    place->length = case_no.length;
    memcpy(place->case_no, case_no.data, case_no.length);
    *link = place;
    if (++p->count > p->size)
        grow(p);
    meter_add(METER_FOLLOWED_CASES, NULL, 1);
    return true;
}

void places_drop(struct places *p, struct slice case_no) {
    struct place **link = find(p, trail_hash(case_no), case_no);
    struct place *place = *link;
    if (!place)
        return;
    *link = place->next;
    free(place);
    p->count--;
    meter_add(METER_FOLLOWED_CASES, NULL, -1);
}

bool places_hold(const struct places *p, struct slice case_no) {
    return *find(p, trail_hash(case_no), case_no) != NULL;
}

bool places_match(const struct places *p, const struct log_record *record) {
    uint64_t hash = record->case_hash;
    if (!hash)
        return p->count && places_hold(p, trail_case(record));
    /* Only a record of a case that is followed, or next to none, is looked into. */
    for (const struct place *place = p->buckets[hash & (p->size - 1)]; place; place = place->next)
        if (place->hash == hash && trail_is(record, (struct slice){place->case_no, place->length}))
            return true;
    return false;
}

size_t places_count(const struct places *p) {
    return p->count;
}
