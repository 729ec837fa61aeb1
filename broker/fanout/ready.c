#include "broker/fanout/ready.h"

#include <stdlib.h>

#include "broker/audience/audience.h"
#include "broker/audience/redact.h"

#define PIECE_BYTES (16 * 1024)
#define FEW_EVENTS  16 /* of a batch that gets memory for each event as it comes */

/* Memory that events are made in. */
struct piece {
    struct piece *next;
    uint8_t bytes[];
};

struct ready_set {
    struct piece *pieces;
    uint8_t *at;
    size_t room;
    struct slice events[];
};

void ready_free(struct ready *r) {
    for (size_t i = 0; i < READY_AUDIENCES; i++) {
        struct ready_set *set = r->sets[i];
        while (set && set->pieces) {
            struct piece *piece = set->pieces;
            set->pieces = piece->next;
            free(piece);
        }
        free(set);
    }
    *r = (struct ready){0};
}

static struct ready_set *find_set(struct ready *r, Waybill__V1__Audience audience, size_t count) {
    struct ready_set **set = &r->sets[audience - WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF];
    size_t bytes = sizeof **set + count * sizeof(struct slice);
    if (!*set && (*set = calloc(1, bytes)))
        r->bytes += bytes;
    return *set;
}

static bool make_room(struct ready *r, struct ready_set *set, size_t count, size_t wanted) {
    if (set->room >= wanted)
        return true;
    size_t room = count > FEW_EVENTS && wanted < PIECE_BYTES ? PIECE_BYTES : wanted;
    struct piece *piece = malloc(sizeof *piece + room);
    if (!piece)
        return false;
    piece->next = set->pieces;
    set->pieces = piece;
    set->at = piece->bytes;
    set->room = room;
    r->bytes += sizeof *piece + room;
    return true;
}

struct slice ready_event(struct ready *r, const struct access *access,
                         Waybill__V1__Audience audience, size_t count, size_t index,
                         struct slice event) {
    struct ready_set *set = find_set(r, audience, count);
    if (!set || set->events[index].length)
        return set ? set->events[index] : (struct slice){0};
    if (!make_room(r, set, count, REDACT_ROOM(event.length)))
        return (struct slice){0};
    size_t length = audience_make(access, audience, event, set->at);
    set->events[index] = (struct slice){set->at, length};
    set->at += length;
    set->room -= length;
    return set->events[index];
}
