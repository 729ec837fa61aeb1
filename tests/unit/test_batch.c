#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/journal/batch.h"
#include "broker/journal/source.h"
#include "broker/journal/submission.h"
#include "common/buffer.h"

#define MAX 8

struct fixture {
    struct batch batch;
    struct source sources[2];
    struct submission submissions[3];
    struct entry entries[3][MAX];
};

static int settled, released;
static bool last_committed;

static void on_settled(struct submission *s, bool committed) {
    (void)s;
    settled++;
    last_committed = committed;
}

static void on_release(struct submission *s) {
    (void)s;
    released++;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_true(batch_init(&f->batch, 3 * MAX));
    f->sources[0].id = 1;
    f->sources[1].id = 2;
    settled = released = 0;
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    batch_free(&f->batch);
    free(f);
    return 0;
}

/* A submission whose events have the ids of the letters. */
static struct submission *submit(struct fixture *f, int index, int source, const char *ids) {
    struct submission *s = &f->submissions[index];
    *s = (struct submission){.source = &f->sources[source],
                             .count = strlen(ids),
                             .bytes = 1,
                             .entries = f->entries[index],
                             .settled = on_settled,
                             .release = on_release};
    for (size_t i = 0; i < s->count; i++)
        f->entries[index][i] =
            (struct entry){.event = {.data = (const uint8_t *)"event", .length = 5},
                           .header = {.event_id = {.data = (const uint8_t *)ids + i, .length = 1},
                                      .case_no = {.data = (const uint8_t *)"A-1", .length = 3}}};
    batch_add(&f->batch, s);
    return s;
}

static void offsets_have_no_gap(void **state) {
    struct fixture *f = *state;
    struct wb_error *refusal = (struct wb_error *)f;
    submit(f, 0, 0, "abc");
    submit(f, 1, 0, "de");
    f->entries[0][1].refusal = refusal;
    batch_number(&f->batch, NULL, 11, 1);
    assert_int_equal(f->batch.first_offset, 11);
    assert_int_equal(f->batch.last_offset, 14);
    assert_int_equal(f->entries[0][0].offset, 11);
    assert_int_equal(f->entries[0][1].offset, 0);
    assert_int_equal(f->entries[0][2].offset, 12);
    assert_int_equal(f->entries[1][1].offset, 14);
}

static void a_second_of_its_kind_gets_the_first_ones_offset(void **state) {
    struct fixture *f = *state;
    submit(f, 0, 0, "aba");
    submit(f, 1, 1, "a"); /* another source's */
    submit(f, 2, 0, "b");
    batch_number(&f->batch, NULL, 1, 1);
    assert_int_equal(f->batch.last_offset, 3);
    assert_true(entry_is_repeat(&f->entries[0][2]));
    assert_int_equal(f->entries[0][2].offset, 1);
    assert_false(entry_is_repeat(&f->entries[1][0]));
    assert_int_equal(f->entries[1][0].offset, 3);
    assert_true(entry_is_repeat(&f->entries[2][0]));
    assert_int_equal(f->entries[2][0].offset, 2);
}

static void what_the_log_has_is_not_written_again(void **state) {
    struct fixture *f = *state;
    struct buffer sources, ids;
    struct batch_at at = {.submission = submit(f, 0, 0, "abca")};
    buffer_init(&sources, 0);
    buffer_init(&ids, 0);
    batch_number(&f->batch, NULL, 100, 1);
    assert_true(batch_doubt(&f->batch, DOUBT_ALL));
    assert_int_equal(batch_identities(&at, 2, &sources, &ids), 2);
    assert_int_equal(batch_identities(&at, 3, &sources, &ids), 1);
    assert_int_equal(batch_identities(&at, 3, &sources, &ids), 0);
    batch_mark_repeat(&f->batch, 1, "a", 1, 7);
    batch_mark_repeat(&f->batch, 2, "b", 1, 8);  /* another source's */
    batch_mark_repeat(&f->batch, 1, "zz", 2, 9); /* not asked for */
    batch_number(&f->batch, NULL, 100, 1);
    assert_int_equal(f->batch.last_offset, 101);
    assert_int_equal(f->entries[0][0].offset, 7);
    assert_true(f->entries[0][0].repeat);
    assert_int_equal(f->entries[0][1].offset, 100);
    assert_int_equal(f->entries[0][2].offset, 101);
    assert_int_equal(f->entries[0][3].offset, 7);
    assert_true(entry_is_repeat(&f->entries[0][3]));
    buffer_free(&sources);
    buffer_free(&ids);
}

