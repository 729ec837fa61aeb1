#include "common/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/problem.h"
#include "scratch.h"

static struct values {
    char *public_url;
    int64_t window_events, queue_bytes, idle_ms;
    bool demo;
} values;

static const struct config_option options[] = {
    {"public_url", CONFIG_TEXT, offsetof(struct values, public_url), "http://[::1]:7400", 0, 0, "",
     "The gateway's address | or another's."},
    {"window_events", CONFIG_NUMBER, offsetof(struct values, window_events), "1024", 1, 65536,
     "events", "How many may be unacknowledged."},
    {"queue_bytes", CONFIG_BYTES, offsetof(struct values, queue_bytes), "64KiB", 1024, 1 << 30, "",
     "What waits for a client."},
    {"idle_ms", CONFIG_MS, offsetof(struct values, idle_ms), "15s", 100, 7200000, "",
     "How long to wait."},
    {"demo", CONFIG_BOOL, offsetof(struct values, demo), "no", 0, 0, "", "Play."},
};

static int validate(const void *all, struct wb_error *err) {
    const struct values *checked = all;
    if (checked->demo && checked->window_events < 10)
        return problem(err, WB_E_CONFIG, "window_events of %d in a demonstration",
                       (int)checked->window_events);
    return 0;
}

static const struct config_program program = {
    "waybilld", "Records events.", options, sizeof options / sizeof *options, &values, validate};

/* Runs the program with these arguments; what it prints to fd is in `printed`. */
static const char *printed;
static enum config_outcome load(int fd, const char *one, const char *two, const char *three) {
    char *argv[] = {(char *)program.name, (char *)one, (char *)two, (char *)three, NULL};
    int argc = 1;
    while (argv[argc])
        argc++;
    capture_begin(fd);
    enum config_outcome outcome = config_load(&program, argc, argv);
    printed = capture_end();
    return outcome;
}

static void assert_printed(const char *words) {
    if (!strstr(printed, words))
        fail_msg("'%s' is not in: %s", words, printed);
}

static void assert_invalid(const char *argument, const char *words, const char *more) {
    assert_int_equal(load(STDERR_FILENO, argument, NULL, NULL), CONFIG_INVALID);
    assert_printed(words);
    assert_printed(more);
    assert_null(values.public_url);
}

static void has_defaults(void **state) {
    (void)state;
    assert_int_equal(load(STDOUT_FILENO, NULL, NULL, NULL), CONFIG_RUN);
    assert_string_equal(printed, "");
    assert_string_equal(values.public_url, "http://[::1]:7400");
    assert_int_equal(values.window_events, 1024);
    assert_int_equal(values.queue_bytes, 65536);
    assert_int_equal(values.idle_ms, 15000);
    assert_false(values.demo);
    config_free(&program);
    assert_null(values.public_url);
}

static void later_places_override_earlier_ones(void **state) {
    (void)state;
    char config[128];
    snprintf(config, sizeof config, "--config=%s",
             scratch_text("window_events: 1\nqueue_bytes: 1 MiB\nidle_ms: 5min\npublic_url: f\n"));
    setenv("WAYBILL_QUEUE_BYTES", "2MiB", 1);
    setenv("WAYBILL_IDLE_MS", "2h", 1);
    setenv("WAYBILL_PUBLIC_URL", "", 1); /* as good as not set */
    assert_int_equal(load(STDERR_FILENO, config, "--idle-ms=250ms", "--window-events=2"),
                     CONFIG_RUN);
    assert_string_equal(values.public_url, "f");
    assert_int_equal(values.window_events, 2);
    assert_int_equal(values.queue_bytes, 2 << 20);
    assert_int_equal(values.idle_ms, 250);
    config_free(&program);
    unsetenv("WAYBILL_QUEUE_BYTES");
    unsetenv("WAYBILL_IDLE_MS");
    unsetenv("WAYBILL_PUBLIC_URL");
    scratch_remove();
}

