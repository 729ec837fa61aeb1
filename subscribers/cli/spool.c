/* waybill spool: what waits in a publisher's spool, and what the broker refused. */
#include "command.h"

#include "common/arena.h"
#include "common/timestamp.h"
#include "proto/field.h"
#include "proto/json.h"
#include "proto/problem.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/event.h>
#include <waybill/spool.h>

#define ARENA_BYTES ((size_t)4 << 20) /* one event, unpacked */

struct spool_command {
    const char *action, *path;
    char **ids;
    size_t id_count;
    bool json, dead, all, yes;
    uint64_t limit;

    wb_spool *spool;
    struct arena arena;
    bool printed; /* no output failed */
};

static const char *time_text(int64_t us, char text[TIMESTAMP_TEXT]) {
    struct timestamp time = {.us = us};
    return timestamp_format(&time, text);
}

static int complain(const struct wb_error *err) {
    command_complain("spool", err);
    return COMMAND_FAILED;
}

static void print_status(const struct spool_command *c, const struct wb_spool_status *status) {
    char text[TIMESTAMP_TEXT];
    printf("source        %s\n", status->source);
    if (status->in_use && status->pid)
        printf("published by  process %ld\n", status->pid);
    else
        printf("published by  %s\n", status->in_use ? "a process" : "nobody at present");
    printf("waiting       %" PRIu64 "%s%s\n", status->events, status->oldest_us ? ", since " : "",
           status->oldest_us ? time_text(status->oldest_us, text) : "");
    printf("dead letters  %" PRIu64 "\n", status->dead_letters);
    printf("on the disk   %" PRIu64 " KiB\n", (status->bytes + 1023) / 1024);
    if (status->dead_letters)
        printf("\n'waybill spool list --dead %s' tells why they were refused.\n", c->path);
}

static json_t *status_json(const struct spool_command *c, const struct wb_spool_status *status) {
    char created[TIMESTAMP_TEXT], oldest[TIMESTAMP_TEXT];
    json_t *object =
        json_pack("{sssssssbsIsIsI}", "path", c->path, "source", status->source, "created_at",
                  time_text(status->created_us, created), "in_use", status->in_use, "events",
                  (json_int_t)status->events, "dead_letters", (json_int_t)status->dead_letters,
                  "bytes", (json_int_t)status->bytes);
    if (object && status->pid)
        json_object_set_new(object, "pid", json_integer(status->pid));
    if (object && status->oldest_us)
        json_object_set_new(object, "oldest_at", json_string(time_text(status->oldest_us, oldest)));
    return object;
}

static int run_status(struct spool_command *c) {
    struct wb_spool_status status;
    struct wb_error err;
    if (wb_spool_status(c->spool, &status, &err))
        return complain(&err);
    if (c->json)
        command_print_json("spool", status_json(c, &status));
    else
        print_status(c, &status);
    return COMMAND_DONE;
}

static void print_entry(const struct wb_spool_entry *entry, const wb_event *event) {
    char text[TIMESTAMP_TEXT], words[600];
    const char *stage = event && event->stage ? stage_name(event->stage)
                        : event               ? kind_name(event->kind)
                                              : "cannot be decoded";
    printf("%s  %s  %s  %s\n", time_text(entry->stored_us, text), event ? event->event_id : "?",
           event ? event->case_no : "?", stage ? stage : "?");
    if (entry->refusal)
        printf("    refused %s: %s\n", time_text(entry->refused_us, text),
               problem_line(entry->refusal, words, sizeof words));
}

static json_t *entry_json(const struct wb_spool_entry *entry, const wb_event *event) {
    char stored[TIMESTAMP_TEXT], refused[TIMESTAMP_TEXT];
    json_t *object = json_pack("{sIsssO?}", "seq", (json_int_t)entry->seq, "stored_at",
                               time_text(entry->stored_us, stored), "event", NULL);
    if (object && event)
        json_object_set_new(object, "event", event_to_json(event));
    const struct wb_error *why = entry->refusal;
    if (!object || !why)
        return object;
    json_object_set_new(object, "refused_at", json_string(time_text(entry->refused_us, refused)));
    json_object_set_new(object, "refusal",
                        json_pack("{siss#ssssssss}", "code", why->code, "name",
                                  problem_name(why->code), (int)strlen(problem_name(why->code)),
                                  "message", why->message, "detail", why->detail, "hint", why->hint,
                                  "field", why->field));
    return object;
}

static bool on_entry(void *arg, const struct wb_spool_entry *entry) {
    struct spool_command *c = arg;
    arena_reset(&c->arena);
    const wb_event *event =
        waybill__v1__event__unpack(&c->arena.protobuf, entry->bytes, entry->event);
    if (c->json)
        c->printed = command_print_json("spool", entry_json(entry, event));
    else
        print_entry(entry, event);
    return c->printed && !ferror(stdout) && !command_stopped;
}

static int run_list(struct spool_command *c) {
    struct wb_error err;
    arena_init(&c->arena, ARENA_BYTES);
    c->printed = true;
    int failed = wb_spool_list(c->spool, c->dead, c->limit, on_entry, c, &err);
    arena_free(&c->arena);
    if (failed)
        return complain(&err);
    return c->printed && !command_stopped ? COMMAND_DONE : COMMAND_FAILED;
}

typedef int move_fn(wb_spool *spool, const char *event_id, uint64_t *count, struct wb_error *err);

