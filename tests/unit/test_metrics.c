#include "common/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/timestamp.h"

enum { ADMITTED, SESSIONS, COMMIT, REFUSED };

static const struct metric table[] = {
    [ADMITTED] = {"waybill_events_admitted_total", METRIC_COUNTER, "source", "Events admitted."},
    [SESSIONS] = {"waybill_sessions", METRIC_GAUGE, NULL, "Sessions now."},
    [COMMIT] = {"waybill_commit_seconds", METRIC_HISTOGRAM, NULL, "Time of a commit."},
    [REFUSED] = {"waybill_refused_total", METRIC_COUNTER, "source,code", "Refused."},
};

static struct metrics *metrics;
static struct buffer out;

static int set_up(void **state) {
    (void)state;
    metrics = metrics_new(table, sizeof table / sizeof *table);
    buffer_init(&out, 0);
    return metrics ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    metrics_free(metrics);
    buffer_free(&out);
    return 0;
}

static void assert_written(const char *line) {
    buffer_clear(&out);
    metrics_write(metrics, &out);
    if (!strstr(buffer_string(&out), line))
        fail_msg("'%s' is not in:\n%s", line, buffer_string(&out));
}

static void counts(void **state) {
    (void)state;
    assert_written("# HELP waybill_sessions Sessions now.\n# TYPE waybill_sessions gauge\n"
                   "waybill_sessions 0\n");
    metrics_add(metrics, SESSIONS, NULL, 3);
    metrics_add(metrics, SESSIONS, NULL, -1);
    assert_written("\nwaybill_sessions 2\n");
    metrics_set(metrics, SESSIONS, NULL, -7);
    assert_written("\nwaybill_sessions -7\n");
    assert_int_equal(metrics_value(metrics, SESSIONS, NULL), -7);
}

static void counts_by_label(void **state) {
    (void)state;
    assert_int_equal(metrics_value(metrics, ADMITTED, "permits"), 0);
    metrics_add(metrics, ADMITTED, "permits", 1);
    metrics_add(metrics, ADMITTED, "tax", 5);
    metrics_add(metrics, ADMITTED, "permits", 1);
    assert_written("# TYPE waybill_events_admitted_total counter\n"
                   "waybill_events_admitted_total{source=\"permits\"} 2\n"
                   "waybill_events_admitted_total{source=\"tax\"} 5\n");
    assert_int_equal(metrics_value(metrics, ADMITTED, "permits"), 2);
    assert_int_equal(metrics_value(metrics, ADMITTED, "perm"), 0);
    assert_int_equal(metrics_value(metrics, ADMITTED, NULL), 7);
}

static void forgets_its_labels(void **state) {
    (void)state;
    metrics_set(metrics, ADMITTED, "permits", 4);
    metrics_set(metrics, ADMITTED, "other", 2);
    metrics_clear(metrics, ADMITTED);
    assert_int_equal(metrics_value(metrics, ADMITTED, NULL), 0);
    metrics_set(metrics, ADMITTED, "tax", 1);
    assert_written("# TYPE waybill_events_admitted_total counter\n"
                   "waybill_events_admitted_total{source=\"tax\"} 1\n");
    assert_int_equal(metrics_value(metrics, ADMITTED, "permits"), 0);
}

static void counts_by_two_labels(void **state) {
    (void)state;
    char name[16];
    metrics_add2(metrics, REFUSED, "permits", "IDENTITY", 2);
    metrics_add2(metrics, REFUSED, "permits", "DISABLED", 1);
    metrics_add2(metrics, REFUSED, "permits", "IDENTITY", 1);
    metrics_add2(metrics, REFUSED, "a\"b", "", 1);
    assert_written("waybill_refused_total{source=\"permits\",code=\"IDENTITY\"} 3\n"
                   "waybill_refused_total{source=\"permits\",code=\"DISABLED\"} 1\n"
                   "waybill_refused_total{source=\"a\\\"b\",code=\"\"} 1\n");
    assert_int_equal(metrics_value(metrics, REFUSED, NULL), 5);
    for (int i = 0; i < METRICS_LABELS; i++) {
        snprintf(name, sizeof name, "s%d", i);
        metrics_add2(metrics, REFUSED, name, "IDENTITY", 1);
    }
    assert_written("waybill_refused_total{source=\"other\",code=\"other\"} 3\n");
}

