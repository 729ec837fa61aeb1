/* waybill tail: the log as NDJSON, from any place in it. */
#include "command.h"

#include "common/arena.h"
#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "view.h"
#include "watch.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <waybill/subscriber.h>

#define OFFSET_MAX    INT64_MAX
#define IDLE_MS       200 /* between two looks at what else there is to do */
#define UNTIL_HEAD_MS 10
#define HAND_OVER_US  200000 /* a busy durable reader flushes and acknowledges so often */
#define WAITING_TICKS 5      /* of IDLE_MS, before it is said that another instance reads */
#define VALUES_MAX    LIMIT_FILTER_VALUES
#define OUTPUT_BYTES  ((size_t)256 * 1024)

struct tail {
    const char *streams;
    struct command_keys keys;
    struct view view;
    uint64_t after; /* WB_FROM_NOW */
    uint64_t count; /* 0: no end */
    bool until_head;
    struct wb_subscribe_options as; /* a durable reader, if it has a name */
    wb_filter filter;
    bool filtered;
    char *values[6][VALUES_MAX]; /* of the filter's texts, in the order of filter_fields */
    wb_stage stages[VALUES_MAX];
    Waybill__V1__Kind kinds[VALUES_MAX];
    Waybill__V1__Light lights[VALUES_MAX];
};

struct waiting {
    int ticks;
    bool told;
};

enum filter_field { CASE, PARENT, SOURCE, ITEM, REGION, AGENCY, STAGE, KIND, LIGHT };
static const char *const filter_fields[] = {"case",   "parent", "source", "item", "region",
                                            "agency", "stage",  "kind",   "light"};

static void add_text(struct argp_state *state, struct tail *tail, enum filter_field field,
                     char *value) {
    wb_filter *filter = &tail->filter;
    struct {
        size_t *count;
        char ***values;
    } lists[] = {
        {&filter->n_case_nos, &filter->case_nos},
        {&filter->n_parent_case_nos, &filter->parent_case_nos},
        {&filter->n_sources, &filter->sources},
        {&filter->n_item_codes, &filter->item_codes},
        {&filter->n_region_codes, &filter->region_codes},
        {&filter->n_agencies, &filter->agencies},
    };
    if (*lists[field].count == VALUES_MAX)
        argp_error(state, "--filter %s is given more than %d times", filter_fields[field],
                   VALUES_MAX);
    if (strlen(value) > LIMIT_FILTER_BYTES)
        argp_error(state, "--filter %s: the value is longer than %d bytes", filter_fields[field],
                   LIMIT_FILTER_BYTES);
    *lists[field].values = tail->values[field];
    tail->values[field][(*lists[field].count)++] = value;
}

static void add_stage(struct argp_state *state, struct tail *tail, const char *value) {
    int stage = stage_parse(value);
    if (stage < 0)
        argp_error(state, "--filter stage: there is no stage '%s'; write ACCEPTED, GRANTED …",
                   value);
    if (tail->filter.n_stages == VALUES_MAX)
        argp_error(state, "--filter stage is given more than %d times", VALUES_MAX);
    tail->filter.stages = tail->stages;
    tail->stages[tail->filter.n_stages++] = (wb_stage)stage;
}

static void add_kind(struct argp_state *state, struct tail *tail, const char *value) {
    int kind = kind_parse(value);
    if (kind < 0)
        argp_error(state,
                   "--filter kind: there is no kind '%s'; write progress, correction, "
                   "retraction or alert",
                   value);
    if (tail->filter.n_kinds == VALUES_MAX)
        argp_error(state, "--filter kind is given more than %d times", VALUES_MAX);
    tail->filter.kinds = tail->kinds;
    tail->kinds[tail->filter.n_kinds++] = (Waybill__V1__Kind)kind;
}

