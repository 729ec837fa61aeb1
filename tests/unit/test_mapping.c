#include "adapters/lib/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "adapters/lib/template.h"
#include "adapters/lib/text.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "scratch.h"

static struct columns *columns;
static struct record *record;
static struct arena arena;
static struct mapping *mapping;
static struct wb_error err;

static int setup(void **state) {
    (void)state;
    columns = columns_new();
    record = record_new(columns);
    arena_init(&arena, 1000000);
    return !columns || !record;
}

static int teardown(void **state) {
    (void)state;
    mapping_free(mapping);
    mapping = NULL;
    record_free(record);
    columns_free(columns);
    arena_free(&arena);
    return 0;
}

static void load(const char *text) {
    mapping_free(mapping);
    err = (struct wb_error){0};
    mapping = mapping_load(scratch_text(text), columns, &err);
    scratch_remove();
    if (!mapping)
        fail_msg("%s (%s)", err.detail, err.hint);
}

/* "name=value" texts, NULL-ended, as the record of a line. */
static void set(uint64_t line, ...) {
    va_list args;
    const char *pair;
    va_start(args, line);
    record_begin(record, line);
    while ((pair = va_arg(args, const char *))) {
        const char *equals = strchr(pair, '=');
        assert_int_equal(
            record_add(record, pair, (size_t)(equals - pair), equals + 1, strlen(equals + 1), NULL),
            0);
    }
    va_end(args);
}

static enum mapping_outcome apply(wb_event **event) {
    err = (struct wb_error){0};
    *event = NULL;
    arena_reset(&arena);
    return mapping_apply(mapping, record, &arena, event, &err);
}

static wb_event *event(void) {
    wb_event *made;
    if (apply(&made) != MAPPING_EVENT)
        fail_msg("%s (%s)", err.detail, err.hint);
    return made;
}

static void rejected(int code, const char *detail) {
    wb_event *made;
    assert_int_equal(apply(&made), MAPPING_REJECTED);
    assert_int_equal(err.code, code);
    if (!strstr(err.detail, detail))
        fail_msg("'%s' is not in '%s'", detail, err.detail);
    assert_true(err.hint[0] != '\0');
}

#define BASE                                                                                       \
    "version: 1\n"                                                                                 \
    "fields:\n"                                                                                    \
    "  case_no: \"C-{no}\"\n"                                                                      \
    "  occurred_at: \"{at}\"\n"
#define STAGE "stage: {from: \"{status}\", dictionary: {in: RECEIVED, ok: GRANTED}}\n"
#define AT    "at=2026-03-02T09:30:00.125+08:00"

static void test_fields(void **state) {
    (void)state;
    load(BASE "  step: \"{status}: {{{text}}}\"\n"
              "  handler.name: \"{who}\"\n"
              "  item_name: 建筑许可\n"
              "  attributes.channel: \"{channel}\"\n"
              "  special.days_allowed: \"{days}\"\n" STAGE);
    set(7, "no=12", AT, "status=ok", "text=done", "who=王芳", "channel=窗口", "days=15", NULL);
    wb_event *made = event();
    assert_string_equal(made->case_no, "C-12");
    assert_string_equal(made->step, "ok: {done}");
    assert_string_equal(made->handler->name, "王芳");
    assert_string_equal(made->item_name, "建筑许可");
    assert_int_equal(made->stage, WB_STAGE(GRANTED));
    assert_int_equal(made->n_attributes, 1);
    assert_string_equal(made->attributes[0]->value, "窗口");
    assert_int_equal(made->special->days_allowed, 15);
    assert_int_equal(made->occurred_at_us % 1000000, 125000);
    assert_int_equal(made->utc_offset_minutes, 480);
    assert_false(made->date_only);
}

static void test_empty_values_leave_fields_unset(void **state) {
    (void)state;
    load(BASE "  step: \"{street} {house}\"\n"
              "  handler.name: \"{who}\"\n"
              "empty: [UNKNOWN, \"-\"]\n" STAGE);
    set(1, "no=1", AT, "status=in", "who=UNKNOWN", "street=Main", "house=-", NULL);
    wb_event *made = event();
    assert_null(made->handler);
    assert_string_equal(made->step, "Main ");
    set(2, "no=1", AT, "status=in", "who=", "street=", NULL);
    assert_string_equal(event()->step, "");
}

