#include "json.h"

#include "bounds.h"
#include "common/arena.h"
#include "common/timestamp.h"
#include "field.h"
#include "problem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds a new reference, which may be NULL for want of memory. Names and texts are UTF-8 already:
 * they come from the .proto files and from checked messages. */
static int add(json_t *object, const char *name, json_t *value) {
    return json_object_set_new_nocheck(object, name, value);
}

static int add_time(json_t *object, const char *name, int64_t us, int offset_minutes,
                    bool date_only) {
    char text[TIMESTAMP_TEXT];
    struct timestamp time = {
        .us = us, .offset_minutes = (int16_t)offset_minutes, .date_only = date_only};
    return us ? add(object, name, json_string_nocheck(timestamp_format(&time, text))) : 0;
}

static int add_text(json_t *object, const char *name, const char *text) {
    return text && text[0] ? add(object, name, json_string_nocheck(text)) : 0;
}

static int add_number(json_t *object, const char *name, uint64_t number) {
    return number ? add(object, name, json_integer((json_int_t)number)) : 0;
}

static const char *enum_name(const ProtobufCEnumDescriptor *type, int value) {
    if (type == &waybill__v1__stage__descriptor)
        return value == WB_STAGE(UNSPECIFIED) ? "" : stage_name(value);
    if (type == &waybill__v1__clock__descriptor)
        return value ? clock_name(value) : "";
    if (type == &waybill__v1__light__descriptor)
        return value ? light_name(value) : "";
    return type == &waybill__v1__kind__descriptor ? kind_name(value) : notice_kind_name(value);
}

/* The members of a message that consists of texts, numbers, flags and enums. */
static int add_plain(json_t *object, const ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field) {
    const void *member = (const char *)message + field->offset;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return add_text(object, field->name, *(char *const *)member);
    case PROTOBUF_C_TYPE_ENUM:
        return add_text(object, field->name, enum_name(field->descriptor, *(const int *)member));
    case PROTOBUF_C_TYPE_UINT32:
        return add_number(object, field->name, *(const uint32_t *)member);
    case PROTOBUF_C_TYPE_SINT32: {
        int32_t number = *(const int32_t *)member;
        return number ? add(object, field->name, json_integer(number)) : 0;
    }
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)member ? add(object, field->name, json_true()) : 0;
    default:
        return 0;
    }
}