static void escapes_label_values(void **state) {
    (void)state;
    metrics_add(metrics, ADMITTED, "a\"b\\c\nd", 1);
    assert_written("{source=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void further_values_go_to_other(void **state) {
    (void)state;
    char name[16];
    for (int i = 0; i < METRICS_LABELS + 10; i++) {
        snprintf(name, sizeof name, "s%d", i);
        metrics_add(metrics, ADMITTED, name, 1);
        metrics_add(metrics, ADMITTED, name, 1);
    }
    assert_int_equal(metrics_value(metrics, ADMITTED, "s0"), 2);
    assert_int_equal(metrics_value(metrics, ADMITTED, "s255"), 2);
    assert_int_equal(metrics_value(metrics, ADMITTED, "s256"), 0);
    assert_int_equal(metrics_value(metrics, ADMITTED, "other"), 20);
    assert_int_equal(metrics_value(metrics, ADMITTED, NULL), 2 * (METRICS_LABELS + 10));
    assert_written("{source=\"s255\"} 2\nwaybill_events_admitted_total{source=\"other\"} 20\n");
}

static void cuts_long_values_between_characters(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text, 0);
    buffer_text(&text, "x");
    for (int i = 0; i < 130; i++)
        buffer_text(&text, "办");
    const char *value = buffer_string(&text);
    metrics_add(metrics, ADMITTED, value, 1);
    char expected[200];
    snprintf(expected, sizeof expected, "{source=\"%.127s\"} 1\n", value); /* 1 + 42 characters */
    assert_written(expected);
    assert_int_equal(metrics_value(metrics, ADMITTED, value), 1);
    buffer_free(&text);
}

static void sorts_durations_into_buckets(void **state) {
    (void)state;
    static const int64_t durations[] = {-5, 0, 100, 101, 999, 1000, 1000001, 100000000, 100000001};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++)
        metrics_observe_us(metrics, COMMIT, durations[i]);
    assert_written("# TYPE waybill_commit_seconds histogram\n"
                   "waybill_commit_seconds_bucket{le=\"0.0001\"} 3\n"
                   "waybill_commit_seconds_bucket{le=\"0.0002\"} 4\n"
                   "waybill_commit_seconds_bucket{le=\"0.0005\"} 4\n"
                   "waybill_commit_seconds_bucket{le=\"0.001\"} 6\n");
    assert_written("_bucket{le=\"1\"} 6\nwaybill_commit_seconds_bucket{le=\"2\"} 7\n");
    assert_written("_bucket{le=\"50\"} 7\nwaybill_commit_seconds_bucket{le=\"100\"} 8\n"
                   "waybill_commit_seconds_bucket{le=\"+Inf\"} 9\n"
                   "waybill_commit_seconds_sum 201.002202\n"
                   "waybill_commit_seconds_count 9\n");
    assert_int_equal(metrics_value(metrics, COMMIT, NULL), 9);
}

static double written_value(const char *name) {
    char line[64];
    snprintf(line, sizeof line, "\n%s ", name);
    assert_written(line);
    return strtod(strstr(buffer_string(&out), line) + strlen(line), NULL);
}

static void tells_of_the_process(void **state) {
    (void)state;
    double now = (double)timestamp_now_us() / 1e6;
    assert_true(written_value("process_resident_memory_bytes") > 100000);
    assert_true(written_value("process_open_fds") >= 3);
    assert_true(written_value("process_cpu_seconds_total") < 100);
    double started = written_value("process_start_time_seconds");
    assert_true(started > now - 100 && started < now + 1);
    FILE *extra = fopen("/dev/null", "r");
    double before = written_value("process_open_fds");
    fclose(extra);
    assert_true(written_value("process_open_fds") == before - 1);
}

#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_METRICS(counts),
        WITH_METRICS(counts_by_label),
        WITH_METRICS(counts_by_two_labels),
        WITH_METRICS(forgets_its_labels),
        WITH_METRICS(escapes_label_values),
        WITH_METRICS(further_values_go_to_other),
        WITH_METRICS(cuts_long_values_between_characters),
        WITH_METRICS(sorts_durations_into_buckets),
        WITH_METRICS(tells_of_the_process),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