static void test_half_a_number_is_refused(void **state) {
    (void)state;
    load("version: 1\nfields:\n  case_no: \"{region}-{no}\"\n  occurred_at: \"{at}\"\n"
         "  parent_case_no: \"P-{parent}/{sub}\"\n" STAGE);
    set(1, "region=32", "no=", AT, "status=in", NULL);
    rejected(WB_E_FIELD_MISSING, "no value for \"no\"");
    assert_string_equal(err.field, "case_no");
    set(2, "region=32", "no=1", AT, "status=in", NULL);
    assert_string_equal(event()->parent_case_no, "");
    set(3, "region=32", "no=1", AT, "status=in", "parent=7", NULL);
    rejected(WB_E_FIELD_MISSING, "no value for \"sub\"");
    set(4, "region=32", "no=1", "status=in", NULL);
    rejected(WB_E_FIELD_MISSING, "occurred_at: the record has no value for \"at\"");
}

static void test_constants_wait_for_their_part(void **state) {
    (void)state;
    load(BASE "  notices.kind: materials\n  notices.text: \"{missing}\"\n"
              "  handler.unit: Window 3\n  decision.basis: Art. 38\n" STAGE);
    set(1, "no=1", AT, "status=in", "missing=", NULL);
    wb_event *made = event();
    assert_int_equal(made->n_notices, 0);
    assert_string_equal(made->handler->unit, "Window 3");
    assert_string_equal(made->decision->basis, "Art. 38");
    set(2, "no=1", AT, "status=in", "missing=a plan", NULL);
    made = event();
    assert_int_equal(made->n_notices, 1);
    assert_int_equal(made->notices[0]->kind, WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_MATERIALS);
    assert_string_equal(made->notices[0]->text, "a plan");
}

static void test_stages(void **state) {
    (void)state;
    const struct mapping_unmapped *all;
    uint64_t more;
    load(BASE STAGE);
    set(5, "no=1", AT, "status=odd", NULL);
    rejected(WB_E_UNMAPPED, "\"odd\"");
    set(6, "no=2", AT, "status=odd", NULL);
    rejected(WB_E_UNMAPPED, "\"odd\"");
    set(7, "no=3", AT, NULL);
    rejected(WB_E_UNMAPPED, "\"\"");
    assert_int_equal(mapping_unmapped(mapping, &all, &more), 2);
    assert_string_equal(all[0].value, "odd");
    assert_string_equal(all[0].from, "{status}");
    assert_string_equal(all[0].example, "C-1");
    assert_int_equal(all[0].count, 2);
    assert_int_equal(all[0].first_line, 5);
    assert_int_equal(more, 0);
    load(BASE "stage: {from: \"{status}\", dictionary: {ok: GRANTED}, otherwise: under_review}\n");
    assert_int_equal(event()->stage, WB_STAGE(UNDER_REVIEW));
    load(BASE "  stage: \"{status}\"\n");
    set(8, "no=1", AT, "status=ACCEPTED", NULL);
    assert_int_equal(event()->stage, WB_STAGE(ACCEPTED));
    set(9, "no=1", AT, "status=odd", NULL);
    rejected(WB_E_STAGE_UNKNOWN, "odd");
}

static void test_unmapped_values_are_bounded(void **state) {
    (void)state;
    const struct mapping_unmapped *all;
    uint64_t more;
    char pair[32];
    load(BASE STAGE);
    for (int i = 0; i < MAPPING_UNMAPPED_MAX + 10; i++) {
        snprintf(pair, sizeof(pair), "status=odd%d", i);
        set(1, "no=1", AT, pair, NULL);
        rejected(WB_E_UNMAPPED, "odd");
    }
    assert_int_equal(mapping_unmapped(mapping, &all, &more), MAPPING_UNMAPPED_MAX);
    assert_int_equal(more, 10);
}

