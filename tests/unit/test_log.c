#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"

static const char *logged(const char *words) {
    capture_begin(STDERR_FILENO);
    log_warn("test", "%s", words);
    return capture_end();
}

static void writes_time_level_part_and_words(void **state) {
    (void)state;
    const char *line = logged("connected to 端口");
    assert_non_null(strstr(line, "Z warn  test: connected to 端口\n"));
    assert_int_equal(line[10], 'T');
    assert_int_equal(strcspn(line, " "), strlen("2026-03-02T08:00:00.123Z"));
}

static void a_peer_cannot_forge_a_line(void **state) {
    (void)state;
    const char *line = logged("a\nb\r\tc\x1b[31m\x7f\xc2\x9b"
                              "31m");
    assert_non_null(strstr(line, "a\\nb\\x0d\\x09c\\x1b[31m\\x7f\\x9b31m\n"));
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
}

static void cuts_long_words(void **state) {
    (void)state;
    char words[10000];
    memset(words, '\n', sizeof words);
    words[sizeof words - 1] = '\0';
    const char *line = logged(words);
    assert_true(strlen(line) < 9000);
    assert_string_equal(line + strlen(line) - 6, "\\n...\n");
}

static void keeps_to_the_level(void **state) {
    (void)state;
    assert_int_equal(log_level_parse("error"), LOG_ERROR);
    assert_int_equal(log_level_parse("DEBUG"), LOG_DEBUG);
    assert_int_equal(log_level_parse("loud"), -1);
    log_level_set(LOG_ERROR);
    assert_string_equal(logged("x"), "");
    log_level_set(LOG_WARN);
    assert_string_not_equal(logged("x"), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_time_level_part_and_words),
        cmocka_unit_test(a_peer_cannot_forge_a_line),
        cmocka_unit_test(cuts_long_words),
        cmocka_unit_test(keeps_to_the_level),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
