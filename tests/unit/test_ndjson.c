#include "adapters/file/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink.h"

static const struct reader_options plain;
static struct sink sink;

static void expect(struct reader_options options, const char *text, const char *records) {
    static const size_t pieces[] = {0, 1, 5};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        sink_read(&sink, ndjson_reader_new, options, text, strlen(text), pieces[i]);
        assert_string_equal(sink.text, records);
        assert_int_equal(sink.result, 0);
    }
}

static void test_members(void **state) {
    (void)state;
    expect(plain, "{\"a\": \"x\", \"b\": 2}\n\n{\"a\": \"办\"}", "1: a=x b=2\n3: a=办\n");
    expect(plain, "\xef\xbb\xbf{\"a\": 1}\r\n", "1: a=1\n");
    expect(plain,
           "{\"h\": {\"name\": \"W\", \"at\": {\"unit\": \"U\"}}, \"p\": [\"x\", {\"y\": 1}]}",
           "1: h.name=W h.at.unit=U p.0=x p.1.y=1\n");
    expect(plain, "{\"t\": true, \"f\": false, \"n\": null, \"e\": {}, \"r\": 0.1, \"i\": -7}",
           "1: t=true f=false n= r=0.1 i=-7\n");
}

static void test_faults(void **state) {
    (void)state;
    sink_text(&sink, ndjson_reader_new, plain,
              "{\"a\": 1}\n{\"a\": }\n[1]\n{\"a\": 1, \"a\": 2}\n{\"a\": 99999999999999999999}\n"
              "{\"a\": \"\xff\"}\n{\"a\": 6}\n");
    assert_int_equal(sink.result, 0);
    assert_int_equal(sink.records, 7);
    assert_int_equal(sink.faults, 5);
    assert_non_null(strstr(sink.text, "2! column "));
    assert_non_null(strstr(sink.text, "3! the line is JSON, but not an object"));
    assert_non_null(strstr(sink.text, "duplicate object key"));
    assert_non_null(strstr(sink.text, "too big integer"));
    assert_non_null(strstr(sink.text, "7: a=6"));
}

static void test_a_name_that_two_members_make(void **state) {
    (void)state;
    expect(plain, "{\"a.b\": 1, \"a\": {\"b\": 2}}\n{\"c\": 3}\n",
           "1! \"a.b\" is there twice\n2: c=3\n");
}

static void test_depth_is_bounded(void **state) {
    (void)state;
    char deep[400] = "{\"a\":", *at = deep + 5;
    for (int i = 0; i < 60; i++)
        *at++ = '[';
    for (int i = 0; i < 60; i++)
        *at++ = ']';
    memcpy(at, "}\n{\"b\":1}", 10);
    sink_text(&sink, ndjson_reader_new, plain, deep);
    assert_non_null(strstr(sink.text, "nested deeper than 16"));
    assert_non_null(strstr(sink.text, "2: b=1"));
}

/* Copies the text without its NUL; gives what is behind it. */
static char *put(char *at, const char *text) {
    while (*text)
        *at++ = *text++;
    return at;
}

static void test_long_line_is_rejected_alone(void **state) {
    (void)state;
    size_t bytes = (size_t)2 * RECORD_BYTES_MAX;
    char *text = malloc(bytes + 16);
    assert_non_null(text);
    memset(text, 'x', bytes);
    put(text, "{\"a\":\"");
    put(text + bytes, "\n{\"b\":1}\n");
    for (size_t piece = 1000; piece <= 65000; piece += 64000) {
        sink_read(&sink, ndjson_reader_new, plain, text, bytes + 9, piece);
        assert_string_equal(sink.text, "1! the line is longer than 1048576 bytes\n2: b=1\n");
    }
    sink_read(&sink, ndjson_reader_new, plain, text, bytes, 0);
    assert_string_equal(sink.text, "1! the line is longer than 1048576 bytes\n");
    free(text);
}

static void test_whole_lines(void **state) {
    (void)state;
    expect((struct reader_options){.whole = true}, "{\"a\":1}\nanything\n",
           "1: {\"a\":1}\n2: anything\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_a_name_that_two_members_make),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_long_line_is_rejected_alone),
        cmocka_unit_test(test_whole_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
