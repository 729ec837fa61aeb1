#include "subscribers/gateway/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"

static void expect(const char *text, const char *context, const char *wanted) {
    struct template_set *set = template_set_new();
    struct wb_error err = {0};
    struct buffer out;
    json_t *json = json_loads(context, 0, NULL);
    buffer_init(&out, 0);
    assert_non_null(json);
    assert_int_equal(template_add(set, "part", "[{{a}}]", 7, &err), 0);
    if (template_add(set, "page", text, strlen(text), &err))
        fail_msg("%s: %s", text, err.detail);
    assert_int_equal(template_link(set, &err), 0);
    assert_int_equal(template_render(set, "page", json, &out), 0);
    assert_string_equal(buffer_string(&out), wanted);
    buffer_free(&out);
    json_decref(json);
    template_set_free(set);
}

static void values_are_escaped(void **state) {
    (void)state;
    expect("<p title=\"{{a}}\">{{a}}</p>", "{\"a\": \"<b> & \\\"q\\\" 'q' 中\"}",
           "<p title=\"&lt;b&gt; &amp; &quot;q&quot; &#39;q&#39; 中\">"
           "&lt;b&gt; &amp; &quot;q&quot; &#39;q&#39; 中</p>");
    expect("{{a}} {{b}} {{c}} {{d}}", "{\"a\": 42, \"b\": true, \"c\": null}", "42   ");
    expect("{{a}}", "{\"a\": \"{{b}}\", \"b\": \"not again\"}", "{{b}}");
    expect("{ {a} } }} {{ a }}", "{\"a\": \"x\"}", "{ {a} } }} x");
}

static void there_is_no_way_around_escaping(void **state) {
    (void)state;
    static const char *const raw[] = {"{{{a}}}", "{{&a}}", "{{=<% %>=}}", "{{ & a }}"};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        struct template_set *set = template_set_new();
        struct wb_error err = {0};
        assert_int_equal(template_add(set, "page", raw[i], strlen(raw[i]), &err), -1);
        assert_int_equal(err.code, WB_E_FORMAT);
        template_set_free(set);
    }
}

static void sections_repeat_and_leave_out(void **state) {
    (void)state;
    expect("{{#l}}<{{.}}>{{/l}}", "{\"l\": [\"a\", \"<\", 3]}", "<a><&lt;><3>");
    expect("{{#l}}{{n}},{{/l}}", "{\"l\": [{\"n\": 1}, {\"n\": 2}]}", "1,2,");
    expect("{{#o}}{{n}}{{/o}}", "{\"o\": {\"n\": \"in\"}, \"n\": \"out\"}", "in");
    expect("{{#o}}{{n}}{{/o}}", "{\"o\": {\"x\": 1}, \"n\": \"out\"}", "out");
    expect("{{#o}}[{{n}}]{{/o}}", "{\"o\": {\"n\": null}, \"n\": \"out\"}", "[]");
    expect("{{#s}}{{s}}{{/s}}", "{\"s\": \"text\"}", "text");
    static const char *const absent[] = {"{\"s\": \"\"}", "{\"s\": []}", "{\"s\": null}",
                                         "{\"s\": false}", "{}"};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        expect("{{#s}}yes{{/s}}{{^s}}no{{/s}}", absent[i], "no");
    expect("{{^s}}no{{/s}}", "{\"s\": 0}", "");
}

static void dotted_names_go_inwards_only(void **state) {
    (void)state;
    expect("{{a.b.c}}", "{\"a\": {\"b\": {\"c\": \"deep\"}}}", "deep");
    expect("{{#a}}{{a.b}}{{/a}}", "{\"a\": {\"b\": \"x\"}}", "x");
    expect("[{{a.b}}]", "{\"a\": {}, \"b\": \"not this\"}", "[]");
    expect("{{#a.l}}{{.}}{{/a.l}}", "{\"a\": {\"l\": [\"1\", \"2\"]}}", "12");
}

static void partials_share_the_context(void **state) {
    (void)state;
    expect("{{#l}}{{>part}}{{/l}}", "{\"l\": [{\"a\": 1}, {\"a\": 2}]}", "[1][2]");
}

static void lines_of_tags_vanish(void **state) {
    (void)state;
    expect("a\n{{#s}}\n  b\n{{/s}}\nc\n", "{\"s\": true}", "a\n  b\nc\n");
    expect("a\n  {{! a remark }}  \nc", "{}", "a\nc");
    expect("a {{! a remark }} c", "{}", "a  c");
    expect("{{#s}}\nb\n{{/s}}", "{\"s\": [1, 2]}", "b\nb\n");
    expect("{{#s}}{{/s}}\nb", "{}", "\nb");
}

static void faults_are_named_with_their_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"a\n\n{{#s}}", "line 3: a section does not end: s"},
        {"a\n{{/s}}", "line 2: nothing is open that could end with s"},
        {"{{#a}}{{#b}}{{/a}}{{/b}}", "the innermost section is not a"},
        {"a\n{{b", "line 2: a tag does not end"},
        {"{{}}", "needs a name"},
        {"{{a b}}", "not a name: a b"},
        {"{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}{{#a}"
         "}"
         "{{#a}}{{#a}}",
         "too deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct template_set *set = template_set_new();
        struct wb_error err = {0};
        assert_int_equal(template_add(set, "page", cases[i].text, strlen(cases[i].text), &err), -1);
        if (!strstr(err.detail, cases[i].detail))
            fail_msg("'%s': %s", cases[i].text, err.detail);
        template_set_free(set);
    }
}

static void missing_and_endless_partials_are_refused(void **state) {
    (void)state;
    struct template_set *set = template_set_new();
    struct wb_error err = {0};
    struct buffer out;
    json_t *context = json_object();
    buffer_init(&out, 0);
    assert_int_equal(template_add(set, "page", "{{>none}}", 9, &err), 0);
    assert_int_equal(template_link(set, &err), -1);
    assert_non_null(strstr(err.detail, "no template none"));
    assert_int_equal(template_render(set, "page", context, &out), -1);
    assert_int_equal(template_render(set, "other", context, &out), -1);
    assert_int_equal(template_add(set, "self", "{{>self}}", 9, &err), 0);
    assert_int_equal(template_render(set, "self", context, &out), -1);
    buffer_free(&out);
    json_decref(context);
    template_set_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(there_is_no_way_around_escaping),
        cmocka_unit_test(sections_repeat_and_leave_out),
        cmocka_unit_test(dotted_names_go_inwards_only),
        cmocka_unit_test(partials_share_the_context),
        cmocka_unit_test(lines_of_tags_vanish),
        cmocka_unit_test(faults_are_named_with_their_line),
        cmocka_unit_test(missing_and_endless_partials_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
