/* The golden bytes in proto/vectors: what they mean, and that we write the same bytes again. */
#include "common/arena.h"
#include "common/buffer.h"
#include "proto/bounds.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "proto/validate.h"
#include "proto/wire.h"
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vector {
    char name[256];
    struct buffer bytes, out;
    json_t *meaning;
    struct arena arena;
    struct wb_error err;
};

static const char *member(const struct vector *v, const char *name) {
    const char *text = json_string_value(json_object_get(v->meaning, name));
    return text ? text : "";
}

static void read_hex(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "r");
    if (!file) {
        fail_msg("%s is not there", path);
        return;
    }
    int digits = 0;
    char pair[3] = "";
    for (int c; (c = getc(file)) != EOF;) {
        if (isspace(c))
            continue;
        assert_true(isxdigit(c));
        pair[digits++] = (char)c;
        if (digits == 2) {
            uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);
            buffer_append(out, &byte, 1);
            digits = 0;
        }
    }
    assert_int_equal(digits, 0);
    fclose(file);
}

static void open_vector(struct vector *v, const char *directory, const char *json_name) {
    char path[600];
    json_error_t error;
    size_t length = strlen(json_name) - strlen(".json");
    *v = (struct vector){0};
    snprintf(v->name, sizeof v->name, "%.*s", (int)length, json_name);
    buffer_init(&v->bytes, 0);
    buffer_init(&v->out, 0);
    arena_init(&v->arena, 1 << 23);
    snprintf(path, sizeof path, "%s/%s", directory, json_name);
    v->meaning = json_load_file(path, 0, &error);
    if (!v->meaning)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    snprintf(path, sizeof path, "%s/%s.hex", directory, v->name);
    read_hex(path, &v->bytes);
}

static void close_vector(struct vector *v) {
    buffer_free(&v->bytes);
    buffer_free(&v->out);
    arena_free(&v->arena);
    json_decref(v->meaning);
}

static void assert_ok(const struct vector *v, int result) {
    if (result)
        fail_msg("%s: %s: %s", v->name, v->err.message, v->err.detail);
}

static void assert_bytes(const struct vector *v, const struct buffer *out) {
    if (out->length != v->bytes.length ||
        (out->length && memcmp(out->data, v->bytes.data, out->length) != 0))
        fail_msg("%s: written again, the bytes differ", v->name);
}

static void assert_form(const struct vector *v, json_t *json) {
    assert_non_null(json);
    char *text = json_dumps(json, 0);
    if (!json_equal(json, json_object_get(v->meaning, "form")))
        fail_msg("%s: the JSON form is %s", v->name, text);
    free(text);
    json_decref(json);
}

static void put_event(struct buffer *out, const wb_event *event) {
    size_t size = waybill__v1__event__get_packed_size(event);
    uint8_t *at = buffer_reserve(out, size);
    assert_non_null(at);
    out->length += waybill__v1__event__pack(event, at);
}

static void check_event(struct vector *v) {
    wb_event *event;
    assert_ok(v, event_decode(v->bytes.data, v->bytes.length, &v->arena, &event, &v->err));
    put_event(&v->out, event);
    assert_bytes(v, &v->out);
    assert_form(v, event_to_json(event));
    if (json_object_get(v->meaning, "unknown"))
        return;
    assert_ok(v, event_from_json(json_object_get(v->meaning, "form"), &v->arena, &event, &v->err));
    buffer_clear(&v->out);
    put_event(&v->out, event);
    assert_bytes(v, &v->out);
}

static void check_record(struct vector *v) {
    struct buffer event;
    assert_ok(v, wire_check(&waybill__v1__record__descriptor, v->bytes.data, v->bytes.length,
                            LIMIT_DEPTH, WB_E_MALFORMED, &v->err));
    wb_record *record =
        waybill__v1__record__unpack(&v->arena.protobuf, v->bytes.length, v->bytes.data);
    assert_non_null(record);
    assert_form(v, record_to_json(record));
    buffer_init(&event, 0);
    put_event(&event, record->event);
    frame_put_record(&v->out, record->offset, record->source, record->recorded_at_us, event.data,
                     event.length);
    assert_bytes(v, &v->out);
    buffer_free(&event);
}

