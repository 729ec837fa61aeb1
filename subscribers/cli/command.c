#include "command.h"

#include "common/buffer.h"
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

struct command_keys command_keys_default(void) {
    return (struct command_keys){command_setting("WAYBILL_SERVER_KEY", NULL),
                                 command_setting("WAYBILL_KEY_FILE", NULL)};
}

bool command_take_key(struct command_keys *keys, int option, const char *value) {
    if (option == COMMAND_OPTION_SERVER_KEY)
        keys->server_key = value;
    else if (option == COMMAND_OPTION_KEY_FILE)
        keys->key_file = value;
    else
        return false;
    return true;
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
    static bool told;
    if (reason != EPIPE && !told)
        fprintf(stderr, "waybill %s: the output: %s\n", command, strerror(reason ? reason : EIO));
    told = true;
    return false;
}

bool command_flush(const char *command) {
    errno = 0;
    bool done = fflush(stdout) == 0 && !ferror(stdout);
    return done || output_failed(command, errno);
}

static int append(const char *text, size_t bytes, void *line) {
    buffer_append(line, text, bytes);
    return 0;
}

/* A line is put together before it is written: jansson hands out a few bytes at a time. */
bool command_print_json(const char *command, json_t *object) {
    static struct buffer line;
    buffer_clear(&line);
    errno = 0;
    bool done = object && json_dump_callback(object, append, &line, JSON_COMPACT) == 0;
    buffer_text(&line, "\n");
    done = done && !line.failed && fwrite(line.data, 1, line.length, stdout) == line.length;
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
