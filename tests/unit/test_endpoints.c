#include "common/endpoints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_one_and_several(void **state) {
    (void)state;
    struct endpoints list;
    assert_int_equal(endpoints_parse(&list, "tcp://127.0.0.1:7411", NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.text[0], "tcp://127.0.0.1:7411");
    assert_int_equal(endpoints_parse(&list, " tcp://a:1,tcp://b:65535 , tcp://[::1]:7\n", NULL), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.text[0], "tcp://a:1");
    assert_string_equal(list.text[1], "tcp://b:65535");
    assert_string_equal(list.text[2], "tcp://[::1]:7");
}

static void test_what_is_no_endpoint(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        ",",
        "127.0.0.1:7411",
        "ipc:///run/x",
        "tcp://",
        "tcp://a",
        "tcp://a:",
        "tcp://a:0",
        "tcp://a:b",
        "tcp://a:65536",
        "tcp://a:1b",
        "tcp://:1",
        "tcp://*:1",
        "tcp://a;b",
        "tcp://a:00000000000000000001",
        "tcp://::1:7411",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct endpoints list;
        struct wb_error err;
        assert_int_equal(endpoints_parse(&list, texts[i], &err), -1);
        assert_int_equal(err.code, WB_E_USAGE);
        assert_non_null(strstr(err.detail, texts[i]));
        assert_non_null(strstr(err.hint, "tcp://HOST:PORT"));
    }
}

static void test_the_bad_one_is_named(void **state) {
    (void)state;
    struct endpoints list;
    struct wb_error err;
    assert_int_equal(endpoints_parse(&list, "tcp://a:1,b:2,tcp://c:3", &err), -1);
    assert_string_equal(err.detail, "endpoint 'b:2'");
    assert_int_equal(endpoints_parse(&list, "tcp://a:1 tcp://b:2 tcp://a:1", &err), -1);
    assert_string_equal(err.detail, "endpoint 'tcp://a:1' is named twice");
}

static void test_bounds(void **state) {
    (void)state;
    struct endpoints list;
    struct wb_error err;
    static const char eight[] = "tcp://a:1,tcp://a:2,tcp://a:3,tcp://a:4,tcp://a:5,tcp://a:6,"
                                "tcp://a:7,tcp://a:8";
    char nine[200], length[600] = "tcp://";
    assert_int_equal(endpoints_parse(&list, eight, NULL), 0);
    assert_int_equal(list.count, ENDPOINTS_MAX);
    memcpy(nine, eight, sizeof eight);
    memcpy(nine + sizeof eight - 1, ",tcp://a:9", 11);
    assert_int_equal(endpoints_parse(&list, nine, &err), -1);
    assert_non_null(strstr(err.detail, "tcp://a:9"));
    memset(length + 6, 'a', 590);
    assert_int_equal(endpoints_parse(&list, length, &err), -1);
    assert_non_null(strstr(err.detail, "too long"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_and_several),
        cmocka_unit_test(test_what_is_no_endpoint),
        cmocka_unit_test(test_the_bad_one_is_named),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