static void check_publish(struct vector *v, const struct frame_publish *publish) {
    struct buffer events;
    buffer_init(&events, 0);
    for (size_t i = 0; i < publish->count; i++) {
        wb_event *event;
        const struct slice *slice = &publish->events[i];
        assert_ok(v, event_decode(slice->data, slice->length, &v->arena, &event, &v->err));
        frame_add_event(&events, slice->data, slice->length);
    }
    frame_put_publish(&v->out, publish->batch, publish->want_codes, &events);
    buffer_free(&events);
}

static void check_client(struct vector *v) {
    client_message *message;
    struct frame_publish publish;
    assert_ok(v,
              frame_client(v->bytes.data, v->bytes.length, &v->arena, &message, &publish, &v->err));
    if (message)
        frame_put_client(&v->out, message);
    else
        check_publish(v, &publish);
    assert_bytes(v, &v->out);
}

static void check_broker(struct vector *v) {
    broker_message *message;
    assert_ok(v, frame_broker(v->bytes.data, v->bytes.length, &v->arena, &message, &v->err));
    frame_put_broker(&v->out, message);
    assert_bytes(v, &v->out);
    if (message->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER)
        assert_form(v, case_answer_to_json(message->case_answer));
}

static void check_live_batch(struct vector *v) {
    struct buffer records, record, event;
    assert_ok(v, wire_check(&waybill__v1__live_batch__descriptor, v->bytes.data, v->bytes.length,
                            LIMIT_DEPTH, WB_E_MALFORMED, &v->err));
    Waybill__V1__LiveBatch *batch =
        waybill__v1__live_batch__unpack(&v->arena.protobuf, v->bytes.length, v->bytes.data);
    assert_non_null(batch);
    buffer_init(&records, 0);
    buffer_init(&record, 0);
    buffer_init(&event, 0);
    for (size_t i = 0; i < batch->n_records; i++) {
        const wb_record *r = batch->records[i];
        buffer_clear(&event);
        buffer_clear(&record);
        put_event(&event, r->event);
        frame_put_record(&record, r->offset, r->source, r->recorded_at_us, event.data,
                         event.length);
        frame_add_record(&records, record.data, record.length);
    }
    frame_put_live_batch(&v->out, batch->from_offset, batch->through_offset, &records);
    assert_bytes(v, &v->out);
    buffer_free(&records);
    buffer_free(&record);
    buffer_free(&event);
}

static void check_valid(struct vector *v) {
    const char *message = member(v, "message");
    if (strcmp(message, "Event") == 0)
        check_event(v);
    else if (strcmp(message, "Record") == 0)
        check_record(v);
    else if (strcmp(message, "LiveBatch") == 0)
        check_live_batch(v);
    else if (strcmp(message, "ClientMessage") == 0)
        check_client(v);
    else if (strcmp(message, "BrokerMessage") == 0)
        check_broker(v);
    else
        fail_msg("%s: no such message: %s", v->name, message);
}

static void check_invalid(struct vector *v) {
    int result;
    if (strcmp(member(v, "message"), "Event") == 0) {
        wb_event *event;
        result = event_decode(v->bytes.data, v->bytes.length, &v->arena, &event, &v->err);
    } else {
        client_message *message;
        struct frame_publish publish;
        result =
            frame_client(v->bytes.data, v->bytes.length, &v->arena, &message, &publish, &v->err);
    }
    if (result != -1)
        fail_msg("%s: accepted", v->name);
    if (strcmp(problem_name(v->err.code), member(v, "error")) != 0)
        fail_msg("%s: refused with %s: %s", v->name, problem_name(v->err.code), v->err.detail);
    if (strcmp(v->err.field, member(v, "field")) != 0)
        fail_msg("%s: refused for the field %s: %s", v->name, v->err.field, v->err.detail);
}

static size_t each(const char *directory, void (*check)(struct vector *v)) {
    size_t count = 0;
    DIR *listing = opendir(directory);
    if (!listing) {
        fail_msg("%s cannot be read", directory);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".json") != 0)
            continue;
        struct vector v;
        open_vector(&v, directory, entry->d_name);
        check(&v);
        close_vector(&v);
        count++;
    }
    closedir(listing);
    return count;
}

static void test_golden_bytes(void **state) {
    (void)state;
    assert_true(each(VECTORS, check_valid) >= 38);
}

static void test_invalid_bytes(void **state) {
    (void)state;
    assert_true(each(VECTORS "/invalid", check_invalid) >= 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_bytes),
        cmocka_unit_test(test_invalid_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
