#include "proto/field.h"

#include "common/arena.h"
#include "proto/bounds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <waybill/v1/query.pb-c.h>

struct fixture {
    struct arena arena;
    wb_event event;
    struct wb_error err;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    arena_init(&f->arena, 1 << 20);
    f->event = (wb_event)WB_EVENT_INIT;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_free(&f->arena);
    free(f);
    return 0;
}

static int put(struct fixture *f, const char *name, const char *text) {
    return field_set(&f->event, &f->arena, name, text, &f->err);
}

static void assert_refused(struct fixture *f, const char *name, const char *text, int code) {
    if (put(f, name, text) != -1)
        fail_msg("%s took \"%s\"", name, text);
    assert_int_equal(f->err.code, code);
    assert_string_equal(f->err.field, name);
}

static void test_table_is_sorted_and_found(void **state) {
    (void)state;
    for (size_t i = 0; i < field_count; i++) {
        assert_true(i == 0 || strcmp(fields[i - 1].name, fields[i].name) < 0);
        assert_ptr_equal(field_find(fields[i].name), &fields[i]);
    }
    assert_null(field_find("handler"));
    assert_null(field_find("nothing"));
    assert_null(field_find(""));
}

/* The table names every member of event.proto, and only those, with the place that they have. */
static void check_message(const ProtobufCMessageDescriptor *descriptor, const char *prefix,
                          size_t *seen) {
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *member = &descriptor->fields[i];
        char name[64];
        if (member->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (strcmp(member->name, "attributes") != 0)
                check_message(member->descriptor, member->name, seen);
            continue;
        }
        if (strcmp(member->name, "utc_offset_minutes") == 0 ||
            strcmp(member->name, "date_only") == 0)
            continue;
        bool time = strcmp(member->name, "occurred_at_us") == 0;
        snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "",
                 time ? "occurred_at" : member->name);
        const struct field *field = field_find(name);
        if (!field) {
            fail_msg("%s is not in the table", name);
            return;
        }
        assert_int_equal(field->offset, member->offset);
        ++*seen;
    }
}

static void test_table_is_event_proto(void **state) {
    (void)state;
    size_t seen = 0;
    check_message(&waybill__v1__event__descriptor, "", &seen);
    assert_int_equal(seen, field_count);
}

static void test_names_are_those_of_the_proto_files(void **state) {
    (void)state;
    const ProtobufCEnumDescriptor *stages = &waybill__v1__stage__descriptor;
    for (unsigned i = 1; i < stages->n_values; i++) {
        assert_string_equal(stages->values[i].name + strlen("STAGE_"),
                            stage_name(stages->values[i].value));
        assert_int_equal(stage_parse(stages->values[i].name), stages->values[i].value);
    }
    assert_string_equal(stage_name((int)stages->n_values), "UNKNOWN");
    assert_string_equal(stage_name(-1), "UNKNOWN");
    assert_int_equal(stage_parse("accepted"), WB_STAGE(ACCEPTED));
    assert_int_equal(stage_parse("UNSPECIFIED"), -1);
    assert_int_equal(stage_parse(""), -1);
    const ProtobufCEnumDescriptor *kinds = &waybill__v1__kind__descriptor;
    for (unsigned i = 0; i < kinds->n_values; i++)
        assert_int_equal(kind_parse(kind_name(kinds->values[i].value)), kinds->values[i].value);
    const ProtobufCEnumDescriptor *notices = &waybill__v1__notice_kind__descriptor;
    for (unsigned i = 0; i < notices->n_values; i++)
        assert_int_equal(notice_kind_parse(notice_kind_name(notices->values[i].value)),
                         notices->values[i].value);
    const ProtobufCEnumDescriptor *clocks = &waybill__v1__clock__descriptor;
    for (unsigned i = 0; i < clocks->n_values; i++) {
        assert_true(strcasecmp(clocks->values[i].name + strlen("CLOCK_"), clock_name((int)i)) == 0);
        assert_int_equal(clock_parse(clock_name((int)i)), i);
    }
    const ProtobufCEnumDescriptor *lights = &waybill__v1__light__descriptor;
    for (unsigned i = 0; i < lights->n_values; i++) {
        assert_true(strcasecmp(lights->values[i].name + strlen("LIGHT_"), light_name((int)i)) == 0);
        assert_int_equal(light_parse(light_name((int)i)), i);
    }
    assert_string_equal(standing_name(2), "retracted");
    const ProtobufCEnumDescriptor *anomalies = &waybill__v1__anomaly__descriptor;
    for (unsigned i = 0; i < anomalies->n_values; i++)
        assert_true(strcasecmp(anomalies->values[i].name + strlen("ANOMALY_"),
                               anomaly_name(anomalies->values[i].value)) == 0);
    assert_string_equal(anomaly_name((int)anomalies->n_values), "unknown");
}

