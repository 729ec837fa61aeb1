/* waybill-adapter-file: publishes the events of an NDJSON, CSV or XES file. */
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/file/import.h"
#include "adapters/file/replay.h"
#include "common/standard_streams.h"

#define DEFAULT_INGEST "tcp://127.0.0.1:7411"
#define DRY_EVENTS     5
#define DRY_EVENTS_MAX 1000000

const char *argp_program_version = "waybill-adapter-file " WAYBILL_VERSION;

static volatile sig_atomic_t stop;

enum option_key {
    KEY_SOURCE = 's',
    KEY_MAPPING = 'm',
    KEY_FORMAT = 'f',
    KEY_INGEST = 'i',
    KEY_REJECTS = 'r',
    KEY_QUIET = 'q',
    KEY_SPEED = 256,
    KEY_DRY_RUN,
    KEY_JSON,
    KEY_LAX,
    KEY_SERVER_KEY,
    KEY_KEY_FILE,
    KEY_SPOOL,
};

static const struct argp_option options_table[] = {
    {"source", KEY_SOURCE, "NAME", 0, "In whose name the events come; required", 0},
    {"mapping", KEY_MAPPING, "FILE", 0, "The rules that make events of records (docs/mapping.md)",
     0},
    {"format", KEY_FORMAT, "FORMAT", 0,
     "csv, ndjson or xes; else the mapping says it, or the file's name", 0},
    {"ingest", KEY_INGEST, "ENDPOINT", 0,
     "The broker's endpoint, or several with commas between; else $WAYBILL_INGEST, "
     "else " DEFAULT_INGEST,
     0},
    {"server-key", KEY_SERVER_KEY, "KEY|FILE", 0,
     "The broker's public key, or the file it is in; else $WAYBILL_SERVER_KEY", 0},
    {"key-file", KEY_KEY_FILE, "FILE", 0,
     "The adapter's own keys, as waybill keygen writes them; else $WAYBILL_KEY_FILE", 0},
    {"spool", KEY_SPOOL, "FILE", 0,
     "Keep events there until they are acknowledged; a later run sends what is left "
     "(docs/publisher.md)",
     0},
    {"speed", KEY_SPEED, "SPEED", 0,
     "Replay in the order of time across cases: 1000x, or max for as fast as it goes", 0},
    {"dry-run", KEY_DRY_RUN, "N", OPTION_ARG_OPTIONAL,
     "Send nothing; show the first N events (5) and what the mapping leaves open", 0},
    {"rejects", KEY_REJECTS, "FILE", 0, "Write what is rejected there, one JSON object a line", 0},
    {"quiet", KEY_QUIET, NULL, 0, "Only say why the run failed", 0},
    {"json", KEY_JSON, NULL, 0, "Write the summary to standard output as JSON", 0},
    {"lax", KEY_LAX, NULL, 0,
     "Pass over XES declarations that are wrong but do not touch the events", 0},
    {0},
};

static void take_speed(struct import_options *options, const char *text, struct argp_state *state) {
    options->replay = true;
    if (!replay_speed(text, &options->factor))
        argp_error(state, "--speed '%s': write a number from 0.001 and x, such as 1000x, or max",
                   text);
}

static void take_count(struct import_options *options, const char *text, struct argp_state *state) {
    char *end = NULL;
    options->dry_run = true;
    if (!text)
        return;
    unsigned long count = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || count > DRY_EVENTS_MAX)
        argp_error(state, "--dry-run '%s': a number of events up to %d is needed", text,
                   DRY_EVENTS_MAX);
    options->dry_events = count;
}

static void take_format(struct import_options *options, const char *text,
                        struct argp_state *state) {
    if (strcmp(text, "csv") != 0 && strcmp(text, "ndjson") != 0 && strcmp(text, "xes") != 0)
        argp_error(state, "--format '%s': use csv, ndjson or xes", text);
    options->format = text;
}

static void take_path(struct import_options *options, const char *path, struct argp_state *state) {
    if (options->path)
        argp_error(state, "one file at a time: '%s' and '%s'", options->path, path);
    options->path = path;
}

static void check(const struct import_options *options, struct argp_state *state) {
    if (!options->path)
        argp_error(state, "no file is named; use - for standard input");
    if (!options->source && !options->dry_run)
        argp_error(state, "--source is missing: in whose name do the events come?");
}

static error_t take_option(int key, char *arg, struct argp_state *state) {
    struct import_options *options = state->input;
    switch (key) {
    case KEY_SOURCE:
        options->source = arg;
        return 0;
    case KEY_MAPPING:
        options->mapping = arg;
        return 0;
    case KEY_FORMAT:
        take_format(options, arg, state);
        return 0;
    case KEY_INGEST:
        options->endpoint = arg;
        return 0;
    case KEY_SERVER_KEY:
        options->server_key = arg;
        return 0;
    case KEY_KEY_FILE:
        options->key_file = arg;
        return 0;
    case KEY_SPOOL:
        options->spool = arg;
        return 0;
    case KEY_REJECTS:
        options->rejects = arg;
        return 0;
    case KEY_QUIET:
        options->quiet = true;
        return 0;
    case KEY_SPEED:
        take_speed(options, arg, state);
        return 0;
    case KEY_DRY_RUN:
        take_count(options, arg, state);
        return 0;
    case KEY_JSON:
        options->json = true;
        return 0;
    case KEY_LAX:
        options->lax = true;
        return 0;
    case ARGP_KEY_ARG:
        take_path(options, arg, state);
        return 0;
    case ARGP_KEY_END:
        check(options, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* `--dry-run 20 FILE` means the same as `--dry-run=20 FILE`, unless there is a file named 20. */
static void join_count(int argc, char **argv) {
    for (int i = 1; i + 1 < argc; i++) {
        const char *next = argv[i + 1];
        if (strcmp(argv[i], "--dry-run") != 0 || next[0] == '\0' ||
            next[strspn(next, "0123456789")] != '\0' || access(next, F_OK) == 0)
            continue;
        size_t bytes = strlen(next) + sizeof("--dry-run=");
        char *joined = malloc(bytes); /* lives as long as argv */
        if (!joined)
            return;
        snprintf(joined, bytes, "--dry-run=%s", next);
        argv[i] = joined;
        for (int j = i + 1; j + 1 <= argc; j++)
            argv[j] = j + 1 < argc ? argv[j + 1] : NULL;
        return;
    }
}

static int arguments(char **argv) {
    int count = 0;
    while (argv[count])
        count++;
    return count;
}

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

/* The first signal ends the run in order, the second at once. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv) {
    static const struct argp argp = {
        .options = options_table,
        .parser = take_option,
        .args_doc = "FILE|-",
        .doc = "Publishes the events of an NDJSON, CSV or XES file, plain or packed by gzip.\v"
               "Run again over the same file it adds nothing: events have ids made of their "
               "content. Exit status: 0 all was acknowledged; 1 something was rejected or failed; "
               "2 the options or the mapping are not valid."};
    const char *ingest = getenv("WAYBILL_INGEST");
    struct import_options options = {.endpoint = ingest && ingest[0] ? ingest : DEFAULT_INGEST,
                                     .dry_events = DRY_EVENTS,
                                     .stop = &stop};
    options.server_key = getenv("WAYBILL_SERVER_KEY");
    options.key_file = getenv("WAYBILL_KEY_FILE");
    standard_streams_keep();
    join_count(argc, argv);
    argp_err_exit_status = IMPORT_INVALID;
    argp_parse(&argp, arguments(argv), argv, 0, NULL, &options);
    catch_signals();
    return import_run(&options);
}