static json_t *plain_to_json(const ProtobufCMessage *message) {
    json_t *object = json_object();
    for (unsigned i = 0; object && i < message->descriptor->n_fields; i++)
        if (add_plain(object, message, &message->descriptor->fields[i])) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static int add_part(json_t *object, const char *name, const ProtobufCMessage *part) {
    return part ? add(object, name, plain_to_json(part)) : 0;
}

static int add_notices(json_t *object, const wb_event *event) {
    if (event->n_notices == 0)
        return 0;
    json_t *list = json_array();
    for (size_t i = 0; list && i < event->n_notices; i++)
        if (json_array_append_new(list, plain_to_json(&event->notices[i]->base))) {
            json_decref(list);
            list = NULL;
        }
    return add(object, "notices", list);
}

/* A name that comes again makes its value a list. */
static int add_attribute(json_t *object, const Waybill__V1__Attribute *attribute) {
    json_t *value = json_string_nocheck(attribute->value);
    json_t *before = json_object_get(object, attribute->name);
    if (!before)
        return add(object, attribute->name, value);
    if (json_is_array(before))
        return json_array_append_new(before, value);
    return add(object, attribute->name, json_pack("[Oo]", before, value));
}

static int add_attributes(json_t *object, const wb_event *event) {
    if (event->n_attributes == 0)
        return 0;
    json_t *attributes = json_object();
    for (size_t i = 0; attributes && i < event->n_attributes; i++)
        if (add_attribute(attributes, event->attributes[i])) {
            json_decref(attributes);
            attributes = NULL;
        }
    return add(object, "attributes", attributes);
}

static int add_occurred(json_t *object, const wb_event *event) {
    if (add_time(object, "occurred_at", event->occurred_at_us, event->utc_offset_minutes,
                 event->date_only))
        return -1;
    /* A date has no place for the offset that it is taken at. */
    bool foreign = event->date_only && event->utc_offset_minutes != FIELD_DEFAULT_OFFSET;
    return foreign ? add(object, "utc_offset_minutes", json_integer(event->utc_offset_minutes)) : 0;
}

static int add_event(json_t *object, const wb_event *event) {
    const ProtobufCMessageDescriptor *descriptor = &waybill__v1__event__descriptor;
    int failed = 0;
    for (unsigned i = 0; !failed && i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *member = (const char *)event + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            failed = field->descriptor == &waybill__v1__notice__descriptor
                         ? add_notices(object, event)
                         : add_attributes(object, event);
        else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            failed = add_part(object, field->name, *(const ProtobufCMessage *const *)member);
        else if (field->type == PROTOBUF_C_TYPE_INT64)
            failed = add_occurred(object, event);
        else if (field->type == PROTOBUF_C_TYPE_SINT32 || field->type == PROTOBUF_C_TYPE_BOOL)
            continue; /* said by add_occurred */
        else
            failed = add_plain(object, &event->base, field);
    }
    return failed;
}

static int add_record(json_t *object, const wb_record *record) {
    if (add_number(object, "offset", record->offset) ||
        add_text(object, "source", record->source) ||
        add_time(object, "recorded_at", record->recorded_at_us, 0, false))
        return -1;
    return record->event ? add_event(object, record->event) : 0;
}

static json_t *finished(json_t *object, int failed) {
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

json_t *event_to_json(const wb_event *event) {
    json_t *object = json_object();
    return object ? finished(object, add_event(object, event)) : NULL;
}

json_t *record_to_json(const wb_record *record) {
    json_t *object = json_object();
    return object ? finished(object, add_record(object, record)) : NULL;
}

json_t *case_state_to_json(const Waybill__V1__CaseState *state) {
    json_t *object = json_object();
    if (!object)
        return NULL;
    return finished(object,
                    add_text(object, "case_no", state->case_no) ||
                        add_text(object, "stage",
                                 enum_name(&waybill__v1__stage__descriptor, (int)state->stage)) ||
                        add(object, "ended", json_boolean(state->ended)) ||
                        add_number(object, "current_offset", state->current_offset) ||
                        add_time(object, "opened_at", state->opened_at_us, 0, false) ||
                        add_time(object, "since", state->since_us, 0, false) ||
                        add_number(object, "events", state->events) ||
                        add_number(object, "last_offset", state->last_offset) ||
                        add_text(object, "item_code", state->item_code) ||
                        add_text(object, "item_name", state->item_name) ||
                        add_text(object, "region_code", state->region_code) ||
                        add_text(object, "agency", state->agency) ||
                        add_text(object, "parent_case_no", state->parent_case_no) ||
                        add_part(object, "handler", state->handler ? &state->handler->base : NULL));
}

static int add_anomalies(json_t *object, const Waybill__V1__Node *node) {
    if (node->n_anomalies == 0)
        return 0;
    json_t *list = json_array();
    for (size_t i = 0; list && i < node->n_anomalies; i++)
        if (json_array_append_new(list,
                                  json_string_nocheck(anomaly_name((int)node->anomalies[i])))) {
            json_decref(list);
            list = NULL;
        }
    return add(object, "anomalies", list);
}

static json_t *node_to_json(const Waybill__V1__Node *node) {
    json_t *object = json_object();
    if (!object)
        return NULL;
    return finished(object, (node->record && add_record(object, node->record)) ||
                                add_text(object, "standing", standing_name((int)node->standing)) ||
                                add_number(object, "replaced_by", node->replaced_by) ||
                                add_anomalies(object, node));
}

static json_t *nodes_to_json(const Waybill__V1__CaseAnswer *answer) {
    json_t *list = json_array();
    for (size_t i = 0; list && i < answer->n_nodes; i++)
        if (json_array_append_new(list, node_to_json(answer->nodes[i])))
            return finished(list, -1);
    return list;
}

json_t *case_answer_to_json(const Waybill__V1__CaseAnswer *answer) {
    json_t *object = json_object();
    if (!object)
        return NULL;
    return finished(
        object,
        (answer->state && add(object, "case", case_state_to_json(answer->state))) ||
            add(object, "nodes", nodes_to_json(answer)) ||
            add(object, "through_offset", json_integer((json_int_t)answer->through_offset)) ||
            add(object, "truncated", json_boolean(answer->truncated)) ||
            add_text(object, "code", answer->code));
}

/* From here on: reading. */

struct reader {
    wb_event *event;
    struct arena *arena;
    struct wb_error *err;
};

static const char *type_name(const json_t *value) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",    [JSON_STRING] = "text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

static int wrong_type(const struct reader *reader, const char *name, const char *wanted,
                      const json_t *value) {
    return problem_field(reader->err, WB_E_FIELD_VALUE, name, "%s has to be %s, not %s", name,
                         wanted, type_name(value));
}

static int unknown(const struct reader *reader, const char *part, const char *name) {
    char value[PROBLEM_VALUE];
    problem_field(reader->err, WB_E_FIELD_VALUE, name, "%s has no member %s",
                  part[0] ? part : "an event", problem_value(name, strlen(name), value));
    return problem_hint(reader->err, "see PROTOCOL.md, 'JSON form'; put what is your own into "
                                     "attributes");
}

static int set_string(const struct reader *reader, const char *name, const json_t *value) {
    const char *text = json_string_value(value);
    if (json_string_length(value) != strlen(text))
        return problem_field(reader->err, WB_E_FIELD_TEXT, name, "%s has a NUL", name);
    return field_set(reader->event, reader->arena, name, text, reader->err);
}

/* One text or number; name is the field's dotted name. null leaves the field unset. */
static int set_scalar(const struct reader *reader, const struct field *field, const json_t *value) {
    char number[24];
    if (json_is_null(value))
        return 0;
    if (field->type == FIELD_FLAG)
        return json_is_boolean(value)
                   ? field_set(reader->event, reader->arena, field->name,
                               json_is_true(value) ? "true" : "false", reader->err)
                   : wrong_type(reader, field->name, "true or false", value);
    if (field->type != FIELD_NUMBER && field->type != FIELD_DAYS)
        return json_is_string(value) ? set_string(reader, field->name, value)
                                     : wrong_type(reader, field->name, "text", value);
    if (!json_is_integer(value))
        return wrong_type(reader, field->name, "a whole number", value);
    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return field_set(reader->event, reader->arena, field->name, number, reader->err);
}

/* The members of handler, special, extension, decision, alert or of one notice. */
static int set_part(const struct reader *reader, const char *part, const json_t *object) {
    char dotted[64];
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return wrong_type(reader, part, "an object", object);
    json_object_foreach((json_t *)object, name, value) {
        int length = snprintf(dotted, sizeof dotted, "%s.%s", part, name);
        const struct field *field = length < (int)sizeof dotted ? field_find(dotted) : NULL;
        if (!field)
            return unknown(reader, part, name);
        if (set_scalar(reader, field, value))
            return -1;
    }
    return 0;
}

static int set_notices(const struct reader *reader, const json_t *list) {
    size_t i;
    json_t *notice;
    if (!json_is_array(list))
        return wrong_type(reader, "notices", "a list", list);
    if (json_array_size(list) > LIMIT_NOTICES)
        return problem_field(reader->err, WB_E_TOO_MANY_PARTS, "notices", "there are %zu notices",
                             json_array_size(list));
    json_array_foreach(list, i, notice) {
        if (!json_is_object(notice))
            return wrong_type(reader, "notices", "a list of objects", notice);
        if (!field_add_notice(reader->event, reader->arena))
            return problem(reader->err, WB_E_SYSTEM, "no memory for a notice");
        if (set_part(reader, "notices", notice))
            return -1;
    }
    return 0;
}

static int set_attribute(const struct reader *reader, const char *dotted, const json_t *value) {
    char number[32];
    switch (json_typeof(value)) {
    case JSON_NULL:
        return 0;
    case JSON_STRING:
        return set_string(reader, dotted, value);
    case JSON_TRUE:
        return field_set(reader->event, reader->arena, dotted, "true", reader->err);
    case JSON_FALSE:
        return field_set(reader->event, reader->arena, dotted, "false", reader->err);
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return field_set(reader->event, reader->arena, dotted, number, reader->err);
    case JSON_REAL:
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
        if (strtod(number, NULL) != json_real_value(value))
            snprintf(number, sizeof number, "%.17g", json_real_value(value));
        return field_set(reader->event, reader->arena, dotted, number, reader->err);
    default:
        return wrong_type(reader, dotted, "text, a number or a list of these", value);
    }
}

static int set_attributes(const struct reader *reader, const json_t *object) {
    const char *name;
    json_t *value, *entry;
    size_t i;
    if (!json_is_object(object))
        return wrong_type(reader, "attributes", "an object", object);
    json_object_foreach((json_t *)object, name, value) {
        const char *dotted = arena_printf(reader->arena, "attributes.%s", name);
        if (!dotted)
            return problem(reader->err, WB_E_SYSTEM, "no memory for an attribute");
        if (!json_is_array(value)) {
            if (set_attribute(reader, dotted, value))
                return -1;
            continue;
        }
        json_array_foreach(value, i, entry) {
            if (set_attribute(reader, dotted, entry))
                return -1;
        }
    }
    return 0;
}

/* The offset of a date: moves the time from where field_set took it to be. */
static int set_offset(const struct reader *reader, const json_t *value) {
    static const char name[] = "utc_offset_minutes";
    wb_event *event = reader->event;
    json_int_t minutes = json_integer_value(value);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value))
        return wrong_type(reader, name, "a whole number", value);
    if (minutes < -FIELD_OFFSET_MINUTES || minutes > FIELD_OFFSET_MINUTES)
        return problem_field(reader->err, WB_E_FIELD_VALUE, name,
                             "%s is %" JSON_INTEGER_FORMAT ", not within %d of 0", name, minutes,
                             FIELD_OFFSET_MINUTES);
    if (!event->date_only) {
        if (minutes == event->utc_offset_minutes)
            return 0;
        return problem_field(reader->err, WB_E_FIELD_VALUE, name,
                             "%s says otherwise than occurred_at", name);
    }
    event->occurred_at_us += (event->utc_offset_minutes - minutes) * INT64_C(60000000);
    event->utc_offset_minutes = (int32_t)minutes;
    return 0;
}

