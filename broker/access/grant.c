#include "broker/access/grant.h"

#include <stdbool.h>
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
