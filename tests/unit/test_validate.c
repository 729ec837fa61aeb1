#include "proto/validate.h"

#include "common/arena.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static wb_event valid(void) {
    wb_event event = WB_EVENT_INIT;
    event.event_id = (char *)"e-1";
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = 1767225600000000;
    event.utc_offset_minutes = 480;
    return event;
}

static void assert_refused(const wb_event *event, int code, const char *field) {
    struct wb_error err = {0};
    if (event_validate(event, &err) != -1)
        fail_msg("accepted with a bad %s", field);
    assert_string_equal(err.field, field);
    assert_int_equal(err.code, code);
    assert_true(err.detail[0] && err.hint[0] && err.message[0]);
}

static void test_a_minimal_event(void **state) {
    (void)state;
    struct wb_error err;
    wb_event event = valid();
    assert_int_equal(event_validate(&event, &err), 0);
    event.event_id = (char *)"";
    assert_refused(&event, WB_E_FIELD_MISSING, "event_id");
    event = valid();
    event.case_no = NULL;
    assert_refused(&event, WB_E_FIELD_MISSING, "case_no");
    event = valid();
    event.stage = WB_STAGE(UNSPECIFIED);
    assert_refused(&event, WB_E_FIELD_MISSING, "stage");
    event = valid();
    event.occurred_at_us = 0;
    assert_refused(&event, WB_E_FIELD_MISSING, "occurred_at");
    assert_int_equal(event_validate(&event, NULL), -1);
}

static void test_time_range(void **state) {
    (void)state;
    struct wb_error err;
    wb_event event = valid();
    event.occurred_at_us = 1;
    assert_int_equal(event_validate(&event, &err), 0);
    event.occurred_at_us = FIELD_TIME_END_US - 1;
    assert_int_equal(event_validate(&event, &err), 0);
    static const int64_t outside[] = {-1, FIELD_TIME_END_US, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        event.occurred_at_us = outside[i];
        assert_refused(&event, WB_E_TIME_RANGE, "occurred_at");
    }
    event = valid();
    event.utc_offset_minutes = 1080;
    assert_int_equal(event_validate(&event, &err), 0);
    event.utc_offset_minutes = -1081;
    assert_refused(&event, WB_E_FIELD_VALUE, "utc_offset_minutes");
}

static void test_values_of_enums(void **state) {
    (void)state;
    wb_event event = valid();
    event.stage = (wb_stage)20;
    assert_refused(&event, WB_E_STAGE_UNKNOWN, "stage");
    event.stage = (wb_stage)-1;
    assert_refused(&event, WB_E_STAGE_UNKNOWN, "stage");
    event = valid();
    event.kind = (Waybill__V1__Kind)4;
    assert_refused(&event, WB_E_FIELD_VALUE, "kind");
    event = valid();
    wb_notice notice = WB_NOTICE_INIT, *notices[] = {&notice};
    notice.kind = (Waybill__V1__NoticeKind)99;
    event.n_notices = 1;
    event.notices = notices;
    assert_refused(&event, WB_E_FIELD_VALUE, "notices.kind");
}

static void test_replaces(void **state) {
    (void)state;
    struct wb_error err;
    wb_event event = valid();
    event.replaces = (char *)"e-0";
    assert_refused(&event, WB_E_FIELD_VALUE, "replaces");
    event.kind = WAYBILL__V1__KIND__KIND_CORRECTION;
    assert_int_equal(event_validate(&event, &err), 0);
    event.replaces = (char *)"e-1";
    assert_refused(&event, WB_E_FIELD_VALUE, "replaces");
    event.replaces = (char *)"";
    assert_refused(&event, WB_E_FIELD_MISSING, "replaces");
    event.kind = WAYBILL__V1__KIND__KIND_RETRACTION;
    assert_refused(&event, WB_E_FIELD_MISSING, "replaces");
    event.replaces = (char *)"e-0";
    event.stage = WB_STAGE(UNSPECIFIED);
    assert_int_equal(event_validate(&event, &err), 0);
    event = valid();
    event.kind = WAYBILL__V1__KIND__KIND_ALERT; /* the broker's to refuse */
    assert_int_equal(event_validate(&event, &err), 0);
    Waybill__V1__Alert alert = WAYBILL__V1__ALERT__INIT;
    event.alert = &alert;
    assert_int_equal(event_validate(&event, &err), 0);
    alert.clock = (Waybill__V1__Clock)4;
    assert_refused(&event, WB_E_FIELD_VALUE, "alert.clock");
    alert.clock = WAYBILL__V1__CLOCK__CLOCK_DELIVERY;
    event.kind = WAYBILL__V1__KIND__KIND_PROGRESS;
    assert_refused(&event, WB_E_KIND_NOT_ALLOWED, "alert");
}