static void test_which_stages_end_a_case(void **state) {
    (void)state;
    static const char *const ends[] = {"NOT_REQUIRED", "NOT_ACCEPTED", "REFUSED", "DELIVERED",
                                       "WITHDRAWN",    "TERMINATED",   "REVOKED", "CANCELLED"};
    int count = 0;
    for (int stage = -1; stage < 100; stage++)
        count += stage_ends(stage);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        assert_true(stage_ends(stage_parse(ends[i])));
}

static void test_sets_every_text(void **state) {
    struct fixture *f = *state;
    assert_int_equal(put(f, "event_id", "e-1"), 0);
    assert_int_equal(put(f, "stage", "STAGE_ACCEPTED"), 0);
    assert_int_equal(put(f, "kind", "correction"), 0);
    assert_int_equal(put(f, "handler.name", "张三"), 0);
    assert_int_equal(put(f, "handler.unit", "审批科"), 0);
    assert_int_equal(put(f, "special.days_allowed", "15"), 0);
    assert_int_equal(put(f, "extension.days", "10"), 0);
    assert_int_equal(put(f, "decision.reason", "line 1\nline 2"), 0);
    assert_int_equal(put(f, "notices.title", "first"), 0);
    assert_int_equal(put(f, "notices.kind", "fee"), 0);
    assert_non_null(field_add_notice(&f->event, &f->arena));
    assert_int_equal(put(f, "notices.title", "second"), 0);
    assert_int_equal(put(f, "attributes.窗口", "3"), 0);
    assert_int_equal(put(f, "step", ""), 0);
    assert_string_equal(f->event.event_id, "e-1");
    assert_int_equal(f->event.stage, WB_STAGE(ACCEPTED));
    assert_int_equal(f->event.kind, WAYBILL__V1__KIND__KIND_CORRECTION);
    assert_string_equal(f->event.handler->unit, "审批科");
    assert_int_equal(f->event.special->days_allowed, 15);
    assert_int_equal(f->event.extension->days, 10);
    assert_int_equal(f->event.n_notices, 2);
    assert_string_equal(f->event.notices[0]->title, "first");
    assert_int_equal(f->event.notices[0]->kind, WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_FEE);
    assert_string_equal(f->event.notices[1]->title, "second");
    assert_string_equal(f->event.attributes[0]->name, "窗口");
    assert_string_equal(f->event.step, "");
}

static void test_times(void **state) {
    struct fixture *f = *state;
    assert_int_equal(put(f, "occurred_at", "2026-03-02T09:30:00+08:00"), 0);
    assert_true(f->event.occurred_at_us == 1772415000000000);
    assert_int_equal(f->event.utc_offset_minutes, 480);
    assert_false(f->event.date_only);
    assert_int_equal(put(f, "occurred_at", "2026-03-02T01:30:00Z"), 0);
    assert_true(f->event.occurred_at_us == 1772415000000000);
    assert_int_equal(f->event.utc_offset_minutes, 0);
    assert_int_equal(put(f, "occurred_at", "2026-03-02"), 0);
    assert_true(f->event.occurred_at_us == 1772380800000000);
    assert_true(f->event.date_only);
    assert_refused(f, "occurred_at", "2026-03-02T09:30:00", WB_E_FIELD_VALUE);
    assert_non_null(strstr(f->err.hint, "+08:00"));
    assert_refused(f, "occurred_at", "yesterday", WB_E_FIELD_VALUE);
    assert_refused(f, "occurred_at", "1969-12-31T00:00:00Z", WB_E_TIME_RANGE);
    assert_refused(f, "occurred_at", "1969-12-30", WB_E_TIME_RANGE);
    assert_refused(f, "occurred_at", "2200-01-01T00:00:00Z", WB_E_TIME_RANGE);
    assert_int_equal(put(f, "occurred_at", "2199-12-31T23:59:59.999999Z"), 0);
}

static void test_refuses(void **state) {
    struct fixture *f = *state;
    assert_refused(f, "stage", "APPROVED", WB_E_STAGE_UNKNOWN);
    assert_refused(f, "kind", "rumour", WB_E_FIELD_VALUE);
    assert_refused(f, "notices.kind", "rumour", WB_E_FIELD_VALUE);
    assert_refused(f, "extension.days", "3651", WB_E_FIELD_VALUE);
    assert_refused(f, "extension.days", "-1", WB_E_FIELD_VALUE);
    assert_refused(f, "extension.days", "99999999999999999999", WB_E_FIELD_VALUE);
    assert_refused(f, "case_no", " A-1", WB_E_FIELD_VALUE);
    assert_refused(f, "case_no", "A-1\n", WB_E_FIELD_TEXT);
    assert_refused(f, "step", "a\tb", WB_E_FIELD_TEXT);
    assert_refused(f, "decision.reason", "a\x1b[2J", WB_E_FIELD_TEXT);
    assert_refused(f, "step", "\xff", WB_E_FIELD_TEXT);
    assert_refused(f, "region_code", "32O411", WB_E_FIELD_VALUE);
    assert_refused(f, "region_code", "1234567890123", WB_E_FIELD_TOO_LONG);
    assert_refused(f, "handler", "张三", WB_E_FIELD_VALUE);
    assert_refused(f, "colour", "red", WB_E_FIELD_VALUE);
    assert_null(f->event.attributes);
    assert_int_equal(put(f, "attributes.", "x"), -1);
    assert_int_equal(f->err.code, WB_E_FIELD_MISSING);
}

