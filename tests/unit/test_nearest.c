#include "common/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void finds_what_was_meant(void **state) {
    (void)state;
    static const char *const known[] = {"fields", "stages", "stage", "case_no", NULL};
    assert_string_equal(nearest("stagess", known), "stages");
    assert_string_equal(nearest("stage", known), "stage");
    assert_string_equal(nearest("caseno", known), "case_no");
    assert_string_equal(nearest("feilds", known), "fields");
    assert_string_equal(nearest("", known), "stage"); /* the shortest */
    assert_null(nearest("stage", known + 4));
}

static void takes_words_of_any_length(void **state) {
    (void)state;
    char word[1000];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    const char *const known[] = {"yyyy", word, NULL};
    assert_ptr_equal(nearest(word, known), word);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_meant),
        cmocka_unit_test(takes_words_of_any_length),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
