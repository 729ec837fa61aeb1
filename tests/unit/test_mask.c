#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/audience/mask.h"
#include "personal.h"

static struct slice slice_of(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void expect(const char *text, const char *masked, struct slice spared) {
    char copy[512];
    snprintf(copy, sizeof copy, "%s", text);
    size_t found = mask_text((uint8_t *)copy, strlen(copy), spared);
    assert_string_equal(copy, masked);
    assert_int_equal(found > 0, strcmp(text, masked) != 0);
    if (!spared.length)
        assert_int_equal(mask_finds(slice_of(text)), found > 0);
}

static void personal_numbers_become_asterisks(void **state) {
    static const char *const cases[][2] = {
        {"身份证11010519491231002X。", "身份证******************。"},
        {"身份证11010519491231002x", "身份证******************"},
        {"110105 19491231 002X", "****** ******** ****"},
        {"110105-1949-1231-002-X", "******-****-****-***-*"},
        {"１１０１０５１９４９１２３１００２Ｘ", "＊＊＊＊＊＊＊＊＊＊＊＊＊＊＊＊＊＊"},
        {"旧号110105491231002", "旧号***************"},
        {"电话13800138000", "电话***********"},
        {"138 0013 8000", "*** **** ****"},
        {"138-0013-8000转2", "***-****-****转2"},
        {"138.0013.8000", "***.****.****"},
        {"138·0013·8000", "***·****·****"},
        {"138\u200b0013\u200b8000", "***\u200b****\u200b****"},
        {"1380013\u2060\ufeff8000", "*******\u2060\ufeff****"},
        {"4111.1111.1111.1111", "****.****.****.****"},
        {"110105．19491231．002X", "******．********．****"},
        {"+86 13800138000", "+86 ***********"},
        {"+8613800138000", "+*************"},
        {"008613800138000", "***************"},
        {"013800138000", "************"},
        {"86138 0013 8000", "***** **** ****"},
        {"１３８　００１３　８０００", "＊＊＊　＊＊＊＊　＊＊＊＊"},
        {"1 3 8 0 0 1 3 8 0 0 0", "* * * * * * * * * * *"},
        {"tel13800138000x", "tel***********x"},
        {"6222021234567890128", "*******************"},
        {"6222 0212 3456 7890 128", "**** **** **** **** ***"},
        {"4111-1111-1111-1111", "****-****-****-****"},
        {"3782 822463 10005", "**** ****** *****"},
        {"13800138000 13900139000", "*********** ***********"},
        {"13800138000/13900139000,110105491231002", "***********/***********,***************"},
        {"2026-03-09 13800138000", "2026-03-09 ***********"},
        {"11010519491231002X13800138000", "*****************************"},
        {"1380013800011010519491231002X", "*****************************"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i][0], cases[i][1], (struct slice){0});
}

static void other_numbers_stay(void **state) {
    static const char *const texts[] = {
        "",
        "1",
        "320411-2026-000123",
        "320411202603090001",
        "110105194912310021", /* another check digit */
        "110105194913310023", /* a thirteenth month */
        "12345678901",
        "12800138000",
        "0519-85100000",
        "010-65292000",
        "2026-03-09 09:30:00.000",
        "JY13204110000001",
        "11320400014109418E4320116001000",
        "6222021234567890127", /* against Luhn */
        "9999999999999995",    /* no card begins so */
        "13-2026-00123",
        "1380013800",
        "138001380001",
        "第13号，2026年3月9日，共38元",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect(texts[i], texts[i], (struct slice){0});
}

static void the_own_case_number_is_spared(void **state) {
    (void)state;
    expect("办件13800138000已受理，电话13900139000", "办件13800138000已受理，电话***********",
           slice_of("13800138000"));
    expect("110105491231002", "110105491231002", slice_of("A-110105491231002"));
    expect("13900139000", "***********", slice_of("A-1"));
}

static void urls_are_looked_at_decoded(void **state) {
    (void)state;
    static const char *const found[] = {
        "https://example.org/?tel=13800138000",
        "https://example.org/?tel=138%200013%208000",
        "https://example.org/?tel=138+0013+8000",
        "https://example.org/?tel=%31%33%38%30%30%31%33%38%30%30%30",
        "https://example.org/%EF%BC%91%EF%BC%93%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%91%EF%BC%93"
        "%EF%BC%98%EF%BC%90%EF%BC%90%EF%BC%90",
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++)
        assert_true(mask_finds_in_url(slice_of(found[i])));
    assert_false(mask_finds_in_url(slice_of("https://example.org/guide?item=320411000123&at=7%")));
    assert_false(mask_finds_in_url(slice_of("https://example.org/")));
}

/* Of what is not UTF-8, and of a number at the very end, nothing beyond is read: valgrind and the
 * sanitizers look. */
static void broken_texts_are_no_danger(void **state) {
    (void)state;
    static const char digits[] = "1380013800013800138000";
    for (size_t bytes = 1; bytes < 3; bytes++) {
        char *text = malloc(sizeof digits + bytes);
        memcpy(text, digits, sizeof digits - 1);
        memcpy(text + sizeof digits - 1, "\xef\xbc", bytes);
        mask_text((uint8_t *)text, sizeof digits - 1 + bytes, (struct slice){0});
        free(text);
    }
}

static void a_long_text_is_looked_at_to_its_end(void **state) {
    (void)state;
    static const char number[] = "13800138000";
    size_t bytes = 200000;
    for (size_t at = 59980; at < 60010; at++) {
        char *text = malloc(bytes);
        memset(text, '.', bytes);
        memcpy(text + at, number, sizeof number - 1);
        memcpy(text + bytes - sizeof number, number, sizeof number - 1);
        mask_text((uint8_t *)text, bytes, (struct slice){0});
        assert_null(memmem(text, bytes, "138", 3));
        free(text);
    }
    char *spread = malloc(bytes);
    memset(spread, '7', bytes);
    assert_int_equal(mask_text((uint8_t *)spread, bytes, (struct slice){0}), 0);
    free(spread);
}

static void whatever_is_made_up_is_found(void **state) {
    uint64_t seed = 20260302;
    (void)state;
    for (int i = 0; i < 40000; i++) {
        struct personal p;
        char text[256], before[256];
        personal_make(&seed, (enum personal_kind)(i % PERSONAL_KINDS), &p);
        snprintf(text, sizeof text, i % 3 ? "请联系%s，谢谢" : i % 2 ? "%s" : "(%s)", p.text);
        memcpy(before, text, sizeof text);
        assert_true(personal_is_in(&p, text, strlen(text)));
        mask_text((uint8_t *)text, strlen(text), (struct slice){0});
        assert_int_equal(strlen(text), strlen(before));
        if (personal_is_in(&p, text, strlen(text)))
            fail_msg("number %d, of kind %d, is still there: %s", i, i % PERSONAL_KINDS, before);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(personal_numbers_become_asterisks),
        cmocka_unit_test(other_numbers_stay),
        cmocka_unit_test(the_own_case_number_is_spared),
        cmocka_unit_test(urls_are_looked_at_decoded),
        cmocka_unit_test(broken_texts_are_no_danger),
        cmocka_unit_test(a_long_text_is_looked_at_to_its_end),
        cmocka_unit_test(whatever_is_made_up_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
