/* The sorter, and the replay over a clock that the test turns. */
#include "adapters/file/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sorter *new_sorter(size_t memory) {
    struct sorter *sorter = sorter_new(memory, NULL);
    assert_non_null(sorter);
    return sorter;
}

static void add(struct sorter *sorter, int64_t time, uint64_t tag, size_t bytes) {
    char data[8192];
    struct wb_error err = {0};
    memset(data, (int)tag, sizeof(data));
    struct sorter_entry entry = {.time = time, .tag = tag, .data = data, .bytes = bytes};
    if (sorter_add(sorter, &entry, &err))
        fail_msg("%s", err.detail);
}

/* So many entries in a scrambled order come out in the order of time, then of their coming. */
static void sorts(size_t memory, unsigned count) {
    struct sorter *sorter = new_sorter(memory);
    struct sorter_entry entry;
    unsigned seed = 7, given = 0;
    int64_t time = INT64_MIN;
    uint64_t tag = 0;
    int more;
    for (unsigned i = 0; i < count; i++) {
        seed = seed * 1103515245u + 12345u;
        add(sorter, (int64_t)(seed >> 16) % 500 - 250, i + 1, seed % 3000);
    }
    assert_int_equal(sorter_count(sorter), count);
    assert_int_equal(sorter_sort(sorter, NULL), 0);
    while ((more = sorter_next(sorter, &entry, NULL)) == 1) {
        const unsigned char *data = entry.data;
        assert_true(entry.time > time || (entry.time == time && entry.tag > tag));
        for (size_t i = 0; i < entry.bytes; i += 97)
            assert_int_equal(data[i], entry.tag & 0xff);
        time = entry.time;
        tag = entry.tag;
        given++;
    }
    assert_int_equal(more, 0);
    assert_int_equal(given, count);
    assert_int_equal(sorter_next(sorter, &entry, NULL), 0);
    sorter_free(sorter);
}

static void test_in_memory(void **state) {
    (void)state;
    sorts(0, 0);
    sorts(0, 1);
    sorts(0, 2000);
}

static void test_in_runs(void **state) {
    (void)state;
    sorts(10000, 1);
    sorts(10000, 2000);
    sorts(200000, 3000);
}

static void test_large_entries(void **state) {
    (void)state;
    struct sorter *sorter = new_sorter(1000);
    struct sorter_entry entry;
    for (int i = 0; i < 9; i++)
        add(sorter, -i, (uint64_t)i, 8000);
    assert_int_equal(sorter_sort(sorter, NULL), 0);
    for (int i = 8; i >= 0; i--) {
        assert_int_equal(sorter_next(sorter, &entry, NULL), 1);
        assert_int_equal(entry.tag, i);
        assert_int_equal(entry.bytes, 8000);
    }
    sorter_free(sorter);
}

static void test_runs_are_bounded(void **state) {
    (void)state;
    struct sorter *sorter = new_sorter(1);
    struct sorter_entry entry = {.data = "x", .bytes = 1};
    struct wb_error err = {0};
    int added = 0;
    while (sorter_add(sorter, &entry, &err) == 0 && added <= SORTER_RUNS_MAX + 1)
        added++;
    assert_int_equal(added, SORTER_RUNS_MAX + 1);
    assert_non_null(strstr(err.hint, "--speed"));
    sorter_free(sorter);
}

static void test_no_place_for_runs(void **state) {
    (void)state;
    struct wb_error err = {0};
    struct sorter *sorter = new_sorter(1);
    struct sorter_entry entry = {.data = "x", .bytes = 1};
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_int_equal(sorter_add(sorter, &entry, &err), 0);
    assert_int_equal(sorter_add(sorter, &entry, &err), -1);
    unsetenv("TMPDIR");
    assert_non_null(strstr(err.detail, "/nowhere/at/all"));
    sorter_free(sorter);
}

