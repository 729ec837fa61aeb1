#include "adapters/file/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink.h"

#define CASE    "<string key='concept:name' value='A-1'/>"
#define STEP(s) "<event><string key='concept:name' value='" s "'/></event>"
#define LOG(s)  "<log xes.version='1849.2016'>" s "</log>"

static const struct reader_options plain;
static struct sink sink;

static void expect(const char *text, const char *records) {
    static const size_t pieces[] = {0, 1, 7, 100};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        sink_read(&sink, xes_reader_new, plain, text, strlen(text), pieces[i]);
        if (sink.result)
            fail_msg("%s", sink.err.detail);
        assert_string_equal(sink.text, records);
    }
}

static void refused(struct reader_options options, const char *text, const char *detail) {
    sink_text(&sink, xes_reader_new, options, text);
    if (sink.result != -1)
        fail_msg("taken: %s", text);
    if (!strstr(sink.err.detail, detail))
        fail_msg("'%s' is not in '%s'", detail, sink.err.detail);
    assert_int_equal(sink.err.code, WB_E_FORMAT);
    assert_true(sink.err.hint[0] != '\0');
}

static void test_traces_and_events(void **state) {
    (void)state;
    expect(LOG("<trace>" CASE "<int key='n' value='3'/>\n"
               "<event><string key='concept:name' value='a &lt;b&gt;'/>"
               "<date key='time:timestamp' value='2026-03-02T09:30:00.125+08:00'/></event>\n" STEP(
                   "b") "</trace>\n"
                        "<trace><string key='x' value=''/>" STEP("c") "</trace>" STEP("loose")),
           "2: trace.concept:name=A-1 trace.n=3 concept:name=a <b> "
           "time:timestamp=2026-03-02T09:30:00.125+08:00\n"
           "3: trace.concept:name=A-1 trace.n=3 concept:name=b\n"
           "4: trace.x= concept:name=c\n"
           "4: concept:name=loose\n");
    expect(LOG(""), "");
}

static void test_nested_attributes(void **state) {
    (void)state;
    expect(LOG("<trace><string key='a' value='1'><int key='b' value='2'>"
               "<boolean key='c' value='true'/></int></string>"
               "<event><list key='l'><string key='m' value='meta'/><values>"
               "<string key='k' value='x'/><string key='k' value='y'/></values></list>"
               "<container key='o'><float key='f' value='1.5e3'/></container>"
               "<id key='i' value='u'/></event></trace>"),
           "1: trace.a=1 trace.a.b=2 trace.a.b.c=true l.m=meta l.0.k=x l.1.k=y o.f=1.5e3 i=u\n");
}

static void test_namespaces_and_marks(void **state) {
    (void)state;
    expect("\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>"
           "<log xmlns='http://www.xes-standard.org/' xmlns:x='urn:x' x:y='z'><trace>" STEP(
               "a") "</trace></log>",
           "1: concept:name=a\n");
    expect("<xes:log xmlns:xes='http://www.xes-standard.org/'><xes:trace><xes:event>"
           "<xes:string key='concept:name' value='a'/></xes:event></xes:trace></xes:log>",
           "1: concept:name=a\n");
    expect("<?xml version='1.0' encoding='ISO-8859-1'?><log><trace>" STEP("\xe9") "</trace></log>",
           "1: concept:name=é\n");
}

/* Two events alike in a trace happened twice; the same in another trace is another event; and the
 * second run finds the same ids. */
static void test_exact_duplicates(void **state) {
    (void)state;
    static const char text[] =
        LOG("<trace>" CASE STEP("a") STEP("a") STEP("b")
                STEP("a") "</trace>"
                          "<trace><string key='concept:name' value='A-2'/>" STEP("a") "</trace>");
    char first[5][33];
    sink_text(&sink, xes_reader_new, plain, text);
    assert_int_equal(sink.records, 5);
    memcpy(first, sink.ids, sizeof(first));
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(first[i], first[j]);
    sink_text(&sink, xes_reader_new, plain, text);
    assert_memory_equal(first, sink.ids, sizeof(first));
}

/* A later export has more attributes in the trace and the event's in another order. */
static void test_ids_outlast_a_new_export(void **state) {
    (void)state;
    char first[33];
    sink_text(&sink, xes_reader_new, plain,
              LOG("<trace>" CASE "<event><int key='b' value='1'/><int key='a' value='2'/></event>"
                  "</trace>"));
    memcpy(first, sink.ids[0], sizeof(first));
    sink_text(&sink, xes_reader_new, plain,
              LOG("<trace><string key='status' value='closed'/>" CASE
                  "<event><int key='a' value='2'/><int key='b' value='1'/></event></trace>"));
    assert_string_equal(sink.ids[0], first);
}

static void test_nameless_traces_are_different(void **state) {
    (void)state;
    sink_text(&sink, xes_reader_new, plain,
              LOG("<trace>" STEP("a") "</trace><trace>" STEP("a") "</trace>"));
    assert_int_equal(sink.records, 2);
    assert_string_not_equal(sink.ids[0], sink.ids[1]);
}