static void test_skip(void **state) {
    (void)state;
    wb_event *made;
    load(BASE STAGE "skip:\n  - {when: \"{status}\", is: [draft, \"\"]}\n"
                    "  - {when: \"{test}\", is: yes}\n");
    set(1, "no=1", AT, "status=draft", NULL);
    assert_int_equal(apply(&made), MAPPING_SKIPPED);
    set(2, "no=1", AT, NULL);
    assert_int_equal(apply(&made), MAPPING_SKIPPED);
    set(3, "no=1", AT, "status=ok", "test=yes", NULL);
    assert_int_equal(apply(&made), MAPPING_SKIPPED);
    set(4, "no=1", AT, "status=ok", "test=no", NULL);
    assert_int_equal(apply(&made), MAPPING_EVENT);
}

static void time_is(const char *text, int64_t seconds, int offset, bool date_only) {
    char pair[80];
    snprintf(pair, sizeof(pair), "at=%s", text);
    set(1, "no=1", pair, "status=in", NULL);
    wb_event *made = event();
    assert_int_equal(made->occurred_at_us, seconds * 1000000);
    assert_int_equal(made->utc_offset_minutes, offset);
    assert_int_equal(made->date_only, date_only);
}

static void test_times(void **state) {
    (void)state;
    load(BASE STAGE "time: {zone: America/New_York, formats: [rfc3339, \"%m/%d/%Y %I:%M:%S %p\", "
                    "\"%d.%m.%Y\"]}\n");
    time_is("2023-07-01T00:00:00Z", 1688169600, 0, false);
    time_is("2023-07-01T00:00:00", 1688184000, -240, false);
    time_is("02/28/2023 11:45:00 PM", 1677645900, -300, false);
    time_is("07/01/2023 12:00:00 AM", 1688184000, -240, false);
    time_is("01.07.2023", 1688184000, -240, true);
    set(1, "no=1", "at=yesterday", "status=in", NULL);
    rejected(WB_E_FIELD_VALUE, "\"yesterday\" does not fit");
    assert_string_equal(err.field, "occurred_at");
    load(BASE STAGE);
    set(1, "no=1", "at=2023-07-01T00:00:00", "status=in", NULL);
    rejected(WB_E_FIELD_VALUE, "has no offset from UTC");
    assert_non_null(strstr(err.hint, "time.zone"));
}

static void test_dates_of_notices(void **state) {
    (void)state;
    load(BASE "  notices.title: t\n  notices.due_date: \"{due}\"\n" STAGE
              "time: {zone: Asia/Shanghai, formats: [rfc3339, \"%Y/%m/%d\"]}\n");
    set(1, "no=1", AT, "status=in", "due=2026/03/20", NULL);
    assert_string_equal(event()->notices[0]->due_date, "2026-03-20");
    set(1, "no=1", AT, "status=in", "due=2026-03-20T23:30:00+08:00", NULL);
    assert_string_equal(event()->notices[0]->due_date, "2026-03-20");
    set(1, "no=1", AT, "status=in", "due=soon", NULL);
    rejected(WB_E_FIELD_VALUE, "soon");
}

static void copy_id(char *to) {
    snprintf(to, 40, "%s", event()->event_id);
}

static void test_ids(void **state) {
    (void)state;
    char first[40], second[40];
    load(BASE STAGE);
    set(1, "no=1", AT, "status=in", NULL);
    copy_id(first);
    assert_int_equal(strlen(first), 32);
    set(9, "status=in", AT, "no=1", NULL); /* another order, another line */
    copy_id(second);
    assert_string_equal(first, second);
    set(1, "no=1", AT, "status=in", "x=", NULL);
    copy_id(second);
    assert_string_not_equal(first, second);
    set(1, "no=1", AT, "status=in", NULL);
    record_identify(record, "", 0);
    record_again(record, 1);
    copy_id(second);
    assert_string_not_equal(first, second);
    load(BASE STAGE "event_id: [\"{no}\", \"{status}\"]\n");
    copy_id(first);
    set(2, "no=1", AT, "status=in", "x=changed", NULL);
    copy_id(second);
    assert_string_equal(first, second);
    load(BASE "  event_id: \"E{no}\"\n" STAGE);
    assert_string_equal(event()->event_id, "E1");
    load(BASE STAGE "event_id: \"{x}\"\n");
    set(2, "no=1", AT, "status=in", NULL);
    rejected(WB_E_FIELD_MISSING, "all columns of event_id are empty");
}