static struct {
    int64_t now_us;
    int64_t sent_us[16];
    unsigned sent, pauses;
    unsigned most;   /* then stop */
    int64_t cost_us; /* of one send */
} scene;

static int send_one(void *arg, const struct sorter_entry *entry, struct wb_error *err) {
    (void)arg, (void)entry, (void)err;
    scene.sent_us[scene.sent++] = scene.now_us;
    scene.now_us += scene.cost_us;
    return 0;
}

static int pause_for(void *arg, int ms, struct wb_error *err) {
    (void)arg, (void)err;
    assert_in_range(ms, 1, 1000);
    scene.now_us += ms * INT64_C(1000);
    scene.pauses++;
    return 0;
}

static int64_t now(void *arg) {
    (void)arg;
    return scene.now_us;
}

static bool stopped(void *arg) {
    (void)arg;
    return scene.most && scene.sent == scene.most;
}

static const struct replay_outlet outlet = {
    .send = send_one, .pause = pause_for, .now_us = now, .stopped = stopped};

static void replay(double factor, const int64_t *seconds, unsigned count) {
    struct sorter *sorter = new_sorter(0);
    for (unsigned i = 0; i < count; i++)
        add(sorter, seconds[i] * 1000000, i, 1);
    scene.now_us = 5000000;
    scene.sent = scene.pauses = 0;
    assert_int_equal(sorter_sort(sorter, NULL), 0);
    assert_int_equal(replay_run(sorter, factor, &outlet, NULL), 0);
    sorter_free(sorter);
}

static void test_pace(void **state) {
    (void)state;
    static const int64_t seconds[] = {100000, 100, 100, 4100};
    scene.most = 0, scene.cost_us = 0;
    replay(1000, seconds, 4);
    assert_int_equal(scene.sent, 4);
    assert_int_equal(scene.sent_us[0], 5000000);
    assert_int_equal(scene.sent_us[1], 5000000);
    assert_int_equal(scene.sent_us[2], 9000000);
    assert_int_equal(scene.sent_us[3], 5000000 + 99900000);
    replay(REPLAY_MAX, seconds, 4);
    assert_int_equal(scene.sent_us[3], 5000000);
    assert_int_equal(scene.pauses, 0);
}

static void test_late_events_do_not_shift_the_schedule(void **state) {
    (void)state;
    static const int64_t seconds[] = {0, 1, 2, 10};
    scene.most = 0, scene.cost_us = 1500000;
    replay(1, seconds, 4);
    assert_int_equal(scene.sent_us[1], 5000000 + 1500000);
    assert_int_equal(scene.sent_us[2], 5000000 + 3000000);
    assert_int_equal(scene.sent_us[3], 5000000 + 10000000);
}

static void test_stop(void **state) {
    (void)state;
    static const int64_t seconds[] = {0, 1, 2, 10};
    scene.most = 2, scene.cost_us = 0;
    replay(1, seconds, 4);
    assert_int_equal(scene.sent, 2);
    assert_true(scene.now_us < 5000000 + 2000000);
}

static void test_speeds(void **state) {
    (void)state;
    static const char *const wrong[] = {"",     "x",   "-1x",    "0x",     "0",      "1000y",
                                        "fast", "nan", "1e400x", "1e-300", "0.0009x"};
    double factor = -1;
    assert_true(replay_speed("1000x", &factor) && factor == 1000);
    assert_true(replay_speed("0.5x", &factor) && factor == 0.5);
    assert_true(replay_speed("0.001x", &factor) && factor == 0.001);
    assert_true(replay_speed("60", &factor) && factor == 60);
    assert_true(replay_speed("max", &factor) && factor == REPLAY_MAX);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (replay_speed(wrong[i], &factor))
            fail_msg("'%s' was taken for a speed", wrong[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_in_runs),
        cmocka_unit_test(test_large_entries),
        cmocka_unit_test(test_runs_are_bounded),
        cmocka_unit_test(test_no_place_for_runs),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_late_events_do_not_shift_the_schedule),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_speeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
