/* waybill admin source: who may publish, and what. */
#include "admin.h"

#include "command.h"
#include "screen.h"
#include "table.h"

#include "common/buffer.h"
#include "proto/bounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXES_MAX 256

enum action { ADD, SET, LIST, DISABLE, ENABLE, ROTATE };

struct request {
    struct admin_common common;
    enum action action;
    const char *name;
    char *keys[2];
    const char *prefixes[4][PREFIXES_MAX];
    struct wb_admin_source source;
    unsigned what; /* WB_ADMIN_AGENCIES … that were given */
    bool everything, done;
};

enum { OPTION_EVERYTHING = 256, OPTION_RATE, OPTION_EVENT_BYTES, OPTION_DONE };

static struct wb_admin_list *list_of(struct wb_admin_source *source, int option) {
    switch (option) {
    case 'a':
        return &source->agencies;
    case 'r':
        return &source->regions;
    case 'i':
        return &source->items;
    default:
        return &source->cases;
    }
}

static void add_prefix(struct request *request, int option, const char *text,
                       struct argp_state *state) {
    static const char letters[] = "aric";
    size_t index = (size_t)(strchr(letters, option) - letters);
    struct wb_admin_list *list = list_of(&request->source, option);
    request->what |= 1u << index;
    if (!*text && request->action == SET)
        return; /* any value */
    if (!*text)
        argp_error(state, "an empty prefix allows any value: leave the option out");
    if (list->count == PREFIXES_MAX)
        argp_error(state, "there are more than %d prefixes of one kind", PREFIXES_MAX);
    request->prefixes[index][list->count++] = text;
    list->values = request->prefixes[index];
}

static int32_t number(struct argp_state *state, const char *option, const char *text,
                      int32_t most) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || value > most)
        argp_error(state, "%s '%s': write a number up to %d, or 0 for no limit of its own", option,
                   text, most);
    return (int32_t)value;
}

static void check_add(const struct request *request, struct argp_state *state) {
    bool granted = (request->what & WB_ADMIN_GRANTS) != 0;
    if (request->everything && granted)
        argp_error(state, "--everything and a list of what it may publish exclude one another");
    if (!request->everything && !granted)
        argp_error(state,
                   "say what %s may publish: --agency, --region, --item or --case with a prefix "
                   "that its events have to begin with, or --everything",
                   request->name);
}

static void check_set(struct request *request, struct argp_state *state) {
    if (request->everything && (request->what & WB_ADMIN_GRANTS))
        argp_error(state, "--everything and a list of what it may publish exclude one another");
    if (request->everything)
        request->what |= WB_ADMIN_GRANTS;
    if (!request->what)
        argp_error(state, "say what to change: --agency, --region, --item, --case, --everything, "
                          "--rate or --event-bytes");
}

static void check(struct request *request, struct argp_state *state) {
    if (request->action == ADD)
        check_add(request, state);
    else if (request->action == SET)
        check_set(request, state);
    else if (request->action == ROTATE && request->done == (request->keys[0] != NULL))
        argp_error(state, "give either the new key with --key, or --done when it is in use");
}

