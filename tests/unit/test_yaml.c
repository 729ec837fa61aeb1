#include "common/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "scratch.h"

static struct yaml_file *open_text(const char *text, struct wb_error *err) {
    memset(err, 0, sizeof *err);
    struct yaml_file *file = yaml_open(scratch_text(text), 65536, err);
    scratch_remove();
    return file;
}

static void gives_the_tree(void **state) {
    (void)state;
    struct wb_error err;
    struct yaml_file *file = open_text("# a mapping\n"
                                       "stage:\n"
                                       "  from: 办理状态\n"
                                       "  values: {\"01\": RECEIVED, 02: ACCEPTED, '': x}\n"
                                       "list: [a, b c, ~]\n"
                                       "empty:\n"
                                       "text: |\n  one\n  two\n",
                                       &err);
    assert_non_null(file);
    const struct yaml_node *root = yaml_root(file);
    assert_int_equal(yaml_kind(root), YAML_MAP);
    assert_int_equal(yaml_count(root), 4);
    assert_string_equal(yaml_text(yaml_key(root, 1)), "list");
    assert_ptr_equal(yaml_at(root, 1), yaml_get(root, "list"));
    const struct yaml_node *stage = yaml_get(root, "stage");
    assert_string_equal(yaml_text(yaml_get(stage, "from")), "办理状态");
    const struct yaml_node *values = yaml_get(stage, "values");
    assert_string_equal(yaml_text(yaml_get(values, "01")), "RECEIVED");
    assert_string_equal(yaml_text(yaml_get(values, "02")), "ACCEPTED");
    assert_string_equal(yaml_text(yaml_get(values, "")), "x");
    assert_null(yaml_get(values, "2"));
    const struct yaml_node *list = yaml_get(root, "list");
    assert_int_equal(yaml_kind(list), YAML_LIST);
    assert_int_equal(yaml_count(list), 3);
    assert_string_equal(yaml_text(yaml_at(list, 1)), "b c");
    assert_string_equal(yaml_text(yaml_at(list, 2)), "~");
    assert_null(yaml_get(list, "a"));
    assert_string_equal(yaml_text(yaml_get(root, "empty")), "");
    assert_string_equal(yaml_text(yaml_get(root, "text")), "one\ntwo\n");
    assert_null(yaml_text(list));
    yaml_close(file);
}

static void an_empty_file_has_no_root(void **state) {
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "---\n", "\xef\xbb\xbf", "\n\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct wb_error err;
        struct yaml_file *file = open_text(texts[i], &err);
        assert_non_null(file);
        assert_null(yaml_root(file));
        yaml_close(file);
    }
}

