#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access/roster.h"
#include "broker/access/token.h"

#define ADD(roster, kind, name, ...)                                                               \
    roster_add(roster, kind, name, (const char *const[ROSTER_TEXTS]){__VA_ARGS__})

#define STAFF  WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF
#define PUBLIC WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC
#define FULL   WAYBILL__V1__AUDIENCE__AUDIENCE_FULL

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
    assert_true(ADD(r, ROSTER_FOLLOWER, "a", first, "true", "true", "full"));
    assert_true(ADD(r, ROSTER_FOLLOWER, "b", second, "true", "true", "full"));
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
    assert_true(ADD(r, ROSTER_FOLLOWER, "s001", "true", "false", "true", "public,staff"));
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
    assert_int_equal(roster_follower(r, "s001")->audiences,
                     audiences_of(STAFF) | audiences_of(PUBLIC));
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
    assert_false(ADD(r, ROSTER_FOLLOWER, "b", "true", "true", "true", "full")); /* again */
    assert_false(ADD(r, ROSTER_FOLLOWER, "a", "true", "true", "true", "full")); /* out of order */
    assert_false(ADD(r, ROSTER_FOLLOWER, "bb", "true", "true", "true", "full,all"));
    assert_false(ADD(r, ROSTER_PREFIX, "a", "cases", "A-", ""));       /* no such source */
    assert_false(ADD(r, ROSTER_KEY, key_hex(0xff), "c", "false", "")); /* no such follower */
    assert_false(ADD(r, ROSTER_KEY, key_hex(0xff), "a", "true", ""));  /* no such source */
    assert_false(ADD(r, ROSTER_KEY, key_hex(1), "a", "false", ""));    /* out of order */
    assert_false(ADD(r, ROSTER_KEY, "fg", "a", "false", ""));          /* no key */
    assert_false(ADD(r, ROSTER_ITEM + 1, "a", "", "", ""));
    roster_free(r);
}

#define ON_LIVE(roster, byte) (roster_holder(roster, key_bytes(byte))->on_live)

static void who_is_live_is_carried_over(void **state) {
    (void)state;
    const audiences full = audiences_of(FULL);
    struct roster *before = followers("true", "true");
    ON_LIVE(before, 1) = full;

    struct roster *same = followers("true", "false"); /* b was never there */
    assert_int_equal(roster_carry_live(same, before), AUDIENCES_NONE);
    assert_int_equal(ON_LIVE(same, 1), full);
    assert_int_equal(ON_LIVE(same, 0xfe), AUDIENCES_NONE);

    struct roster *disabled = followers("false", "true");
    assert_int_equal(roster_carry_live(disabled, same), full);
    assert_int_equal(roster_carry_live(disabled, disabled), AUDIENCES_NONE);

    struct roster *gone = roster_new();
    assert_int_equal(roster_carry_live(gone, same), full);
    roster_free(before);
    roster_free(same);
    roster_free(disabled);
    roster_free(gone);
}

static struct roster *viewer(const char *names) {
    struct roster *r = roster_new();
    assert_true(ADD(r, ROSTER_FOLLOWER, "a", "true", "true", "true", names));
    assert_true(ADD(r, ROSTER_KEY, key_hex(1), "a", "false", ""));
    return r;
}

static void a_live_feed_that_is_taken_away_is_lost_alone(void **state) {
    (void)state;
    struct roster *before = viewer("staff"), *now = viewer("public");
    ON_LIVE(before, 1) = audiences_of(STAFF) | audiences_of(PUBLIC);
    assert_true(holder_may_live(roster_holder(before, key_bytes(1)), PUBLIC));
    assert_false(holder_may_live(roster_holder(before, key_bytes(1)), FULL));
    assert_int_equal(roster_carry_live(now, before), audiences_of(STAFF));
    assert_int_equal(ON_LIVE(now, 1), audiences_of(PUBLIC));
    roster_free(before);
    roster_free(now);
}

