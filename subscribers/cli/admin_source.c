/* waybill admin source: who may publish, and what. */
#include "admin_kind.h"

#include "command.h"

#include "common/buffer.h"
#include "proto/bounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct request {
    struct admin_common common;
    bool adding; /* else setting */
    const char *name;
    char *keys[2];
    struct admin_prefixes prefixes;
    struct wb_admin_source source;
    unsigned what; /* WB_ADMIN_RATE … that were given */
    bool everything;
};

enum { OPTION_EVERYTHING = 256, OPTION_RATE, OPTION_EVENT_BYTES };

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

static void check_add(const struct request *request, bool granted, struct argp_state *state) {
    if (!request->everything && !granted)
        argp_error(state,
                   "say what %s may publish: --agency, --region, --item or --case with a prefix "
                   "that its events have to begin with, or --everything",
                   request->name);
}

/* The lists' bits are WB_ADMIN_AGENCIES and those behind it. */
static void check(struct request *request, struct argp_state *state) {
    bool granted = request->prefixes.given != 0;
    if (request->everything && granted)
        argp_error(state, "--everything and a list of what it may publish exclude one another");
    if (request->adding)
        check_add(request, granted, state);
    request->what |= request->everything ? WB_ADMIN_GRANTS : request->prefixes.given;
    if (!request->adding && !request->what)
        argp_error(state, "say what to change: --agency, --region, --item, --case, --everything, "
                          "--rate or --event-bytes");
}

static void add_key(struct request *request, const char *text, struct argp_state *state) {
    int count = request->keys[0] ? request->keys[1] ? 2 : 1 : 0;
    if (count == 2)
        argp_error(state, "--key is given more than twice");
    request->keys[count] = admin_key(state, text);
    request->source.keys[count] = request->keys[count];
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text) ||
        admin_parse_name(&request->name, "source", key, text, state) ||
        admin_prefixes_parse(&request->prefixes, !request->adding, key, text, state))
        return 0;
    switch (key) {
    case 'k':
        add_key(request, text, state);
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
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Showing. */

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

static json_t *source_json(const struct wb_admin_source *source) {
    return json_pack(
        "{s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:o}", "name", source->name, "enabled",
        source->enabled, "registered", source->registered, "keys", admin_keys_json(source->keys),
        "agencies", admin_list_json(&source->agencies), "regions",
        admin_list_json(&source->regions), "items", admin_list_json(&source->items), "cases",
        admin_list_json(&source->cases), "rate_events", source->rate_events, "event_bytes",
        source->event_bytes, "since", admin_time_json(source->since_us));
}

static void list_one(void *arg, const struct wb_admin_source *source) {
    const struct wb_admin_list *const grants[] = {&source->agencies, &source->regions,
                                                  &source->items, &source->cases};
    struct admin_listing *listing = arg;
    struct buffer keys, may, limits;
    char since[ADMIN_TIME];
    if (!admin_listing_wants(listing, source->name))
        return;
    if (listing->json) {
        admin_listing_print(listing, source_json(source));
        return;
    }
    buffer_init(&keys, 0);
    buffer_init(&may, 0);
    buffer_init(&limits, 0);
    admin_put_keys(&keys, source->keys);
    admin_put_prefixes(&may, grants, "everything");
    put_limits(&limits, source);
    table_cell(&listing->table, "%s", source->name);
    table_cell(&listing->table, "%s", state_of(source));
    table_cell(&listing->table, "%s", buffer_string(&keys));
    table_cell(&listing->table, "%s", buffer_string(&may));
    table_cell(&listing->table, "%s", buffer_string(&limits));
    table_cell(&listing->table, "%s", admin_time(source->since_us, since));
    buffer_free(&keys);
    buffer_free(&may);
    buffer_free(&limits);
}

static int list(wb_admin *admin, struct admin_listing *listing, struct wb_error *err) {
    return wb_admin_sources(admin, list_one, listing, err);
}

static const char *const headers[] = {"SOURCE", "STATE", "KEYS", "MAY PUBLISH",
                                      "LIMITS", "SINCE", NULL};
static const struct admin_kind kind = {"source",
                                       headers,
                                       list,
                                       wb_admin_source_enable,
                                       wb_admin_source_rotate,
                                       wb_admin_source_retire};

/* Doing. */

static int act(wb_admin *admin, void *arg, struct wb_error *err) {
    struct request *request = arg;
    struct wb_admin_source *source = &request->source;
    const struct wb_admin_list *lists = request->prefixes.lists;
    source->name = request->name;
    source->agencies = lists[0];
    source->regions = lists[1];
    source->items = lists[2];
    source->cases = lists[3];
    return request->adding ? wb_admin_source_add(admin, source, err)
                           : wb_admin_source_set(admin, source, request->what, err);
}

static int perform(bool adding, const struct argp *argp, int argc, char **argv) {
    static struct request request;
    request = (struct request){.common = ADMIN_COMMON_INIT, .adding = adding};
    argp_parse(argp, argc, argv, 0, NULL, &request);
    int status = admin_perform(&kind, &request.common, request.name, act, &request);
    if (status == COMMAND_DONE && adding && !request.keys[0])
        fprintf(stderr,
                "waybill admin: %s has no key: it can publish on the broker's own machine only\n",
                request.name);
    free(request.keys[0]);
    free(request.keys[1]);
    return status;
}

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

static int add(const struct admin_action *action, int argc, char **argv) {
    (void)action;
    static const struct argp_option options[] = {ADMIN_OPTION_KEY, OPTIONS_MAY, ADMIN_OPTIONS};
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
    return perform(true, &argp, argc, argv);
}

static int set(const struct admin_action *action, int argc, char **argv) {
    (void)action;
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
    return perform(false, &argp, argc, argv);
}

int admin_source(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_action actions[] = {
        {"add", "register a source with its key and what it may publish", add, NULL},
        {"set", "change what it may publish", set, NULL},
        ADMIN_PARTY_ACTIONS(kind)};
    (void)action;
    return admin_dispatch("waybill admin source", actions, argc, argv);
}
