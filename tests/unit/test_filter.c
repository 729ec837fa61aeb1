#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fanout/filter.h"
#include "broker/journal/record.h"
#include "common/buffer.h"
#include "proto/bounds.h"

static struct buffer bytes;
static struct log_record record;

static int setup(void **state) {
    (void)state;
    wb_event e = WB_EVENT_INIT;
    e.event_id = "1";
    e.case_no = "A-1";
    e.parent_case_no = "P-1";
    e.item_code = "000115004000";
    e.region_code = "320411";
    e.agency = "新北区住建局";
    e.stage = WB_STAGE(ACCEPTED);
    e.kind = WAYBILL__V1__KIND__KIND_CORRECTION;
    e.occurred_at_us = 1;
    e.utc_offset_minutes = -300;
    buffer_init(&bytes, 0);
    bytes.length = waybill__v1__event__pack(
        &e, buffer_reserve(&bytes, waybill__v1__event__get_packed_size(&e)));
    record = (struct log_record){
        .offset = 1, .source = "permits", .event = {.data = bytes.data, .length = bytes.length}};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buffer_free(&bytes);
    return 0;
}

static bool matches(const Waybill__V1__Filter *wanted) {
    struct filter *filter;
    struct wb_error err;
    assert_int_equal(filter_new(wanted, &filter, &err), 0);
    bool result = filter_matches(filter, &record);
    filter_free(filter);
    return result;
}

#define WITH(field, value)                                                                         \
    do {                                                                                           \
        text = (char *)(value);                                                                    \
        f.n_##field = 1;                                                                           \
        f.field = &text;                                                                           \
    } while (0)

#define EXPECT(field, value, expected)                                                             \
    do {                                                                                           \
        Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;                                         \
        char *text;                                                                                \
        WITH(field, value);                                                                        \
        assert_int_equal(matches(&f), expected);                                                   \
    } while (0)

static void every_field_is_looked_at(void **state) {
    (void)state;
    EXPECT(case_nos, "A-1", true);
    EXPECT(case_nos, "A-", false);
    EXPECT(case_nos, "A-10", false);
    EXPECT(parent_case_nos, "P-1", true);
    EXPECT(parent_case_nos, "P", false);
    EXPECT(sources, "permits", true);
    EXPECT(sources, "permit", false);
    EXPECT(item_codes, "000115", true);
    EXPECT(item_codes, "000115004000", true);
    EXPECT(item_codes, "0001150040001", false);
    EXPECT(region_codes, "3204", true);
    EXPECT(region_codes, "3205", false);
    EXPECT(agencies, "新北区", true);
    EXPECT(agencies, "武进区", false);
}

static void stages_and_kinds_are_sets(void **state) {
    (void)state;
    Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;
    Waybill__V1__Stage stages[] = {WB_STAGE(GRANTED), WB_STAGE(ACCEPTED)};
    Waybill__V1__Kind kind = WAYBILL__V1__KIND__KIND_PROGRESS;
    f.n_stages = 2;
    f.stages = stages;
    assert_true(matches(&f));
    f.n_stages = 1;
    assert_false(matches(&f));
    f.n_stages = 2;
    f.n_kinds = 1;
    f.kinds = &kind;
    assert_false(matches(&f));
    kind = WAYBILL__V1__KIND__KIND_CORRECTION;
    assert_true(matches(&f));
}

/* Alerts have a light; whoever asks for one sees nothing else. The last test: it makes the record
 * another. */
static void lights_are_those_of_alerts(void **state) {
    (void)state;
    Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;
    Waybill__V1__Light light = WAYBILL__V1__LIGHT__LIGHT_RED;
    Waybill__V1__Alert alert = WAYBILL__V1__ALERT__INIT;
    wb_event e = WB_EVENT_INIT;
    f.n_lights = 1;
    f.lights = &light;
    assert_false(matches(&f));
    e.kind = WAYBILL__V1__KIND__KIND_ALERT;
    e.alert = &alert;
    alert.promised = 1;
    alert.light = light;
    buffer_clear(&bytes);
    bytes.length = waybill__v1__event__pack(
        &e, buffer_reserve(&bytes, waybill__v1__event__get_packed_size(&e)));
    record.event = (struct slice){.data = bytes.data, .length = bytes.length};
    assert_true(matches(&f));
    light = WAYBILL__V1__LIGHT__LIGHT_YELLOW;
    assert_false(matches(&f));
}

static void fields_are_joined_by_and(void **state) {
    (void)state;
    Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;
    char *cases[] = {"B-1", "A-1"}, *region = "99";
    f.n_case_nos = 2;
    f.case_nos = cases;
    assert_true(matches(&f));
    f.n_region_codes = 1;
    f.region_codes = &region;
    assert_false(matches(&f));
}

static void an_empty_filter_is_none(void **state) {
    (void)state;
    Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;
    struct filter *filter = (struct filter *)&f;
    struct wb_error err;
    assert_int_equal(filter_new(&f, &filter, &err), 0);
    assert_null(filter);
    assert_true(filter_matches(NULL, &record));
}

static void bounds_are_kept(void **state) {
    (void)state;
    Waybill__V1__Filter f = WAYBILL__V1__FILTER__INIT;
    char *many[LIMIT_FILTER_VALUES + 1], longer[LIMIT_FILTER_BYTES + 2];
    struct filter *filter;
    struct wb_error err;
    for (size_t i = 0; i < LIMIT_FILTER_VALUES + 1; i++)
        many[i] = "A-1";
    f.case_nos = many;
    f.n_case_nos = LIMIT_FILTER_VALUES + 1;
    assert_int_equal(filter_new(&f, &filter, &err), -1);
    assert_int_equal(err.code, WB_E_FILTER);
    f.n_case_nos = LIMIT_FILTER_VALUES;
    assert_true(matches(&f));
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    many[0] = longer;
    f.n_case_nos = 1;
    assert_int_equal(filter_new(&f, &filter, &err), -1);
    many[0] = "";
    assert_int_equal(filter_new(&f, &filter, &err), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_looked_at), cmocka_unit_test(stages_and_kinds_are_sets),
        cmocka_unit_test(fields_are_joined_by_and), cmocka_unit_test(an_empty_filter_is_none),
        cmocka_unit_test(bounds_are_kept),          cmocka_unit_test(lights_are_those_of_alerts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