/* Every field of text and number in every part is looked at. */
static void test_every_field_has_its_limit(void **state) {
    (void)state;
    char text[5000];
    for (size_t i = 0; i < field_count; i++) {
        const struct field *field = &fields[i];
        wb_event event = valid();
        wb_handler handler = WB_HANDLER_INIT;
        Waybill__V1__SpecialProcedure special = WAYBILL__V1__SPECIAL_PROCEDURE__INIT;
        Waybill__V1__Extension extension = WAYBILL__V1__EXTENSION__INIT;
        Waybill__V1__Decision decision = WAYBILL__V1__DECISION__INIT;
        Waybill__V1__Alert alert = WAYBILL__V1__ALERT__INIT;
        wb_notice notice = WB_NOTICE_INIT, *notices[] = {&notice};
        event.handler = &handler;
        event.special = &special;
        event.extension = &extension;
        event.decision = &decision;
        event.n_notices = 1;
        event.notices = notices;
        if (field->part == PART_ALERT) {
            event.kind = WAYBILL__V1__KIND__KIND_ALERT;
            event.alert = &alert;
        } else {
            event.kind = WAYBILL__V1__KIND__KIND_CORRECTION;
            event.replaces = (char *)"e-0";
        }
        void *const parts[] = {&event, &handler, &special, &extension, &decision, &notice, &alert};
        char *member = (char *)parts[field->part] + field->offset;
        if (field->type == FIELD_NUMBER) {
            *(uint32_t *)member = (uint32_t)field->max + 1;
            assert_refused(&event, WB_E_FIELD_VALUE, field->name);
        } else if (field->type == FIELD_DAYS) {
            *(int32_t *)member = -(int32_t)field->max - 1;
            assert_refused(&event, WB_E_FIELD_VALUE, field->name);
        } else if (field->type < FIELD_STAGE || field->type == FIELD_TRACE) {
            memset(text, 'x', field->max + 1);
            text[field->max + 1] = '\0';
            *(char **)member = text;
            assert_refused(&event, WB_E_FIELD_TOO_LONG, field->name);
        }
    }
}

static void test_lists_are_bounded(void **state) {
    (void)state;
    struct wb_error err;
    wb_event event = valid();
    wb_notice notice = WB_NOTICE_INIT, *notices[LIMIT_NOTICES + 1];
    Waybill__V1__Attribute attribute = WAYBILL__V1__ATTRIBUTE__INIT;
    Waybill__V1__Attribute *attributes[LIMIT_ATTRIBUTES + 1];
    for (size_t i = 0; i <= LIMIT_NOTICES; i++)
        notices[i] = &notice;
    for (size_t i = 0; i <= LIMIT_ATTRIBUTES; i++)
        attributes[i] = &attribute;
    attribute.name = (char *)"window";
    event.notices = notices;
    event.n_notices = LIMIT_NOTICES;
    event.attributes = attributes;
    event.n_attributes = LIMIT_ATTRIBUTES;
    assert_int_equal(event_validate(&event, &err), 0);
    event.n_notices++;
    assert_refused(&event, WB_E_TOO_MANY_PARTS, "notices");
    event.n_notices = 0;
    event.n_attributes++;
    assert_refused(&event, WB_E_TOO_MANY_PARTS, "attributes");
    event.n_attributes = 1;
    attribute.name = (char *)"";
    assert_refused(&event, WB_E_FIELD_MISSING, "attributes.name");
}

static int decode(const void *data, size_t bytes, size_t memory, struct wb_error *err) {
    struct arena arena;
    wb_event *event = NULL;
    arena_init(&arena, memory);
    int result = event_decode(data, bytes, &arena, &event, err);
    assert_true((result == 0) == (event != NULL));
    if (event)
        assert_string_equal(event->event_id, "e-1");
    arena_free(&arena);
    return result;
}

static void test_decodes(void **state) {
    (void)state;
    struct wb_error err;
    uint8_t data[200];
    wb_event event = valid();
    size_t bytes = waybill__v1__event__pack(&event, data);
    assert_int_equal(decode(data, bytes, 4096, &err), 0);
    assert_int_equal(decode(data, bytes - 1, 4096, &err), -1);
    assert_int_equal(err.code, WB_E_EVENT_MALFORMED);
    assert_int_equal(decode(data, bytes, 100, &err), -1);
    assert_int_equal(err.code, WB_E_EVENT_TOO_LARGE);
    assert_int_equal(decode("", 0, 4096, &err), -1);
    assert_int_equal(err.code, WB_E_FIELD_MISSING);
    assert_int_equal(decode("\x0a\x02\xc3\x28", 4, 4096, &err), -1);
    assert_int_equal(err.code, WB_E_FIELD_TEXT);
    assert_non_null(strstr(err.detail, "\\xc3("));
}

static void test_the_largest_event(void **state) {
    (void)state;
    struct wb_error err;
    uint8_t *data = calloc(1, LIMIT_EVENT_BYTES + 1);
    assert_non_null(data);
    assert_int_equal(decode(data, LIMIT_EVENT_BYTES + 1, 1 << 20, &err), -1);
    assert_int_equal(err.code, WB_E_EVENT_TOO_LARGE);
    assert_int_equal(decode(data, LIMIT_EVENT_BYTES, 1 << 20, &err), -1);
    assert_int_equal(err.code, WB_E_EVENT_MALFORMED);
    free(data);
}

static void test_sources(void **state) {
    (void)state;
    struct wb_error err;
    static const char *const good[] = {
        "a",       "9",   "permits",
        "a.b_c-d", "7e3", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",    "-a",  ".a",    "A",
        "a b", "a/b", "审批",  "a\nb",
        "_a",  "a:b", "a\xff", "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(source_validate(good[i], &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(source_validate(bad[i], &err), -1);
        assert_int_equal(err.code, WB_E_SOURCE_NAME);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_minimal_event),
        cmocka_unit_test(test_time_range),
        cmocka_unit_test(test_values_of_enums),
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_every_field_has_its_limit),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_the_largest_event),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
