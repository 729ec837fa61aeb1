#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/admit/credit.h"

#define SECOND INT64_C(1000000)

static struct credit_pool pool_of(size_t bytes) {
    return (struct credit_pool){.pool_bytes = bytes, .most = {.events = 8192, .bytes = 4 << 20}};
}

static void one_session_gets_the_largest_window(void **state) {
    struct credit_pool pool = pool_of(16 << 20);
    struct credit c;
    (void)state;
    credit_open(&pool, &c);
    assert_int_equal(c.window.events, 8192);
    assert_int_equal(c.window.bytes, 4 << 20);
    credit_close(&pool, &c);
    assert_int_equal(pool.sessions, 0);
}

static void the_pool_is_shared_among_those_who_publish(void **state) {
    struct credit_pool pool = pool_of(16 << 20);
    struct credit c[64];
    struct wb_error err;
    (void)state;
    size_t promised = 0;
    for (int i = 0; i < 64; i++)
        credit_open(&pool, &c[i]);
    for (int i = 0; i < 64; i++)
        assert_int_equal(credit_take(&pool, &c[i], 10, 3000, SECOND, &err), 0);
    assert_int_equal(pool.active, 64);
    for (int i = 0; i < 64; i++) {
        credit_give(&pool, &c[i], 10, 3000, SECOND);
        promised += c[i].window.bytes;
    }
    assert_true(promised <= pool.pool_bytes);
    assert_int_equal(c[0].window.bytes, (16 << 20) / 64);
}

static void who_rests_leaves_room(void **state) {
    struct credit_pool pool = pool_of(8 << 20);
    struct credit one, other;
    struct wb_error err;
    (void)state;
    credit_open(&pool, &one);
    credit_open(&pool, &other);
    credit_take(&pool, &one, 1, 100, SECOND, &err);
    credit_take(&pool, &other, 1, 100, SECOND, &err);
    credit_give(&pool, &other, 1, 100, SECOND);
    credit_rest(&pool, &other, 2 * SECOND); /* lately enough */
    assert_int_equal(pool.active, 2);
    credit_rest(&pool, &other, 4 * SECOND);
    credit_rest(&pool, &one, 4 * SECOND); /* has an event under way */
    assert_int_equal(pool.active, 1);
    credit_close(&pool, &one);
    assert_int_equal(pool.active, 0);
}

static void beyond_the_window_is_refused_and_takes_nothing(void **state) {
    struct credit_pool pool = pool_of(16 << 20);
    struct credit c;
    struct wb_error err;
    (void)state;
    credit_open(&pool, &c);
    assert_int_equal(credit_take(&pool, &c, 8000, 100, SECOND, &err), 0);
    assert_int_equal(credit_take(&pool, &c, 193, 100, SECOND, &err), -1);
    assert_int_equal(err.code, WB_E_WINDOW_EXCEEDED);
    assert_int_equal(c.events, 8000);
    assert_int_equal(credit_take(&pool, &c, 192, 4 << 20, SECOND, &err), -1);
    assert_int_equal(credit_take(&pool, &c, 192, 100, SECOND, &err), 0);
}

static void one_event_may_always_go(void **state) {
    struct credit_pool pool = pool_of(1);
    struct credit c;
    struct wb_error err;
    (void)state;
    pool.most.bytes = 64 << 10;
    credit_open(&pool, &c);
    assert_int_equal(credit_take(&pool, &c, 1, 1 << 20, SECOND, &err), 0);
    assert_int_equal(credit_take(&pool, &c, 1, 1, SECOND, &err), -1);
}

/* What was under way when the window shrank was sent in good faith. */
static void the_window_before_holds_for_a_while(void **state) {
    struct credit_pool pool = pool_of(4 << 20);
    struct credit c, others[15];
    struct wb_error err;
    (void)state;
    credit_open(&pool, &c);
    credit_take(&pool, &c, 1, 100, SECOND, &err);
    for (int i = 0; i < 15; i++) {
        credit_open(&pool, &others[i]);
        credit_take(&pool, &others[i], 1, 100, SECOND, &err);
    }
    struct frame_window told = credit_give(&pool, &c, 1, 100, 10 * SECOND);
    assert_int_equal(told.bytes, (4 << 20) / 16);
    assert_int_equal(credit_take(&pool, &c, 1000, 3 << 20, 11 * SECOND, &err), 0);
    credit_give(&pool, &c, 1000, 3 << 20, 12 * SECOND);
    assert_int_equal(credit_take(&pool, &c, 1000, 3 << 20, 16 * SECOND, &err), -1);
}

/* Shares move in events while bytes are at their cap: each counts for itself. */
static void what_was_told_a_moment_ago_is_believed(void **state) {
    struct credit_pool pool = pool_of(64 << 20);
    struct credit c, others[16];
    struct wb_error err;
    (void)state;
    credit_open(&pool, &c);
    credit_take(&pool, &c, 1, 100, SECOND, &err);
    uint32_t most = 0;
    for (int i = 0; i < 16; i++) {
        credit_open(&pool, &others[i]);
        credit_take(&pool, &others[i], 1, 100, SECOND, &err);
    }
    for (int i = 15; i >= 0; i--) { /* up and down within the grace */
        credit_give(&pool, &c, 0, 0, SECOND + i * 1000);
        if (c.window.events > most)
            most = c.window.events;
        if (i % 3)
            credit_close(&pool, &others[i]);
    }
    credit_give(&pool, &c, 0, 0, SECOND + 20000);
    assert_int_equal(credit_take(&pool, &c, most - 1, 100, SECOND + 21000, &err), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_session_gets_the_largest_window),
        cmocka_unit_test(the_pool_is_shared_among_those_who_publish),
        cmocka_unit_test(who_rests_leaves_room),
        cmocka_unit_test(beyond_the_window_is_refused_and_takes_nothing),
        cmocka_unit_test(one_event_may_always_go),
        cmocka_unit_test(the_window_before_holds_for_a_while),
        cmocka_unit_test(what_was_told_a_moment_ago_is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
