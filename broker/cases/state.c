#include "broker/cases/state.h"

#include <stdlib.h>
#include <string.h>

#include "broker/journal/record.h"
#include "common/arena.h"
#include "proto/field.h"

static bool amends(const wb_event *e) {
    return e->kind == WAYBILL__V1__KIND__KIND_CORRECTION ||
           e->kind == WAYBILL__V1__KIND__KIND_RETRACTION;
}

/* Something that happened, rather than words about what did not. */
static bool tells(const wb_event *e) {
    return e->kind == WAYBILL__V1__KIND__KIND_PROGRESS ||
           e->kind == WAYBILL__V1__KIND__KIND_CORRECTION;
}

static int by_offset(const void *a, const void *b) {
    uint64_t x = ((const Waybill__V1__Node *)a)->record->offset;
    uint64_t y = ((const Waybill__V1__Node *)b)->record->offset;
    return x < y ? -1 : x > y;
}

static int by_time(const void *a, const void *b) {
    const wb_event *x = ((const Waybill__V1__Node *)a)->record->event;
    const wb_event *y = ((const Waybill__V1__Node *)b)->record->event;
    if (x->occurred_at_us != y->occurred_at_us)
        return x->occurred_at_us < y->occurred_at_us ? -1 : 1;
    return by_offset(a, b);
}

static bool decode(const struct log_record *from, struct arena *arena, Waybill__V1__Node *node) {
    waybill__v1__node__init(node);
    node->record = arena_alloc(arena, sizeof *node->record);
    if (!node->record)
        return false;
    waybill__v1__record__init(node->record);
    node->record->offset = from->offset;
    node->record->source = (char *)from->source;
    node->record->recorded_at_us = from->recorded_at_us;
    node->record->event =
        waybill__v1__event__unpack(&arena->protobuf, from->event.length, from->event.data);
    return node->record->event != NULL;
}

/* Nodes by source and event_id, so that many amendments cost little more than few. */
struct identities {
    Waybill__V1__Node **sorted;
    size_t count;
};

static int by_identity(const void *a, const void *b) {
    const wb_record *x = (*(Waybill__V1__Node *const *)a)->record;
    const wb_record *y = (*(Waybill__V1__Node *const *)b)->record;
    int source = strcmp(x->source, y->source);
    return source ? source : strcmp(x->event->event_id, y->event->event_id);
}

static bool sort_identities(const struct history *h, struct arena *arena, struct identities *ids) {
    ids->count = h->count;
    ids->sorted = arena_alloc(arena, h->count * sizeof(Waybill__V1__Node *));
    if (!ids->sorted)
        return false;
    for (size_t i = 0; i < h->count; i++)
        ids->sorted[i] = &h->nodes[i];
    qsort(ids->sorted, ids->count, sizeof(Waybill__V1__Node *), by_identity);
    return true;
}

/* What a correction or retraction names: an event of the same source, recorded before it. */
static Waybill__V1__Node *target(const struct identities *ids, const Waybill__V1__Node *amendment) {
    const wb_record *r = amendment->record;
    wb_event event = WB_EVENT_INIT;
    wb_record wanted = WAYBILL__V1__RECORD__INIT;
    Waybill__V1__Node node = WAYBILL__V1__NODE__INIT, *key = &node;
    event.event_id = r->event->replaces;
    wanted.source = r->source;
    wanted.event = &event;
    node.record = &wanted;
    Waybill__V1__Node **found =
        bsearch(&key, ids->sorted, ids->count, sizeof(Waybill__V1__Node *), by_identity);
    return found && (*found)->record->offset < r->offset ? *found : NULL;
}

static void set_standing(Waybill__V1__Node *node, Waybill__V1__Standing standing, uint64_t by) {
    node->standing = standing;
    node->replaced_by = by;
}

static void amend(Waybill__V1__Node *node, Waybill__V1__Node *named) {
    if (!named) {
        if (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT)
            node->standing = WAYBILL__V1__STANDING__STANDING_UNMATCHED;
    } else if (node->standing == WAYBILL__V1__STANDING__STANDING_RETRACTED) {
        return; /* taken back itself: what it named stands */
    } else if (named->replaced_by) {
        /* A newer one speaks of the same event. */
        if (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT)
            set_standing(node, named->standing, named->replaced_by);
    } else {
        bool correction = node->record->event->kind == WAYBILL__V1__KIND__KIND_CORRECTION;
        set_standing(named,
                     correction ? WAYBILL__V1__STANDING__STANDING_CORRECTED
                                : WAYBILL__V1__STANDING__STANDING_RETRACTED,
                     node->record->offset);
    }
}

/* With the nodes by offset. From the newest back, so that whether an amendment was taken back is
 * known before it is applied; then forward, so that what stood in the place of an event goes with
 * it when another one has taken this place, or taken it away. */
static void settle_standings(struct history *h, const struct identities *ids) {
    for (size_t i = h->count; i-- > 0;)
        if (amends(h->nodes[i].record->event))
            amend(&h->nodes[i], target(ids, &h->nodes[i]));
    for (size_t i = 0; i < h->count; i++) {
        Waybill__V1__Node *node = &h->nodes[i];
        const Waybill__V1__Node *named = amends(node->record->event) ? target(ids, node) : NULL;
        if (named && named->replaced_by && named->replaced_by != node->record->offset)
            set_standing(node, named->standing, named->replaced_by);
    }
}

bool history_stands(const Waybill__V1__Node *node) {
    return (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT ||
            node->standing == WAYBILL__V1__STANDING__STANDING_UNMATCHED) &&
           tells(node->record->event);
}

static void latest(char **value, char *given) {
    if (given[0])
        *value = given;
}

static void take(Waybill__V1__CaseState *s, const Waybill__V1__Node *node) {
    const wb_event *e = node->record->event;
    if (!s->current_offset)
        s->opened_at_us = e->occurred_at_us;
    if (!s->current_offset || s->stage != e->stage)
        s->since_us = e->occurred_at_us;
    s->stage = e->stage;
    s->current_offset = node->record->offset;
    latest(&s->item_code, e->item_code);
    latest(&s->item_name, e->item_name);
    latest(&s->region_code, e->region_code);
    latest(&s->agency, e->agency);
    latest(&s->parent_case_no, e->parent_case_no);
    if (e->handler && (e->handler->name[0] || e->handler->unit[0] || e->handler->post[0]))
        s->handler = e->handler;
}

static void compute_state(struct history *h) {
    Waybill__V1__CaseState *s = &h->state;
    waybill__v1__case_state__init(s);
    s->case_no = h->nodes[0].record->event->case_no;
    s->events = h->count;
    for (size_t i = 0; i < h->count; i++) {
        if (h->nodes[i].record->offset > s->last_offset)
            s->last_offset = h->nodes[i].record->offset;
        if (history_stands(&h->nodes[i]))
            take(s, &h->nodes[i]);
    }
    s->ended = s->current_offset && stage_ends((int)s->stage);
}

bool history_build(const struct log_record *records, size_t count, struct arena *arena,
                   struct history *h) {
    h->nodes = arena_alloc(arena, count * sizeof *h->nodes);
    h->count = count;
    if (!h->nodes)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!decode(&records[i], arena, &h->nodes[i]))
            return false;
    qsort(h->nodes, count, sizeof *h->nodes, by_offset);
    struct identities ids;
    if (!sort_identities(h, arena, &ids))
        return false;
    settle_standings(h, &ids);
    qsort(h->nodes, count, sizeof *h->nodes, by_time);
    compute_state(h);
    return true;
}
