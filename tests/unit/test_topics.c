#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fanout/topics.h"

static struct topics *fresh(enum topic_kind whole) {
    struct topics *topics = topics_new(whole);
    assert_non_null(topics);
    return topics;
}

static void subscribe(struct topics *topics, const char *text) {
    topics_subscribe(topics, text, strlen(text));
}

static bool wanted(const struct topics *topics, enum topic_kind kind, const char *value) {
    return topics_wanted(topics, kind, (struct slice){(const uint8_t *)value, strlen(value)});
}

/* One letter for each kind of which anything is wanted. */
static const char *kinds(const struct topics *topics) {
    static char text[TOPIC_KINDS + 1];
    size_t length = 0;
    for (int i = 0; i < TOPIC_KINDS; i++)
        if (topics_any(topics, (enum topic_kind)i))
            text[length++] = "ciral"[i];
    text[length] = '\0';
    return text;
}

static void nothing_is_wanted_at_first(void **state) {
    (void)state;
    struct topics *topics = fresh(TOPIC_CASE);
    assert_string_equal(kinds(topics), "");
    assert_false(wanted(topics, TOPIC_CASE, "A-1"));
    subscribe(topics, "cases/A-1\n");
    subscribe(topics, "login");
    subscribe(topics, "\n");
    assert_string_equal(kinds(topics), "");
    topics_free(topics);
}

static void a_whole_topic_wants_itself_alone(void **state) {
    (void)state;
    struct topics *topics = fresh(TOPIC_CASE);
    subscribe(topics, "case/A-1\n");
    subscribe(topics, "agency/新北区\n");
    assert_string_equal(kinds(topics), "ca");
    assert_true(wanted(topics, TOPIC_CASE, "A-1"));
    assert_false(wanted(topics, TOPIC_CASE, "A-10"));
    assert_false(wanted(topics, TOPIC_CASE, "A-"));
    assert_true(wanted(topics, TOPIC_AGENCY, "新北区"));
    assert_false(wanted(topics, TOPIC_ITEM, "A-1"));
    topics_free(topics);
}

static void a_beginning_wants_all_of_its_kinds(void **state) {
    static const struct {
        const char *subscription, *kinds;
    } cases[] = {{"case/", "c"}, {"case/A", "c"}, {"c", "c"},   {"re", "r"},
                 {"log\n", "l"}, {"log", "l"},    {"l", "l"},   {"item/32", "i"},
                 {"", "c"},      {"log\nx", "l"}, {"agen", "a"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct topics *topics = fresh(TOPIC_CASE);
        subscribe(topics, cases[i].subscription);
        assert_string_equal(kinds(topics), cases[i].kinds);
        topics_free(topics);
    }
    struct topics *topics = fresh(TOPIC_LOG);
    subscribe(topics, "");
    assert_string_equal(kinds(topics), "l");
    topics_free(topics);
}

static void with_too_many_all_are_wanted(void **state) {
    (void)state;
    char text[32];
    struct topics *topics = fresh(TOPIC_CASE);
    for (int i = 0; i < TOPICS_MAX; i++) {
        snprintf(text, sizeof text, "case/A-%d\n", i);
        subscribe(topics, text);
        subscribe(topics, text); /* again: it is the same one */
    }
    for (int i = 0; i < TOPICS_MAX; i++) {
        snprintf(text, sizeof text, "A-%d", i);
        assert_true(wanted(topics, TOPIC_CASE, text));
    }
    assert_false(wanted(topics, TOPIC_CASE, "B-1"));
    subscribe(topics, "case/C-1\n");
    assert_true(wanted(topics, TOPIC_CASE, "B-1"));
    topics_free(topics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wanted_at_first),
        cmocka_unit_test(a_whole_topic_wants_itself_alone),
        cmocka_unit_test(a_beginning_wants_all_of_its_kinds),
        cmocka_unit_test(with_too_many_all_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
