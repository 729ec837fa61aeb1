#include "command.h"

#include "proto/problem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

volatile sig_atomic_t command_stopped;

const char *command_setting(const char *variable, const char *fallback) {
    const char *value = getenv(variable);
    return value && *value ? value : fallback;
}

int command_seconds_ms(const char *text) {
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !isfinite(seconds) || seconds < 0 || seconds > 86400)
        return -1;
    return (int)(seconds * 1000);
}

void command_complain(const char *command, const struct wb_error *err) {
    char line[600];
    fflush(stdout); /* where both go to one place, lines stay whole */
    fprintf(stderr, "waybill %s: %s\n", command, problem_line(err, line, sizeof line));
}

static bool output_failed(const char *command, int reason) {
    if (reason != EPIPE)
        fprintf(stderr, "waybill %s: the output: %s\n", command, strerror(reason ? reason : EIO));
    return false;
}

bool command_flush(const char *command) {
    errno = 0;
    bool done = fflush(stdout) == 0 && !ferror(stdout);
    return done || output_failed(command, errno);
}

bool command_print_json(const char *command, json_t *object) {
    errno = 0;
    bool done = object && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
    int reason = object ? errno : ENOMEM;
    json_decref(object);
    return done || output_failed(command, reason);
}

static void stop(int signal) {
    (void)signal;
    command_stopped = 1;
}

void command_catch_signals(void) {
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}