static int run_move(struct spool_command *c, move_fn *move, const char *done) {
    struct wb_error err;
    uint64_t count, total = 0;
    int status = COMMAND_DONE;
    for (size_t i = 0; i < (c->all ? 1 : c->id_count); i++) {
        const char *id = c->all ? NULL : c->ids[i];
        if (move(c->spool, id, &count, &err)) {
            status = complain(&err);
            break;
        }
        total += count;
        if (id && !count) {
            fprintf(stderr, "waybill spool: there is no dead letter '%s'\n", id);
            status = COMMAND_FAILED;
        }
    }
    if (c->json)
        command_print_json("spool", json_pack("{sI}", done, (json_int_t)total));
    else
        printf("%s: %" PRIu64 "\n", done, total);
    return status;
}

static int run_retry(struct spool_command *c) {
    struct wb_spool_status status;
    int result = run_move(c, wb_spool_retry, "requeued");
    if (!c->json && !wb_spool_status(c->spool, &status, NULL) && !status.in_use && status.events)
        puts("They are sent when a publisher opens the spool.");
    return result;
}

static int run_discard(struct spool_command *c) {
    return run_move(c, wb_spool_discard, "discarded");
}

static int run_salvage(struct spool_command *c) {
    struct wb_error err;
    uint64_t events, dead;
    if (wb_spool_salvage(c->path, c->ids[0], &events, &dead, &err))
        return complain(&err);
    if (c->json)
        command_print_json("spool", json_pack("{sIsI}", "events", (json_int_t)events,
                                              "dead_letters", (json_int_t)dead));
    else
        printf("%s has %" PRIu64 " events that wait and %" PRIu64 " dead letters\n", c->ids[0],
               events, dead);
    return COMMAND_DONE;
}

static const struct action {
    const char *name;
    int (*run)(struct spool_command *c);
    bool chooses; /* takes event ids, or --all */
    bool damaged; /* works on a file that cannot be opened otherwise */
} actions[] = {
    {"status", run_status, false, false},  {"list", run_list, false, false},
    {"retry", run_retry, true, false},     {"discard", run_discard, true, false},
    {"salvage", run_salvage, false, true},
};

static const struct action *action_of(const struct spool_command *c) {
    for (size_t i = 0; c->action && i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(c->action, actions[i].name))
            return &actions[i];
    return NULL;
}

enum { OPTION_JSON = 256, OPTION_DEAD, OPTION_LIMIT, OPTION_ALL, OPTION_YES };

static const struct argp_option options[] = {
    {"json", OPTION_JSON, 0, 0, "Print JSON, with list one object a line", 0},
    {"dead", OPTION_DEAD, 0, 0, "list: the dead letters, with the reason", 0},
    {"limit", OPTION_LIMIT, "N", 0, "list: the oldest N only", 0},
    {"all", OPTION_ALL, 0, 0, "retry, discard: all dead letters", 0},
    {"yes", OPTION_YES, 0, 0, "discard: they are gone for good, and that is meant", 0},
    {0}};

static void check(const struct spool_command *c, struct argp_state *state) {
    const struct action *action = action_of(c);
    if (!action)
        argp_error(state, "'%s': say status, list, retry, discard or salvage",
                   c->action ? c->action : "");
    else if (!c->path)
        argp_error(state, "name the spool's file");
    else if (action->damaged && c->id_count != 1)
        argp_error(state, "name the damaged file and a new one");
    else if (!action->chooses && !action->damaged && c->id_count)
        argp_error(state, "'%s' is too much", c->ids[0]);
    else if (action->chooses && c->all == (c->id_count > 0))
        argp_error(state, "name event ids, or say --all");
    else if (action->run == run_discard && !c->yes)
        argp_error(state, "what is discarded is gone for good: say --yes if that is meant");
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct spool_command *c = state->input;
    char *end;
    switch (key) {
    case OPTION_JSON:
        c->json = true;
        break;
    case OPTION_DEAD:
        c->dead = true;
        break;
    case OPTION_LIMIT:
        c->limit = strtoull(arg, &end, 10);
        if (*arg < '1' || *arg > '9' || *end)
            argp_error(state, "--limit '%s': give a number from 1", arg);
        break;
    case OPTION_ALL:
        c->all = true;
        break;
    case OPTION_YES:
        c->yes = true;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            c->action = arg;
        else if (state->arg_num == 1)
            c->path = arg;
        else
            c->ids[c->id_count++] = arg;
        break;
    case ARGP_KEY_END:
        check(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    options,
    parse_option,
    "status|list PATH\nretry PATH ID…|--all\ndiscard PATH ID…|--all --yes\nsalvage DAMAGED NEW",
    "Shows what waits in a publisher's spool and, as dead letters, what the broker refused; puts "
    "dead letters back at the end of the queue, after somebody has mended the grant that was "
    "missing, or throws them away. All of it works beside the publisher, which sends what came "
    "back within a second.",
    NULL,
    NULL,
    NULL};

int command_spool(int argc, char **argv) {
    struct wb_error err;
    struct spool_command c = {.ids = calloc((size_t)argc, sizeof *c.ids)};
    if (!c.ids || argp_parse(&argp, argc, argv, 0, NULL, &c)) {
        free(c.ids);
        return COMMAND_USAGE;
    }
    command_catch_signals();
    const struct action *action = action_of(&c);
    c.spool = action->damaged ? NULL : wb_spool_open(c.path, &err);
    int status = c.spool || action->damaged ? action->run(&c) : complain(&err);
    if (!command_flush("spool"))
        status = COMMAND_FAILED;
    wb_spool_close(c.spool);
    free(c.ids);
    return status;
}
