#include "adapters/file/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink.h"

static const struct reader_options plain;
static struct sink sink;

static void expect(struct reader_options options, const char *text, const char *records) {
    static const size_t pieces[] = {0, 1, 2, 3, 7};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        sink_read(&sink, csv_reader_new, options, text, strlen(text), pieces[i]);
        assert_string_equal(sink.text, records);
        assert_int_equal(sink.result, 0);
    }
}

static void expect_fault(struct reader_options options, const char *text, const char *detail) {
    sink_text(&sink, csv_reader_new, options, text);
    if (!strstr(sink.text, detail) && !strstr(sink.err.detail, detail))
        fail_msg("'%s' is neither in '%s' nor in '%s'", detail, sink.text, sink.err.detail);
}

static void test_rows(void **state) {
    (void)state;
    expect(plain, "no,step\n1,a\n2,b\n", "2: no=1 step=a\n3: no=2 step=b\n");
    expect(plain, "no,step\n1,a", "2: no=1 step=a\n");
    expect(plain, "no,step\r\n1,a\r\n2,b\r\n", "2: no=1 step=a\n3: no=2 step=b\n");
    expect(plain, "no,step\n1,\n,b\n", "2: no=1 step=\n3: no= step=b\n");
    expect(plain, "no\n", "");
}

static void test_quotes_and_lines(void **state) {
    (void)state;
    expect(plain, "no,text\n1,\"a, \"\"b\"\"\nc\"\n2,d\n",
           "2: no=1 text=a, \"b\"\nc\n4: no=2 text=d\n");
    expect(plain, "\n\nno\n\n\r\n1\n\n2\n", "6: no=1\n8: no=2\n");
    expect(plain, "no,text\n1,5\" pipe\n", "2: no=1 text=5\" pipe\n");
}

static void test_byte_order_mark(void **state) {
    (void)state;
    expect(plain, "\xef\xbb\xbfno\n1\n", "2: no=1\n");
    expect(plain, "\xef\xbb\xbfno", "");
    expect((struct reader_options){.encoding = "UTF-8"}, "\xef\xbb\xbf\"no\"\n1\n", "2: no=1\n");
}

static void test_delimiter(void **state) {
    (void)state;
    expect((struct reader_options){.delimiter = ';'}, "no;a,b\n1;2,3\n", "2: no=1 a,b=2,3\n");
    expect((struct reader_options){.delimiter = '\t'}, "no\ta\n1\t\n", "2: no=1 a=\n");
}

static void test_encodings(void **state) {
    (void)state;
    /* 状态,值 / 受理,甲 */
    expect((struct reader_options){.encoding = "GB18030"},
           "\xd7\xb4\xcc\xac,\xd6\xb5\n\xca\xdc\xc0\xed,\xbc\xd7\n", "2: 状态=受理 值=甲\n");
    /* U+3400 takes four bytes there, two of which are digits. */
    expect((struct reader_options){.encoding = "GB18030"}, "a\n\x81\x39\xee\x39\n", "2: a=㐀\n");
    expect((struct reader_options){.encoding = "ISO-8859-1"}, "a\ncaf\xe9\n", "2: a=café\n");
    /* '|' is the second byte of some characters: bytes must be decoded before rows are split. */
    expect((struct reader_options){.encoding = "GB18030", .delimiter = '|'}, "a|b\n\x81\x7c|x\n",
           "2: a=亅 b=x\n");
}

static void test_utf16(void **state) {
    (void)state;
    static const char text[] = "\xff\xfe"
                               "a\0\n\0"
                               "\x17\x53\n"; /* 北 as 5317, and a line end in two bytes */
    sink_read(&sink, csv_reader_new, (struct reader_options){.encoding = "UTF-16"}, text,
              sizeof(text), 3);
    assert_string_equal(sink.text, "2: a=北\n");
}

static void test_broken_rows_do_not_stop_the_others(void **state) {
    (void)state;
    expect(plain, "no,步骤\n1,a\n2,\xca\xdc\n3,c\n",
           "2: no=1 步骤=a\n"
           "3! column \"步骤\" has bytes that the encoding does not have from byte 1: ca dc\n"
           "4: no=3 步骤=c\n");
    expect((struct reader_options){.encoding = "GB18030"}, "no,b\n1,x\xff\n2,y\n",
           "2! column \"b\" has bytes that the encoding does not have from byte 2: ff\n"
           "3: no=2 b=y\n");
    expect_fault(plain, "a\n\xc3\xa2\xc2\x80\xc2\x99\n",
                 "encoded as UTF-8 twice from byte 1: c3 a2");
    expect(plain, "no,b\n1\n2,x,y\n3,z,,\n",
           "2! the row has 1 values, the header has 2 columns\n"
           "3! the row has at least 3 values, the header has 2 columns\n"
           "4: no=3 b=z\n");
}