static bool is_part(const char *name) {
    return strcmp(name, "handler") == 0 || strcmp(name, "special") == 0 ||
           strcmp(name, "extension") == 0 || strcmp(name, "decision") == 0 ||
           strcmp(name, "alert") == 0;
}

static bool passed_over(const char *name) {
    return strcmp(name, "offset") == 0 || strcmp(name, "source") == 0 ||
           strcmp(name, "recorded_at") == 0 || strcmp(name, "utc_offset_minutes") == 0;
}

static int set_member(const struct reader *reader, const char *name, const json_t *value) {
    const struct field *field = strchr(name, '.') ? NULL : field_find(name);
    if (field)
        return set_scalar(reader, field, value);
    if (passed_over(name))
        return 0;
    bool part = is_part(name), notices = strcmp(name, "notices") == 0;
    if (!part && !notices && strcmp(name, "attributes") != 0)
        return unknown(reader, "", name);
    if (json_is_null(value))
        return 0;
    return part      ? set_part(reader, name, value)
           : notices ? set_notices(reader, value)
                     : set_attributes(reader, value);
}

int event_from_json(const json_t *json, struct arena *arena, wb_event **event,
                    struct wb_error *err) {
    struct reader reader = {arena_alloc(arena, sizeof(wb_event)), arena, err};
    const char *name;
    json_t *value;
    *event = NULL;
    if (!reader.event)
        return problem(err, WB_E_SYSTEM, "no memory for an event");
    waybill__v1__event__init(reader.event);
    if (!json_is_object(json))
        return problem(err, WB_E_FORMAT, "an event has to be a JSON object, not %s",
                       json ? type_name(json) : "nothing");
    json_object_foreach((json_t *)json, name, value) {
        if (set_member(&reader, name, value))
            return -1;
    }
    if (set_offset(&reader, json_object_get(json, "utc_offset_minutes")))
        return -1;
    *event = reader.event;
    return 0;
}
