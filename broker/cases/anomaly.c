#include "broker/cases/anomaly.h"

#include <string.h>

#include "broker/cases/state.h"
#include "common/arena.h"
#include "proto/field.h"

#define DAY_US   INT64_C(86400000000)
#define AHEAD_US INT64_C(300000000)
#define NEVER    INT64_MAX
#define MARKS    8 /* the most on one node is less: one of order, two of what is missing … */
#define STAGES   (WB_STAGE(CANCELLED) + 1)

#define MARK(name) WAYBILL__V1__ANOMALY__ANOMALY_##name

/* What an event may need to have been there before, and shows to be there. */
enum fact { ACCEPTANCE = 1, GRANT = 2, REQUEST = 4 };

struct rule {
    unsigned shows, needs;  /* facts; what needs one shows it from then on, and is marked once */
    unsigned goes_on_after; /* ends, as bits: what usually follows them */
    bool not_decided;       /* contradicts a grant */
    bool not_accepted;      /* contradicts an acceptance */
};

#define AFTER(stage) (1U << WB_STAGE(stage))

static const struct rule rules[STAGES] = {
    [WB_STAGE(SUBMITTED)] = {.not_decided = true},
    [WB_STAGE(RECEIVED)] = {.not_decided = true},
    [WB_STAGE(CORRECTION_REQUESTED)] = {.shows = REQUEST, .not_decided = true},
    [WB_STAGE(CORRECTION_RECEIVED)] = {.shows = REQUEST, .needs = REQUEST, .not_decided = true},
    [WB_STAGE(NOT_REQUIRED)] = {.not_decided = true, .not_accepted = true},
    [WB_STAGE(NOT_ACCEPTED)] = {.not_decided = true, .not_accepted = true},
    [WB_STAGE(ACCEPTED)] = {.shows = ACCEPTANCE, .not_decided = true, .not_accepted = true},
    [WB_STAGE(UNDER_REVIEW)] = {.shows = ACCEPTANCE},
    [WB_STAGE(FORWARDED)] = {.shows = ACCEPTANCE},
    [WB_STAGE(SPECIAL_PROCEDURE)] = {.shows = ACCEPTANCE, .not_decided = true},
    [WB_STAGE(RESUMED)] = {.shows = ACCEPTANCE},
    [WB_STAGE(EXTENDED)] = {.shows = ACCEPTANCE, .not_decided = true},
    [WB_STAGE(GRANTED)] = {.shows = ACCEPTANCE | GRANT, .needs = ACCEPTANCE},
    [WB_STAGE(REFUSED)] = {.shows = ACCEPTANCE, .needs = ACCEPTANCE, .not_decided = true},
    [WB_STAGE(DELIVERED)] = {.shows = ACCEPTANCE | GRANT, .needs = ACCEPTANCE | GRANT},
    [WB_STAGE(REVOKED)] = {.shows = ACCEPTANCE | GRANT,
                           .needs = GRANT,
                           .goes_on_after = AFTER(DELIVERED)},
    [WB_STAGE(CANCELLED)] = {.shows = ACCEPTANCE | GRANT,
                             .needs = GRANT,
                             .goes_on_after = AFTER(DELIVERED) | AFTER(REVOKED)},
};

/* One walk over the events that stand, in the order of the history. */
struct course {
    const Waybill__V1__Node **nodes; /* those that stand */
    size_t count, at;
    size_t before[STAGES], day[STAGES]; /* events before `at`; events before `day_end` */
    size_t day_end;
    /* Since the case was opened, or opened again: from when on it is certain. */
    int64_t accepted_us, granted_us;
    const char **pauses; /* ids of the special procedures under way */
    size_t paused;
    bool whole;
};

static unsigned stage_of(const wb_event *e) {
    return (unsigned)e->stage < STAGES ? (unsigned)e->stage : 0;
}

/* A date alone may be any time of its day. */
static int64_t latest_us(const wb_event *e) {
    return e->occurred_at_us + (e->date_only ? DAY_US : 0);
}

static const wb_event *event_at(const struct course *c, size_t at) {
    return c->nodes[at]->record->event;
}

/* How many events behind a date alone may have happened before it, by stage. The walk comes to
 * later dates only, so every event is counted once. */
static void look_ahead(struct course *c, const wb_event *e) {
    while (c->day_end < c->count &&
           (c->day_end <= c->at || event_at(c, c->day_end)->occurred_at_us < latest_us(e)))
        c->day[stage_of(event_at(c, c->day_end++))]++;
}

/* Whether an event of the stage may have happened before e, though it stands behind it. */
static bool ahead(const struct course *c, const wb_event *e, unsigned stage) {
    return e->date_only && c->day[stage] > c->before[stage] + (stage == stage_of(e));
}

/* The facts that nothing before e can have shown, of those that it needs. The first event of a case
 * needs none: a district may begin anywhere. */
static unsigned missing(const struct course *c, const wb_event *e) {
    unsigned shown = 0;
    for (unsigned stage = 0; stage < STAGES; stage++)
        if (c->before[stage] || ahead(c, e, stage))
            shown |= rules[stage].shows;
    return c->at && c->whole ? rules[stage_of(e)].needs & ~shown : 0;
}

static bool follows_end(const struct course *c, const wb_event *e) {
    const wb_event *last = c->at ? event_at(c, c->at - 1) : NULL;
    return last && stage_ends((int)last->stage) && last->stage != e->stage &&
           latest_us(last) <= e->occurred_at_us &&
           !(rules[stage_of(e)].goes_on_after & 1U << stage_of(last));
}