static void add_light(struct argp_state *state, struct tail *tail, const char *value) {
    int light = light_parse(value);
    if (light <= 0)
        argp_error(state, "--filter light: there is no light '%s'; write green, yellow or red",
                   value);
    if (tail->filter.n_lights == VALUES_MAX)
        argp_error(state, "--filter light is given more than %d times", VALUES_MAX);
    tail->filter.lights = tail->lights;
    tail->lights[tail->filter.n_lights++] = (Waybill__V1__Light)light;
}

static void add_filter(struct argp_state *state, struct tail *tail, char *text) {
    char *value = strchr(text, '=');
    if (!value || !value[1]) {
        argp_error(state, "--filter '%s': write it as FIELD=VALUE", text);
        return;
    }
    size_t length = (size_t)(value++ - text);
    size_t field = 0;
    while (field <= LIGHT && (strlen(filter_fields[field]) != length ||
                              strncasecmp(filter_fields[field], text, length) != 0))
        field++;
    if (field > LIGHT)
        argp_error(state,
                   "--filter '%.*s': there is no such field; use case, parent, source, item, "
                   "region, agency, stage, kind or light",
                   (int)length, text);
    else if (field == STAGE)
        add_stage(state, tail, value);
    else if (field == KIND)
        add_kind(state, tail, value);
    else if (field == LIGHT)
        add_light(state, tail, value);
    else
        add_text(state, tail, (enum filter_field)field, value);
    tail->filtered = true;
}

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       const char *more) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || value < 1 || value > OFFSET_MAX)
        argp_error(state, "%s '%s': write a number from 1%s", option, text, more);
    return value;
}

enum { OPTION_UNTIL_HEAD = 256, OPTION_JSON, OPTION_AS, OPTION_RESTART, OPTION_STAND_BY };

