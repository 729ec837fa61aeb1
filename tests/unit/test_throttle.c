/* Wrong codes run out, right ones do not. The clock is the tests'. */
#include "subscribers/gateway/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "subscribers/gateway/meter.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

static int64_t now_us;
static struct throttle *throttle;

int64_t __wrap_monotonic_us(void);

int64_t __wrap_monotonic_us(void) {
    return now_us;
}

static int setup(void **state) {
    (void)state;
    const struct throttle_rates rates = {.block_per_minute = 30, .case_per_minute = 15};
    now_us = 1000 * MINUTE;
    throttle = throttle_new(&rates);
    return throttle && meter_open() == 0 ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    throttle_free(throttle);
    meter_close();
    return 0;
}

static int wait_s(const char *peer, const char *case_no, const char *code) {
    struct attempt attempt = throttle_attempt(throttle, peer, case_no, code);
    return throttle_wait_s(throttle, &attempt);
}

/* A wrong code; how long it would have had to wait, 0: it was put. */
static int guess(const char *peer, const char *case_no) {
    struct attempt attempt = throttle_attempt(throttle, peer, case_no, "wrong");
    int wait = throttle_wait_s(throttle, &attempt);
    if (!wait)
        throttle_wrong(throttle, &attempt);
    return wait;
}

static void open_with(const char *peer, const char *case_no, const char *code) {
    struct attempt attempt = throttle_attempt(throttle, peer, case_no, code);
    throttle_right(throttle, &attempt);
}

/* How many guesses the peer can put in so many minutes, at always new cases. Its bucket is empty
 * then. */
static int guesses_in(const char *peer, int minutes) {
    char case_no[32];
    int put = 0;
    static int number;
    for (int s = 0; s < minutes * 60; s++, now_us += SECOND)
        for (int i = 0; i < 5; i++) {
            snprintf(case_no, sizeof case_no, "A-%d", number++);
            put += guess(peer, case_no) == 0;
        }
    while (!guess(peer, NULL))
        put++;
    return put;
}

static void block_is_slowed_to_its_rate(void **state) {
    (void)state;
    int put = guesses_in("192.0.2.1", 20);
    assert_in_range(put, 60 + 19 * 30, 60 + 21 * 30);
    assert_int_not_equal(wait_s("192.0.2.1", "B-1", "any"), 0);
}

