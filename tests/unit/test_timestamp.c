#include "common/timestamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define EIGHT 480 /* minutes: the offset of Asia/Shanghai */

static void assert_reads(const char *text, const char *expected) {
    struct timestamp time = {0};
    char out[TIMESTAMP_TEXT];
    if (!timestamp_parse(text, strlen(text), EIGHT, &time))
        fail_msg("'%s' is refused", text);
    if (strcmp(timestamp_format(&time, out), expected) != 0)
        fail_msg("'%s' gives %s, not %s", text, out, expected);
}

static void reads_what_offices_write(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"2026-03-02T08:00:00Z", "2026-03-02T08:00:00.000Z"},
        {"2026-03-02t08:00:00z", "2026-03-02T08:00:00.000Z"},
        {"2026-03-02 08:00:00", "2026-03-02T08:00:00.000+08:00"},
        {"2026-03-02T08:00:00.5", "2026-03-02T08:00:00.500+08:00"},
        {"2026-03-02T08:00:00,123Z", "2026-03-02T08:00:00.123Z"},
        {"2026-03-02T08:00:00.000001Z", "2026-03-02T08:00:00.000001Z"},
        {"2026-03-02T08:00:00.1234569999999999999Z", "2026-03-02T08:00:00.123456Z"},
        {"2026-03-02T08:00:00+0530", "2026-03-02T08:00:00.000+05:30"},
        {"2026-03-02T08:00:00-03", "2026-03-02T08:00:00.000-03:00"},
        {"2026-03-02T08:00:00-00:00", "2026-03-02T08:00:00.000Z"},
        {"2026-03-02T08:00:00+23:59", "2026-03-02T08:00:00.000+23:59"},
        {"2026-03-02", "2026-03-02"},
        {"2024-02-29", "2024-02-29"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
        {"0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00.000+23:59"},
        {"9999-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59.999999-23:59"},
        {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_reads(cases[i][0], cases[i][1]);
}

static void refuses_everything_else(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-03",
        "2026-3-2",
        "20260302",
        "2026/03/02",
        "02.03.2026",
        "2026-03-02T",
        "2026-03-02 ",
        " 2026-03-02",
        "2026-03-02T08",
        "2026-03-02T08:00",
        "2026-03-02T08:00Z",
        "2026-03-02T8:00:00",
        "2026-03-02T24:00:00Z",
        "2026-03-02T08:60:00Z",
        "2026-03-02T08:00:61Z",
        "2026-03-02T08:00:00.",
        "2026-03-02T08:00:00.Z",
        "2026-03-02T08:00:00.12.3Z",
        "2026-03-02T08:00:00ZZ",
        "2026-03-02T08:00:00Z ",
        "2026-03-02T08:00:00 Z",
        "2026-03-02T08:00:00 +08:00",
        "2026-03-02T08:00:00+",
        "2026-03-02T08:00:00+8",
        "2026-03-02T08:00:00+8:00",
        "2026-03-02T08:00:00+080",
        "2026-03-02T08:00:00+08:0",
        "2026-03-02T08:00:00+08-00",
        "2026-03-02T08:00:00+24:00",
        "2026-03-02T08:00:00+08:60",
        "2026-03-02T08:00:00+08:00:00",
        "2026-03-02Z",
        "2026-03-02+08:00",
        "2026-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "0000-01-01",
        "-001-01-01",
        "2026-0a-02",
        "2026-03-02T+8:00:00",
        "２０２６-03-02",
        "2026年3月2日",
    };
    struct timestamp time;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (timestamp_parse(cases[i], strlen(cases[i]), 0, &time) ||
            timestamp_parse_local(cases[i], strlen(cases[i]), &time))
            fail_msg("'%s' is accepted", cases[i]);
    assert_false(timestamp_parse("2026-03-02\0T08:00:00Z", 21, 0, &time));
}

static void looks_no_further_than_told(void **state) {
    (void)state;
    const char *whole = "2026-03-02T08:00:00.123+08:00";
    struct timestamp time;
    for (size_t bytes = 0; bytes <= strlen(whole); bytes++) {
        char *copy = malloc(bytes + 1); /* so that AddressSanitizer sees the end */
        assert_non_null(copy);
        char *text = copy + 1;
        memcpy(text, whole, bytes);
        bool complete = bytes == 10 || bytes == 19 || (bytes >= 21 && bytes <= 23) || bytes == 26 ||
                        bytes == 29;
        if (timestamp_parse(text, bytes, 0, &time) != complete)
            fail_msg("the first %zu bytes are %s", bytes, complete ? "refused" : "accepted");
        free(copy);
    }
}

static void agrees_with_the_system_about_every_day(void **state) {
    (void)state;
    for (int64_t day = -719162; day <= 2932896; day++) {
        struct timestamp time = {.us = day * 86400 * 1000000, .date_only = true}, again;
        time_t seconds = day * 86400;
        struct tm tm;
        char text[TIMESTAMP_TEXT], expected[TIMESTAMP_TEXT];
        gmtime_r(&seconds, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        if (strcmp(timestamp_format(&time, text), expected) != 0)
            fail_msg("%s is written as %s", expected, text);
        if (!timestamp_parse(text, 10, 0, &again) || again.us != time.us || !again.date_only)
            fail_msg("%s is not read back", text);
    }
}

static void reads_what_it_writes(void **state) {
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 300000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        struct timestamp again,
            time = {.us = (int64_t)(seed % 250000000000000000u) - 62000000000000000,
                    .offset_minutes = (int16_t)(seed / 7 % 2879) - 1439};
        if (seed % 3)
            time.us = time.us / 1000 * 1000;
        char text[TIMESTAMP_TEXT];
        timestamp_format(&time, text);
        if (!timestamp_parse(text, strlen(text), 0, &again) || again.us != time.us ||
            again.offset_minutes != time.offset_minutes || again.date_only)
            fail_msg("%s is not read back", text);
    }
}