static void add_key(struct request *request, const char *text, struct argp_state *state) {
    int most = request->action == ADD ? 2 : 1;
    int count = request->keys[0] ? request->keys[1] ? 2 : 1 : 0;
    if (count == most)
        argp_error(state, "--key is given more than %s", most == 1 ? "once" : "twice");
    request->keys[count] = admin_key(state, text);
    request->source.keys[count] = request->keys[count];
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text))
        return 0;
    if (request->action != LIST && admin_parse_name(&request->name, "source", key, text, state))
        return 0;
    switch (key) {
    case 'k':
        add_key(request, text, state);
        return 0;
    case 'a':
    case 'r':
    case 'i':
    case 'c':
        add_prefix(request, key, text, state);
        return 0;
    case OPTION_EVERYTHING:
        request->everything = true;
        return 0;
    case OPTION_RATE:
        request->source.rate_events = number(state, "--rate", text, INT32_MAX);
        request->what |= WB_ADMIN_RATE;
        return 0;
    case OPTION_EVENT_BYTES:
        request->source.event_bytes = number(state, "--event-bytes", text, LIMIT_EVENT_BYTES);
        request->what |= WB_ADMIN_EVENT_BYTES;
        return 0;
    case OPTION_DONE:
        request->done = true;
        return 0;
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Showing. */

static void put_list(struct buffer *out, const char *word, const struct wb_admin_list *list) {
    for (size_t i = 0; i < list->count; i++)
        buffer_printf(out, "%s%s %s*", out->length ? i ? " or" : ", " : "", i ? "" : word,
                      list->values[i]);
}

static void put_grants(struct buffer *out, const struct wb_admin_source *source) {
    put_list(out, "agency", &source->agencies);
    put_list(out, "region", &source->regions);
    put_list(out, "item", &source->items);
    put_list(out, "case", &source->cases);
    if (!out->length)
        buffer_text(out, "everything");
}

static void put_limits(struct buffer *out, const struct wb_admin_source *source) {
    if (source->rate_events)
        buffer_printf(out, "%d events/s", source->rate_events);
    if (source->event_bytes)
        buffer_printf(out, "%s%d bytes", out->length ? ", " : "", source->event_bytes);
    if (!out->length)
        buffer_text(out, "-");
}

static const char *state_of(const struct wb_admin_source *source) {
    if (!source->enabled)
        return "disabled";
    return source->registered ? "enabled" : "loopback";
}

static json_t *list_json(const struct wb_admin_list *list) {
    json_t *json = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(json, json_string(list->values[i]));
    return json;
}

static json_t *source_json(const struct wb_admin_source *source) {
    return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "name",
                     source->name, "enabled", source->enabled, "registered", source->registered,
                     "keys", admin_keys_json(source->keys), "agencies",
                     list_json(&source->agencies), "regions", list_json(&source->regions), "items",
                     list_json(&source->items), "cases", list_json(&source->cases), "rate_events",
                     source->rate_events, "event_bytes", source->event_bytes, "since",
                     admin_time_json(source->since_us));
}

struct listing {
    const struct request *request; /* with a name: of this one alone */
    struct table table;
    bool failed;
};

static void list_one(void *arg, const struct wb_admin_source *source) {
    struct listing *listing = arg;
    struct buffer keys, grants, limits;
    char since[ADMIN_TIME];
    if (listing->request->name && strcmp(listing->request->name, source->name) != 0)
        return;
    if (listing->request->common.json) {
        if (!listing->failed)
            listing->failed = !command_print_json("admin", source_json(source));
        return;
    }
    buffer_init(&keys, 0);
    buffer_init(&grants, 0);
    buffer_init(&limits, 0);
    admin_put_keys(&keys, source->keys);
    put_grants(&grants, source);
    put_limits(&limits, source);
    table_cell(&listing->table, "%s", source->name);
    table_cell(&listing->table, "%s", state_of(source));
    table_cell(&listing->table, "%s", buffer_string(&keys));
    table_cell(&listing->table, "%s", buffer_string(&grants));
    table_cell(&listing->table, "%s", buffer_string(&limits));
    table_cell(&listing->table, "%s", admin_time(source->since_us, since));
    buffer_free(&keys);
    buffer_free(&grants);
    buffer_free(&limits);
}

static int list(wb_admin *admin, const struct request *request, struct wb_error *err) {
    static const char *const headers[] = {"SOURCE",      "STATE",  "KEYS",
                                          "MAY PUBLISH", "LIMITS", "SINCE"};
    struct listing listing = {.request = request};
    struct screen screen;
    screen_init(&screen, stdout);
    table_init(&listing.table, sizeof headers / sizeof *headers, headers);
    int status = wb_admin_sources(admin, list_one, &listing, err);
    if (status == 0 && !request->common.json)
        table_print(&listing.table, &screen);
    table_free(&listing.table);
    if (status != 0)
        return admin_complain(err);
    return !listing.failed && command_flush("admin") ? COMMAND_DONE : COMMAND_FAILED;
}

/* Doing. */

static int act(wb_admin *admin, struct request *request, struct wb_error *err) {
    request->source.name = request->name;
    switch (request->action) {
    case ADD:
        return wb_admin_source_add(admin, &request->source, err);
    case SET:
        return wb_admin_source_set(admin, &request->source, request->what, err);
    case DISABLE:
    case ENABLE:
        return wb_admin_source_enable(admin, request->name, request->action == ENABLE, err);
    case ROTATE:
        return request->done ? wb_admin_source_retire(admin, request->name, err)
                             : wb_admin_source_rotate(admin, request->name, request->keys[0], err);
    case LIST:
        break;
    }
    return 0;
}