static void test_columns(void **state) {
    (void)state;
    load(BASE "  step: \"{activty}\"\n" STAGE);
    set(1, "no=1", AT, "status=in", "activity=x", "other=y", NULL);
    record_seen(record, 0);
    event();
    int typo = columns_enter(columns, "activty", 7), other = columns_enter(columns, "other", 5);
    assert_true(columns_at(columns, typo)->used);
    assert_int_equal(columns_at(columns, typo)->records, 0);
    assert_string_equal(columns_nearest(columns, "activty"), "activity");
    assert_false(columns_at(columns, other)->used);
    assert_int_equal(columns_at(columns, other)->records, 1);
    assert_int_equal(columns_enter(columns, "other", 5), other);
}

static void test_columns_are_bounded(void **state) {
    (void)state;
    char name[16];
    record_begin(record, 1);
    int result = 0, i = 0;
    for (; result == 0 && i <= COLUMNS_MAX; i++) {
        int bytes = snprintf(name, sizeof(name), "c%d", i);
        result = record_add(record, name, (size_t)bytes, "", 0, &err);
    }
    assert_int_equal(result, -1);
    assert_true(i <= COLUMNS_MAX + 1);
    assert_non_null(strstr(err.detail, "4096 different columns"));
    char *large = calloc(1, RECORD_BYTES_MAX);
    assert_non_null(large);
    record_begin(record, 2);
    assert_int_equal(record_add(record, "c1", 2, large, RECORD_BYTES_MAX - 1, &err), 0);
    assert_int_equal(record_add(record, "c2", 2, "x", 1, &err), -1);
    free(large);
}

static void test_record_as_json(void **state) {
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    set(1, "a=x\"y\n\x01", "b=\xc3\xa9\xff", "办=理", NULL);
    record_json(record, &out);
    assert_string_equal(buffer_string(&out), "{\"a\": \"x\\\"y\\n\\u0001\", "
                                             "\"b\": {\"bytes\": \"c3a9ff\"}, \"办\": \"理\"}");
    /* A NUL, and C1 controls, before bytes that are no text. */
    buffer_clear(&out);
    text_json(&out, "a\0\xff", 3);
    text_json(&out, "\xc2\x80\xff", 3);
    text_json(&out, "\0", 1);
    assert_string_equal(buffer_string(&out),
                        "{\"bytes\": \"6100ff\"}{\"bytes\": \"c280ff\"}\"\\u0000\"");
    buffer_free(&out);
}

struct wrong {
    const char *text, *detail, *hint;
};