static void writes_any_number(void **state) {
    (void)state;
    char text[TIMESTAMP_TEXT];
    struct timestamp time = {.us = INT64_MIN, .offset_minutes = INT16_MIN};
    assert_true(strlen(timestamp_format(&time, text)) < TIMESTAMP_TEXT);
    time = (struct timestamp){.us = INT64_MAX, .offset_minutes = INT16_MAX};
    assert_true(strlen(timestamp_format(&time, text)) < TIMESTAMP_TEXT);
}

static void refuses_unknown_zones(void **state) {
    (void)state;
    static const char *const unknown[] = {
        "",     "Asia/Shangai", "Mars/Base",      "../../etc/passwd", "/etc/localtime",
        "Asia", "zone.tab",     ":Asia/Shanghai", "CST-8 ",           "Asia/Shanghai\n"};
    assert_true(timestamp_zone("Asia/Shanghai"));
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (timestamp_zone(unknown[i]))
            fail_msg("'%s' is accepted", unknown[i]);
    assert_string_equal(getenv("TZ"), "Asia/Shanghai");
    assert_true(timestamp_zone("UTC"));
}

static void assert_local(const char *zone, const char *text, const char *expected) {
    struct timestamp time;
    char out[TIMESTAMP_TEXT];
    assert_true(timestamp_zone(zone));
    assert_true(timestamp_parse_local(text, strlen(text), &time));
    assert_string_equal(timestamp_format(&time, out), expected);
}

static void takes_the_offset_from_the_zone(void **state) {
    (void)state;
    assert_local("Asia/Shanghai", "2026-03-02 08:00:00.25", "2026-03-02T08:00:00.250+08:00");
    assert_local("Asia/Shanghai", "2026-03-02", "2026-03-02");
    assert_local("Asia/Shanghai", "1988-07-01 08:00:00", "1988-07-01T08:00:00.000+09:00");
    assert_local("Europe/Amsterdam", "2026-03-02 08:00:00", "2026-03-02T08:00:00.000+01:00");
    assert_local("Europe/Amsterdam", "2026-07-02 08:00:00", "2026-07-02T08:00:00.000+02:00");
    assert_local("Europe/Amsterdam", "2026-03-29 02:30:00", "2026-03-29T03:30:00.000+02:00");
    assert_local("Europe/Amsterdam", "2026-07-02T08:00:00Z", "2026-07-02T08:00:00.000Z");
    assert_local("Asia/Shanghai", "1899-12-31", "1899-12-31"); /* at +08:05:43 */
    assert_local("UTC", "1969-12-31 23:59:59", "1969-12-31T23:59:59.000Z");
}

static void assert_format(const char *text, const char *format, const char *expected) {
    struct timestamp time;
    char out[TIMESTAMP_TEXT];
    if (!timestamp_parse_format(text, format, &time)) {
        if (expected)
            fail_msg("'%s' is refused by '%s'", text, format);
        return;
    }
    if (!expected)
        fail_msg("'%s' is accepted by '%s'", text, format);
    assert_string_equal(timestamp_format(&time, out), expected);
}

static void reads_a_format(void **state) {
    (void)state;
    assert_true(timestamp_zone("Asia/Shanghai"));
    assert_format("2026年3月2日 8时5分", "%Y年%m月%d日 %H时%M分", "2026-03-02T08:05:00.000+08:00");
    assert_format("03/02/2026 08:05:09 PM", "%m/%d/%Y %I:%M:%S %p",
                  "2026-03-02T20:05:09.000+08:00");
    assert_format("2026/3/2", "%Y/%m/%d", "2026-03-02");
    assert_format("2026-061", "%Y-%j", "2026-03-02");
    assert_format("2026-03-02T08:00:00 -0330", "%FT%T %z", "2026-03-02T08:00:00.000-03:30");
    assert_format("1772409600", "%s", "2026-03-02T08:00:00.000+08:00");
    assert_format("67768036191673199", "%s", NULL); /* the last second that localtime(3) knows */
    assert_format("100% 2026-03-02", "100%% %F", "2026-03-02");
    assert_format("2026-02-30", "%Y-%m-%d", NULL);
    assert_format("2026-03-02 and more", "%Y-%m-%d", NULL);
    assert_format("2026-03", "%Y-%m", NULL); /* no day */
    assert_format("08:05", "%H:%M", NULL);
    assert_format("2026-03-02 08:00 EST", "%F %H:%M %Z", NULL); /* strptime would not look at it */
    assert_format("0000-03-02", "%Y-%m-%d", NULL);
    assert_format("", "%Y-%m-%d", NULL);
    assert_format("2026", "%", NULL);
}

static void clocks_go_forward(void **state) {
    (void)state;
    int64_t before = monotonic_us();
    assert_true(monotonic_us() >= before);
    assert_true(timestamp_now_us() > 1700000000000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_offices_write),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(looks_no_further_than_told),
        cmocka_unit_test(agrees_with_the_system_about_every_day),
        cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(writes_any_number),
        cmocka_unit_test(refuses_unknown_zones),
        cmocka_unit_test(takes_the_offset_from_the_zone),
        cmocka_unit_test(reads_a_format),
        cmocka_unit_test(clocks_go_forward),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
