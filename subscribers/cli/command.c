#include "command.h"

#include "proto/problem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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
