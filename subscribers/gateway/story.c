#include "subscribers/gateway/story.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/field.h"
#include "subscribers/gateway/catalogue.h"
#include "subscribers/gateway/moment.h"
#include "subscribers/gateway/story_node.h"

#define RAIL_STEPS 5

/* How a stage is shown, and where on the rail; -1: wherever the case had come to. */
struct place {
    const char *tone;
    int step;
    bool stops; /* the way ends here, before its last step */
};

static const struct place places[] = {
    [WB_STAGE(UNSPECIFIED)] = {"moving", -1, false},
    [WB_STAGE(SUBMITTED)] = {"moving", 0, false},
    [WB_STAGE(RECEIVED)] = {"moving", 0, false},
    [WB_STAGE(CORRECTION_REQUESTED)] = {"yours", 0, false},
    [WB_STAGE(CORRECTION_RECEIVED)] = {"moving", 0, false},
    [WB_STAGE(NOT_REQUIRED)] = {"closed", 1, true},
    [WB_STAGE(NOT_ACCEPTED)] = {"bad", 1, true},
    [WB_STAGE(ACCEPTED)] = {"moving", 1, false},
    [WB_STAGE(UNDER_REVIEW)] = {"moving", 2, false},
    [WB_STAGE(FORWARDED)] = {"moving", 2, false},
    [WB_STAGE(SPECIAL_PROCEDURE)] = {"paused", 2, false},
    [WB_STAGE(RESUMED)] = {"moving", 2, false},
    [WB_STAGE(EXTENDED)] = {"moving", 2, false},
    [WB_STAGE(GRANTED)] = {"good", 3, false},
    [WB_STAGE(REFUSED)] = {"bad", 3, true},
    [WB_STAGE(DELIVERED)] = {"good", 4, false},
    [WB_STAGE(WITHDRAWN)] = {"closed", -1, true},
    [WB_STAGE(TERMINATED)] = {"closed", -1, true},
    [WB_STAGE(REVOKED)] = {"bad", -1, true},
    [WB_STAGE(CANCELLED)] = {"closed", -1, true},
};

static const struct place *place_of(const json_t *node) {
    const char *name = story_member(node, "stage");
    int stage = name ? stage_parse(name) : 0;
    bool known = stage > 0 && (size_t)stage < sizeof places / sizeof *places;
    return &places[known ? stage : 0];
}

static bool stands(const json_t *node) {
    const char *standing = story_member(node, "standing"), *kind = story_member(node, "kind");
    bool fallen = standing && strcmp(standing, "current") != 0;
    return !fallen && (!kind || strcmp(kind, "retraction") != 0);
}

/* 0: every event was retracted. */
static json_int_t current_offset(const json_t *view) {
    return json_integer_value(json_object_get(json_object_get(view, "case"), "current_offset"));
}

static const json_t *find_current(const json_t *view) {
    json_int_t offset = current_offset(view);
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(view, "nodes"), i, node) {
        if (offset && json_integer_value(json_object_get(node, "offset")) == offset)
            return node;
    }
    return NULL;
}

/* A time of the state as the event said it that it comes from: in its own zone, and a day where it
 * knows only the day. The state's own text, to be told in the zone of the current event, where that
 * event is not in the answer. stage: of the event, NULL for any. */
struct when {
    const char *text, *offset_from;
};

static struct when find_when(const json_t *view, const char *text, const char *stage,
                             const json_t *current) {
    struct when when = {text, story_member(current, "occurred_at")};
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(view, "nodes"), i, node) {
        const char *at = story_member(node, "occurred_at"), *its = story_member(node, "stage");
        bool fits = !stage || (its && !strcmp(its, stage));
        if (fits && stands(node) && moment_same(at, text))
            return (struct when){at, NULL};
    }
    return when;
}

/* The rail */

struct rail {
    int at; /* the step that the case has come to; -1: to none */
    const json_t *reached[RAIL_STEPS];
};

static bool is_submission(const json_t *node) {
    const char *stage = story_member(node, "stage");
    return stage && !strcmp(stage, "SUBMITTED");
}

static struct rail find_rail(const json_t *view, const struct place *place) {
    struct rail rail = {.at = 0};
    if (!current_offset(view)) {
        rail.at = -1; /* nothing stands */
        return rail;
    }
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(view, "nodes"), i, node) {
        int step = stands(node) ? place_of(node)->step : -1;
        if (step < 0)
            continue;
        if (!rail.reached[step] && !is_submission(node))
            rail.reached[step] = node;
        if (step > rail.at)
            rail.at = step;
    }
    if (place->step >= 0)
        rail.at = place->step;
    else if (place->stops && rail.at < RAIL_STEPS - 1)
        rail.at++; /* it ends on the way to the step behind the last one reached */
    return rail;
}

