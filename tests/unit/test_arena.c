#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void gives_aligned_pieces_that_do_not_overlap(void **state) {
    (void)state;
    enum { PIECES = 3000 };
    static unsigned char *pieces[PIECES];
    struct arena arena;
    arena_init(&arena, 64 << 20);
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i % 251), i);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < i; j++)
            if (pieces[i][j] != i % 251)
                fail_msg("piece %zu was overwritten at %zu", i, j);
    arena_free(&arena);
}

static void keeps_to_the_cap(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 10000);
    size_t pieces = 0;
    while (arena_alloc(&arena, 100))
        pieces++;
    assert_int_equal(pieces, 10000 / 112);
    assert_true(arena.used <= arena.max);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 15));
    assert_null(arena_text(&arena, "", SIZE_MAX));
    arena_reset(&arena);
    assert_int_equal(arena.used, 0);
    assert_non_null(arena_alloc(&arena, 10000));
    assert_null(arena_alloc(&arena, 1));
    arena_free(&arena);
    assert_non_null(arena_alloc(&arena, 1)); /* usable again */
    arena_free(&arena);
}

static void reuses_one_block_after_reset(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 8 << 20);
    void *first = arena_alloc(&arena, 100);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    /* A large piece does not push the block with room aside, and does not stay. */
    assert_non_null(arena_alloc(&arena, 1 << 20));
    char *second = arena_alloc(&arena, 100);
    assert_true(second > (char *)first && second < (char *)first + 4096);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_free(&arena);
}

static void makes_text(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    assert_string_equal(arena_text(&arena, "不予受理 and more", 12), "不予受理");
    assert_string_equal(arena_text(&arena, NULL, 0), "");
    assert_string_equal(arena_printf(&arena, "%s-%03d", "A", 7), "A-007");
    assert_null(arena_printf(&arena, "%5000d", 1));
    arena_free(&arena);
}

static void serves_protobuf(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    ProtobufCAllocator *allocator = &arena.protobuf;
    void *piece = allocator->alloc(allocator->allocator_data, 64);
    assert_non_null(piece);
    allocator->free(allocator->allocator_data, piece);
    assert_null(allocator->alloc(allocator->allocator_data, 1));
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_aligned_pieces_that_do_not_overlap),
        cmocka_unit_test(keeps_to_the_cap),
        cmocka_unit_test(reuses_one_block_after_reset),
        cmocka_unit_test(makes_text),
        cmocka_unit_test(serves_protobuf),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