/* Defaults are the exporter's invention and not what happened. */
static void test_globals_fill_nothing_in(void **state) {
    (void)state;
    expect(LOG("<global scope='event'><string key='who' value='UNKNOWN'/></global>"
               "<trace>" STEP("a") "</trace>"),
           "1: concept:name=a\n");
}

static void test_order(void **state) {
    (void)state;
    refused(plain, LOG("<trace>\n" STEP("a") "\n  <int key='n' value='1'/></trace>"),
            "input:3:3: <int> stands behind <event> in <trace>");
    sink_text(&sink, xes_reader_new, plain, LOG("<trace>" STEP("a") "<int key='n' value='1'/>"));
    assert_int_equal(sink.records, 1); /* what came before was given */
    refused(plain, LOG("<trace/><global/>"), "<global> stands behind <trace> in <log>");
    refused(plain, LOG("<event><trace/></event>"), "<trace> cannot stand in <event>");
    refused(plain, LOG("<string key='a' value='b'><values/></string>"),
            "<values> cannot stand in <string>");
    refused(plain, LOG("<list key='l'><values/><values/></list>"), "<values> stands behind");
    refused(plain, LOG("<text key='a' value='b'/>"), "<text> is no element of XES");
    refused(plain, "<html/>", "the document is a <html>, not a <log>");
    refused(plain, "<trace/>", "the document is a <trace>, not a <log>");
}

static void test_attributes(void **state) {
    (void)state;
    refused(plain, LOG("<string value='b'/>"), "input:1:30: <string> has no \"key\"");
    refused(plain, LOG("<string key='a'/>"), "<string> has no \"value\"");
    refused(plain, LOG("<list/>"), "<list> has no \"key\"");
    refused(plain, LOG("<event id='1'/>"), "<event> has an XML attribute \"id\"");
    refused(plain, LOG("<trace>text</trace>"), "there is text within <trace>: \"text\"");
    refused(plain, LOG("<trace>" CASE CASE "</trace>"), "\"concept:name\" is there twice");
    refused(plain, LOG("<global scope='log'/>"), "the scope \"log\"");
}

static void value(const char *type, const char *text, bool right) {
    char document[300];
    snprintf(document, sizeof(document), LOG("<%s key='k' value='%s'/>"), type, text);
    sink_text(&sink, xes_reader_new, plain, document);
    if ((sink.result == 0) != right)
        fail_msg("%s '%s' was %s: %s", type, text, right ? "refused" : "taken", sink.err.detail);
}

