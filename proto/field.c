#include "field.h"

#include "bounds.h"
#include "common/arena.h"
#include "common/timestamp.h"
#include "problem.h"
#include "wire.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef Waybill__V1__SpecialProcedure special_procedure;
typedef Waybill__V1__Extension extension;
typedef Waybill__V1__Decision decision;
typedef Waybill__V1__Attribute attribute;

#define EVENT(name, type, max)                                                                     \
    { #name, type, PART_EVENT, max, offsetof(wb_event, name) }
#define HANDLER(name, type, max)                                                                   \
    { "handler." #name, type, PART_HANDLER, max, offsetof(wb_handler, name) }
#define SPECIAL(name, type, max)                                                                   \
    { "special." #name, type, PART_SPECIAL, max, offsetof(special_procedure, name) }
#define EXTENSION(name, type, max)                                                                 \
    { "extension." #name, type, PART_EXTENSION, max, offsetof(extension, name) }
#define DECISION(name, type, max)                                                                  \
    { "decision." #name, type, PART_DECISION, max, offsetof(decision, name) }
#define ALERT(name, type, max)                                                                     \
    { "alert." #name, type, PART_ALERT, max, offsetof(Waybill__V1__Alert, name) }
#define NOTICE(name, type, max)                                                                    \
    { "notices." #name, type, PART_NOTICE, max, offsetof(wb_notice, name) }

/* PROTOCOL.md, 'Fields', says what they mean; a test compares it with this table. */
const struct field fields[] = {
    EVENT(agency, FIELD_NAME, 200),
    ALERT(clock, FIELD_CLOCK, 0),
    ALERT(days_left, FIELD_DAYS, 100000),
    ALERT(deadline, FIELD_DATE, 10),
    ALERT(light, FIELD_LIGHT, 0),
    ALERT(promised, FIELD_FLAG, 0),
    EVENT(case_no, FIELD_ID, LIMIT_CASE_NO_BYTES),
    DECISION(basis, FIELD_PROSE, 2000),
    DECISION(competent_office, FIELD_NAME, 200),
    DECISION(document_no, FIELD_NAME, 128),
    DECISION(reason, FIELD_PROSE, 4000),
    DECISION(remedy, FIELD_PROSE, 4000),
    DECISION(summary, FIELD_PROSE, 2000),
    EVENT(event_id, FIELD_ID, 128),
    EXTENSION(approver, FIELD_NAME, 100),
    EXTENSION(days, FIELD_NUMBER, 3650),
    EXTENSION(reason, FIELD_PROSE, 2000),
    HANDLER(name, FIELD_NAME, 100),
    HANDLER(phone, FIELD_NAME, 64),
    HANDLER(post, FIELD_NAME, 100),
    HANDLER(staff_no, FIELD_NAME, 64),
    HANDLER(unit, FIELD_NAME, 200),
    EVENT(item_code, FIELD_ID, 64),
    EVENT(item_name, FIELD_NAME, 200),
    EVENT(kind, FIELD_KIND, 0),
    NOTICE(due_date, FIELD_DATE, 10),
    NOTICE(kind, FIELD_NOTICE, 0),
    NOTICE(text, FIELD_PROSE, 4000),
    NOTICE(title, FIELD_NAME, 200),
    NOTICE(url, FIELD_URL, 2000),
    {"occurred_at", FIELD_TIME, PART_EVENT, 0, offsetof(wb_event, occurred_at_us)},
    EVENT(parent_case_no, FIELD_ID, LIMIT_CASE_NO_BYTES),
    EVENT(region_code, FIELD_DIGITS, 12),
    EVENT(replaces, FIELD_ID, 128),
    SPECIAL(approver, FIELD_NAME, 100),
    SPECIAL(days_allowed, FIELD_NUMBER, 3650),
    SPECIAL(id, FIELD_ID, 64),
    SPECIAL(reason, FIELD_PROSE, 2000),
    SPECIAL(result, FIELD_PROSE, 2000),
    SPECIAL(type, FIELD_NAME, 64),
    EVENT(stage, FIELD_STAGE, 0),
    EVENT(step, FIELD_NAME, 200),
    EVENT(traceparent, FIELD_TRACE, 55),
};
const size_t field_count = sizeof fields / sizeof *fields;

const struct field field_attribute_name = {"attributes.name", FIELD_ID, PART_COUNT, 100, 0};
const struct field field_attribute_value = {"attributes.value", FIELD_PROSE, PART_COUNT, 2000, 0};

static int compare(const void *name, const void *field) {
    return strcmp(name, ((const struct field *)field)->name);
}

const struct field *field_find(const char *name) {
    return bsearch(name, fields, field_count, sizeof *fields, compare);
}

static bool digits(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

/* Of digits alone. */
static int number_of(const char *text, size_t count) {
    int number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + (text[i] - '0');
    return number;
}

static bool valid_date(const char *text, size_t bytes) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (bytes != 10 || !digits(text, 4) || text[4] != '-' || !digits(text + 5, 2) ||
        text[7] != '-' || !digits(text + 8, 2))
        return false;
    int year = number_of(text, 4), month = number_of(text + 5, 2), day = number_of(text + 8, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool one_of(char c, const char *set) {
    return c && strchr(set, c);
}

/* A link is shown to citizens: only what a browser fetches, and with a host. */
static bool valid_url(const char *text, size_t bytes) {
    size_t scheme = bytes > 8 && strncasecmp(text, "https://", 8) == 0  ? 8
                    : bytes > 7 && strncasecmp(text, "http://", 7) == 0 ? 7
                                                                        : 0;
    if (!scheme || one_of(text[scheme], "/?#"))
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (one_of(text[i], " \"<>\\^`{|}"))
            return false;
    return true;
}

static bool hex(const char *text, size_t count, bool may_be_zero) {
    bool zero = true;
    for (size_t i = 0; i < count; i++) {
        if (!one_of(text[i], "0123456789abcdef"))
            return false;
        zero = zero && text[i] == '0';
    }
    return may_be_zero || !zero;
}

/* https://www.w3.org/TR/trace-context/: version-trace-parent-flags. A version above 00 may have
 * more behind it, which does not fit the limit. */
static bool valid_trace(const char *text, size_t bytes) {
    return bytes == 55 && hex(text, 2, true) && memcmp(text, "ff", 2) != 0 && text[2] == '-' &&
           hex(text + 3, 32, false) && text[35] == '-' && hex(text + 36, 16, false) &&
           text[52] == '-' && hex(text + 53, 2, true);
}

static int refuse(const struct field *field, int code, const char *text, size_t bytes,
                  const char *what, struct wb_error *err) {
    char value[PROBLEM_VALUE];
    return problem_field(err, code, field->name, "%s %s: %s", field->name, what,
                         problem_value(text, bytes, value));
}

static int check_clean(const struct field *field, const char *text, size_t bytes,
                       struct wb_error *err) {
    unsigned found = wire_text(text, bytes);
    if (found & WIRE_TEXT_BROKEN)
        return refuse(field, WB_E_FIELD_TEXT, text, bytes, "is not UTF-8", err);
    if (found & WIRE_TEXT_CONTROL)
        return refuse(field, WB_E_FIELD_TEXT, text, bytes, "has a control character", err);
    if (found & WIRE_TEXT_NEWLINE && field->type != FIELD_PROSE)
        return refuse(field, WB_E_FIELD_TEXT, text, bytes, "has more than one line, or a tab", err);
    return 0;
}

/* What the type asks of a clean text. */
static bool has_form(enum field_type type, const char *text, size_t bytes) {
    switch (type) {
    case FIELD_ID:
        return text[0] != ' ' && text[bytes - 1] != ' ';
    case FIELD_URL:
        return valid_url(text, bytes);
    case FIELD_DATE:
        return valid_date(text, bytes);
    case FIELD_DIGITS:
        return digits(text, bytes);
    case FIELD_TRACE:
        return valid_trace(text, bytes);
    default:
        return true;
    }
}

bool field_fits(const struct field *field, const char *text, size_t bytes) {
    unsigned allowed = field->type == FIELD_PROSE ? WIRE_TEXT_NEWLINE : 0;
    return bytes <= field->max && (wire_text(text, bytes) & ~allowed) == 0 &&
           has_form(field->type, text, bytes);
}

int field_check(const struct field *field, const char *text, struct wb_error *err) {
    static const char *const wrong[] = {[FIELD_ID] = "has a space at an end",
                                        [FIELD_URL] = "is not an http or https URL",
                                        [FIELD_DATE] = "is not a date YYYY-MM-DD",
                                        [FIELD_DIGITS] = "is not digits alone",
                                        [FIELD_TRACE] = "is not a traceparent"};
    size_t bytes = strlen(text);
    char value[PROBLEM_VALUE];
    if (bytes > field->max)
        return problem_field(err, WB_E_FIELD_TOO_LONG, field->name,
                             "%s has %zu bytes, at most %zu are allowed: %s", field->name, bytes,
                             field->max, problem_value(text, bytes, value));
    if (check_clean(field, text, bytes, err))
        return -1;
    if (has_form(field->type, text, bytes))
        return 0;
    return refuse(field, WB_E_FIELD_VALUE, text, bytes, wrong[field->type], err);
}

int field_check_attribute(const char *name, const char *value, struct wb_error *err) {
    if (!name[0])
        return problem_field(err, WB_E_FIELD_MISSING, field_attribute_name.name,
                             "an attribute has no name");
    return field_check(&field_attribute_name, name, err) ||
                   (value[0] && field_check(&field_attribute_value, value, err))
               ? -1
               : 0;
}

static int no_memory(const char *name, struct wb_error *err) {
    problem(err, WB_E_SYSTEM, "no memory for %s", name);
    return problem_hint(err, "shorten the event");
}

/* The part of the event that the field stands in, made if it is not there; NULL without memory. */
static void *part_of(wb_event *event, struct arena *arena, enum field_part part) {
#define CREATE(member, type, init)                                                                 \
    do {                                                                                           \
        if (!event->member && (event->member = arena_alloc(arena, sizeof *event->member)))         \
            init(event->member);                                                                   \
        return event->member;                                                                      \
    } while (0)
    switch (part) {
    case PART_EVENT:
        return event;
    case PART_HANDLER:
        CREATE(handler, wb_handler, waybill__v1__handler__init);
    case PART_SPECIAL:
        CREATE(special, special_procedure, waybill__v1__special_procedure__init);
    case PART_EXTENSION:
        CREATE(extension, extension, waybill__v1__extension__init);
    case PART_DECISION:
        CREATE(decision, decision, waybill__v1__decision__init);
    case PART_ALERT:
        CREATE(alert, Waybill__V1__Alert, waybill__v1__alert__init);
    case PART_NOTICE:
        return event->n_notices ? event->notices[event->n_notices - 1]
                                : field_add_notice(event, arena);
    case PART_COUNT:
        break;
    }
#undef CREATE
    return NULL;
}

/* A list with one more place. The old one may be of any size, so it is always copied. */
static void *grown(struct arena *arena, void *list, size_t count) {
    void **more = arena_alloc(arena, (count + 1) * sizeof *more);
    if (more && count)
        memcpy(more, list, count * sizeof *more);
    return more;
}

wb_notice *field_add_notice(wb_event *event, struct arena *arena) {
    if (event->n_notices >= LIMIT_NOTICES)
        return NULL;
    wb_notice **notices = grown(arena, event->notices, event->n_notices);
    wb_notice *notice = notices ? arena_alloc(arena, sizeof *notice) : NULL;
    if (!notice)
        return NULL;
    waybill__v1__notice__init(notice);
    notices[event->n_notices++] = notice;
    event->notices = notices;
    return notice;
}

static int add_attribute(wb_event *event, struct arena *arena, const char *name, const char *text,
                         struct wb_error *err) {
    if (field_check_attribute(name, text, err))
        return -1;
    if (event->n_attributes >= LIMIT_ATTRIBUTES)
        return problem_field(err, WB_E_TOO_MANY_PARTS, "attributes",
                             "there are %d attributes already", LIMIT_ATTRIBUTES);
    attribute **attributes = grown(arena, event->attributes, event->n_attributes);
    attribute *added = attributes ? arena_alloc(arena, sizeof *added) : NULL;
    if (!added)
        return no_memory("an attribute", err);
    waybill__v1__attribute__init(added);
    added->name = arena_text(arena, name, strlen(name));
    added->value = arena_text(arena, text, strlen(text));
    if (!added->name || !added->value)
        return no_memory("an attribute", err);
    attributes[event->n_attributes++] = added;
    event->attributes = attributes;
    return 0;
}

static int set_time(wb_event *event, const struct field *field, const char *text,
                    struct wb_error *err) {
    struct timestamp time, again;
    size_t bytes = strlen(text);
    if (!timestamp_parse(text, bytes, FIELD_DEFAULT_OFFSET, &time)) {
        refuse(field, WB_E_FIELD_VALUE, text, bytes, "is not a time", err);
        return problem_hint(err, "write RFC 3339, 2026-03-02T09:30:00+08:00, or a date alone");
    }
    /* Only a text without an offset depends on the default. */
    if (!time.date_only && (!timestamp_parse(text, bytes, 0, &again) || again.us != time.us)) {
        refuse(field, WB_E_FIELD_VALUE, text, bytes, "has no offset from UTC", err);
        return problem_hint(err, "give the zone: 2026-03-02T09:30:00+08:00");
    }
    /* A day may yet be taken at another offset (the JSON form's utc_offset_minutes). Whether it is
     * in range then, event_validate says. */
    int64_t slack_us = (FIELD_DEFAULT_OFFSET + FIELD_OFFSET_MINUTES) * INT64_C(60000000);
    if (time.us < (time.date_only ? -slack_us : 0) || time.us >= FIELD_TIME_END_US) {
        refuse(field, WB_E_TIME_RANGE, text, bytes, "lies outside 1970 to 2200", err);
        return problem_hint(err, "check the year");
    }
    event->occurred_at_us = time.us;
    event->utc_offset_minutes = time.offset_minutes;
    event->date_only = time.date_only;
    return 0;
}

static int set_number(uint32_t *to, const struct field *field, const char *text,
                      struct wb_error *err) {
    size_t bytes = strlen(text);
    if (bytes > 9 || !digits(text, bytes) || strtoul(text, NULL, 10) > field->max) {
        char value[PROBLEM_VALUE];
        return problem_field(err, WB_E_FIELD_VALUE, field->name,
                             "%s is not a number from 0 to %zu: %s", field->name, field->max,
                             problem_value(text, bytes, value));
    }
    *to = (uint32_t)strtoul(text, NULL, 10);
    return 0;
}

static int set_days(int32_t *to, const struct field *field, const char *text,
                    struct wb_error *err) {
    uint32_t days = 0;
    bool below = text[0] == '-' && text[1];
    if (set_number(&days, field, text + below, err))
        return -1;
    *to = below ? -(int32_t)days : (int32_t)days;
    return 0;
}

static int set_flag(protobuf_c_boolean *to, const struct field *field, const char *text,
                    struct wb_error *err) {
    bool set = strcmp(text, "true") == 0;
    if (!set && strcmp(text, "false") != 0)
        return refuse(field, WB_E_FIELD_VALUE, text, strlen(text), "is neither true nor false",
                      err);
    *to = set;
    return 0;
}

static int parse_enum(enum field_type type, const char *text) {
    switch (type) {
    case FIELD_STAGE:
        return stage_parse(text);
    case FIELD_KIND:
        return kind_parse(text);
    case FIELD_CLOCK:
        return clock_parse(text);
    case FIELD_LIGHT:
        return light_parse(text);
    default:
        return notice_kind_parse(text);
    }
}

static int set_enum(int *to, const struct field *field, const char *text, struct wb_error *err) {
    int value = parse_enum(field->type, text);
    if (value < 0)
        return refuse(field, field->type == FIELD_STAGE ? WB_E_STAGE_UNKNOWN : WB_E_FIELD_VALUE,
                      text, strlen(text), "has no such value", err);
    *to = value;
    return 0;
}

static int set_text(char **to, struct arena *arena, const struct field *field, const char *text,
                    struct wb_error *err) {
    if (field_check(field, text, err))
        return -1;
    char *copy = arena_text(arena, text, strlen(text));
    if (!copy)
        return no_memory(field->name, err);
    *to = copy;
    return 0;
}

int field_set(wb_event *event, struct arena *arena, const char *name, const char *text,
              struct wb_error *err) {
    static const char prefix[] = "attributes.";
    if (!text[0])
        return 0;
    if (strncmp(name, prefix, sizeof prefix - 1) == 0)
        return add_attribute(event, arena, name + sizeof prefix - 1, text, err);
    const struct field *field = field_find(name);
    if (!field) {
        char value[PROBLEM_VALUE];
        problem_field(err, WB_E_FIELD_VALUE, name, "an event has no field %s",
                      problem_value(name, strlen(name), value));
        return problem_hint(err, "use a field of PROTOCOL.md, 'Fields', or attributes.NAME");
    }
    char *part = part_of(event, arena, field->part);
    if (!part)
        return no_memory(field->name, err);
    void *member = part + field->offset;
    switch (field->type) {
    case FIELD_TIME:
        return set_time(event, field, text, err);
    case FIELD_NUMBER:
        return set_number(member, field, text, err);
    case FIELD_DAYS:
        return set_days(member, field, text, err);
    case FIELD_FLAG:
        return set_flag(member, field, text, err);
    case FIELD_STAGE:
    case FIELD_KIND:
    case FIELD_NOTICE:
    case FIELD_CLOCK:
    case FIELD_LIGHT:
        return set_enum(member, field, text, err);
    default:
        return set_text(member, arena, field, text, err);
    }
}

static const char *const stages[] = {
    "UNSPECIFIED",
    "SUBMITTED",
    "RECEIVED",
    "CORRECTION_REQUESTED",
    "CORRECTION_RECEIVED",
    "NOT_REQUIRED",
    "NOT_ACCEPTED",
    "ACCEPTED",
    "UNDER_REVIEW",
    "FORWARDED",
    "SPECIAL_PROCEDURE",
    "RESUMED",
    "EXTENDED",
    "GRANTED",
    "REFUSED",
    "DELIVERED",
    "WITHDRAWN",
    "TERMINATED",
    "REVOKED",
    "CANCELLED",
};
static const char *const kinds[] = {"progress", "correction", "retraction", "alert"};
static const char *const notice_kinds[] = {"information", "materials", "fee",
                                           "visit",       "result",    "remedy"};
static const char *const clocks[] = {"unspecified", "notice", "decision", "delivery"};
static const char *const lights[] = {"unspecified", "green", "yellow", "red"};
static const char *const standings[] = {"current", "corrected", "retracted", "unmatched"};
static const char *const anomalies[] = {
    "unspecified",        "after_end",     "after_decision",  "after_acceptance",
    "without_acceptance", "without_grant", "without_request", "nothing_to_resume",
    "nothing_to_amend",   "ahead_of_time",
};
static const char *const audiences[] = {"unspecified", "full", "staff", "applicant", "public"};

#define COUNT(names) ((int)(sizeof(names) / sizeof *(names)))

static const char *name_in(const char *const *names, int count, int value, const char *otherwise) {
    return value >= 0 && value < count ? names[value] : otherwise;
}

static int parse_in(const char *const *names, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcasecmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *stage_name(int stage) {
    return name_in(stages, COUNT(stages), stage, "UNKNOWN");
}

int stage_parse(const char *name) {
    static const char prefix[] = "STAGE_";
    if (strncasecmp(name, prefix, sizeof prefix - 1) == 0)
        name += sizeof prefix - 1;
    int stage = parse_in(stages, COUNT(stages), name);
    return stage == WB_STAGE(UNSPECIFIED) ? -1 : stage;
}

bool stage_ends(int stage) {
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

const char *kind_name(int kind) {
    return name_in(kinds, COUNT(kinds), kind, "unknown");
}

int kind_parse(const char *name) {
    return parse_in(kinds, COUNT(kinds), name);
}

const char *notice_kind_name(int kind) {
    return name_in(notice_kinds, COUNT(notice_kinds), kind, "unknown");
}

int notice_kind_parse(const char *name) {
    return parse_in(notice_kinds, COUNT(notice_kinds), name);
}

const char *clock_name(int clock) {
    return name_in(clocks, COUNT(clocks), clock, "unknown");
}

int clock_parse(const char *name) {
    return parse_in(clocks, COUNT(clocks), name);
}

const char *light_name(int light) {
    return name_in(lights, COUNT(lights), light, "unknown");
}

int light_parse(const char *name) {
    return parse_in(lights, COUNT(lights), name);
}

const char *standing_name(int standing) {
    return name_in(standings, COUNT(standings), standing, "unknown");
}

const char *anomaly_name(int anomaly) {
    return name_in(anomalies, COUNT(anomalies), anomaly, "unknown");
}

const char *audience_name(int audience) {
    return name_in(audiences, COUNT(audiences), audience, "unknown");
}

int audience_parse(const char *name) {
    int audience = parse_in(audiences, COUNT(audiences), name);
    return audience > 0 ? audience : -1;
}