static void reads_sizes_times_and_switches(void **state) {
    (void)state;
    static const struct {
        const char *argument;
        int64_t bytes, ms;
        bool demo;
    } cases[] = {
        {"--queue-bytes=2048", 2048, 15000, false},  {"--queue-bytes=1gib", 1 << 30, 15000, false},
        {"--queue-bytes=4096B", 4096, 15000, false}, {"--idle-ms=100", 65536, 100, false},
        {"--idle-ms=2 min", 65536, 120000, false},   {"--demo=ON", 65536, 15000, true},
        {"--demo=yes", 65536, 15000, true},          {"--demo=true", 65536, 15000, true},
        {"--demo=off", 65536, 15000, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(load(STDERR_FILENO, cases[i].argument, NULL, NULL), CONFIG_RUN);
        assert_int_equal(values.queue_bytes, cases[i].bytes);
        assert_int_equal(values.idle_ms, cases[i].ms);
        assert_int_equal(values.demo, cases[i].demo);
        config_free(&program);
    }
}

static void names_the_argument_at_fault(void **state) {
    (void)state;
    assert_invalid("--window-events=0", "--window-events: 0 is out of range", "1 to 65536 events");
    assert_invalid("--window-events=65537", "65537", "out of range");
    assert_invalid("--window-events=-1", "-1", "out of range");
    assert_invalid("--window-events=", "''", "not a number");
    assert_invalid("--window-events=1x", "'1x'", "not a number");
    assert_invalid("--window-events= 1", "' 1'", "not a number");
    assert_invalid("--window-events=1KiB", "'1KiB'", "not a number");
    assert_invalid("--window-events=99999999999999999999", "99999999999999999999", "out of range");
    assert_invalid("--queue-bytes=9999999999999999GiB", "9999999999999999GiB", "1KiB to 1GiB");
    assert_invalid("--queue-bytes=1KB", "'1KB'", "64KiB");
    assert_invalid("--queue-bytes=1.5MiB", "'1.5MiB'", "64KiB");
    assert_invalid("--idle-ms=3w", "'3w'", "15s");
    assert_invalid("--idle-ms=3h", "3h is out of range", "100ms to 2h");
    assert_invalid("--demo=2", "'2'", "neither yes nor no");
    assert_invalid("--windw-events=5", "--windw-events=5", "did you mean --window-events?");
    assert_invalid("--window-events", "--window-events needs a value", "--help");
    assert_invalid("-x", "there is no option -x", "--help");
    assert_invalid("stray", "'stray' is not an option", "--help");
    assert_invalid("--config=/nowhere/x.yaml", "/nowhere/x.yaml", "No such file");
}

static void names_the_variable_at_fault(void **state) {
    (void)state;
    setenv("WAYBILL_WINDOW_EVENTS", "many", 1);
    assert_invalid(NULL, "WAYBILL_WINDOW_EVENTS", "'many' is not a number");
    unsetenv("WAYBILL_WINDOW_EVENTS");
}

static void assert_invalid_file(const char *text, const char *words, const char *more) {
    char config[128];
    snprintf(config, sizeof config, "--config=%s", scratch_text(text));
    assert_invalid(config, words, more);
    scratch_remove();
}

static void names_the_line_at_fault(void **state) {
    (void)state;
    assert_invalid_file("\nwindow_event: 3\n", ":2: 'window_event'", "'window_events'");
    assert_invalid_file("window_events: 3\nidle_ms: soon\n", ":2: idle_ms: 'soon'", "duration");
    assert_invalid_file("window_events: 0\n", ":1: window_events: 0 is out of range", "65536");
    assert_invalid_file("demo: [yes]\n", ":1: demo", "one value");
    assert_invalid_file("- demo\n", ":1: ", "name: value");
}

static void checks_the_values_together(void **state) {
    (void)state;
    assert_int_equal(load(STDERR_FILENO, "--check", "--demo=yes", "--window-events=7"),
                     CONFIG_INVALID);
    assert_printed("window_events of 7 in a demonstration");
    assert_int_equal(load(STDOUT_FILENO, "--check", "--demo=yes", NULL), CONFIG_DONE);
    assert_string_equal(printed, "configuration is valid\n");
    assert_null(values.public_url);
}

static void describes_itself(void **state) {
    (void)state;
    assert_int_equal(load(STDOUT_FILENO, "--version", NULL, NULL), CONFIG_DONE);
    assert_string_equal(printed, "waybilld " WAYBILL_VERSION "\n");
    assert_int_equal(load(STDOUT_FILENO, "--help", NULL, NULL), CONFIG_DONE);
    assert_printed("Records events.");
    assert_printed("--queue-bytes=SIZE");
    assert_printed("Default: 15s (100ms to 2h)");
    assert_printed("WAYBILL_SOME_NAME");
    assert_int_equal(load(STDOUT_FILENO, "--config-reference", NULL, NULL), CONFIG_DONE);
    assert_printed("\n|---|---|---|---|---|\n");
    assert_printed("| `public_url` | `WAYBILL_PUBLIC_URL` | `http://[::1]:7400` | text | The "
                   "gateway's address \\| or another's. |\n");
    assert_printed("| `window_events` | `WAYBILL_WINDOW_EVENTS` | `1024` | 1 to 65536 events | ");
    assert_printed("| `idle_ms` | `WAYBILL_IDLE_MS` | `15s` | 100ms to 2h | ");
    assert_printed("| `demo` | `WAYBILL_DEMO` | `no` | yes or no | ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(later_places_override_earlier_ones),
        cmocka_unit_test(reads_sizes_times_and_switches),
        cmocka_unit_test(names_the_argument_at_fault),
        cmocka_unit_test(names_the_variable_at_fault),
        cmocka_unit_test(names_the_line_at_fault),
        cmocka_unit_test(checks_the_values_together),
        cmocka_unit_test(describes_itself),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