static void test_values(void **state) {
    (void)state;
    static const char *const right[][2] = {
        {"boolean", "true"},
        {"boolean", "false"},
        {"int", "-42"},
        {"int", "+7"},
        {"float", "1"},
        {"float", "-1.5E-3"},
        {"float", "INF"},
        {"float", "NaN"},
        {"date", "2026-03-02T09:30:00Z"},
        {"date", "2026-03-02T09:30:00.123456789-05:30"},
        {"string", ""},
        {"id", "x"},
    };
    static const char *const wrong[][2] = {
        {"boolean", "yes"},
        {"boolean", "TRUE"},
        {"boolean", ""},
        {"int", "1.0"},
        {"int", ""},
        {"int", " 1"},
        {"int", "99999999999999999999"},
        {"float", "1,5"},
        {"float", "0x10"},
        {"float", "inf"},
        {"float", ""},
        {"float", "1e"},
        {"date", "2026-03-02"},
        {"date", ""},
        {"date", "2026-13-02T09:30:00Z"},
        {"date", "2026-03-02 09:30:00Z"},
        {"date", "2026-03-02T09:30:00+8:00"},
        {"date", "2026-03-02T09:30:00.Z"},
        {"date", "2026-03-02T09:30:00"},
        {"id", ""},
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
        value(right[i][0], right[i][1], true);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        value(wrong[i][0], wrong[i][1], false);
    sink_text(&sink, xes_reader_new, (struct reader_options){.zone_known = true},
              LOG("<date key='k' value='2026-03-02T09:30:00'/>"));
    assert_int_equal(sink.result, 0);
}

#define CONCEPT                                                                                    \
    "<extension name='Concept' prefix='concept' "                                                  \
    "uri='http://www.xes-standard.org/concept.xesext'/>"
#define OWN "<extension name='Own' prefix='own' uri='http://example.org/own.xesext'/>"

static void test_declarations(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {LOG("<extension name='a' prefix='b'/>"), "<extension> has no \"uri\""},
        {LOG(CONCEPT CONCEPT), "two extensions have the prefix \"concept\""},
        {LOG(CONCEPT "<trace><event><string key='concept:nmae' value='a'/></event></trace>"),
         "the extension \"concept\" has no key \"concept:nmae\""},
        {LOG(OWN "<trace>" STEP("a") "</trace>"), "which the log does not declare"},
        {LOG("<global><int key='n' value='1'/></global><event><string key='n' value='1'/></event>"),
         "\"n\" is of type string here, its global of event is of type int"},
        {LOG("<classifier name='c' keys='k'/>"),
         "names the key \"k\", which no global of event has"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        refused(plain, wrong[i][0], wrong[i][1]);
        if (i == 0)
            continue;
        sink_text(&sink, xes_reader_new, (struct reader_options){.lax = true}, wrong[i][0]);
        assert_int_equal(sink.result, 0);
    }
    expect(LOG(CONCEPT OWN "<global scope='trace'><string key='has space' value=''/></global>"
                           "<classifier name='c' scope='trace' keys=\"'has space'\"/>"
                           "<trace>" STEP("a") "<event><string key='own:x' value='1'/>"
                                               "<string key='other:y' value='2'/></event></trace>"),
           "1: concept:name=a\n1: own:x=1 other:y=2\n");
}

static void test_broken_xml(void **state) {
    (void)state;
    refused(plain, "", "not well-formed: no element found");
    refused(plain, "<log>\n<trace>", "input:2:8: the XML is not well-formed");
    refused(plain, "<log></trace>", "mismatched tag");
    refused(plain, LOG("<string key='a' value='&nothing;'/>"), "undefined entity");
    refused(plain, LOG("<string key='a' value='\xff'/>"), "not well-formed");
    refused(plain, "<?xml version='1.0' encoding='KLINGON'?><log/>", "unknown encoding");
}

static void test_entities_are_refused(void **state) {
    (void)state;
    refused(plain,
            "<?xml version='1.0'?><!DOCTYPE log [<!ENTITY a 'aaaaaaaaaa'>"
            "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>" LOG("<string key='a' value='&b;'/>"),
            "document type declaration, which is refused");
    refused(plain, "<!DOCTYPE log SYSTEM 'file:///etc/passwd'>" LOG(""), "document type");
}

static void test_depth_is_bounded(void **state) {
    (void)state;
    static char text[65536];
    char *at = text + snprintf(text, sizeof(text), "<log><trace><event>");
    for (int i = 0; i < 1000; i++)
        at += snprintf(at, 64, "<string key='k%d' value=''>", i);
    refused(plain, text, "nested deeper than");
}

/* Copies the text without its NUL; gives what is behind it. */
static char *put(char *at, const char *text) {
    while (*text)
        *at++ = *text++;
    return at;
}

static char *huge(size_t bytes, const char *before, const char *after) {
    size_t head = strlen(before);
    char *text = malloc(head + bytes + strlen(after) + 1);
    assert_non_null(text);
    put(text, before);
    memset(text + head, 'x', bytes);
    *put(text + head + bytes, after) = '\0';
    return text;
}

static void test_large_attributes(void **state) {
    (void)state;
    char *text = huge(RECORD_BYTES_MAX + 1, "<log><trace><event><string key='k' value='",
                      "'/></event>" STEP("b") "</trace></log>");
    sink_read(&sink, xes_reader_new, plain, text, strlen(text), 65536);
    free(text);
    assert_int_equal(sink.result, 0);
    assert_string_equal(sink.text, "1! with \"k\" the record is larger than 1048576 bytes\n"
                                   "1: concept:name=b\n");
    text = huge((size_t)6 * RECORD_BYTES_MAX, "<log><trace><event><string key='k' value='", "'/>");
    sink_read(&sink, xes_reader_new, plain, text, strlen(text), 65536);
    free(text);
    assert_int_equal(sink.result, -1);
    assert_non_null(strstr(sink.err.detail, "longer than 4194304 bytes"));
    text = huge(600, "<log><trace><event><string key='", "' value='v'/></event></trace></log>");
    sink_text(&sink, xes_reader_new, plain, text);
    free(text);
    assert_int_equal(sink.faults, 1);
}

static void test_fault_of_a_trace_is_that_of_its_events(void **state) {
    (void)state;
    char *text = huge(RECORD_BYTES_MAX, "<log><trace><string key='k' value='",
                      "'/>" STEP("a") STEP("b") "</trace><trace>" STEP("c") "</trace></log>");
    sink_read(&sink, xes_reader_new, plain, text, strlen(text), 0);
    free(text);
    assert_int_equal(sink.records, 3);
    assert_int_equal(sink.faults, 2);
    assert_non_null(strstr(sink.text, "1: concept:name=c\n"));
}

static void test_stops_when_told(void **state) {
    (void)state;
    sink.most = 1;
    sink_text(&sink, xes_reader_new, plain, LOG("<trace>" STEP("a") STEP("b") "</trace>"));
    assert_int_equal(sink.result, READER_STOPPED);
    assert_int_equal(sink.records, 1);
    sink.most = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces_and_events),
        cmocka_unit_test(test_nested_attributes),
        cmocka_unit_test(test_namespaces_and_marks),
        cmocka_unit_test(test_exact_duplicates),
        cmocka_unit_test(test_ids_outlast_a_new_export),
        cmocka_unit_test(test_nameless_traces_are_different),
        cmocka_unit_test(test_globals_fill_nothing_in),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_broken_xml),
        cmocka_unit_test(test_entities_are_refused),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_large_attributes),
        cmocka_unit_test(test_fault_of_a_trace_is_that_of_its_events),
        cmocka_unit_test(test_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
