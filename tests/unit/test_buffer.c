#include "common/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void grows_and_keeps_what_was_written(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    assert_string_equal(buffer_string(&buffer), "");
    for (int i = 0; i < 10000; i++)
        buffer_printf(&buffer, "%04d", i);
    assert_false(buffer.failed);
    assert_int_equal(buffer.length, 40000);
    assert_memory_equal(&buffer.data[4936], "1234", 4);
    assert_int_equal(strlen(buffer_string(&buffer)), 40000);
    buffer_free(&buffer);
    assert_null(buffer.data);
}

static void an_error_stays_until_cleared(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_text(&buffer, "0123456789"); /* as many as may be */
    assert_false(buffer.failed);
    assert_string_equal(buffer_string(&buffer), "0123456789");
    buffer_clear(&buffer);
    buffer_text(&buffer, "01234");
    buffer_text(&buffer, "567890");
    assert_true(buffer.failed);
    assert_int_equal(buffer.length, 5);
    buffer_text(&buffer, "5"); /* would fit, but what is before it is missing */
    buffer_printf(&buffer, "%d", 5);
    buffer_be16(&buffer, 5);
    assert_int_equal(buffer.length, 5);
    assert_null(buffer_reserve(&buffer, 1));
    buffer_clear(&buffer);
    assert_false(buffer.failed);
    assert_non_null(buffer_reserve(&buffer, 10));
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    buffer_free(&buffer);
    assert_false(buffer.failed);
    assert_int_equal(buffer.max, 10);
    buffer_init(&buffer, 0);
    assert_null(buffer_reserve(&buffer, SIZE_MAX - 1));
    buffer_free(&buffer);
}

static void an_empty_part_changes_nothing(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 4);
    buffer_append(&buffer, NULL, 0);
    buffer_consume(&buffer, 0);
    assert_int_equal(buffer.length, 0);
    assert_false(buffer.failed);
    buffer_free(&buffer);
}

static void consumes_from_the_front(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_text(&buffer, "one two");
    buffer_consume(&buffer, 4);
    assert_string_equal(buffer_string(&buffer), "two");
    buffer_consume(&buffer, 3);
    assert_string_equal(buffer_string(&buffer), "");
    buffer_free(&buffer);
}

static void writes_big_endian(void **state) {
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_be16(&buffer, 0x0102);
    buffer_be32(&buffer, 0x03040506);
    buffer_be64(&buffer, 0x0708090a0b0c0d0eu);
    assert_int_equal(buffer.length, 14);
    for (size_t i = 0; i < buffer.length; i++)
        assert_int_equal(buffer.data[i], i + 1);
    buffer_free(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_was_written),
        cmocka_unit_test(an_error_stays_until_cleared),
        cmocka_unit_test(an_empty_part_changes_nothing),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(writes_big_endian),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
