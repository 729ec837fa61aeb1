/* How much streams may have outstanding, together and each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/fanout/outstanding.h"
#include "broker/meter.h"

#define POOL   1000
#define PARCEL 100

static size_t fill(struct outstanding *o) {
    while (outstanding_has_room(o))
        outstanding_add(o, 1, PARCEL);
    return o->bytes;
}

static void test_one_that_is_not_read_takes_half(void **state) {
    (void)state;
    struct outstanding_pool pool = {.bytes_max = POOL};
    struct outstanding a = {.pool = &pool}, b = {.pool = &pool};
    assert_int_equal(fill(&a), POOL / 2);
    assert_int_equal(fill(&b), 300); /* less than what is left before, not after */
    outstanding_clear(&a);
    assert_int_equal(pool.bytes, b.bytes);
    assert_true(outstanding_has_room(&a) && outstanding_has_room(&b));
}

static void test_many_stay_within_the_pool_and_one_parcel_each(void **state) {
    (void)state;
    struct outstanding_pool pool = {.bytes_max = POOL};
    struct outstanding all[50];
    for (size_t i = 0; i < 50; i++) {
        all[i] = (struct outstanding){.pool = &pool};
        assert_true(fill(&all[i]) >= PARCEL);
    }
    assert_true(pool.bytes <= POOL + 50 * PARCEL);
}

static void test_credit_gives_back_what_was_taken(void **state) {
    (void)state;
    struct outstanding_pool pool = {.bytes_max = POOL};
    struct outstanding a = {.pool = &pool};
    outstanding_credit(&a, 7); /* given ahead: nothing was delivered */
    outstanding_add(&a, 4, 400);
    outstanding_credit(&a, 1);
    assert_int_equal(a.bytes, 300);
    outstanding_credit(&a, 100);
    assert_int_equal(a.bytes, 0);
    assert_int_equal(pool.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_that_is_not_read_takes_half),
        cmocka_unit_test(test_many_stay_within_the_pool_and_one_parcel_each),
        cmocka_unit_test(test_credit_gives_back_what_was_taken),
    };
    meter_open();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    meter_close();
    return failed;
}