static void test_text_behind_a_closed_quote(void **state) {
    (void)state;
    expect(plain, "no,b,c\n1,\"foo\"x,A\n2,\"bar\",B\n3,c,C\n",
           "2! text stands behind the closing quote of \"b\"\n"
           "3: no=2 b=bar c=B\n4: no=3 b=c c=C\n");
    expect(plain, "no,b\r\n\"1\" \"2\",x\r\n\"3\" ,\" y\"\t\r\n4,\"a\"b",
           "2! text stands behind the closing quote of \"no\"\n"
           "3: no=3 b= y\n"
           "4! text stands behind the closing quote of \"b\"\n");
    expect(plain, "no,b\n1,2,\"3\"x\n4,\"\"\"5\"\"\"\n",
           "2! text stands behind the closing quote of value 3\n3: no=4 b=\"5\"\n");
    expect((struct reader_options){.delimiter = '\t'}, "no\tb\n\"1\"\t\"2\"\n\"3\",\t4\n5\t6\n",
           "2: no=1 b=2\n3! text stands behind the closing quote of \"no\"\n"
           "4: no=5 b=6\n");
    expect_fault(plain, "\"no\"x,b\n1,2\n", "input:1: text stands behind a closing quote");
}

static void test_nul(void **state) {
    (void)state;
    static const char text[] = "a,b\n1,x\0y\n2,z\n";
    sink_read(&sink, csv_reader_new, plain, text, sizeof(text) - 1, 0);
    assert_string_equal(sink.text, "2! column \"b\" has a NUL from byte 2: 00\n3: a=2 b=z\n");
}

static void test_headers(void **state) {
    (void)state;
    expect(plain, "a,,a\n1,2,3\n", "2: a=1 #2=2 a#3=3\n");
    expect_fault(plain, "", "there is no header line");
    expect_fault(plain, "a,\xff\n1,2\n", "header line is too long or not in the file's encoding");
}

/* Copies the text without its NUL; gives what is behind it. */
static char *put(char *at, const char *text) {
    while (*text)
        *at++ = *text++;
    return at;
}

static void test_open_quote_is_bounded(void **state) {
    (void)state;
    size_t bytes = (size_t)3 * RECORD_BYTES_MAX;
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, 'x', bytes);
    put(text, "a\n1\n\"");
    sink_read(&sink, csv_reader_new, plain, text, bytes, 0);
    free(text);
    assert_int_equal(sink.result, -1);
    assert_non_null(strstr(sink.err.detail, "input:3: a value in this row is larger than 1 MiB"));
    expect_fault(plain, "a\n1\n\"x\n", "input:3: the file ends within a quoted value");
}

static void test_large_row_is_rejected_alone(void **state) {
    (void)state;
    size_t half = RECORD_BYTES_MAX * 2 / 3, at = 4;
    char *text = calloc(1, 2 * half + 32);
    assert_non_null(text);
    put(text, "a,b\n");
    memset(text + at, 'x', half);
    at += half;
    text[at++] = ',';
    memset(text + at, 'y', half);
    at += half;
    put(text + at, "\n1,2\n");
    sink_read(&sink, csv_reader_new, plain, text, at + 5, 0);
    free(text);
    assert_int_equal(sink.result, 0);
    assert_string_equal(sink.text, "2! with \"b\" the record is larger than 1048576 bytes\n"
                                   "3: a=1 b=2\n");
}

static void test_stops_when_told(void **state) {
    (void)state;
    sink.most = 1;
    sink_text(&sink, csv_reader_new, plain, "a\n1\n2\n3\n");
    assert_int_equal(sink.result, READER_STOPPED);
    assert_string_equal(sink.text, "2: a=1\n");
    sink.most = 0;
}

static void test_same_rows_have_the_same_id(void **state) {
    (void)state;
    sink_text(&sink, csv_reader_new, plain, "a,b\n1,2\n1,2\n12,\n,12\n");
    assert_string_equal(sink.ids[0], sink.ids[1]);
    assert_string_not_equal(sink.ids[0], sink.ids[2]);
    assert_string_not_equal(sink.ids[2], sink.ids[3]);
    char first[33];
    snprintf(first, sizeof(first), "%s", sink.ids[0]);
    sink_text(&sink, csv_reader_new, plain, "b,a\n2,1\n");
    assert_string_equal(sink.ids[0], first);
}

static void test_unknown_encoding(void **state) {
    (void)state;
    struct wb_error err = {0};
    struct columns *columns = columns_new();
    struct reader_options options = {.encoding = "KLINGON", .columns = columns};
    assert_null(csv_reader_new(&options, &err));
    assert_non_null(strstr(err.detail, "'KLINGON' is not known"));
    columns_free(columns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_quotes_and_lines),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_delimiter),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_broken_rows_do_not_stop_the_others),
        cmocka_unit_test(test_text_behind_a_closed_quote),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_open_quote_is_bounded),
        cmocka_unit_test(test_large_row_is_rejected_alone),
        cmocka_unit_test(test_stops_when_told),
        cmocka_unit_test(test_same_rows_have_the_same_id),
        cmocka_unit_test(test_unknown_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
