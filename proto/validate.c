#include "validate.h"

#include "bounds.h"
#include "common/arena.h"
#include "field.h"
#include "problem.h"
#include "wire.h"
#include <inttypes.h>
#include <string.h>

static bool empty(const char *text) {
    return !text || !text[0];
}

static int missing(const char *field, const char *why, struct wb_error *err) {
    return problem_field(err, WB_E_FIELD_MISSING, field, "%s%s", field, why);
}

static int check_identity(const wb_event *event, struct wb_error *err) {
    if (empty(event->event_id))
        return missing("event_id", " is empty", err);
    if (empty(event->case_no))
        return missing("case_no", " is empty", err);
    return 0;
}

static int check_kind(const wb_event *event, struct wb_error *err) {
    bool replacing = event->kind == WAYBILL__V1__KIND__KIND_CORRECTION ||
                     event->kind == WAYBILL__V1__KIND__KIND_RETRACTION;
    if ((int)event->kind < 0 || event->kind > WAYBILL__V1__KIND__KIND_ALERT)
        return problem_field(err, WB_E_FIELD_VALUE, "kind", "kind has no value %d",
                             (int)event->kind);
    if (replacing && empty(event->replaces))
        return missing("replaces", " is empty; a correction or retraction names an event", err);
    if (event->alert && event->kind != WAYBILL__V1__KIND__KIND_ALERT)
        return problem_field(err, WB_E_KIND_NOT_ALLOWED, "alert", "alert stands in a %s event",
                             kind_name((int)event->kind));
    if (empty(event->replaces))
        return 0;
    if (!replacing) {
        char value[PROBLEM_VALUE];
        problem_field(err, WB_E_FIELD_VALUE, "replaces", "replaces stands in a %s event: %s",
                      kind_name((int)event->kind),
                      problem_value(event->replaces, strlen(event->replaces), value));
        return problem_hint(err, "leave it empty, or make the kind correction or retraction");
    }
    if (strcmp(event->replaces, event->event_id) == 0) {
        problem_field(err, WB_E_FIELD_VALUE, "replaces", "replaces names the event itself");
        return problem_hint(err, "give the correction an event_id of its own");
    }
    return 0;
}

static int check_stage(const wb_event *event, struct wb_error *err) {
    int stage = (int)event->stage;
    if (stage == WB_STAGE(UNSPECIFIED)) {
        if (event->kind == WAYBILL__V1__KIND__KIND_RETRACTION)
            return 0;
        return missing("stage", " is not set", err);
    }
    if (stage < 0 || stage > WB_STAGE(CANCELLED))
        return problem_field(err, WB_E_STAGE_UNKNOWN, "stage", "stage has no value %d", stage);
    return 0;
}

static int check_time(const wb_event *event, struct wb_error *err) {
    if (event->occurred_at_us == 0)
        return missing("occurred_at", "_us is 0", err);
    if (event->occurred_at_us < 0 || event->occurred_at_us >= FIELD_TIME_END_US)
        return problem_field(err, WB_E_TIME_RANGE, "occurred_at", "occurred_at_us is %" PRId64,
                             event->occurred_at_us);
    if (event->utc_offset_minutes < -FIELD_OFFSET_MINUTES ||
        event->utc_offset_minutes > FIELD_OFFSET_MINUTES)
        return problem_field(err, WB_E_FIELD_VALUE, "utc_offset_minutes",
                             "utc_offset_minutes is %" PRId32 ", not within %d of 0",
                             event->utc_offset_minutes, FIELD_OFFSET_MINUTES);
    return 0;
}

static int check_enum(const struct field *field, int value, struct wb_error *err) {
    int last = field->type == FIELD_NOTICE  ? WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY
               : field->type == FIELD_CLOCK ? WAYBILL__V1__CLOCK__CLOCK_DELIVERY
                                            : WAYBILL__V1__LIGHT__LIGHT_RED;
    if (value >= 0 && value <= last)
        return 0;
    return problem_field(err, WB_E_FIELD_VALUE, field->name, "%s has no value %d", field->name,
                         value);
}