static void tokens_are_found_and_outlive_the_roster(void **state) {
    (void)state;
    struct roster *r = roster_new();
    struct wb_error err;
    assert_true(ADD(r, ROSTER_TOKEN, key_hex(2), "desk", "staff", "true", "5000"));
    assert_true(ADD(r, ROSTER_TOKEN, key_hex(9), "old", "public", "false", "5000"));
    assert_true(ADD(r, ROSTER_SCOPE, key_hex(2), "regions", "3204", ""));
    assert_true(ADD(r, ROSTER_SCOPE, key_hex(2), "regions", "3205", ""));
    assert_false(ADD(r, ROSTER_TOKEN, key_hex(9), "again", "staff", "true", "1"));
    assert_false(ADD(r, ROSTER_TOKEN, key_hex(0xa), "a", "everything", "true", "1"));
    assert_false(ADD(r, ROSTER_SCOPE, key_hex(3), "regions", "3204", ""));
    assert_false(ADD(r, ROSTER_SCOPE, key_hex(2), "colours", "3204", ""));

    const struct token *old = roster_token(r, key_bytes(9));
    assert_int_equal(token_check(old, 1, &err), -1);
    assert_int_equal(err.code, WB_E_TOKEN);
    assert_non_null(strstr(err.detail, "old was revoked"));
    assert_null(roster_token(r, key_bytes(3)));

    const struct token *token = token_hold(roster_token(r, key_bytes(2)));
    roster_free(r);
    assert_int_equal(token->audience, STAFF);
    assert_int_equal(token->grant.regions.count, 2);
    assert_int_equal(token_check(token, 4999, &err), 0);
    assert_int_equal(token_check(token, 5000, &err), -1);
    assert_non_null(strstr(err.detail, "desk expired at 1970-01-01T00:00:00.005Z"));
    token_release(token);
}

/* What is found, "none" if nothing is. */
static const char *rule(const struct roster *r, const char *code) {
    enum disclosure disclosure;
    struct slice slice = {.data = (const uint8_t *)code, .length = strlen(code)};
    return roster_disclosure(r, slice, &disclosure) ? disclosure_name(disclosure) : "none";
}

static void the_longest_code_rules_an_item(void **state) {
    (void)state;
    struct roster *r = roster_new();
    assert_string_equal(rule(r, "3204"), "none");
    assert_true(ADD(r, ROSTER_ITEM, "32", "office"));
    assert_true(ADD(r, ROSTER_ITEM, "3204", "number"));
    assert_true(ADD(r, ROSTER_ITEM, "320411", "full"));
    assert_true(ADD(r, ROSTER_ITEM, "320412", "title"));
    assert_true(ADD(r, ROSTER_ITEM, "33", "title"));
    assert_true(ADD(r, ROSTER_ITEM, "许可", "full"));
    assert_false(ADD(r, ROSTER_ITEM, "33", "full")); /* again */
    assert_false(ADD(r, ROSTER_ITEM, "9", "full"));  /* out of order */
    assert_false(ADD(r, ROSTER_ITEM, "高", "name")); /* no such rule */

    assert_string_equal(rule(r, ""), "none");
    assert_string_equal(rule(r, "3"), "none");
    assert_string_equal(rule(r, "32"), "office");
    assert_string_equal(rule(r, "3203"), "office");
    assert_string_equal(rule(r, "320410"), "number");
    assert_string_equal(rule(r, "320411"), "full");
    assert_string_equal(rule(r, "320411999"), "full");
    assert_string_equal(rule(r, "3204115"), "full");
    assert_string_equal(rule(r, "320413"), "number");
    assert_string_equal(rule(r, "3299"), "office");
    assert_string_equal(rule(r, "330001"), "title");
    assert_string_equal(rule(r, "34"), "none");
    assert_string_equal(rule(r, "许可证"), "full");
    roster_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(rows_that_do_not_fit_are_not_taken),
        cmocka_unit_test(who_is_live_is_carried_over),
        cmocka_unit_test(a_live_feed_that_is_taken_away_is_lost_alone),
        cmocka_unit_test(tokens_are_found_and_outlive_the_roster),
        cmocka_unit_test(the_longest_code_rules_an_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