/* An office may take several steps, each with a name of its own, to accept a case. */
static bool another_step(const struct course *c, const wb_event *e) {
    const wb_event *last = event_at(c, c->at - 1);
    return e->stage == WB_STAGE(ACCEPTED) && last->stage == WB_STAGE(ACCEPTED) &&
           strcmp(last->step, e->step) != 0;
}

/* The first that applies; 0 if none does. */
static Waybill__V1__Anomaly out_of_order(const struct course *c, const wb_event *e) {
    const struct rule *rule = &rules[stage_of(e)];
    if (follows_end(c, e))
        return MARK(AFTER_END);
    if (rule->not_decided && c->granted_us <= e->occurred_at_us)
        return MARK(AFTER_DECISION);
    if (rule->not_accepted && c->accepted_us <= e->occurred_at_us && !another_step(c, e))
        return MARK(AFTER_ACCEPTANCE);
    return MARK(UNSPECIFIED);
}

static const char *pause_id(const wb_event *e) {
    return e->special ? e->special->id : "";
}

/* Ends the pauses with the id, without one all; whether there were any. */
static bool resume(struct course *c, const char *id) {
    size_t left = 0, paused = c->paused;
    for (size_t i = 0; id[0] && i < paused; i++)
        if (strcmp(c->pauses[i], id) != 0)
            c->pauses[left++] = c->pauses[i];
    c->paused = left;
    return left < paused;
}

static bool resumes_nothing(struct course *c, const wb_event *e) {
    return e->stage == WB_STAGE(RESUMED) && !resume(c, pause_id(e)) && c->whole &&
           !ahead(c, e, WB_STAGE(SPECIAL_PROCEDURE));
}

static void earliest(int64_t *us, int64_t given_us) {
    if (given_us < *us)
        *us = given_us;
}

static void go_on(struct course *c, const wb_event *e, bool opens_again) {
    if (opens_again)
        c->accepted_us = c->granted_us = NEVER;
    if (e->stage == WB_STAGE(ACCEPTED))
        earliest(&c->accepted_us, latest_us(e));
    if (e->stage == WB_STAGE(GRANTED))
        earliest(&c->granted_us, latest_us(e));
    if (e->stage == WB_STAGE(SPECIAL_PROCEDURE))
        c->pauses[c->paused++] = pause_id(e);
    if (stage_ends((int)e->stage))
        c->paused = 0;
    c->before[stage_of(e)]++;
    c->at++;
}

struct marks {
    Waybill__V1__Anomaly list[MARKS];
    size_t count;
};

static void mark(struct marks *marks, Waybill__V1__Anomaly anomaly, bool applies) {
    if (applies)
        marks->list[marks->count++] = anomaly;
}

/* In the order of the enum. */
static void judge_order(struct course *c, const wb_event *e, struct marks *marks) {
    look_ahead(c, e);
    Waybill__V1__Anomaly order = out_of_order(c, e);
    unsigned lacks = missing(c, e);
    mark(marks, order, order != MARK(UNSPECIFIED));
    mark(marks, MARK(WITHOUT_ACCEPTANCE), lacks & ACCEPTANCE);
    mark(marks, MARK(WITHOUT_GRANT), lacks & GRANT);
    mark(marks, MARK(WITHOUT_REQUEST), lacks & REQUEST);
    mark(marks, MARK(NOTHING_TO_RESUME), resumes_nothing(c, e));
    go_on(c, e, order == MARK(AFTER_END) || order == MARK(AFTER_DECISION));
}

static bool counts(const Waybill__V1__Node *node) {
    return node->record->event->kind != WAYBILL__V1__KIND__KIND_ALERT &&
           (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT ||
            node->standing == WAYBILL__V1__STANDING__STANDING_UNMATCHED);
}

static bool judge(struct course *c, Waybill__V1__Node *node, struct arena *arena) {
    const wb_event *e = node->record->event;
    struct marks marks = {.count = 0};
    if (!counts(node))
        return true;
    if (history_stands(node))
        judge_order(c, e, &marks);
    mark(&marks, MARK(NOTHING_TO_AMEND),
         c->whole && node->standing == WAYBILL__V1__STANDING__STANDING_UNMATCHED);
    mark(&marks, MARK(AHEAD_OF_TIME), e->occurred_at_us - AHEAD_US > node->record->recorded_at_us);
    if (marks.count == 0)
        return true;
    node->anomalies = arena_alloc(arena, marks.count * sizeof *node->anomalies);
    if (!node->anomalies)
        return false;
    memcpy(node->anomalies, marks.list, marks.count * sizeof *node->anomalies);
    node->n_anomalies = marks.count;
    return true;
}

bool anomaly_mark(struct history *h, bool whole, struct arena *arena) {
    struct course c = {.accepted_us = NEVER, .granted_us = NEVER, .whole = whole};
    c.nodes = arena_alloc(arena, h->count * sizeof *c.nodes);
    c.pauses = arena_alloc(arena, h->count * sizeof *c.pauses);
    if (!c.nodes || !c.pauses)
        return false;
    for (size_t i = 0; i < h->count; i++)
        if (history_stands(&h->nodes[i]))
            c.nodes[c.count++] = &h->nodes[i];
    for (size_t i = 0; i < h->count; i++)
        if (!judge(&c, &h->nodes[i], arena))
            return false;
    return true;
}