static void what_is_newer_than_all_is_not_looked_up(void **state) {
    struct fixture *f = *state;
    struct submission *s = submit(f, 0, 0, "cadb");
    source_note_id(&f->sources[0], "b", 1);
    source_note_id(&f->sources[0], "a", 1);
    batch_number(&f->batch, NULL, 1, 1);
    assert_false(batch_doubt(&f->batch, DOUBT_SUSPECTS)); /* the unique index would find them */
    assert_true(batch_doubt(&f->batch, DOUBT_OLDER));
    for (int i = 0; i < 4; i++)
        assert_int_equal(f->entries[0][i].doubtful, strchr("ab", "cadb"[i]) != NULL);
    s->suspect = true;
    assert_true(batch_doubt(&f->batch, DOUBT_SUSPECTS));
    assert_false(f->entries[0][0].doubtful);
    assert_true(batch_doubt(&f->batch, DOUBT_ALL));
    assert_true(f->entries[0][0].doubtful);
    batch_note_ids(&f->batch);
    assert_false(source_is_newer(&f->sources[0], "d", 1));
    assert_true(source_is_newer(&f->sources[0], "d1", 2));
    buffer_free(&f->sources[0].newest_id);
}

/* An event that is also in the batch that is being committed goes with that one, or, should that
 * one fail, by itself. */
static void what_is_ahead_counts_until_it_fails(void **state) {
    struct fixture *f = *state;
    struct batch ahead;
    assert_true(batch_init(&ahead, MAX));
    submit(f, 0, 0, "ab");
    struct submission *first = f->batch.first;
    batch_release(&f->batch);
    batch_add(&ahead, first);
    batch_number(&ahead, NULL, 1, 1);
    submit(f, 1, 0, "bc");
    batch_number(&f->batch, &ahead, 3, 1);
    assert_true(entry_is_repeat(&f->entries[1][0]));
    assert_int_equal(f->entries[1][0].offset, 2);
    assert_int_equal(f->entries[1][1].offset, 3);
    batch_number(&f->batch, NULL, 1, 1);
    assert_false(entry_is_repeat(&f->entries[1][0]));
    assert_int_equal(f->entries[1][0].offset, 1);
    assert_int_equal(f->entries[1][1].offset, 2);
    batch_free(&ahead);
}

static void a_batch_of_repeats_writes_nothing(void **state) {
    struct fixture *f = *state;
    submit(f, 0, 0, "a");
    batch_number(&f->batch, NULL, 5, 1);
    batch_mark_repeat(&f->batch, 1, "a", 1, 2);
    batch_number(&f->batch, NULL, 5, 1);
    assert_true(f->batch.last_offset < f->batch.first_offset);
    batch_rewind(&f->batch);
    assert_true(batch_next_piece(&f->batch));
    assert_int_equal(f->batch.piece.length, 19 + 2); /* head and trailer */
    assert_false(batch_next_piece(&f->batch));
}

static void every_submission_is_settled_and_released_once(void **state) {
    struct fixture *f = *state;
    submit(f, 0, 0, "a");
    submit(f, 1, 0, "b");
    batch_settle(&f->batch, true);
    assert_int_equal(settled, 2);
    assert_true(last_committed);
    assert_int_equal(released, 0);
    batch_release(&f->batch);
    assert_int_equal(released, 2);
    assert_true(batch_empty(&f->batch));
    batch_settle(&f->batch, false);
    batch_release(&f->batch);
    assert_int_equal(settled, 2);
    assert_int_equal(released, 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(offsets_have_no_gap),
        CASE(a_second_of_its_kind_gets_the_first_ones_offset),
        CASE(what_the_log_has_is_not_written_again),
        CASE(what_is_newer_than_all_is_not_looked_up),
        CASE(what_is_ahead_counts_until_it_fails),
        CASE(a_batch_of_repeats_writes_nothing),
        CASE(every_submission_is_settled_and_released_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