static const struct wrong wrongs[] = {
    {"", "the file is empty", "docs/mapping.md"},
    {"fields: {}\n", "'version' is missing", "version: 1"},
    {"version: 2\nfields: {}\n", ":1: version 2 is not known", "version 1"},
    {"version: 1\nfeilds: {}\n", ":2: 'feilds' is not known here", "fields"},
    {"version: 1\nformat: xml\n", ":2: format 'xml'", "csv, ndjson or xes"},
    {"version: 1\ncsv: {delimiter: ab}\n", ":2: csv.delimiter 'ab'", "one ASCII character"},
    {"version: 1\ncsv: {encoding: KLINGON}\n", ":2: csv.encoding 'KLINGON'", "iconv -l"},
    {"version: 1\ntime:\n  zone: Europe/Amsterdan\n", ":3: time.zone 'Europe/Amsterdan'", "IANA"},
    {"version: 1\ntime: {formats: [\"%H:%M\"]}\n", ":2: the time format \"%H:%M\"", "strptime"},
    {"version: 1\ntime: {formats: [\"%Y-%m-%d\"]}\n", "no offset from UTC", "time.zone"},
    {"version: 1\n", "'fields' is missing", "case_no"},
    {"version: 1\nfields:\n  occurred_at: \"{a}\"\n", "does not give case_no", "case_no:"},
    {BASE "  alert.light: red\n" STAGE, ":5: 'alert.light' is the service clock's to set",
     "leave it out: a source publishes no alerts"},
    {BASE "  handler.nam: \"{x}\"\n" STAGE, ":5: an event has no field 'handler.nam'",
     "'handler.name'"},
    {BASE "  step: {x}\n" STAGE, ":5: step is a map, a text is needed", "quote it"},
    {BASE "  step: \"{x\"\n" STAGE, ":5: step: the brace before \"x\" is not closed", "'{{'"},
    {BASE "  step: \"a{}\"\n" STAGE, ":5: step: '{}' names no column", ""},
    {BASE "  step: \"a{x}}\"\n" STAGE, ":5: step: nothing opens the brace at \"}\"", "'}}'"},
    {BASE STAGE "skip: [{when: \"a}b\", is: [c]}]\n", ":6: when: nothing opens the brace at",
     "'}}'"},
    {"version: 1\nfields:\n  case_no: no\n  occurred_at: \"{a}\"\n" STAGE,
     ":3: case_no: 'no' names no column", "\"{no}\""},
    {BASE "  event_id: id\n" STAGE, ":5: event_id: 'id' names no column", "\"{id}\""},
    {BASE "  region_code: abc\n" STAGE, ":5: region_code is not digits alone", ""},
    {BASE "  notices.kind: letter\n" STAGE, ":5: notices.kind", ""},
    {BASE "  attributes.: \"{x}\"\n" STAGE, ":5:", ""},
    {BASE, "nothing gives the stage", "'dictionary'"},
    {BASE "stage: {from: \"{s}\", dictionary: {a: GRANTD}}\n", ":5: there is no stage 'GRANTD'",
     "GRANTED"},
    {BASE "stage: {from: \"{s}\"}\n", ":5: stage.dictionary is missing", ""},
    {BASE "stage:\n  from: \"{s}\"\n  dictionary:\n    a: GRANTED\n    a: REFUSED\n",
     ":9: 'a' stands in line 8 already", ""},
    {BASE "  stage: GRANTED\n" STAGE, ":6: stage stands here and under 'fields'", ""},
    {BASE STAGE "event_id: [id]\n", ":6: event_id: 'id' names no column", "\"{id}\""},
    {BASE "  event_id: \"{a}\"\n" STAGE "event_id: \"{b}\"\n", "event_id stands here and", ""},
    {BASE STAGE "skip: {when: a}\n", ":6: skip: a list", ""},
    {BASE STAGE "skip: [{when: \"{a}\"}]\n", ":6: this rule has no 'is'", ""},
};

static void test_wrong_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(*wrongs); i++) {
        err = (struct wb_error){0};
        struct mapping *loaded = mapping_load(scratch_text(wrongs[i].text), columns, &err);
        scratch_remove();
        if (loaded)
            fail_msg("loaded: %s", wrongs[i].text);
        assert_int_equal(err.code, WB_E_CONFIG);
        if (!strstr(err.detail, wrongs[i].detail) || !strstr(err.hint, wrongs[i].hint))
            fail_msg("'%s' or '%s' is not in '%s' (%s)", wrongs[i].detail, wrongs[i].hint,
                     err.detail, err.hint);
    }
}

static void test_source(void **state) {
    (void)state;
    load(BASE STAGE "format: csv\ncsv: {delimiter: tab, encoding: GB18030}\n");
    assert_string_equal(mapping_source(mapping)->format, "csv");
    assert_int_equal(mapping_source(mapping)->delimiter, '\t');
    assert_string_equal(mapping_source(mapping)->encoding, "GB18030");
    assert_false(mapping_source(mapping)->has_zone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_values_leave_fields_unset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_a_number_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_constants_wait_for_their_part, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unmapped_values_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dates_of_notices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_as_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_source, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