static void block_is_what_a_subscriber_has(void **state) {
    (void)state;
    static const struct {
        const char *guesser, *other;
        bool same;
    } pairs[] = {
        {"192.0.2.1", "192.0.2.254", true},          {"192.0.2.1", "192.0.3.1", false},
        {"2001:db8::1", "2001:db8:0:ff::7", true},   {"2001:db8::1", "2001:db8:0:100::1", false},
        {"203.0.113.9", "::ffff:203.0.113.7", true}, {"::cb00:7209", "203.0.114.9", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        guesses_in(pairs[i].guesser, 3);
        assert_int_equal(wait_s(pairs[i].other, "B-1", "x") != 0, pairs[i].same);
        now_us += 30 * MINUTE;
        assert_int_equal(wait_s(pairs[i].guesser, "B-1", "x"), 0);
    }
}

static void waiting_as_long_as_told_is_enough(void **state) {
    (void)state;
    guesses_in("192.0.2.1", 3);
    for (int i = 0; i < 50; i++) {
        int wait = guess("192.0.2.1", "C-1");
        if (!wait)
            continue;
        now_us += wait * SECOND;
        assert_int_equal(guess("192.0.2.1", "C-1"), 0);
    }
}

static void case_is_guarded_from_many_blocks(void **state) {
    (void)state;
    char peer[32];
    int put = 0;
    for (int s = 0; s < 20 * 60; s++, now_us += SECOND)
        for (int i = 0; i < 100; i++) {
            snprintf(peer, sizeof peer, "198.18.%d.1", i);
            put += guess(peer, "A-1") == 0;
        }
    /* What is free at first, the case's rate, and of each block three tries and one in 5 min. */
    assert_in_range(put, 300, 30 + 20 * 15 + 100 * (3 + 4));
    /* Without the case's bucket each block could have put 60 + 20 * 30. */
    while (!guess("198.18.0.1", "A-1"))
        put++;
    assert_int_equal(wait_s("198.18.0.1", "A-2", "x") != 0, false);
}

static void honest_holder_gets_in_while_others_guess(void **state) {
    (void)state;
    char peer[32];
    for (int i = 0; i < 200; i++) {
        snprintf(peer, sizeof peer, "198.18.%d.1", i % 100);
        guess(peer, "A-1");
    }
    assert_int_equal(wait_s("192.0.2.1", "A-1", "right"), 0);
    /* Also after a slip or two of the finger. */
    assert_int_equal(guess("192.0.2.1", "A-1"), 0);
    assert_int_equal(guess("192.0.2.1", "A-1"), 0);
    assert_int_equal(wait_s("192.0.2.1", "A-1", "right"), 0);
}

static void who_is_known_is_not_hindered_by_neighbours(void **state) {
    (void)state;
    open_with("192.0.2.1", "A-1", "right");
    guesses_in("192.0.2.77", 3);
    assert_int_equal(wait_s("192.0.2.1", "A-1", "right"), 0);
    assert_int_not_equal(wait_s("192.0.2.1", "A-1", "righf"), 0);
    assert_int_not_equal(wait_s("192.0.2.1", "A-2", "right"), 0);
    /* Known is who opened it there: elsewhere the same code is as good as any. */
    guesses_in("198.18.0.1", 3);
    assert_int_not_equal(wait_s("198.18.0.1", "A-1", "right"), 0);
}

static void what_has_expired_is_not_known_any_more(void **state) {
    (void)state;
    open_with("192.0.2.1", "A-1", "right");
    struct attempt attempt = throttle_attempt(throttle, "192.0.2.1", "A-1", "right");
    throttle_wrong(throttle, &attempt);
    guesses_in("192.0.2.1", 3);
    assert_int_not_equal(throttle_wait_s(throttle, &attempt), 0);
    open_with("203.0.113.1", "A-1", "right");
    now_us += 13 * 60 * MINUTE;
    guesses_in("203.0.113.1", 3);
    assert_int_not_equal(wait_s("203.0.113.1", "A-1", "right"), 0);
}

static void guessing_side_by_side_gains_nothing(void **state) {
    (void)state;
    struct attempt attempts[1000];
    for (int i = 0; i < 1000; i++) {
        char case_no[32];
        snprintf(case_no, sizeof case_no, "A-%d", i);
        attempts[i] = throttle_attempt(throttle, "192.0.2.1", case_no, "wrong");
        assert_int_equal(throttle_wait_s(throttle, &attempts[i]), 0);
    }
    for (int i = 0; i < 1000; i++)
        throttle_wrong(throttle, &attempts[i]);
    int wait = wait_s("192.0.2.1", "B-1", "x");
    assert_in_range(wait, 9 * 60, 10 * 60 + 2); /* and no longer than that */
}

static void without_a_case_the_block_counts(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++)
        assert_int_equal(guess("192.0.2.1", NULL), 0);
    assert_int_not_equal(guess("192.0.2.1", NULL), 0);
    assert_int_equal(guess("192.0.3.1", NULL), 0);
}

static void rates_may_be_off(void **state) {
    (void)state;
    throttle_free(throttle);
    throttle = throttle_new(&(struct throttle_rates){0});
    for (int i = 0; i < 1000; i++)
        assert_int_equal(guess("192.0.2.1", "A-1"), 0);
}

static void tables_are_bounded_and_say_when_they_are_full(void **state) {
    (void)state;
    char peer[32];
    struct buffer text;
    for (int i = 0; i < 200000; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.1", i >> 8 & 255, i & 255);
        open_with(peer, "A-1", "right");
        snprintf(peer, sizeof peer, "2001:db8:%x:%x::1", i >> 8, (i & 255) << 8);
        guess(peer, "A-1");
    }
    buffer_init(&text, 0);
    meter_write(&text);
    assert_non_null(strstr(buffer_string(&text), "waybill_gateway_throttle_full_total{table=\"bl"));
    buffer_free(&text);
    /* What is most in debt stays. */
    guesses_in("192.0.2.1", 1);
    for (int i = 0; i < 100000; i++) {
        snprintf(peer, sizeof peer, "2001:db9:%x:%x::1", i >> 8, (i & 255) << 8);
        guess(peer, "A-2");
    }
    assert_int_not_equal(wait_s("192.0.2.1", "B-1", "x"), 0);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FRESH(block_is_slowed_to_its_rate),
        FRESH(block_is_what_a_subscriber_has),
        FRESH(waiting_as_long_as_told_is_enough),
        FRESH(case_is_guarded_from_many_blocks),
        FRESH(honest_holder_gets_in_while_others_guess),
        FRESH(who_is_known_is_not_hindered_by_neighbours),
        FRESH(what_has_expired_is_not_known_any_more),
        FRESH(guessing_side_by_side_gains_nothing),
        FRESH(without_a_case_the_block_counts),
        FRESH(rates_may_be_off),
        FRESH(tables_are_bounded_and_say_when_they_are_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
