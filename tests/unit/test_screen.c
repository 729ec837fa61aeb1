/* The CLI's words and pictures: widths, wrapping, what must not reach a terminal, QR codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <qrencode.h>

#include "proto/field.h"
#include "subscribers/cli/courier.h"
#include "subscribers/cli/qr.h"
#include "subscribers/cli/screen.h"
#include "subscribers/cli/words.h"

static char *text;
static size_t length;

static struct screen opened(int columns) {
    free(text);
    text = NULL;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    return (struct screen){.out = out, .columns = columns};
}

static const char *written(struct screen *screen) {
    fclose(screen->out);
    return text;
}

static void test_widths(void **state) {
    (void)state;
    assert_int_equal(screen_width(""), 0);
    assert_int_equal(screen_width("A-1"), 3);
    assert_int_equal(screen_width("受理"), 4);
    assert_int_equal(screen_width("受理 Accepted（已办结）"), 23);
    assert_int_equal(screen_width("e\xcc\x81"), 1);        /* with a combining accent */
    assert_int_equal(screen_width("\xf0\xa0\x80\x80"), 2); /* U+20000 */
    assert_int_equal(screen_width("\xff\xe5\x8f"), 3);     /* not UTF-8 */
}

static void test_commands_to_the_terminal_are_defused(void **state) {
    (void)state;
    struct screen screen = opened(0);
    screen_put(&screen, BAD, "a\033[2Jb\x07\x7f\nc\td\xff.");
    screen_put(&screen, BAD, (const char[]){'\xc2', '\x9b', '3', '1', 'm', '\0'}); /* C1 CSI */
    screen_put(&screen, BAD, (const char[]){'\xe2', '\x80', '\xae', '<', '\0'});   /* U+202E */
    screen_put(&screen, BAD, (const char[]){'\xe2', '\x81', '\xa6', '>', '\0'});   /* U+2066 */
    assert_string_equal(written(&screen), "a?[2Jb?? c d\xef\xbf\xbd.?31m?<?>");
}

static void test_styles_only_with_colour(void **state) {
    (void)state;
    struct screen screen = opened(0);
    screen_put(&screen, BOLD, "x");
    screen.colour = true;
    screen_put(&screen, BOLD, "y");
    screen_put(&screen, PLAIN, "z");
    assert_string_equal(written(&screen), "x\033[1my\033[0mz");
}

static void test_columns(void **state) {
    (void)state;
    struct screen screen = opened(0);
    screen_put(&screen, PLAIN, "审查");
    screen_to(&screen, 6);
    screen_put(&screen, PLAIN, "|");
    screen_line(&screen);
    screen_to(&screen, 2);
    screen_put(&screen, PLAIN, "|");
    assert_string_equal(written(&screen), "审查  |\n  |");
}

static void test_wrapping(void **state) {
    (void)state;
    struct screen screen = opened(12);
    screen_to(&screen, 2);
    screen_prose(&screen, PLAIN, 2, "one two three\nfour");
    assert_string_equal(written(&screen), "  one two \n  three\n  four");
    screen = opened(12);
    screen_to(&screen, 2);
    screen_prose(&screen, PLAIN, 2, "请上传施工。图，a"); /* the stop stays with what it closes */
    assert_string_equal(written(&screen), "  请上传施\n  工。图，a");
    screen = opened(0);
    screen_prose(&screen, PLAIN, 2, "no width, no wrapping");
    assert_string_equal(written(&screen), "no width, no wrapping");
    screen = opened(6);
    screen_prose(&screen, PLAIN, 0, "unbreakable word");
    assert_string_equal(written(&screen), "unbreakable\nword");
}

/* The picture read back, module by module. */
static void expect_code(const char *picture, const char *content, bool colour) {
    QRcode *code = QRcode_encodeString8bit(content, 0, QR_ECLEVEL_M);
    assert_non_null(code);
    int size = code->width + 8, row = 0;
    while (*picture) {
        if (colour) {
            assert_memory_equal(picture, "\033[38;5;16;48;5;231m", 19);
            picture += 19;
        }
        for (int x = 0; x < size; x++) {
            int block = *picture == ' '             ? 0
                        : !strncmp(picture, "▀", 3) ? 2
                        : !strncmp(picture, "▄", 3) ? 1
                                                    : 3;
            if (block == 3)
                assert_memory_equal(picture, "█", 3);
            picture += block ? 3 : 1;
            for (int half = 0; half < 2 && 2 * row + half < size; half++) {
                int y = 2 * row + half - 4, dark = 0;
                if (x >= 4 && x < size - 4 && y >= 0 && y < code->width)
                    dark = code->data[y * code->width + x - 4] & 1;
                bool drawn = half ? block & 1 : block & 2;
                assert_int_equal(drawn, colour ? dark : !dark);
            }
        }
        if (colour) {
            assert_memory_equal(picture, "\033[0m", 4);
            picture += 4;
        }
        assert_int_equal(*picture++, '\n');
        row++;
    }
    assert_int_equal(row, (size + 1) / 2);
    QRcode_free(code);
}

