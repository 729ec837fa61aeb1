#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access/audit.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define SECOND INT64_C(1000000)

static struct audit *audit;
static struct buffer subjects, counts, details;

static int setup(void **state) {
    (void)state;
    audit = audit_new();
    buffer_init(&subjects, 0);
    buffer_init(&counts, 0);
    buffer_init(&details, 0);
    return audit ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    audit_free(audit);
    buffer_free(&subjects);
    buffer_free(&counts);
    buffer_free(&details);
    return 0;
}

static void add(const char *subject, bool stranger, int code, int64_t now_us) {
    struct wb_error err;
    problem_field(&err, code, "agency", "'市局'");
    audit_add(audit, subject, stranger, &err, "from here", now_us);
}

static size_t take(int64_t now_us) {
    return audit_take(audit, &subjects, &counts, &details, now_us);
}

/* An element of an array in binary form, its bytes as text. */
static const char *element(const struct buffer *array, size_t index, uint32_t *length) {
    static char text[300];
    const uint8_t *at = array->data + 20;
    for (;; at += 4 + *length, index--) {
        *length = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (index == 0)
            break;
    }
    memcpy(text, at + 4, *length);
    text[*length] = '\0';
    return text;
}

static void assert_row(size_t index, const char *subject, uint32_t count, const char *detail) {
    uint32_t length;
    assert_string_equal(element(&subjects, index, &length), subject);
    const uint8_t *number = (const uint8_t *)element(&counts, index, &length);
    assert_int_equal(length, 4);
    assert_int_equal((uint32_t)number[2] << 8 | number[3], count);
    assert_non_null(strstr(element(&details, index, &length), detail));
}

static void like_ones_are_one_row(void **state) {
    (void)state;
    assert_int_equal(take(0), 0);
    for (int i = 0; i < 300; i++)
        add("permits", false, WB_E_NOT_GRANTED, 0);
    add("permits", false, WB_E_IDENTITY, 0);
    add("tax", false, WB_E_NOT_GRANTED, 0);
    assert_int_equal(take(0), 3);
    assert_row(0, "permits", 300, "NOT_GRANTED: agency: '市局', from here");
    assert_row(1, "permits", 1, "IDENTITY");
    assert_row(2, "tax", 1, "NOT_GRANTED");
    audit_settle(audit, true);
    assert_int_equal(take(SECOND), 0);
}

static void what_goes_on_is_written_less_and_less_often(void **state) {
    (void)state;
    int64_t now = 0;
    size_t rows = 0;
    for (; now < 3600 * SECOND; now += SECOND / 2) {
        add("permits", false, WB_E_NOT_GRANTED, now);
        rows += take(now);
        audit_settle(audit, true);
    }
    assert_in_range(rows, 60, 70);
    now += 61 * SECOND; /* what was counted last */
    assert_int_equal(take(now), 1);
    audit_settle(audit, true);
    now += 61 * SECOND; /* quiet for a while: it begins anew */
    for (int i = 0; i < 2; i++, now += SECOND) {
        add("permits", false, WB_E_NOT_GRANTED, now);
        assert_int_equal(take(now), 1);
        audit_settle(audit, true);
    }
}

static void what_was_not_written_is_kept(void **state) {
    (void)state;
    add("permits", false, WB_E_NOT_GRANTED, 0);
    assert_int_equal(take(0), 1);
    add("permits", false, WB_E_NOT_GRANTED, 0);
    audit_settle(audit, false);
    assert_int_equal(take(SECOND), 1);
    assert_row(0, "permits", 2, "NOT_GRANTED");
}

static void strangers_push_nobody_out(void **state) {
    (void)state;
    char name[32];
    for (int i = 0; i < 10 * AUDIT_SUBJECTS; i++) {
        snprintf(name, sizeof name, "key %d", i);
        add(name, true, WB_E_KEY_UNKNOWN, 0);
    }
    for (int i = 0; i < AUDIT_SUBJECTS / 2; i++) {
        snprintf(name, sizeof name, "source %d", i);
        add(name, false, WB_E_NOT_GRANTED, 0);
    }
    assert_int_equal(take(0), AUDIT_SUBJECTS + 1);
    assert_row(0, "key 0", 1, "KEY_UNKNOWN");
    assert_row(AUDIT_SUBJECTS - 1, name, 1, "NOT_GRANTED");
    assert_row(AUDIT_SUBJECTS, "(others)", 10 * AUDIT_SUBJECTS - AUDIT_SUBJECTS / 2, "KEY_UNKNOWN");
    audit_settle(audit, true);
    add("another", true, WB_E_KEY_UNKNOWN, SECOND); /* in the place of one that is over */
    assert_int_equal(take(SECOND), 1);
    assert_row(0, "another", 1, "KEY_UNKNOWN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(like_ones_are_one_row, setup, teardown),
        cmocka_unit_test_setup_teardown(what_goes_on_is_written_less_and_less_often, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_not_written_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_push_nobody_out, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
