#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/journal/queue.h"
#include "broker/journal/source.h"
#include "broker/journal/submission.h"

#define SECOND INT64_C(1000000)
#define MANY   400

struct fixture {
    struct queue queue;
    struct source sources[3];
    struct submission submissions[MANY];
    size_t used;
};

static int setup(void **state) {
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static struct submission *put(struct fixture *f, int source, size_t count, size_t bytes) {
    struct submission *s = &f->submissions[f->used++];
    *s = (struct submission){.source = &f->sources[source], .count = count, .bytes = bytes};
    queue_put(&f->queue, s);
    return s;
}

static struct submission *take(struct fixture *f, int64_t now_us) {
    size_t events = SIZE_MAX, bytes = SIZE_MAX;
    return queue_take(&f->queue, &events, &bytes, true, now_us);
}

static void a_source_keeps_its_order(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++)
        put(f, i % 3, 1, 70000);
    size_t next[3] = {0, 1, 2};
    for (int i = 0; i < 100; i++) {
        struct submission *s = take(f, SECOND);
        long source = s->source - f->sources;
        assert_ptr_equal(s, &f->submissions[next[source]]);
        next[source] += 3;
    }
    assert_null(take(f, SECOND));
    assert_int_equal(f->queue.events, 0);
    assert_int_equal(f->queue.bytes, 0);
}

static void a_flood_does_not_delay_the_others(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++)
        put(f, 0, 1000, 300000);
    struct submission *light = put(f, 1, 1, 300);
    size_t before = 0;
    while (take(f, SECOND) != light)
        before++;
    assert_true(before <= 1);
}

static void bytes_are_shared_equally_whatever_the_size(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        put(f, 0, 1000, 300000);
    for (int i = 0; i < 300; i++)
        put(f, 1, 10, 3000);
    size_t bytes[2] = {0};
    while (bytes[0] + bytes[1] < 1500000) {
        struct submission *s = take(f, SECOND);
        bytes[s->source - f->sources] += s->bytes;
    }
    assert_true(bytes[0] > 400000 && bytes[1] > 400000);
}

static void a_batch_takes_no_more_than_is_left(void **state) {
    struct fixture *f = *state;
    size_t events = 100, bytes = 100000;
    put(f, 0, 60, 10);
    put(f, 0, 60, 10);
    assert_non_null(queue_take(&f->queue, &events, &bytes, true, SECOND));
    assert_int_equal(events, 40);
    assert_null(queue_take(&f->queue, &events, &bytes, false, SECOND));
    events = 10;
    assert_non_null(queue_take(&f->queue, &events, &bytes, true, SECOND));
    assert_int_equal(events, 0);
}

static void a_rate_is_kept(void **state) {
    struct fixture *f = *state;
    f->sources[0].flow.rate_events = 2000;
    for (int i = 0; i < 100; i++)
        put(f, 0, 100, 30000);
    size_t taken = 0;
    for (int64_t now_us = SECOND; now_us <= 4 * SECOND; now_us += 1000) {
        struct submission *s;
        while ((s = take(f, now_us)))
            taken += s->count;
    }
    /* A burst of a second's worth, then three seconds at the rate. */
    assert_in_range(taken, 2000 + 3 * 2000 - 100, 2000 + 3 * 2000 + 200);
}

static void who_waits_for_tokens_holds_nobody_up(void **state) {
    struct fixture *f = *state;
    f->sources[0].flow.rate_events = 1;
    struct submission *first = put(f, 0, 2000, 300);
    put(f, 0, 1, 300);
    assert_ptr_equal(take(f, SECOND), first);
    assert_null(take(f, SECOND));
    struct submission *other = put(f, 1, 1, 300);
    assert_ptr_equal(take(f, SECOND), other);
    assert_null(take(f, SECOND));
    int64_t due_us = queue_due_us(&f->queue, SECOND);
    assert_in_range(due_us, 900 * SECOND, 1000 * SECOND);
    assert_non_null(take(f, due_us));
    assert_int_equal(queue_due_us(&f->queue, SECOND), INT64_MAX);
}

static void a_slow_rate_is_kept_for_ever(void **state) {
    struct fixture *f = *state;
    f->sources[0].flow.rate_events = 1;
    for (int i = 0; i < MANY; i++)
        put(f, 0, 100, 300);
    size_t taken = 0;
    for (int64_t at = 0; at < 40; at++) { /* somebody looks every two minutes */
        struct submission *s;
        while ((s = take(f, SECOND + at * 120 * SECOND)))
            taken += s->count;
    }
    assert_in_range(taken, 1024 + 39 * 120 - 100, 1024 + 39 * 120 + 200);
}

static void one_that_waits_can_be_taken_out(void **state) {
    struct fixture *f = *state;
    struct submission *s[4];
    for (int i = 0; i < 4; i++)
        s[i] = put(f, 0, 1, 300);
    assert_true(queue_remove(&f->queue, s[3]));
    assert_true(queue_remove(&f->queue, s[1]));
    assert_false(queue_remove(&f->queue, s[1]));
    struct submission *last = put(f, 0, 1, 300);
    assert_true(queue_remove(&f->queue, s[0]));
    assert_ptr_equal(take(f, SECOND), s[2]);
    assert_false(queue_remove(&f->queue, s[2]));
    assert_ptr_equal(take(f, SECOND), last);
    assert_null(take(f, SECOND));
    assert_int_equal(f->queue.events + f->queue.bytes, 0);
}

static void everything_can_be_given_back(void **state) {
    struct fixture *f = *state;
    f->sources[0].flow.rate_events = 1;
    for (int i = 0; i < 30; i++)
        put(f, i % 2, 1000, 300);
    for (int i = 0; i < 30; i++)
        assert_non_null(queue_drain(&f->queue));
    assert_null(queue_drain(&f->queue));
    put(f, 0, 1, 1);
    assert_int_equal(f->queue.events, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_source_keeps_its_order),
        CASE(a_flood_does_not_delay_the_others),
        CASE(bytes_are_shared_equally_whatever_the_size),
        CASE(a_batch_takes_no_more_than_is_left),
        CASE(a_rate_is_kept),
        CASE(who_waits_for_tokens_holds_nobody_up),
        CASE(a_slow_rate_is_kept_for_ever),
        CASE(one_that_waits_can_be_taken_out),
        CASE(everything_can_be_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
