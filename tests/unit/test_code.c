#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "broker/cases/code.h"

static struct slice text(const char *s) {
    return (struct slice){.data = (const uint8_t *)s, .length = strlen(s)};
}

static void without_a_key_every_code_is_wrong(void **state) {
    (void)state;
    char code[CODE_TEXT];
    code_of_case(text("A-1"), code);
    assert_false(code_matches(text("A-1"), code));
}

static void a_code_belongs_to_one_case_and_one_key(void **state) {
    (void)state;
    unsigned char key[32] = {1};
    char code[CODE_TEXT], other[CODE_TEXT];
    code_key(key);
    code_of_case(text("A-1"), code);
    assert_true(code_matches(text("A-1"), code));
    assert_false(code_matches(text("A-10"), code));
    assert_false(code_matches(text(""), code));
    key[31] = 1;
    code_key(key);
    code_of_case(text("A-1"), other);
    assert_string_not_equal(code, other);
    assert_false(code_matches(text("A-1"), code));
}

/* Printed on receipts, so it may never come out differently. */
static void the_code_is_the_same_for_ever(void **state) {
    (void)state;
    unsigned char key[32];
    char code[CODE_TEXT];
    memset(key, 7, sizeof key);
    code_key(key);
    code_of_case(text("3204112026112000017"), code);
    assert_string_equal(code, "5H9Q-KFHJ-V2DP");
}

static void people_may_type_it_their_way(void **state) {
    (void)state;
    char code[CODE_TEXT], typed[64];
    char number[16];
    for (int i = 0; i < 500; i++) {
        snprintf(number, sizeof number, "N-%d", i);
        code_of_case(text(number), code);
        size_t n = 0;
        for (const char *c = code; *c; c++) {
            if (*c == '-')
                typed[n++] = ' ';
            else if (*c == '0')
                typed[n++] = i % 2 ? 'o' : 'O';
            else if (*c == '1')
                typed[n++] = "iIlL"[i % 4];
            else
                typed[n++] = (char)(*c >= 'A' ? *c + 32 : *c);
        }
        typed[n] = '\0';
        assert_true(code_matches(text(number), typed));
    }
}

static void what_is_not_a_code_is_wrong(void **state) {
    (void)state;
    char code[CODE_TEXT], longer[32];
    code_of_case(text("A-1"), code);
    snprintf(longer, sizeof longer, "%s0", code);
    assert_false(code_matches(text("A-1"), longer));
    code[strlen(code) - 1] = '\0';
    assert_false(code_matches(text("A-1"), code));
    assert_false(code_matches(text("A-1"), ""));
    assert_false(code_matches(text("A-1"), "----"));
    assert_false(code_matches(text("A-1"), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_key_every_code_is_wrong),
        cmocka_unit_test(a_code_belongs_to_one_case_and_one_key),
        cmocka_unit_test(the_code_is_the_same_for_ever),
        cmocka_unit_test(people_may_type_it_their_way),
        cmocka_unit_test(what_is_not_a_code_is_wrong),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
