#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/cases/opened.h"

#define GENERATION 65536

static struct slice number(int n) {
    static char text[24];
    int length = snprintf(text, sizeof text, "A-%d", n);
    return (struct slice){.data = (const uint8_t *)text, .length = (size_t)length};
}

static void holds_until_then(void **state) {
    (void)state;
    opened_clear();
    assert_false(opened_holds(number(1), 0));
    opened_note(number(1), 100);
    assert_true(opened_holds(number(1), 99));
    assert_false(opened_holds(number(1), 100));
    assert_false(opened_holds(number(2), 0));
    opened_note(number(1), 200);
    assert_true(opened_holds(number(1), 199));
    opened_clear();
    assert_false(opened_holds(number(1), 0));
}

static void keeps_those_that_are_met(void **state) {
    (void)state;
    opened_clear();
    for (int i = 0; i < GENERATION; i++)
        opened_note(number(i), 10);
    opened_note(number(GENERATION), 10); /* a new generation begins */
    assert_true(opened_holds(number(7), 1));
    for (int i = GENERATION + 1; i < 2 * GENERATION; i++)
        opened_note(number(i), 10);
    assert_true(opened_holds(number(7), 1));
    assert_true(opened_holds(number(GENERATION), 1));
    assert_false(opened_holds(number(8), 1)); /* two generations ago */
    opened_clear();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_until_then),
        cmocka_unit_test(keeps_those_that_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