static const struct argp_option options[] = {
    {"streams", 's', "ENDPOINT", 0, "the broker's streams endpoint, or several (WAYBILL_STREAMS)",
     0},
    {"from", 'f', "N|start|now", 0, "the offset of the first event wanted (default: now)", 0},
    {"filter", 'F', "FIELD=VALUE", 0,
     "only events whose case, parent, source, stage, kind or light is VALUE, or whose item, region "
     "or "
     "agency begins with it; may be repeated: values of one field are alternatives, fields must "
     "all match",
     0},
    {"as", OPTION_AS, "NAME", 0,
     "go on where NAME acknowledged last, which the broker keeps; --from says where a new name "
     "begins. What was printed is acknowledged",
     0},
    {"restart", OPTION_RESTART, NULL, 0, "with --as: begin anew, at --from", 0},
    {"stand-by", OPTION_STAND_BY, NULL, 0,
     "with --as: wait while another instance reads as NAME, do not take it over", 0},
    {"count", 'n', "N", 0, "end after N events", 0},
    {"until-head", OPTION_UNTIL_HEAD, NULL, 0, "end when what the log holds now was printed", 0},
    {"json", OPTION_JSON, NULL, 0, "accepted; the output is always NDJSON", 0},
    VIEW_OPTIONS,
    COMMAND_KEY_OPTIONS,
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct tail *tail = state->input;
    switch (key) {
    case 's':
        tail->streams = text;
        return 0;
    case 'f':
        if (!strcmp(text, "start"))
            tail->after = 0;
        else if (!strcmp(text, "now"))
            tail->after = WB_FROM_NOW;
        else
            tail->after = number(state, "--from", text, ", start or now") - 1;
        return 0;
    case 'F':
        add_filter(state, tail, text);
        return 0;
    case 'n':
        tail->count = number(state, "--count", text, "");
        return 0;
    case OPTION_UNTIL_HEAD:
        tail->until_head = true;
        return 0;
    case OPTION_JSON:
        return 0;
    case OPTION_AS:
        tail->as.reader = text;
        return 0;
    case OPTION_RESTART:
        tail->as.restart = true;
        return 0;
    case OPTION_STAND_BY:
        tail->as.stand_by = true;
        return 0;
    case ARGP_KEY_END:
        if (!tail->as.reader && (tail->as.restart || tail->as.stand_by))
            argp_error(state, "--restart and --stand-by need --as NAME");
        return 0;
    default:
        return command_take_key(&tail->keys, key, text) || view_take(&tail->view, key, text, state)
                   ? 0
                   : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    NULL,
    "Prints the events of the log, one JSON object a line, and goes on as new ones come."
    "\vEach event is printed once and in the order of the log, also when the broker is away for "
    "a while. Interrupted, it ends with status 0.",
    NULL,
    NULL,
    NULL};

/* What was printed is out, and done with. */
static bool hand_over(const struct tail *tail, wb_subscription *subscription) {
    if (!command_flush("tail"))
        return false;
    return !tail->as.reader || !wb_subscription_begun(subscription) ||
           wb_acknowledge(subscription, wb_subscription_cursor(subscription), NULL) == 0;
}

static void tell_waiting(const struct tail *tail, const wb_subscription *subscription,
                         struct waiting *waiting) {
    if (!wb_subscription_waits(subscription)) {
        *waiting = (struct waiting){.told = false};
    } else if (++waiting->ticks == WAITING_TICKS && !waiting->told) {
        fprintf(stderr, "waybill tail: another instance reads as %s; standing by\n",
                tail->as.reader);
        waiting->told = true;
    }
}

static int follow(const struct tail *tail, wb_subscription *subscription, struct watch *watch) {
    int idle_ms = tail->until_head ? UNTIL_HEAD_MS : IDLE_MS;
    int64_t handed_us = monotonic_us();
    struct waiting waiting = {.told = false};
    for (uint64_t printed = 0; !command_stopped;) {
        const wb_record *record;
        struct wb_error err;
        int got = wb_subscription_next(subscription, 0, &record, &err);
        if (got == 0) {
            if (!hand_over(tail, subscription))
                return COMMAND_FAILED;
            if (tail->until_head && wb_subscription_live(subscription))
                return COMMAND_DONE;
            watch_tick(watch);
            tell_waiting(tail, subscription, &waiting);
            got = wb_subscription_next(subscription, idle_ms, &record, &err);
        }
        if (got < 0) {
            command_complain("tail", &err);
            return COMMAND_FAILED;
        }
        if (got && !command_print_json("tail", record_to_json(record)))
            return COMMAND_FAILED;
        if (tail->as.reader && monotonic_us() - handed_us > HAND_OVER_US) {
            if (!hand_over(tail, subscription))
                return COMMAND_FAILED;
            handed_us = monotonic_us();
        }
        if (got && ++printed == tail->count)
            return COMMAND_DONE;
        if (got && tail->until_head && wb_subscription_live(subscription))
            return COMMAND_DONE;
    }
    return COMMAND_DONE;
}

int command_tail(int argc, char **argv) {
    struct tail tail = {.streams = COMMAND_STREAMS,
                        .keys = command_keys_default(),
                        .after = WB_FROM_NOW,
                        .filter = WB_FILTER_INIT};
    argp_parse(&argp, argc, argv, 0, NULL, &tail);
    setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, OUTPUT_BYTES);
    command_catch_signals();
    struct watch watch;
    wb_subscriber *subscriber = watch_open(&watch, "tail", tail.streams, &tail.keys);
    if (!subscriber)
        return watch.status;
    struct wb_error err;
    tail.as.audience = tail.view.audience;
    tail.as.token = view_token(&tail.view);
    wb_subscription *subscription = wb_subscribe_with(
        subscriber, tail.after, tail.filtered ? &tail.filter : NULL, &tail.as, NULL, NULL, &err);
    int status = COMMAND_FAILED;
    if (subscription)
        status = follow(&tail, subscription, &watch);
    else
        command_complain("tail", &err);
    if (status == COMMAND_DONE && !hand_over(&tail, subscription))
        status = COMMAND_FAILED;
    wb_subscriber_close(subscriber);
    return status;
}
