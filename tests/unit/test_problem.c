#include "proto/problem.h"

#include "proto/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_fills_from_the_table(void **state) {
    (void)state;
    struct wb_error err;
    assert_int_equal(problem(&err, WB_E_NO_SESSION, "peer %d", 7), -1);
    assert_int_equal(err.code, 2);
    assert_true(err.retriable);
    assert_string_equal(err.message, "there is no session on this connection");
    assert_string_equal(err.detail, "peer 7");
    assert_string_equal(err.field, "");
    assert_int_equal(problem_hint(&err, "try %s", "again"), -1);
    assert_string_equal(err.hint, "try again");
    assert_string_equal(problem_name(WB_E_NO_SESSION), "NO_SESSION");
    assert_string_equal(problem_name(9999), "UNKNOWN");
    assert_false(problem_retriable(9999));
}

static void test_no_error_wanted(void **state) {
    (void)state;
    assert_int_equal(problem(NULL, WB_E_SYSTEM, "x"), -1);
    assert_int_equal(problem_field(NULL, WB_E_FIELD_VALUE, "step", "x"), -1);
    assert_int_equal(problem_hint(NULL, "x"), -1);
}

/* No text of the table is cut. */
static void test_the_table_fits(void **state) {
    (void)state;
    static const struct {
        int code;
        bool again;
        const char *text, *remedy;
    } table[] = {
#define WB_ERROR(number, name, again, text, remedy) {number, again, text, remedy},
#include <waybill/errors.def>
#undef WB_ERROR
    };
    struct wb_error err;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        problem(&err, table[i].code, "x");
        assert_string_equal(err.message, table[i].text);
        assert_string_equal(err.hint, table[i].remedy);
        assert_int_equal(err.retriable, table[i].again);
    }
}

static void test_long_texts_are_cut_between_characters(void **state) {
    (void)state;
    struct wb_error err;
    for (int shift = 0; shift < 4; shift++) {
        char text[400];
        memset(text, 'x', sizeof text);
        for (size_t i = (size_t)shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "长", 3);
        text[sizeof text - 1] = '\0';
        problem_field(&err, WB_E_FIELD_VALUE, text, "%s", text);
        assert_true(wire_utf8(err.detail, strlen(err.detail), false));
        assert_true(strlen(err.detail) > sizeof err.detail - 5);
        assert_true(wire_utf8(err.field, strlen(err.field), false));
    }
}

static void test_details_are_one_clean_line(void **state) {
    (void)state;
    struct wb_error err;
    problem(&err, WB_E_DATABASE, "ERROR:  x\nDETAIL:\ty\x1b[1m \xff \xc2\x9b \xe4\xb8\xad");
    assert_string_equal(err.detail, "ERROR:  x DETAIL: y?[1m ? ?? 中");
}

static void assert_quoted(const char *value, size_t bytes, const char *expected) {
    char text[PROBLEM_VALUE];
    assert_string_equal(problem_value(value, bytes, text), expected);
}

static void test_values(void **state) {
    (void)state;
    char text[PROBLEM_VALUE], worst[100];
    assert_quoted("A-1", 3, "\"A-1\"");
    assert_quoted("", 0, "\"\"");
    assert_quoted("a\"b\\", 4, "\"a\\\"b\\\\\"");
    assert_quoted("a\0n\nrt", 6, "\"a\\x00n\\nrt\"");
    assert_quoted("\xff\x7f\xc2\x85", 4, "\"\\xff\\x7f\\u0085\"");
    memset(worst, 0xff, sizeof worst);
    problem_value(worst, sizeof worst, text);
    assert_int_equal(strlen(text), 1 + 60 + strlen("…\""));
    memset(worst, 'x', sizeof worst);
    for (size_t i = 0; i < 3; i++)
        worst[59 + i] = "长"[i];
    problem_value(worst, sizeof worst, text);
    assert_int_equal(strlen(text), 1 + 59 + strlen("…\""));
}

static void test_a_line_for_people(void **state) {
    (void)state;
    struct wb_error err;
    char text[400], small[20];
    problem(&err, WB_E_TIMEOUT, "%s", "tcp://127.0.0.1:7411");
    assert_string_equal(problem_line(&err, text, sizeof text),
                        "no answer came in time: tcp://127.0.0.1:7411 "
                        "(see whether the broker runs and the endpoint is right)");
    assert_string_equal(problem_line(&err, small, sizeof small), "no answer came in t");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fills_from_the_table),
        cmocka_unit_test(test_no_error_wanted),
        cmocka_unit_test(test_the_table_fits),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_details_are_one_clean_line),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_a_line_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
