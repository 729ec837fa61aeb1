#include "subscribers/gateway/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/field.h"

static struct catalogue *catalogue;

static int setup(void **state) {
    (void)state;
    struct wb_error err;
    catalogue = catalogue_open(&err);
    return catalogue ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    catalogue_free(catalogue);
    return 0;
}

static void expect_same_keys(const json_t *wanted, const json_t *given, const char *path) {
    const char *key;
    json_t *value;
    char inner[200];
    assert_int_equal(json_typeof(wanted), json_typeof(given));
    if (json_is_array(wanted))
        assert_int_equal(json_array_size(wanted), json_array_size(given));
    if (!json_is_object(wanted))
        return;
    json_object_foreach((json_t *)wanted, key, value) {
        snprintf(inner, sizeof inner, "%s.%s", path, key);
        json_t *twin = json_object_get(given, key);
        if (!twin)
            fail_msg("%s is missing", inner);
        expect_same_keys(value, twin, inner);
    }
    assert_int_equal(json_object_size(wanted), json_object_size(given));
}

static void languages_say_the_same(void **state) {
    (void)state;
    assert_true(catalogue->count >= 2);
    assert_string_equal(catalogue->languages[0].code, "zh");
    for (size_t i = 1; i < catalogue->count; i++)
        expect_same_keys(catalogue->languages[0].texts, catalogue->languages[i].texts,
                         catalogue->languages[i].code);
}

static void every_stage_and_notice_has_words(void **state) {
    (void)state;
    static const char *const parts[] = {"label", "headline", "explain"};
    char key[80];
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct language *language = &catalogue->languages[i];
        for (int stage = 1; strcmp(stage_name(stage), "UNKNOWN") != 0; stage++)
            for (size_t part = 0; part < 3; part++) {
                snprintf(key, sizeof key, "stage.%s.%s", stage_name(stage), parts[part]);
                assert_string_not_equal(language_text(language, key), key);
            }
        for (int kind = 0; kind <= WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY; kind++) {
            snprintf(key, sizeof key, "notice.%s", notice_kind_name(kind));
            assert_string_not_equal(language_text(language, key), key);
        }
    }
}

static void readers_get_their_language(void **state) {
    (void)state;
    static const struct {
        const char *accept, *code;
    } cases[] = {
        {NULL, "zh"},
        {"", "zh"},
        {"en", "en"},
        {"EN-us", "en"},
        {"zh-CN,zh;q=0.9,en;q=0.8", "zh"},
        {"en-GB,en;q=0.9,zh;q=0.8", "en"},
        {"de-DE, de;q=0.9, en;q=0.5", "en"},
        {"de", "zh"},
        {"zh;q=0.2, en;q=0.7", "en"},
        {"en;q=0", "zh"},
        {"*", "zh"},
        {"en;q=nan, zh;q=0.1", "zh"},
        {"en;q=9", "zh"},
        {",,;;q=,en", "en"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct language *language = catalogue_negotiate(catalogue, cases[i].accept);
        if (strcmp(language->code, cases[i].code) != 0)
            fail_msg("'%s' gives %s", cases[i].accept, language->code);
    }
    assert_null(catalogue_find(catalogue, "xx"));
    assert_string_equal(catalogue_find(catalogue, "EN")->code, "en");
}

static void texts_take_values_once(void **state) {
    (void)state;
    const struct language *zh = catalogue_find(catalogue, "zh");
    json_t *text =
        language_format(zh, "date.full", "year", "2026", "month", "{day}", "day", "2", NULL);
    assert_string_equal(json_string_value(text), "2026年{day}月2日");
    json_decref(text);
    text = language_format(zh, "due.left", "other", "1", NULL);
    assert_string_equal(json_string_value(text), "还有 {count} 天");
    json_decref(text);
    assert_string_equal(language_text(zh, "no.such.key"), "no.such.key");
    assert_string_equal(language_entry(zh, "rail.steps", 99), "rail.steps");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages_say_the_same),
        cmocka_unit_test(every_stage_and_notice_has_words),
        cmocka_unit_test(readers_get_their_language),
        cmocka_unit_test(texts_take_values_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
