#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/access/audiences.h"

#define A(name) WAYBILL__V1__AUDIENCE__AUDIENCE_##name

/* What the set covers as a set, so that a test can write it as text. */
static void assert_covers(const char *set, const char *covered) {
    audiences held, expected, found = AUDIENCES_NONE;
    Waybill__V1__Audience list[AUDIENCES_MAX];
    assert_true(audiences_read(set, &held));
    assert_true(audiences_read(covered, &expected));
    size_t count = audiences_list(held, list);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || list[i] > list[i - 1]);
        found |= audiences_of(list[i]);
    }
    assert_int_equal(found, expected);
    assert_int_equal(audiences_widest(held), count ? list[0] : A(UNSPECIFIED));
}

static void who_may_see_more_may_see_less(void **state) {
    (void)state;
    assert_covers("full", "full,staff,applicant,public");
    assert_covers("staff", "staff,public");
    assert_covers("applicant", "applicant,public");
    assert_covers("public", "public");
    assert_covers("public,applicant,staff", "staff,applicant,public");
    assert_covers("", "");
}

static void nothing_covers_what_is_no_audience(void **state) {
    (void)state;
    assert_false(audiences_cover(~0u, A(UNSPECIFIED)));
    assert_false(audiences_cover(~0u, (Waybill__V1__Audience)5));
    assert_false(audiences_cover(~0u, (Waybill__V1__Audience)77));
    assert_int_equal(audiences_of((Waybill__V1__Audience)-1), AUDIENCES_NONE);
}

static void names_are_read_strictly(void **state) {
    (void)state;
    audiences set;
    assert_true(audiences_read("staff,staff", &set));
    assert_int_equal(set, audiences_of(A(STAFF)));
    assert_false(audiences_read("everything", &set));
    assert_false(audiences_read("staff,,public", &set));
    assert_false(audiences_read("unspecified", &set));
    assert_false(audiences_read("full staff", &set));
    assert_false(audiences_read("fullfullfullfullfullfull", &set));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_see_more_may_see_less),
        cmocka_unit_test(nothing_covers_what_is_no_audience),
        cmocka_unit_test(names_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
