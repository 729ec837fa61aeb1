#include "broker/access/grant.h"

#include <stdlib.h>
#include <string.h>

#include "broker/journal/header.h"
#include "proto/problem.h"

static bool begins(struct slice value, const char *prefix) {
    size_t length = strlen(prefix);
    return value.length >= length && memcmp(value.data, prefix, length) == 0;
}

static bool allows(const struct grant_list *list, struct slice value) {
    if (list->count == 0)
        return true;
    for (size_t i = 0; value.length > 0 && i < list->count; i++)
        if (begins(value, list->prefixes[i]))
            return true;
    return false;
}

static int refuse(const char *field, struct slice value, struct wb_error *err) {
    char quoted[PROBLEM_VALUE];
    if (value.length > 0)
        return problem_field(err, WB_E_NOT_GRANTED, field, "%s",
                             problem_value((const char *)value.data, value.length, quoted));
    return problem_field(err, WB_E_NOT_GRANTED, field,
                         "empty, and the source may speak for some alone");
}

int grant_check(const struct grant *grant, const struct header *event, size_t bytes,
                struct wb_error *err) {
    const struct {
        const struct grant_list *list;
        const char *field;
        struct slice value;
    } parts[] = {
        {&grant->cases, "case_no", event->case_no},
        {&grant->agencies, "agency", event->agency},
        {&grant->regions, "region_code", event->region_code},
        {&grant->items, "item_code", event->item_code},
    };
    if (grant->event_bytes > 0 && bytes > grant->event_bytes)
        return problem(err, WB_E_EVENT_TOO_LARGE, "%zu bytes, and the source's limit is %u", bytes,
                       grant->event_bytes);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!allows(parts[i].list, parts[i].value))
            return refuse(parts[i].field, parts[i].value, err);
    return 0;
}

bool grant_covers(const struct grant *grant, const struct header *event) {
    return allows(&grant->cases, event->case_no) && allows(&grant->agencies, event->agency) &&
           allows(&grant->regions, event->region_code) && allows(&grant->items, event->item_code);
}

bool grant_is_all(const struct grant *grant) {
    return grant->agencies.count + grant->regions.count + grant->items.count + grant->cases.count ==
           0;
}

struct grant_list *grant_list(struct grant *grant, const char *name) {
    if (strcmp(name, "agencies") == 0)
        return &grant->agencies;
    if (strcmp(name, "regions") == 0)
        return &grant->regions;
    if (strcmp(name, "items") == 0)
        return &grant->items;
    return strcmp(name, "cases") == 0 ? &grant->cases : NULL;
}

bool grant_list_add(struct grant_list *list, const char *prefix) {
    char **moved = reallocarray(list->prefixes, list->count + 1, sizeof *moved);
    if (!moved)
        return false;
    list->prefixes = moved;
    if (!(moved[list->count] = strdup(prefix)))
        return false;
    list->count++;
    return true;
}

static void free_list(struct grant_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->prefixes[i]);
    free(list->prefixes);
}

void grant_free(struct grant *grant) {
    free_list(&grant->agencies);
    free_list(&grant->regions);
    free_list(&grant->items);
    free_list(&grant->cases);
}
