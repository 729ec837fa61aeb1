/* The newest events of a channel: nothing lost, nothing twice, never more than allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "subscribers/gateway/ring.h"

#define MAX_BYTES 4096

/* "<17>....": as long as the offset says, so that the lengths differ. */
static size_t text_of(uint64_t offset, char text[256]) {
    int head = snprintf(text, 256, "<%llu>", (unsigned long long)offset);
    size_t more = offset * 7 % 90;
    memset(text + head, '.', more);
    text[(size_t)head + more] = '\0';
    return (size_t)head + more;
}

static void put(struct ring *ring, uint64_t offset) {
    char text[256];
    assert_int_equal(ring_put(ring, offset, text, text_of(offset, text)), 0);
}

/* Reads it from the cursor to its end in pieces; every third offset was put. */
static void expect(const struct ring *ring, uint64_t cursor, uint64_t last, size_t piece) {
    uint64_t next = cursor / 3 * 3 + 3;
    for (;;) {
        size_t bytes, count;
        const char *at = ring_behind(ring, cursor, piece, &bytes, &cursor, &count);
        if (!bytes)
            break;
        assert_true(count > 0 && (bytes <= piece || count == 1));
        for (; count; count--, next += 3) {
            char text[256];
            size_t length = text_of(next, text);
            assert_true(length <= bytes);
            assert_memory_equal(at, text, length);
            at += length;
            bytes -= length;
        }
        assert_int_equal(bytes, 0);
        assert_int_equal(cursor, next - 3);
    }
    assert_int_equal(next, last + 3);
}

static void test_what_was_put_is_read(void **state) {
    (void)state;
    struct ring ring;
    ring_init(&ring, MAX_BYTES, 10);
    assert_int_equal(ring.after, 10);
    size_t bytes, count;
    uint64_t through;
    ring_behind(&ring, 10, SIZE_MAX, &bytes, &through, &count);
    assert_int_equal(bytes, 0);
    assert_int_equal(through, 10);
    for (uint64_t offset = 12; offset <= 60; offset += 3)
        put(&ring, offset);
    expect(&ring, 10, 60, SIZE_MAX);
    expect(&ring, 12, 60, 1); /* one by one */
    expect(&ring, 13, 60, 100);
    expect(&ring, 57, 60, 100);
    expect(&ring, 60, 60, 100);
    ring_free(&ring);
}

static void test_the_oldest_make_room(void **state) {
    (void)state;
    struct ring ring;
    ring_init(&ring, MAX_BYTES, 0);
    uint64_t moved = 0;
    for (uint64_t offset = 3; offset <= 3000; offset += 3) {
        uint64_t after = ring.after;
        put(&ring, offset);
        moved += ring.after != after;
        assert_true(ring.text.length <= MAX_BYTES);
        assert_true(ring.after < offset);
        expect(&ring, ring.after, offset, SIZE_MAX);
        expect(&ring, ring.after, offset, 200);
    }
    assert_true(ring.after > 2000);
    assert_true(moved < 100); /* a quarter at a time */
    ring_free(&ring);
}

static void test_begins_anew(void **state) {
    (void)state;
    struct ring ring;
    ring_init(&ring, MAX_BYTES, 0);
    put(&ring, 3);
    ring_restart(&ring, 30);
    assert_int_equal(ring.after, 30);
    expect(&ring, 30, 30, SIZE_MAX);
    put(&ring, 33);
    expect(&ring, 30, 33, SIZE_MAX);
    ring_free(&ring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_read),
        cmocka_unit_test(test_the_oldest_make_room),
        cmocka_unit_test(test_begins_anew),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
