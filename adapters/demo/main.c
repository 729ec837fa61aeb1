/* waybill-demo: a district that is not there, for trying Waybill out. */
#include "history.h"
#include "play.h"

#include "common/log.h"
#include "proto/problem.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

WB_EXPORT const char *argp_program_version = "waybill-demo " WAYBILL_VERSION;

static volatile sig_atomic_t stopped;

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

enum {
    OPTION_SEED = 256,
    OPTION_CASES,
    OPTION_DAYS,
    OPTION_RATE,
    OPTION_ONCE,
    OPTION_SAMPLE,
    OPTION_SERVER_KEY,
    OPTION_KEY_FILE
};

static const struct argp_option options[] = {
    {"ingest", 'i', "ENDPOINT", 0,
     "The broker's ingest endpoint, or several with commas between [$WAYBILL_INGEST]", 0},
    {"server-key", OPTION_SERVER_KEY, "KEY|FILE", 0,
     "The broker's public key, or the file it is in [$WAYBILL_SERVER_KEY]", 0},
    {"key-file", OPTION_KEY_FILE, "FILE", 0,
     "Its own keys, as waybill keygen writes them [$WAYBILL_KEY_FILE]", 0},
    {"source", 's', "NAME", 0, "In whose name the events come [demo]", 0},
    {"seed", OPTION_SEED, "N", 0, "Another number, another story [1]", 0},
    {"cases", OPTION_CASES, "N", 0, "Applications in the history, about [60]", 0},
    {"history-days", OPTION_DAYS, "N", 0, "How far the history goes back, at most 400 [45]", 0},
    {"rate", OPTION_RATE, "EVENTS", 0, "Events a second while it runs, 0.01 to 100 [0.25]", 0},
    {"once", OPTION_ONCE, 0, 0, "Publish the history and end", 0},
    {"sample", OPTION_SAMPLE, "FILE", 0, "Write number, code and link of the sample case here", 0},
    {0}};

static unsigned long number(struct argp_state *state, const char *name, const char *text,
                            unsigned long most) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || errno || *text == '-' || value > most)
        argp_error(state, "--%s '%s': give a number from 0 to %lu", name, text, most);
    return value;
}

static double rate(struct argp_state *state, const char *text) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < 0.01 || value > 100)
        argp_error(state, "--rate '%s': give events a second, from 0.01 to 100", text);
    return value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct play_options *o = state->input;
    switch (key) {
    case 'i':
        o->ingest = arg;
        break;
    case 's':
        o->source = arg;
        break;
    case OPTION_SERVER_KEY:
        o->server_key = arg;
        break;
    case OPTION_KEY_FILE:
        o->key_file = arg;
        break;
    case OPTION_SEED:
        o->seed = number(state, "seed", arg, ULONG_MAX);
        break;
    case OPTION_CASES:
        o->cases =
            (unsigned)number(state, "cases", arg, (unsigned long)HISTORY_DAYS * HISTORY_DAY_CASES);
        break;
    case OPTION_DAYS:
        o->days = (unsigned)number(state, "history-days", arg, HISTORY_DAYS);
        break;
    case OPTION_RATE:
        o->rate = rate(state, arg);
        break;
    case OPTION_ONCE:
        o->once = true;
        break;
    case OPTION_SAMPLE:
        o->sample = arg;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is too much", arg);
        break;
    case ARGP_KEY_END:
        if (!history_fits(o->cases, o->days))
            argp_error(state, "%u cases in %u days are more than %d a working day", o->cases,
                       o->days, HISTORY_DAY_CASES);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    options,
    parse_option,
    "",
    "Plays a district of offices that handle applications: first what happened in the past weeks, "
    "then, until it is stopped, a step of some case every few seconds. All of it is made up. "
    "Started again with the same options it adds no second history, and goes on.",
    NULL,
    NULL,
    NULL};

int main(int argc, char **argv) {
    const char *ingest = getenv("WAYBILL_INGEST");
    struct play_options with = {.ingest = ingest && *ingest ? ingest : "tcp://127.0.0.1:7411",
                                .server_key = getenv("WAYBILL_SERVER_KEY"),
                                .key_file = getenv("WAYBILL_KEY_FILE"),
                                .source = "demo",
                                .seed = 1,
                                .cases = 60,
                                .days = 45,
                                .rate = 0.25};
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, &with);
    struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct wb_error err;
    char words[600];
    if (!play(&with, &stopped, &err))
        return with.once && stopped ? 1 : 0;
    log_error("demo", "%s", problem_line(&err, words, sizeof words));
    return 1;
}