static const char *step_state(const struct rail *rail, const struct place *place, int step) {
    if (step != rail->at)
        return step < rail->at ? "done" : "next";
    if (place->stops)
        return "stopped";
    return step == RAIL_STEPS - 1 ? "done" : "now";
}

static json_t *tell_rail(const struct teller *teller, const json_t *view, const json_t *current,
                         const struct place *place) {
    struct rail rail = find_rail(view, place);
    json_t *steps = json_array();
    for (int i = 0; i < RAIL_STEPS; i++) {
        const char *state = step_state(&rail, place, i);
        char key[32];
        snprintf(key, sizeof key, "rail.%s", state);
        json_t *step = json_object();
        bool renamed = place->stops && i == rail.at;
        story_put(step, "label",
                  renamed ? story_stage(teller, teller->state, "label")
                          : json_string(language_entry(teller->language, "rail.steps", (size_t)i)));
        story_put(step, "state", json_string(state));
        story_put(step, "word", story_words(teller, key));
        story_put(step, "now", json_boolean(i == rail.at));
        const json_t *reached = renamed ? current : i <= rail.at ? rail.reached[i] : NULL;
        const char *when = story_member(reached, "occurred_at");
        story_put(step, "date", moment_date(teller->language, when, NULL, teller->now_us));
        json_array_append_new(steps, step);
    }
    return steps;
}

/* Where it stands, and who has it */

static void tell_now(const struct teller *teller, const json_t *view, const json_t *current,
                     json_t *story) {
    bool ended = json_is_true(json_object_get(teller->state, "ended"));
    const char *at = story_member(current, "occurred_at");
    struct when since = find_when(view, story_member(teller->state, "since"),
                                  story_member(teller->state, "stage"), current);
    json_t *time = moment_time(teller->language, since.text, since.offset_from, teller->now_us);
    const char *text = story_member(time, "text");
    if (text)
        json_object_set_new(time, "text",
                            language_format(teller->language,
                                            ended ? "case.ended_since" : "case.since", "time", text,
                                            NULL));
    story_put(story, "since", time);
    story_put(story, "kicker", story_words(teller, ended ? "case.ended" : "case.now"));
    story_put(story, "headline", story_stage(teller, teller->state, "headline"));
    story_put(story, "explain", story_stage(teller, teller->state, "explain"));
    const char *step = story_member(current, "step");
    story_put(story, "step", step ? json_string(step) : NULL);
    json_t *stamp = moment_stamp(teller->language, at, teller->now_us);
    json_t *began = moment_date(teller->language, since.text, since.offset_from, teller->now_us);
    json_t *date = json_object_get(stamp, "date");
    story_put(story, "step_date", date && !json_equal(date, began) ? json_incref(date) : NULL);
    story_put(story, "stamp", stamp);
    json_decref(began);
}

static void tell_who(const struct teller *teller, const struct place *place, json_t *story) {
    static const char *const members[] = {"post", "unit", "phone"};
    const json_t *handler = json_object_get(teller->state, "handler");
    bool ended = json_is_true(json_object_get(teller->state, "ended"));
    bool yours = !strcmp(place->tone, "yours");
    json_t *who = json_object();
    story_put(who, "title",
              story_words(teller, ended   ? "case.who_ended"
                                  : yours ? "case.who_yours"
                                          : "case.who"));
    json_t *officer = story_officer(teller, handler);
    bool known = officer != NULL;
    story_put(who, "name", officer);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *text = story_member(handler, members[i]);
        known = known || text;
        story_put(who, members[i], text ? json_string(text) : NULL);
    }
    const char *agency = story_member(teller->state, "agency");
    const char *phone = story_member(handler, "phone");
    story_put(who, "agency", agency ? json_string(agency) : NULL);
    story_put(who, "tel", story_tel(phone));
    story_put(who, "call",
              phone ? language_format(teller->language, "case.call", "phone", phone, NULL) : NULL);
    story_put(who, "unknown", known ? NULL : story_words(teller, "case.who_unknown"));
    story_put(story, "who", who);
}

/* What is to be known and done */

static bool is_open_task(const struct teller *teller, const json_t *notice) {
    const char *kind = story_member(notice, "kind");
    bool task = kind && (!strcmp(kind, "fee") || !strcmp(kind, "visit"));
    return task && moment_days_left(story_member(notice, "due_date"), teller->now_us) >= 0;
}