static void test_qr_codes(void **state) {
    (void)state;
    const char *link = "https://track.example.gov.cn/c/A-2026-0001/MBVX-9XMA-DVZ5";
    for (int colour = 0; colour < 2; colour++) {
        struct screen screen = opened(0);
        assert_int_equal(qr_draw(screen.out, link, colour), 0);
        expect_code(written(&screen), link, colour);
    }
    char *long_text = malloc(4001);
    memset(long_text, 'x', 4000);
    long_text[4000] = '\0';
    struct screen screen = opened(0);
    assert_int_equal(qr_draw(screen.out, long_text, false), -1);
    assert_string_equal(written(&screen), "");
    free(long_text);
}

static void test_every_value_has_its_words(void **state) {
    (void)state;
    for (int language = CHINESE; language < LANGUAGES; language++) {
        for (int stage = 1; stage <= WB_STAGE(CANCELLED); stage++)
            assert_string_not_equal(words_stage(stage, language), stage_name(stage));
        for (int kind = 0; kind <= WAYBILL__V1__KIND__KIND_ALERT; kind++)
            assert_string_not_equal(words_kind(kind, language), kind_name(kind));
        for (int kind = 0; kind <= WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY; kind++)
            assert_string_not_equal(words_notice(kind, language), notice_kind_name(kind));
        for (int anomaly = 1; anomaly <= WAYBILL__V1__ANOMALY__ANOMALY_AHEAD_OF_TIME; anomaly++)
            assert_string_not_equal(words_anomaly(anomaly, language), anomaly_name(anomaly));
        for (int phrase = 0; phrase < PHRASES; phrase++)
            assert_non_null(words(phrase, language));
    }
    assert_string_equal(words_stage(WB_STAGE(CORRECTION_REQUESTED), CHINESE), "补正告知");
    assert_string_equal(words_stage(WB_STAGE(UNSPECIFIED), CHINESE),
                        stage_name(WB_STAGE(UNSPECIFIED)));
    assert_string_equal(words_stage(77, ENGLISH), "UNKNOWN");
    assert_string_equal(words_stage(-1, ENGLISH), "UNKNOWN");
}

static void test_distances(void **state) {
    (void)state;
    static const struct {
        long seconds;
        const char *chinese, *english;
    } cases[] = {
        {0, "刚刚", "just now"},          {-59, "刚刚", "just now"},
        {60, "1 分钟前", "1 minute ago"}, {7200, "2 小时前", "2 hours ago"},
        {86400, "1 天前", "1 day ago"},   {-259200, "3 天后", "in 3 days"},
    };
    char said[60];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t now = 1767225600000000, then = now - INT64_C(1000000) * cases[i].seconds;
        assert_string_equal(words_distance(then, now, CHINESE, said, sizeof said),
                            cases[i].chinese);
        assert_string_equal(words_distance(then, now, ENGLISH, said, sizeof said),
                            cases[i].english);
    }
}

/* A broker can send any number as a time. */
static void test_times_that_are_none(void **state) {
    (void)state;
    static const int64_t times[] = {INT64_MIN, -1, 0, INT64_C(7258118400000000), INT64_MAX};
    static const int offsets[] = {INT32_MIN, -1081, 480, 1081, INT32_MAX};
    char said[60];
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        words_distance(times[i], 1767225600000000, ENGLISH, said, sizeof said);
        assert_non_null(strstr(said, i < 3 ? "ago" : "in "));
        wb_event event = WB_EVENT_INIT;
        event.occurred_at_us = times[i];
        event.utc_offset_minutes = offsets[i];
        wb_record record = WAYBILL__V1__RECORD__INIT;
        record.offset = 1;
        record.event = &event;
        Waybill__V1__Node node = WAYBILL__V1__NODE__INIT;
        node.record = &record;
        Waybill__V1__Node *nodes[] = {&node};
        Waybill__V1__CaseState case_state = WAYBILL__V1__CASE_STATE__INIT;
        case_state.current_offset = 1;
        case_state.since_us = times[i];
        wb_case answer = WAYBILL__V1__CASE_ANSWER__INIT;
        answer.state = &case_state;
        answer.nodes = nodes;
        answer.n_nodes = 1;
        struct screen screen = opened(0);
        courier_case(&screen, &answer, ENGLISH, 1767225600000000);
        const char *shown = written(&screen);
        assert_non_null(strstr(shown, "\n?"));
        assert_null(strstr(shown, "Since"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_commands_to_the_terminal_are_defused),
        cmocka_unit_test(test_styles_only_with_colour),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_qr_codes),
        cmocka_unit_test(test_every_value_has_its_words),
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_times_that_are_none),
    };
    int failed = cmocka_run_group_tests_name("screen", tests, NULL, NULL);
    free(text);
    return failed;
}