static void test_dates_and_links(void **state) {
    struct fixture *f = *state;
    static const char *const dates[] = {"2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31",
                                        "2026-4-1",   "26-04-01",   "2026/04/01", "2100-02-29"};
    static const char *const links[] = {"ftp://example.org/",  "https://",
                                        "javascript:alert(1)", "https://a b/",
                                        "http:///path",        "https://x/\"onclick"};
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        assert_refused(f, "notices.due_date", dates[i], WB_E_FIELD_VALUE);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        assert_refused(f, "notices.url", links[i], WB_E_FIELD_VALUE);
    assert_int_equal(put(f, "notices.due_date", "2028-02-29"), 0);
    assert_int_equal(put(f, "notices.due_date", "2000-02-29"), 0);
    assert_int_equal(put(f, "notices.url", "https://例子.中国/办事?x=1"), 0);
}

static void test_traceparent(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        put(f, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), 0);
    static const char *const bad[] = {"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                                      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(f, "traceparent", bad[i], WB_E_FIELD_VALUE);
}

static void test_limits_are_exact(void **state) {
    struct fixture *f = *state;
    char text[5000];
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].type != FIELD_NAME && fields[i].type != FIELD_PROSE &&
            fields[i].type != FIELD_ID && fields[i].type != FIELD_DIGITS)
            continue;
        memset(text, '7', fields[i].max + 1);
        text[fields[i].max + 1] = '\0';
        assert_refused(f, fields[i].name, text, WB_E_FIELD_TOO_LONG);
        text[fields[i].max] = '\0';
        assert_int_equal(put(f, fields[i].name, text), 0);
    }
}

static void test_the_value_in_a_complaint_is_short_and_clean(void **state) {
    struct fixture *f = *state;
    char text[400];
    for (size_t i = 0; i < 399; i += 3)
        memcpy(text + i, "长", 3);
    text[399] = '\0';
    assert_refused(f, "step", text, WB_E_FIELD_TOO_LONG);
    assert_non_null(strstr(f->err.detail, "399 bytes"));
    assert_non_null(strstr(f->err.detail, "长…\""));
    assert_true(strlen(f->err.detail) < 140);
    assert_refused(f, "case_no", "x\ny\x1b", WB_E_FIELD_TEXT);
    assert_non_null(strstr(f->err.detail, "\"x\\ny\\x1b\""));
}

static void test_lists_are_bounded(void **state) {
    struct fixture *f = *state;
    char name[32];
    for (int i = 0; i < LIMIT_NOTICES; i++)
        assert_non_null(field_add_notice(&f->event, &f->arena));
    assert_null(field_add_notice(&f->event, &f->arena));
    for (int i = 0; i < LIMIT_ATTRIBUTES; i++) {
        snprintf(name, sizeof name, "attributes.%d", i);
        assert_int_equal(put(f, name, "x"), 0);
    }
    assert_int_equal(put(f, "attributes.more", "x"), -1);
    assert_int_equal(f->err.code, WB_E_TOO_MANY_PARTS);
    assert_string_equal(f->event.attributes[63]->name, "63");
}

static void test_memory_runs_out(void **state) {
    struct fixture *f = *state;
    struct arena none;
    arena_init(&none, 0);
    static const char *const names[] = {"step", "handler.name", "notices.title", "attributes.x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(field_set(&f->event, &none, names[i], "x", &f->err), -1);
        assert_int_equal(f->err.code, WB_E_SYSTEM);
    }
    assert_null(f->event.handler);
    arena_free(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_table_is_sorted_and_found),
        TEST(test_table_is_event_proto),
        TEST(test_names_are_those_of_the_proto_files),
        TEST(test_which_stages_end_a_case),
        TEST(test_sets_every_text),
        TEST(test_times),
        TEST(test_refuses),
        TEST(test_dates_and_links),
        TEST(test_traceparent),
        TEST(test_limits_are_exact),
        TEST(test_the_value_in_a_complaint_is_short_and_clean),
        TEST(test_lists_are_bounded),
        TEST(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