static int perform(struct request *request) {
    struct wb_error err;
    wb_admin *admin = wb_admin_open(request->common.database, request->action != LIST, &err);
    int status = !admin || act(admin, request, &err) != 0 ? admin_complain(&err)
                                                          : list(admin, request, &err);
    if (status == COMMAND_DONE && request->action == ADD && !request->keys[0])
        fprintf(stderr,
                "waybill admin: %s has no key: it can publish on the broker's own machine only\n",
                request->name);
    wb_admin_close(admin);
    free(request->keys[0]);
    free(request->keys[1]);
    return status;
}

static int run(enum action action, const struct argp *argp, int argc, char **argv) {
    static struct request request;
    request = (struct request){.common = ADMIN_COMMON_INIT, .action = action};
    argp_parse(argp, argc, argv, 0, NULL, &request);
    return perform(&request);
}

#define OPTION_KEY                                                                                 \
    { "key", 'k', "KEY|FILE.pub", 0, "its public key, or the file of it that keygen made", 0 }
#define OPTIONS_MAY                                                                                \
    {"agency", 'a', "PREFIX", 0, "events whose agency begins so; may be repeated", 0},             \
        {"region", 'r', "PREFIX", 0, "events whose region_code begins so", 0},                     \
        {"item", 'i', "PREFIX", 0, "events whose item_code begins so", 0},                         \
        {"case", 'c', "PREFIX", 0, "events whose case_no begins so", 0},                           \
        {"everything", OPTION_EVERYTHING, NULL, 0, "any event", 0},                                \
        {"rate", OPTION_RATE, "N", 0, "at most N events a second (0: no limit)", 0}, {             \
        "event-bytes", OPTION_EVENT_BYTES, "N", 0,                                                 \
            "events of at most N bytes (0: what the contract allows)", 0                           \
    }

static int add(int argc, char **argv) {
    static const struct argp_option options[] = {OPTION_KEY, OPTIONS_MAY, ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        "NAME",
        "Registers a source: who it is, and what it may publish."
        "\vOf the kinds of prefixes that are given an event has to fit one of each. Without --key "
        "the source can publish on the broker's own machine only, until 'rotate' gives it one.",
        NULL,
        NULL,
        NULL};
    return run(ADD, &argp, argc, argv);
}

static int set(int argc, char **argv) {
    static const struct argp_option options[] = {OPTIONS_MAY, ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        "NAME",
        "Changes what a source may publish."
        "\vEach kind of prefix that is given replaces those of this kind that it had; an empty one "
        "(--agency '') lifts that restriction, --everything lifts all. What is not named stays.",
        NULL,
        NULL,
        NULL};
    return run(SET, &argp, argc, argv);
}

static const struct argp_option no_options[] = {ADMIN_OPTIONS};

static int list_all(int argc, char **argv) {
    static const struct argp argp = {no_options, parse, NULL, "Lists the sources.",
                                     NULL,       NULL,  NULL};
    return run(LIST, &argp, argc, argv);
}

static int disable(int argc, char **argv) {
    static const struct argp argp = {
        no_options, parse, "NAME", "Cuts a source off, within a second. What it sent stays.",
        NULL,       NULL,  NULL};
    return run(DISABLE, &argp, argc, argv);
}

static int enable(int argc, char **argv) {
    static const struct argp argp = {no_options, parse, "NAME", "Admits a source again.",
                                     NULL,       NULL,  NULL};
    return run(ENABLE, &argp, argc, argv);
}

static int rotate(int argc, char **argv) {
    static const struct argp_option options[] = {
        OPTION_KEY,
        {"done", OPTION_DONE, NULL, 0, "the new key is in use: take the older one away", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        "NAME",
        "Changes a source's key without a stop: first --key adds the new one beside the old, "
        "then, with the source using it, --done takes the old one away.",
        NULL,
        NULL,
        NULL};
    return run(ROTATE, &argp, argc, argv);
}

int admin_source(int argc, char **argv) {
    static const struct admin_action actions[] = {
        {"add", "register a source with its key and what it may publish", add},
        {"set", "change what it may publish", set},
        {"list", "all of them", list_all},
        {"disable", "cut one off", disable},
        {"enable", "admit it again", enable},
        {"rotate", "change its key without a stop", rotate},
        {NULL, NULL, NULL},
    };
    return admin_dispatch("waybill admin source", actions, argc, argv);
}
