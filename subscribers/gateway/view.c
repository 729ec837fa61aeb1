#include "subscribers/gateway/view.h"

#include <string.h>

#include "proto/json.h"

/* A member that may be given out; with parts, only those of it. */
struct member {
    const char *name;
    const char *const *parts; /* ended by NULL; of an object or of each object of a list */
};

static const char *const handler[] = {"name", "post", "unit", "phone", "staff_no", NULL};
static const char *const notice[] = {"kind", "title", "text", "url", "due_date", NULL};
static const char *const special[] = {"type", "approver", "reason", "days_allowed", "result", NULL};
static const char *const extension[] = {"days", "approver", "reason", NULL};
static const char *const decision[] = {
    "summary", "reason", "basis", "remedy", "competent_office", "document_no", NULL,
};

/* Not given out: source, event_id and replaces (the office's own keys), the attributes, the trace.
 * What there is of a handler is what the broker discloses. */
static const struct member record_members[] = {
    {"offset", NULL},         {"recorded_at", NULL},    {"kind", NULL},
    {"case_no", NULL},        {"parent_case_no", NULL}, {"stage", NULL},
    {"step", NULL},           {"occurred_at", NULL},    {"handler", handler},
    {"notices", notice},      {"item_code", NULL},      {"item_name", NULL},
    {"region_code", NULL},    {"agency", NULL},         {"special", special},
    {"extension", extension}, {"decision", decision},   {"standing", NULL},
    {"replaced_by", NULL},    {"anomalies", NULL},      {NULL, NULL},
};

static const struct member state_members[] = {
    {"case_no", NULL},        {"stage", NULL},      {"ended", NULL},       {"current_offset", NULL},
    {"opened_at", NULL},      {"since", NULL},      {"events", NULL},      {"last_offset", NULL},
    {"item_code", NULL},      {"item_name", NULL},  {"region_code", NULL}, {"agency", NULL},
    {"parent_case_no", NULL}, {"handler", handler}, {NULL, NULL},
};

static json_t *pick_parts(const json_t *object, const char *const *parts) {
    json_t *picked = json_object();
    for (; *parts; parts++) {
        json_t *value = json_object_get(object, *parts);
        if (value && json_object_set(picked, *parts, value)) {
            json_decref(picked);
            return NULL;
        }
    }
    return picked;
}

static json_t *pick_list(const json_t *list, const char *const *parts) {
    json_t *picked = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        if (json_array_append_new(picked, pick_parts(entry, parts))) {
            json_decref(picked);
            return NULL;
        }
    }
    return picked;
}

static json_t *pick_member(json_t *value, const char *const *parts) {
    if (!parts)
        return json_incref(value);
    return json_is_array(value) ? pick_list(value, parts) : pick_parts(value, parts);
}

/* Takes the object over. */
static json_t *pick(json_t *object, const struct member *members) {
    json_t *picked = object ? json_object() : NULL;
    for (; picked && members->name; members++) {
        json_t *value = json_object_get(object, members->name);
        if (value &&
            json_object_set_new(picked, members->name, pick_member(value, members->parts))) {
            json_decref(picked);
            picked = NULL;
        }
    }
    json_decref(object);
    return picked;
}

json_t *view_record(const wb_record *record) {
    return pick(record_to_json(record), record_members);
}

static json_t *view_nodes(json_t *nodes) {
    json_t *viewed = json_array();
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node) {
        if (json_array_append_new(viewed, pick(json_incref(node), record_members))) {
            json_decref(viewed);
            return NULL;
        }
    }
    return viewed;
}

json_t *view_case(const wb_case *answer) {
    json_t *whole = case_answer_to_json(answer);
    if (!whole)
        return NULL;
    json_t *state = json_object_get(whole, "case");
    json_t *viewed = json_pack(
        "{s:o*, s:o*, s:O, s:O}", "case", pick(json_incref(state), state_members), "nodes",
        view_nodes(json_object_get(whole, "nodes")), "through_offset",
        json_object_get(whole, "through_offset"), "truncated", json_object_get(whole, "truncated"));
    json_decref(whole);
    if (viewed && json_object_get(viewed, "case") && json_object_get(viewed, "nodes"))
        return viewed;
    json_decref(viewed);
    return NULL;
}

json_t *view_state(const wb_case *answer) {
    json_t *state = pick(case_state_to_json(answer->state), state_members);
    return state ? json_pack("{s:o, s:I}", "case", state, "through_offset",
                             (json_int_t)answer->through_offset)
                 : NULL;
}
