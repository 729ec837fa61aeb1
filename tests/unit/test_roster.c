#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access/roster.h"

#define ADD(roster, kind, name, ...)                                                               \
    roster_add(roster, kind, name, (const char *const[]){__VA_ARGS__})

/* A key of one byte, repeated, and the same as the table's rows have it. */
static const uint8_t *key_bytes(int byte) {
    static uint8_t key[CURVE_KEY_BYTES];
    memset(key, byte, sizeof key);
    return key;
}

static const char *key_hex(int byte) {
    static char text[2 * CURVE_KEY_BYTES + 1];
    for (size_t i = 0; i < CURVE_KEY_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)byte);
    return text;
}

/* Two followers with a key each, of which `enabled` says whether they may be here. */
static struct roster *followers(const char *first, const char *second) {
    struct roster *r = roster_new();
    assert_true(ADD(r, ROSTER_REVISION, "", "7", "", ""));
    assert_true(ADD(r, ROSTER_FOLLOWER, "a", first, "true", "true"));
    assert_true(ADD(r, ROSTER_FOLLOWER, "b", second, "true", "true"));
    assert_true(ADD(r, ROSTER_KEY, key_hex(1), "a", "false", ""));
    assert_true(ADD(r, ROSTER_KEY, key_hex(0xfe), "b", "false", ""));
    return r;
}

static void finds_what_was_added(void **state) {
    (void)state;
    struct roster *r = roster_new();
    char name[8];
    assert_true(ADD(r, ROSTER_REVISION, "", "42", "", ""));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "s%03d", i);
        assert_true(ADD(r, ROSTER_SOURCE, name, i % 2 ? "true" : "false", "5", "6"));
    }
    assert_true(ADD(r, ROSTER_FOLLOWER, "s001", "true", "false", "true"));
    assert_true(ADD(r, ROSTER_PREFIX, "s007", "cases", "A-", ""));
    assert_true(ADD(r, ROSTER_PREFIX, "s007", "cases", "B-", ""));
    assert_true(ADD(r, ROSTER_PREFIX, "s007", "regions", "3204", ""));
    assert_true(ADD(r, ROSTER_KEY, key_hex(3), "s001", "true", ""));
    assert_true(ADD(r, ROSTER_KEY, key_hex(0xa4), "s001", "false", ""));

    assert_int_equal(roster_revision(r), 42);
    const struct party *party = roster_source(r, "s007");
    assert_true(party->enabled);
    assert_int_equal(party->grant.rate_events, 5);
    assert_int_equal(party->grant.event_bytes, 6);
    assert_int_equal(party->grant.cases.count, 2);
    assert_string_equal(party->grant.cases.prefixes[1], "B-");
    assert_string_equal(party->grant.regions.prefixes[0], "3204");
    assert_int_equal(party->grant.items.count, 0);
    assert_false(roster_source(r, "s000")->enabled);
    assert_null(roster_source(r, "s0"));
    assert_null(roster_follower(r, "s007"));
    assert_true(roster_holder(r, key_bytes(3))->source);
    assert_ptr_equal(roster_holder(r, key_bytes(0xa4))->party, roster_follower(r, "s001"));
    assert_null(roster_holder(r, key_bytes(4)));
    roster_free(r);
}

static void rows_that_do_not_fit_are_not_taken(void **state) {
    (void)state;
    struct roster *r = followers("true", "true");
    assert_null(roster_holder(r, key_bytes(0)));
    assert_false(ADD(r, ROSTER_FOLLOWER, "b", "true", "true", "true")); /* again */
    assert_false(ADD(r, ROSTER_FOLLOWER, "a", "true", "true", "true")); /* out of order */
    assert_false(ADD(r, ROSTER_PREFIX, "a", "cases", "A-", ""));        /* no such source */
    assert_false(ADD(r, ROSTER_KEY, key_hex(0xff), "c", "false", ""));  /* no such follower */
    assert_false(ADD(r, ROSTER_KEY, key_hex(0xff), "a", "true", ""));   /* no such source */
    assert_false(ADD(r, ROSTER_KEY, key_hex(1), "a", "false", ""));     /* out of order */
    assert_false(ADD(r, ROSTER_KEY, "fg", "a", "false", ""));           /* no key */
    assert_false(ADD(r, ROSTER_KEY + 1, "a", "", "", ""));
    roster_free(r);
}

static void who_is_live_is_carried_over(void **state) {
    (void)state;
    struct roster *before = followers("true", "true");
    roster_holder(before, key_bytes(1))->on_live = true;

    struct roster *same = followers("true", "false"); /* b was never there */
    assert_false(roster_carry_live(same, before));
    assert_true(roster_holder(same, key_bytes(1))->on_live);
    assert_false(roster_holder(same, key_bytes(0xfe))->on_live);

    struct roster *disabled = followers("false", "true");
    assert_true(roster_carry_live(disabled, same));
    assert_false(roster_carry_live(disabled, disabled));

    struct roster *gone = roster_new();
    assert_true(roster_carry_live(gone, same));
    roster_free(before);
    roster_free(same);
    roster_free(disabled);
    roster_free(gone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(rows_that_do_not_fit_are_not_taken),
        cmocka_unit_test(who_is_live_is_carried_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