static int check_field(const struct field *field, const void *part, struct wb_error *err) {
    const void *member = (const char *)part + field->offset;
    switch (field->type) {
    case FIELD_STAGE:
    case FIELD_KIND:
    case FIELD_TIME: /* looked at before, together */
    case FIELD_FLAG:
        return 0;
    case FIELD_NOTICE:
    case FIELD_CLOCK:
    case FIELD_LIGHT:
        return check_enum(field, *(const int *)member, err);
    case FIELD_DAYS: {
        int64_t days = *(const int32_t *)member, most = (int64_t)field->max;
        if (days >= -most && days <= most)
            return 0;
        return problem_field(err, WB_E_FIELD_VALUE, field->name,
                             "%s is %" PRId64 ", not within %zu of 0", field->name, days,
                             field->max);
    }
    case FIELD_NUMBER: {
        uint32_t number = *(const uint32_t *)member;
        if (number <= field->max)
            return 0;
        return problem_field(err, WB_E_FIELD_VALUE, field->name,
                             "%s is %" PRIu32 ", at most %zu is allowed", field->name, number,
                             field->max);
    }
    default: {
        const char *text = *(char *const *)member;
        return empty(text) ? 0 : field_check(field, text, err);
    }
    }
}

static int check_notices(const wb_event *event, const struct field *field, struct wb_error *err) {
    for (size_t i = 0; i < event->n_notices; i++)
        if (check_field(field, event->notices[i], err))
            return -1;
    return 0;
}

static int check_fields(const wb_event *event, struct wb_error *err) {
    const void *const parts[PART_COUNT] = {
        [PART_EVENT] = event,
        [PART_HANDLER] = event->handler,
        [PART_SPECIAL] = event->special,
        [PART_EXTENSION] = event->extension,
        [PART_DECISION] = event->decision,
        [PART_ALERT] = event->alert,
    };
    for (const struct field *field = fields; field < fields + field_count; field++) {
        if (field->part == PART_NOTICE) {
            if (check_notices(event, field, err))
                return -1;
        } else if (parts[field->part] && check_field(field, parts[field->part], err)) {
            return -1;
        }
    }
    return 0;
}

static int check_lists(const wb_event *event, struct wb_error *err) {
    if (event->n_notices > LIMIT_NOTICES)
        return problem_field(err, WB_E_TOO_MANY_PARTS, "notices", "there are %zu notices",
                             event->n_notices);
    if (event->n_attributes > LIMIT_ATTRIBUTES)
        return problem_field(err, WB_E_TOO_MANY_PARTS, "attributes", "there are %zu attributes",
                             event->n_attributes);
    for (size_t i = 0; i < event->n_attributes; i++) {
        const Waybill__V1__Attribute *attribute = event->attributes[i];
        if (field_check_attribute(attribute->name ? attribute->name : "",
                                  attribute->value ? attribute->value : "", err))
            return -1;
    }
    return 0;
}

int event_validate(const wb_event *event, struct wb_error *err) {
    if (check_identity(event, err) || check_kind(event, err) || check_stage(event, err) ||
        check_time(event, err) || check_lists(event, err))
        return -1;
    return check_fields(event, err);
}

int event_decode(const uint8_t *data, size_t bytes, struct arena *arena, wb_event **event,
                 struct wb_error *err) {
    *event = NULL;
    if (bytes > LIMIT_EVENT_BYTES)
        return problem(err, WB_E_EVENT_TOO_LARGE, "the event has %zu bytes, at most %d are allowed",
                       bytes, LIMIT_EVENT_BYTES);
    if (wire_check(&waybill__v1__event__descriptor, data, bytes, LIMIT_DEPTH, WB_E_EVENT_MALFORMED,
                   err))
        return -1;
    wb_event *unpacked = waybill__v1__event__unpack(&arena->protobuf, bytes, data);
    if (!unpacked)
        return problem(err, WB_E_EVENT_TOO_LARGE, "the decoded event does not fit its memory");
    if (event_validate(unpacked, err))
        return -1;
    *event = unpacked;
    return 0;
}

static bool in_source(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (!first && (c == '.' || c == '_' || c == '-'));
}

int source_validate(const char *source, struct wb_error *err) {
    char value[PROBLEM_VALUE];
    size_t bytes = strlen(source);
    bool valid = bytes >= 1 && bytes <= LIMIT_SOURCE_BYTES;
    for (size_t i = 0; valid && i < bytes; i++)
        valid = in_source(source[i], i == 0);
    return valid ? 0
                 : problem(err, WB_E_SOURCE_NAME, "the name is %s",
                           problem_value(source, bytes, value));
}
