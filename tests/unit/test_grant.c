#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access/grant.h"
#include "broker/journal/header.h"

static struct wb_error err;
static struct grant grant;
static struct header event;

static struct slice slice(const char *text) {
    return (struct slice){.data = (const uint8_t *)text, .length = strlen(text)};
}

static int setup(void **state) {
    (void)state;
    memset(&grant, 0, sizeof grant);
    event = (struct header){.case_no = slice("320411-7"),
                            .item_code = slice("000115004000"),
                            .region_code = slice("320411"),
                            .agency = slice("新北区行政审批局")};
    return 0;
}

static int check(size_t bytes) {
    memset(&err, 0, sizeof err);
    return grant_check(&grant, &event, bytes, &err);
}

static void what_holds_nothing_allows_anything(void **state) {
    (void)state;
    assert_int_equal(check(65536), 0);
    event.agency = event.region_code = event.item_code = slice("");
    assert_int_equal(check(65536), 0);
}

static void each_list_looks_at_its_own_field(void **state) {
    (void)state;
    static char *right[][1] = {{"320411-"}, {"新北区"}, {"3204"}, {"000115"}};
    static char *wrong[][1] = {{"320412-"}, {"武进区"}, {"3205"}, {"000116"}};
    static const char *const fields[] = {"case_no", "agency", "region_code", "item_code"};
    struct grant_list *lists[] = {&grant.cases, &grant.agencies, &grant.regions, &grant.items};
    for (size_t i = 0; i < 4; i++) {
        *lists[i] = (struct grant_list){.prefixes = right[i], .count = 1};
        assert_int_equal(check(100), 0);
        *lists[i] = (struct grant_list){.prefixes = wrong[i], .count = 1};
        assert_int_equal(check(100), -1);
        assert_int_equal(err.code, WB_E_NOT_GRANTED);
        assert_string_equal(err.field, fields[i]);
        *lists[i] = (struct grant_list){0};
    }
}

static void one_prefix_of_each_list_has_to_match(void **state) {
    (void)state;
    static char *regions[] = {"99", "320411"}, *items[] = {"000115004000"};
    grant.regions = (struct grant_list){.prefixes = regions, .count = 2};
    grant.items = (struct grant_list){.prefixes = items, .count = 1};
    assert_int_equal(check(100), 0);
    event.region_code = slice("320412");
    assert_int_equal(check(100), -1);
    assert_non_null(strstr(err.detail, "320412"));
    event.region_code = slice("320411");
    event.item_code = slice("00011500400");
    assert_int_equal(check(100), -1);
    assert_string_equal(err.field, "item_code");
}

static void a_field_that_is_empty_matches_no_list(void **state) {
    (void)state;
    static char *all[] = {""};
    grant.agencies = (struct grant_list){.prefixes = all, .count = 1};
    assert_int_equal(check(100), 0);
    event.agency = slice("");
    assert_int_equal(check(100), -1);
    assert_int_equal(err.code, WB_E_NOT_GRANTED);
    assert_string_equal(err.field, "agency");
}

static void the_size_comes_first(void **state) {
    (void)state;
    static char *cases[] = {"X"};
    grant.cases = (struct grant_list){.prefixes = cases, .count = 1};
    grant.event_bytes = 100;
    assert_int_equal(check(101), -1);
    assert_int_equal(err.code, WB_E_EVENT_TOO_LARGE);
    assert_non_null(strstr(err.detail, "101"));
    assert_int_equal(check(100), -1);
    assert_int_equal(err.code, WB_E_NOT_GRANTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_holds_nothing_allows_anything, setup),
        cmocka_unit_test_setup(each_list_looks_at_its_own_field, setup),
        cmocka_unit_test_setup(one_prefix_of_each_list_has_to_match, setup),
        cmocka_unit_test_setup(a_field_that_is_empty_matches_no_list, setup),
        cmocka_unit_test_setup(the_size_comes_first, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