static void names_file_and_line_of_a_fault(void **state) {
    (void)state;
    static const struct {
        const char *text, *place, *words;
    } cases[] = {
        {"a: 1\nb: *x\n", ":2: ", "alias"},
        {"a: &x 1\n", ":1: ", "anchor"},
        {"a: &x [1]\n", ":1: ", "anchor"},
        {"a: &x {b: 1}\n", ":1: ", "anchor"},
        {"a:\n  b: !!int 1\n", ":2: ", "tag"},
        {"a: 1\n---\nb: 2\n", ":2: ", "second document"},
        {"a: 1\nb: 2\n\na: 3\n", ":4: ", "'a' stands in line 1 already"},
        {"a: 1\n[b, c]: 2\n", ":2: ", "a key must be text"},
        {"a: \"1\n\n", ":", "quoted scalar"},
        {"a: 1\n b: 2\n", ":2: ", ""},
        {"a: 1\n\tb: 2\n", ":2: ", ""},
        {"a: [1, 2\nb: 3\n", ":", ""},
        {"a: \"x\\0y\"\n", ":1: ", "NUL"},
        {"a: 1\nb: \xff\n", ":2: ", ""},
        {"a: 1\nb: \x01\n", ":2: ", ""},
        {"a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", ":1: ", "deeper than 16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wb_error err;
        if (open_text(cases[i].text, &err))
            fail_msg("'%s' is accepted", cases[i].text);
        assert_int_equal(err.code, WB_E_CONFIG);
        assert_non_null(strstr(err.detail, "/tmp/waybill-test-"));
        if (!strstr(err.detail, cases[i].place) || !strstr(err.detail, cases[i].words))
            fail_msg("'%s' gives: %s", cases[i].text, err.detail);
    }
}

static void refuses_files_that_are_too_large_or_absent(void **state) {
    (void)state;
    struct wb_error err;
    const char *path = scratch_text("a: 1234\n");
    struct yaml_file *file = yaml_open(path, 8, &err);
    assert_non_null(file);
    yaml_close(file);
    assert_null(yaml_open(path, 7, &err));
    assert_non_null(strstr(err.detail, "larger than 7 bytes"));
    scratch_remove();
    assert_null(yaml_open(path, 8, &err));
    assert_non_null(strstr(err.detail, path));
    assert_non_null(strstr(err.detail, "No such file"));
    assert_null(yaml_open("/tmp", 8, &err));
    assert_non_null(strstr(err.detail, "directory"));
}

static void survives_the_densest_files(void **state) {
    (void)state;
    enum { BYTES = 60000 };
    static const struct {
        const char *begin, *entry, *end;
    } cases[] = {{"[", "a,", "]"}, {"[", "[],", "]"}, {"", "-\n", ""}, {"[", "{},", "]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t entries = (BYTES - 2) / strlen(cases[i].entry);
        struct buffer text;
        buffer_init(&text, 0);
        buffer_text(&text, cases[i].begin);
        for (size_t j = 0; j < entries; j++)
            buffer_text(&text, cases[i].entry);
        buffer_text(&text, cases[i].end);
        struct wb_error err;
        struct yaml_file *file = open_text(buffer_string(&text), &err);
        if (!file)
            fail_msg("%s", err.detail);
        assert_int_equal(yaml_count(yaml_root(file)), entries);
        yaml_close(file);
        buffer_free(&text);
    }
}

static void finds_every_key_of_a_large_dictionary(void **state) {
    (void)state;
    enum { KEYS = 4000 };
    char key[16], value[16];
    struct buffer text;
    buffer_init(&text, 0);
    for (int i = 0; i < KEYS; i++) /* in an order that is not theirs */
        buffer_printf(&text, "k%d: v%d\n", i * 7919 % KEYS, i);
    struct wb_error err;
    struct yaml_file *file = open_text(buffer_string(&text), &err);
    assert_non_null(file);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % KEYS);
        snprintf(value, sizeof value, "v%d", i);
        const struct yaml_node *found = yaml_get(yaml_root(file), key);
        assert_non_null(found);
        assert_string_equal(yaml_text(found), value);
    }
    assert_null(yaml_get(yaml_root(file), "k4000"));
    yaml_close(file);
    buffer_free(&text);
}

static void names_the_nearest_known_key(void **state) {
    (void)state;
    static const char *const known[] = {"fields", "stages", "case_no", NULL};
    struct wb_error err;
    struct yaml_file *file = open_text("fields: 1\nstage: 2\n", &err);
    assert_non_null(file);
    assert_int_equal(yaml_keys(file, yaml_root(file), known, &err), -1);
    assert_non_null(strstr(err.detail, ":2: 'stage'"));
    assert_non_null(strstr(err.hint, "'stages'"));
    const char *const all[] = {"stage", "fields", NULL};
    assert_int_equal(yaml_keys(file, yaml_root(file), all, &err), 0);
    const char *const none[] = {NULL};
    assert_int_equal(yaml_keys(file, yaml_root(file), none, &err), -1);
    assert_int_equal(yaml_keys(file, yaml_get(yaml_root(file), "stage"), all, &err), -1);
    assert_non_null(strstr(err.detail, ":2: "));
    assert_int_equal(yaml_problem(file, NULL, &err, "%d faults", 3), -1);
    assert_non_null(strstr(err.detail, ": 3 faults"));
    yaml_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_tree),
        cmocka_unit_test(an_empty_file_has_no_root),
        cmocka_unit_test(names_file_and_line_of_a_fault),
        cmocka_unit_test(refuses_files_that_are_too_large_or_absent),
        cmocka_unit_test(survives_the_densest_files),
        cmocka_unit_test(finds_every_key_of_a_large_dictionary),
        cmocka_unit_test(names_the_nearest_known_key),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
