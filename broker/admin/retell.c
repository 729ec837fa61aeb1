#include "broker/admin/retell.h"

#include <stdlib.h>
#include <string.h>

static bool is_retraction(const struct retold_event *e) {
    return e->event->kind == WAYBILL__V1__KIND__KIND_RETRACTION;
}

static bool is_correction(const struct retold_event *e) {
    return e->event->kind == WAYBILL__V1__KIND__KIND_CORRECTION;
}

/* "Both name events of the same source and case", which came before. */
static struct retold_event *named_by(struct retold_event *events, struct retold_event *e) {
    if (!is_retraction(e) && !is_correction(e))
        return NULL;
    for (struct retold_event *other = events; other < e; other++)
        if (strcmp(other->source, e->source) == 0 &&
            strcmp(other->event->event_id, e->event->replaces) == 0)
            return other;
    return NULL;
}

/* "The newest by offset decides": the first that is met from the end. What was taken away itself by
 * then does nothing. */
static void decide(struct retold_event *events, size_t count) {
    for (size_t i = 0; i < count; i++) {
        events[i].decided_by = NULL;
        events[i].retracted = false;
    }
    for (struct retold_event *e = events + count; e-- > events;) {
        e->names = named_by(events, e);
        if (!e->names || e->retracted || e->names->decided_by)
            continue;
        e->names->decided_by = e;
        e->names->retracted = is_retraction(e);
    }
}

/* "A correction stands in the place of the event that it names", which may stand in another's, and
 * so on: unless somebody else has taken one of these places. */
static bool has_its_place(const struct retold_event *e) {
    for (; e->names; e = e->names)
        if (e->names->decided_by && e->names->decided_by != e)
            return false;
    return true;
}

static bool stands(const struct retold_event *e) {
    bool tells = e->event->kind == WAYBILL__V1__KIND__KIND_PROGRESS || is_correction(e);
    return tells && !e->decided_by && has_its_place(e);
}

/* event.proto, "ends the case". */
static bool ends(int stage) {
    switch (stage) {
    case WB_STAGE(NOT_REQUIRED):
    case WB_STAGE(NOT_ACCEPTED):
    case WB_STAGE(REFUSED):
    case WB_STAGE(DELIVERED):
    case WB_STAGE(WITHDRAWN):
    case WB_STAGE(TERMINATED):
    case WB_STAGE(REVOKED):
    case WB_STAGE(CANCELLED):
        return true;
    default:
        return false;
    }
}

static int by_time(const void *a, const void *b) {
    const struct retold_event *x = a, *y = b;
    if (x->event->occurred_at_us != y->event->occurred_at_us)
        return x->event->occurred_at_us < y->event->occurred_at_us ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static const char *last_given(const char *before, const char *given) {
    return given[0] ? given : before;
}

static void take(struct retold *told, const struct retold_event *e) {
    if (!told->current_offset)
        told->opened_at_us = e->event->occurred_at_us;
    if (!told->current_offset || (int)e->event->stage != told->stage)
        told->since_us = e->event->occurred_at_us;
    told->stage = (int)e->event->stage;
    told->ended = ends(told->stage);
    told->current_offset = e->offset;
    told->item_code = last_given(told->item_code, e->event->item_code);
    told->item_name = last_given(told->item_name, e->event->item_name);
    told->region_code = last_given(told->region_code, e->event->region_code);
    told->agency = last_given(told->agency, e->event->agency);
    told->parent_case_no = last_given(told->parent_case_no, e->event->parent_case_no);
}

void retell(struct retold_event *events, size_t count, struct retold *told) {
    *told = (struct retold){.item_code = "",
                            .item_name = "",
                            .region_code = "",
                            .agency = "",
                            .parent_case_no = "",
                            .last_offset = events[count - 1].offset};
    decide(events, count);
    for (size_t i = 0; i < count; i++)
        events[i].stands = stands(&events[i]);
    qsort(events, count, sizeof *events, by_time);
    for (size_t i = 0; i < count; i++)
        if (events[i].stands)
            take(told, &events[i]);
}