/* The notices of the node that the case is at; of earlier ones, what is still due. */
static void add_notices(const struct teller *teller, const json_t *node, bool current,
                        json_t *notices) {
    size_t i;
    json_t *notice;
    json_array_foreach(json_object_get(node, "notices"), i, notice) {
        if (!current && !is_open_task(teller, notice))
            continue;
        json_t *told = story_notice(teller, notice);
        json_t *stage = current ? NULL : story_stage(teller, node, "label");
        if (stage)
            story_put(told, "told",
                      language_format(teller->language, "case.told_at", "stage",
                                      json_string_value(stage), NULL));
        json_decref(stage);
        json_array_append_new(notices, told);
    }
}

static void tell_todo(const struct teller *teller, const json_t *view, const json_t *current,
                      const struct place *place, json_t *story) {
    bool ended = json_is_true(json_object_get(teller->state, "ended"));
    bool yours = !strcmp(place->tone, "yours");
    json_t *notices = json_array();
    add_notices(teller, current, true, notices);
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(view, "nodes"), i, node) {
        if (!ended && node != current && stands(node))
            add_notices(teller, node, false, notices);
    }
    bool any = json_array_size(notices);
    story_put(story, "todo",
              any ? json_pack("{s:o*, s:O}", "title",
                              story_words(teller, yours ? "case.todo_yours" : "case.todo"),
                              "notices", notices)
                  : NULL);
    json_decref(notices);
}

/* A decision or an end names the office beside the reason. */
static void tell_outcome(const struct teller *teller, const json_t *current,
                         const struct place *place, json_t *story) {
    json_t *rows = current ? story_details(teller, current) : json_array();
    const char *office = story_member(current, "agency");
    if (!office)
        office = story_member(teller->state, "agency");
    bool bad = !strcmp(place->tone, "bad");
    bool decided = bad || json_object_get(current, "decision");
    if (office && decided)
        json_array_insert_new(rows, 0,
                              json_pack("{s:s, s:s}", "label",
                                        language_text(teller->language, "detail.office"), "text",
                                        office));
    story_put(story, "outcome",
              json_array_size(rows)
                  ? json_pack("{s:o*, s:O}", "title",
                              story_words(teller, decided ? "case.outcome" : "case.explanation"),
                              "rows", rows)
                  : NULL);
    json_decref(rows);
}

static json_t *tell_nodes(const struct teller *teller, const json_t *view) {
    const json_t *nodes = json_object_get(view, "nodes");
    json_t *told = json_array();
    for (size_t i = json_array_size(nodes); i--;)
        json_array_append_new(told, story_node(teller, json_array_get(nodes, i)));
    return told;
}

static void add_fact(const struct teller *teller, json_t *facts, const char *key,
                     const char *text) {
    if (text)
        json_array_append_new(facts, json_pack("{s:s, s:s}", "label",
                                               language_text(teller->language, key), "text", text));
}

static json_t *tell_facts(const struct teller *teller, const json_t *view, const json_t *current) {
    json_t *facts = json_array();
    const json_t *state = teller->state;
    struct when when = find_when(view, story_member(state, "opened_at"), NULL, current);
    json_t *opened = moment_time(teller->language, when.text, when.offset_from, teller->now_us);
    add_fact(teller, facts, "case.item", story_member(state, "item_name"));
    add_fact(teller, facts, "case.number", story_member(state, "case_no"));
    add_fact(teller, facts, "case.agency", story_member(state, "agency"));
    add_fact(teller, facts, "case.opened", story_member(opened, "text"));
    add_fact(teller, facts, "case.item_code", story_member(state, "item_code"));
    add_fact(teller, facts, "case.region", story_member(state, "region_code"));
    add_fact(teller, facts, "case.parent", story_member(state, "parent_case_no"));
    json_decref(opened);
    return facts;
}

json_t *story_of(const json_t *view, const struct language *language, int64_t now_us) {
    struct teller teller = {language, now_us, json_object_get(view, "case")};
    const json_t *current = find_current(view);
    const struct place *place = place_of(teller.state);
    json_t *story = json_object();
    if (!story)
        return NULL;
    const char *item = story_member(teller.state, "item_name");
    const char *case_no = story_member(teller.state, "case_no");
    story_put(story, "item", item ? json_string(item) : story_words(&teller, "case.untitled"));
    story_put(story, "case_no", case_no ? json_string(case_no) : NULL);
    story_put(story, "tone", json_string(place->tone));
    tell_now(&teller, view, current, story);
    tell_who(&teller, place, story);
    tell_todo(&teller, view, current, place, story);
    tell_outcome(&teller, current, place, story);
    story_put(story, "rail", tell_rail(&teller, view, current, place));
    story_put(story, "nodes", tell_nodes(&teller, view));
    story_put(story, "facts", tell_facts(&teller, view, current));
    story_put(story, "truncated", json_incref(json_object_get(view, "truncated")));
    story_put(story, "through", json_incref(json_object_get(view, "through_offset")));
    return story;
}
