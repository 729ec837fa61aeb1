#include "proto/json.h"

#include "common/arena.h"
#include "proto/bounds.h"
#include "proto/validate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    wb_event *event;
    struct wb_error err;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    arena_init(&f->arena, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_free(&f->arena);
    free(f);
    return 0;
}

static int read_text(struct fixture *f, const char *text) {
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json)
        fail_msg("%s: %s", text, error.text);
    int result = event_from_json(json, &f->arena, &f->event, &f->err);
    json_decref(json);
    return result;
}

static void assert_refused(struct fixture *f, const char *text, int code, const char *field) {
    if (read_text(f, text) != -1)
        fail_msg("accepted %s", text);
    assert_int_equal(f->err.code, code);
    assert_string_equal(f->err.field, field);
    assert_null(f->event);
}

static void assert_json(json_t *json, const char *expected) {
    assert_non_null(json);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static const char FULL[] =
    "{\"event_id\":\"e-1\",\"kind\":\"correction\",\"case_no\":\"A-1\",\"parent_case_no\":\"P-1\","
    "\"stage\":\"SPECIAL_PROCEDURE\",\"step\":\"现场勘验\","
    "\"occurred_at\":\"2026-03-02T09:30:00.000+08:00\","
    "\"handler\":{\"name\":\"张三\",\"post\":\"经办人\",\"unit\":\"审批科\",\"phone\":\"0519-1\","
    "\"staff_no\":\"7\"},"
    "\"notices\":[{\"kind\":\"materials\",\"title\":\"补材料\",\"text\":\"a\\nb\","
    "\"url\":\"https://example.org/\",\"due_date\":\"2026-03-09\"},"
    "{\"kind\":\"information\",\"title\":\"t\"}],"
    "\"item_code\":\"i\",\"item_name\":\"n\",\"region_code\":\"320411\",\"agency\":\"局\","
    "\"replaces\":\"e-0\","
    "\"special\":{\"id\":\"s\",\"type\":\"听证\",\"approver\":\"a\",\"reason\":\"r\","
    "\"days_allowed\":15,\"result\":\"x\"},"
    "\"extension\":{\"days\":10,\"approver\":\"a\",\"reason\":\"r\"},"
    "\"decision\":{\"summary\":\"s\",\"reason\":\"r\",\"basis\":\"b\",\"remedy\":\"m\","
    "\"competent_office\":\"c\",\"document_no\":\"d\"},"
    "\"attributes\":{\"window\":\"3\",\"again\":[\"1\",\"2\",\"3\"]},"
    "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}";

static void test_every_member_goes_round(void **state) {
    struct fixture *f = *state;
    if (read_text(f, FULL))
        fail_msg("%s: %s", f->err.message, f->err.detail);
    assert_int_equal(event_validate(f->event, &f->err), 0);
    assert_int_equal(f->event->special->days_allowed, 15);
    assert_int_equal(f->event->n_attributes, 4);
    assert_json(event_to_json(f->event), FULL);
}

static void test_what_is_empty_is_left_out(void **state) {
    (void)state;
    wb_event event = WB_EVENT_INIT;
    assert_json(event_to_json(&event), "{\"kind\":\"progress\"}");
}

static void test_records_can_be_published_again(void **state) {
    struct fixture *f = *state;
    static const char text[] =
        "{\"offset\":7,\"source\":\"permits\",\"recorded_at\":\"2026-03-02T01:30:01.000Z\","
        "\"event_id\":\"e-1\",\"kind\":\"progress\",\"case_no\":\"A-1\",\"stage\":\"RECEIVED\","
        "\"occurred_at\":\"2026-03-02T01:30:00.500Z\"}";
    assert_int_equal(read_text(f, text), 0);
    wb_record record = WAYBILL__V1__RECORD__INIT;
    record.offset = 7;
    record.source = (char *)"permits";
    record.recorded_at_us = 1772415001000000;
    record.event = f->event;
    assert_json(record_to_json(&record), text);
}

static void test_dates_without_time(void **state) {
    struct fixture *f = *state;
    assert_int_equal(read_text(f, "{\"occurred_at\":\"2026-03-02\"}"), 0);
    assert_true(f->event->occurred_at_us == 1772380800000000);
    assert_json(event_to_json(f->event), "{\"kind\":\"progress\",\"occurred_at\":\"2026-03-02\"}");
    static const char utc[] =
        "{\"kind\":\"progress\",\"occurred_at\":\"2026-03-02\",\"utc_offset_minutes\":-300}";
    assert_int_equal(read_text(f, utc), 0);
    assert_true(f->event->occurred_at_us == 1772427600000000);
    assert_int_equal(f->event->utc_offset_minutes, -300);
    assert_json(event_to_json(f->event), utc);
    /* At the offset that a day alone is taken at, this one began in 1969. */
    static const char first[] =
        "{\"kind\":\"progress\",\"occurred_at\":\"1970-01-01\",\"utc_offset_minutes\":-480}";
    assert_int_equal(read_text(f, first), 0);
    assert_true(f->event->occurred_at_us == 28800000000);
    assert_json(event_to_json(f->event), first);
    assert_int_equal(read_text(f, "{\"utc_offset_minutes\":480,"
                                  "\"occurred_at\":\"2026-03-02T09:30:00+08:00\"}"),
                     0);
    assert_refused(f, "{\"utc_offset_minutes\":0,\"occurred_at\":\"2026-03-02T09:30:00+08:00\"}",
                   WB_E_FIELD_VALUE, "utc_offset_minutes");
    assert_refused(f, "{\"utc_offset_minutes\":5000,\"occurred_at\":\"2026-03-02\"}",
                   WB_E_FIELD_VALUE, "utc_offset_minutes");
    assert_refused(f, "{\"occurred_at\":\"2026-03-02T09:30:00\"}", WB_E_FIELD_VALUE, "occurred_at");
}

static void test_strict(void **state) {
    struct fixture *f = *state;
    assert_refused(f, "[]", WB_E_FORMAT, "");
    assert_refused(f, "{\"colour\":\"red\"}", WB_E_FIELD_VALUE, "colour");
    assert_non_null(strstr(f->err.detail, "\"colour\""));
    assert_refused(f, "{\"handler.name\":\"x\"}", WB_E_FIELD_VALUE, "handler.name");
    assert_refused(f, "{\"handler\":{\"nom\":\"x\"}}", WB_E_FIELD_VALUE, "nom");
    assert_refused(f, "{\"handler\":\"x\"}", WB_E_FIELD_VALUE, "handler");
    assert_refused(f, "{\"step\":7}", WB_E_FIELD_VALUE, "step");
    assert_refused(f, "{\"occurred_at\":1772415000}", WB_E_FIELD_VALUE, "occurred_at");
    assert_refused(f, "{\"stage\":7}", WB_E_FIELD_VALUE, "stage");
    assert_refused(f, "{\"stage\":\"DONE\"}", WB_E_STAGE_UNKNOWN, "stage");
    assert_refused(f, "{\"extension\":{\"days\":\"10\"}}", WB_E_FIELD_VALUE, "extension.days");
    assert_refused(f, "{\"extension\":{\"days\":1.5}}", WB_E_FIELD_VALUE, "extension.days");
    assert_refused(f, "{\"extension\":{\"days\":-1}}", WB_E_FIELD_VALUE, "extension.days");
    assert_refused(f, "{\"notices\":{}}", WB_E_FIELD_VALUE, "notices");
    assert_refused(f, "{\"notices\":[1]}", WB_E_FIELD_VALUE, "notices");
    assert_refused(f, "{\"attributes\":[]}", WB_E_FIELD_VALUE, "attributes");
    assert_refused(f, "{\"attributes\":{\"a\":{}}}", WB_E_FIELD_VALUE, "attributes.a");
    assert_refused(f, "{\"attributes\":{\"a\":[[]]}}", WB_E_FIELD_VALUE, "attributes.a");
    assert_refused(f, "{\"step\":\"a\\u0000b\"}", WB_E_FIELD_TEXT, "step");
    assert_int_equal(event_from_json(NULL, &f->arena, &f->event, &f->err), -1);
}

static void test_scalars_of_attributes_become_text(void **state) {
    struct fixture *f = *state;
    assert_int_equal(read_text(f, "{\"attributes\":{\"n\":3,\"f\":0.1,\"b\":true,\"x\":null}}"), 0);
    assert_json(event_to_json(f->event), "{\"kind\":\"progress\",\"attributes\":{\"n\":\"3\","
                                         "\"f\":\"0.1\",\"b\":\"true\"}}");
}

static void test_null_is_unset(void **state) {
    struct fixture *f = *state;
    assert_int_equal(read_text(f, "{\"step\":null,\"handler\":null,\"notices\":null,"
                                  "\"extension\":{\"days\":null},\"attributes\":null}"),
                     0);
    assert_null(f->event->handler);
    assert_string_equal(f->event->step, "");
}

static void test_too_many_notices(void **state) {
    struct fixture *f = *state;
    json_t *json = json_object(), *list = json_array();
    for (int i = 0; i <= LIMIT_NOTICES; i++)
        json_array_append_new(list, json_object());
    json_object_set_new(json, "notices", list);
    assert_int_equal(event_from_json(json, &f->arena, &f->event, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_TOO_MANY_PARTS);
    json_decref(json);
}

static void test_memory_runs_out(void **state) {
    struct fixture *f = *state;
    json_t *json = json_loads(FULL, 0, NULL);
    int refused = 0, accepted = 0;
    for (size_t max = 0; max < 6000; max += 16) {
        struct arena arena;
        arena_init(&arena, max);
        if (event_from_json(json, &arena, &f->event, &f->err) == 0) {
            accepted++;
        } else {
            assert_int_equal(f->err.code, WB_E_SYSTEM);
            refused++;
        }
        arena_free(&arena);
    }
    assert_true(refused > 50 && accepted > 50);
    json_decref(json);
}

static void test_cases(void **state) {
    (void)state;
    Waybill__V1__CaseState case_state = WAYBILL__V1__CASE_STATE__INIT;
    case_state.case_no = (char *)"A-1";
    case_state.stage = WB_STAGE(DELIVERED);
    case_state.ended = true;
    case_state.current_offset = 9;
    case_state.opened_at_us = 1772415000000000;
    case_state.since_us = 1772415060000000;
    case_state.events = 2;
    case_state.last_offset = 9;
    wb_event event = WB_EVENT_INIT;
    event.event_id = (char *)"e-1";
    wb_record record = WAYBILL__V1__RECORD__INIT;
    record.offset = 8;
    record.event = &event;
    Waybill__V1__Node node = WAYBILL__V1__NODE__INIT, *nodes[] = {&node};
    node.record = &record;
    node.standing = WAYBILL__V1__STANDING__STANDING_CORRECTED;
    node.replaced_by = 9;
    Waybill__V1__CaseAnswer answer = WAYBILL__V1__CASE_ANSWER__INIT;
    answer.state = &case_state;
    answer.n_nodes = 1;
    answer.nodes = nodes;
    answer.through_offset = 12;
    assert_json(case_answer_to_json(&answer),
                "{\"case\":{\"case_no\":\"A-1\",\"stage\":\"DELIVERED\",\"ended\":true,"
                "\"current_offset\":9,\"opened_at\":\"2026-03-02T01:30:00.000Z\","
                "\"since\":\"2026-03-02T01:31:00.000Z\",\"events\":2,\"last_offset\":9},"
                "\"nodes\":[{\"offset\":8,\"event_id\":\"e-1\",\"kind\":\"progress\","
                "\"standing\":\"corrected\",\"replaced_by\":9}],"
                "\"through_offset\":12,\"truncated\":false}");
}

/* What a broken peer could send must still have a JSON form. */
static void test_any_number_can_be_shown(void **state) {
    (void)state;
    wb_event event = WB_EVENT_INIT;
    event.occurred_at_us = INT64_MAX;
    event.utc_offset_minutes = INT32_MIN;
    event.stage = (wb_stage)1000;
    event.kind = (Waybill__V1__Kind)-7;
    json_t *json = event_to_json(&event);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "stage")), "UNKNOWN");
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_every_member_goes_round),
        TEST(test_what_is_empty_is_left_out),
        TEST(test_records_can_be_published_again),
        TEST(test_dates_without_time),
        TEST(test_strict),
        TEST(test_scalars_of_attributes_become_text),
        TEST(test_null_is_unset),
        TEST(test_too_many_notices),
        TEST(test_memory_runs_out),
        TEST(test_cases),
        TEST(test_any_number_can_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
