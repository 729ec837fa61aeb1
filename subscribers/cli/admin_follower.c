/* waybill admin follower: who may follow with a key, and what it may see. */
#include "admin_kind.h"

#include "command.h"

#include "common/buffer.h"
#include "proto/field.h"

#include <stdlib.h>
#include <string.h>

#define AUDIENCES_MAX 4

struct request {
    struct admin_common common;
    bool adding; /* else setting */
    const char *name;
    char *key;
    const char *audiences[AUDIENCES_MAX];
    size_t audience_count;
    bool no_streams, no_live;
};

enum { OPTION_NO_STREAMS = 256, OPTION_NO_LIVE };

#define ALL_AUDIENCES "full, staff, applicant or public"

static void add_audience(struct request *request, int audience) {
    const char *name = audience_name(audience);
    for (size_t i = 0; i < request->audience_count; i++)
        if (strcmp(request->audiences[i], name) == 0)
            return;
    request->audiences[request->audience_count++] = name;
}

/* "staff,public" */
static void add_audiences(struct request *request, const char *text, struct argp_state *state) {
    char *copy = strdup(text), *rest = copy, *name;
    while (copy && (name = strsep(&rest, ","))) {
        int audience = audience_parse(name);
        if (audience < 0)
            argp_error(state, "--audience '%s': there is no audience '%s'; it is " ALL_AUDIENCES,
                       text, name);
        else
            add_audience(request, audience);
    }
    free(copy);
}

static void check(const struct request *request, struct argp_state *state) {
    if (request->audience_count == 0)
        argp_error(state,
                   "say what %s may see: --audience with one or more of " ALL_AUDIENCES
                   ", apart by commas",
                   request->name);
    if (request->adding && !request->key)
        argp_error(state, "give its public key with --key: a follower is known by it alone");
    if (request->no_streams && request->no_live)
        argp_error(state, "--no-streams and --no-live together leave nothing to follow");
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text) ||
        admin_parse_name(&request->name, "follower", key, text, state))
        return 0;
    switch (key) {
    case 'k':
        admin_take_key(state, text, &request->key);
        return 0;
    case 'A':
        add_audiences(request, text, state);
        return 0;
    case OPTION_NO_STREAMS:
        request->no_streams = true;
        return 0;
    case OPTION_NO_LIVE:
        request->no_live = true;
        return 0;
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Showing. */

static json_t *follower_json(const struct wb_admin_follower *follower) {
    return json_pack("{s:s, s:b, s:o, s:b, s:b, s:o, s:o}", "name", follower->name, "enabled",
                     follower->enabled, "keys", admin_keys_json(follower->keys), "streams",
                     follower->streams, "live", follower->live, "audiences",
                     admin_list_json(&follower->audiences), "since",
                     admin_time_json(follower->since_us));
}

static void put_audiences(struct buffer *out, const struct wb_admin_list *audiences) {
    for (size_t i = 0; i < audiences->count; i++)
        buffer_printf(out, "%s%s", i ? ", " : "", audiences->values[i]);
}

static void list_one(void *arg, const struct wb_admin_follower *follower) {
    struct admin_listing *listing = arg;
    struct buffer keys, audiences;
    char since[ADMIN_TIME];
    if (!admin_listing_wants(listing, follower->name))
        return;
    if (listing->json) {
        admin_listing_print(listing, follower_json(follower));
        return;
    }
    buffer_init(&keys, 0);
    buffer_init(&audiences, 0);
    admin_put_keys(&keys, follower->keys);
    put_audiences(&audiences, &follower->audiences);
    table_cell(&listing->table, "%s", follower->name);
    table_cell(&listing->table, "%s", follower->enabled ? "enabled" : "disabled");
    table_cell(&listing->table, "%s", buffer_string(&keys));
    table_cell(&listing->table, "%s%s%s", follower->streams ? "streams" : "",
               follower->streams && follower->live ? ", " : "", follower->live ? "live" : "");
    table_cell(&listing->table, "%s", buffer_string(&audiences));
    table_cell(&listing->table, "%s", admin_time(follower->since_us, since));
    buffer_free(&keys);
    buffer_free(&audiences);
}

static int list(wb_admin *admin, struct admin_listing *listing, struct wb_error *err) {
    return wb_admin_followers(admin, list_one, listing, err);
}

static const char *const headers[] = {"FOLLOWER", "STATE", "KEYS", "MAY USE",
                                      "MAY SEE",  "SINCE", NULL};
static const struct admin_kind kind = {"follower",
                                       headers,
                                       list,
                                       wb_admin_follower_enable,
                                       wb_admin_follower_rotate,
                                       wb_admin_follower_retire};

/* Doing. */

static int act(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    const struct wb_admin_follower follower = {
        .name = request->name,
        .streams = !request->no_streams,
        .live = !request->no_live,
        .keys = {request->key},
        .audiences = {request->audiences, request->audience_count}};
    return request->adding ? wb_admin_follower_add(admin, &follower, err)
                           : wb_admin_follower_set(admin, follower.name, &follower.audiences, err);
}

static int perform(bool adding, const struct argp *argp, int argc, char **argv) {
    struct request request = {.common = ADMIN_COMMON_INIT, .adding = adding};
    argp_parse(argp, argc, argv, 0, NULL, &request);
    int status = admin_perform(&kind, &request.common, request.name, act, &request);
    free(request.key);
    return status;
}

#define OPTION_AUDIENCE                                                                            \
    {                                                                                              \
        "audience", 'A', "A[,A...]", 0,                                                            \
            "what it may ask for: full, staff, applicant, public; may be repeated", 0              \
    }
#define DOC_AUDIENCES                                                                              \
    "\vfull is everything, with the applicants' data; staff is for dashboards; applicant is what " \
    "who holds a case's code may see of it: a gateway for citizens needs applicant and public. "   \
    "full covers all, staff and applicant cover public."

static int add(const struct admin_action *action, int argc, char **argv) {
    static const struct argp_option options[] = {
        ADMIN_OPTION_KEY,
        OPTION_AUDIENCE,
        {"no-streams", OPTION_NO_STREAMS, NULL, 0, "may not subscribe or ask about cases", 0},
        {"no-live", OPTION_NO_LIVE, NULL, 0, "may not take the live feed", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options, parse,
        "NAME",  "Registers a follower: a gateway, a dashboard, a notifier." DOC_AUDIENCES,
        NULL,    NULL,
        NULL};
    (void)action;
    return perform(true, &argp, argc, argv);
}

static int set(const struct admin_action *action, int argc, char **argv) {
    static const struct argp_option options[] = {OPTION_AUDIENCE, ADMIN_OPTIONS};
    static const struct argp argp = {
        options, parse, "NAME", "Changes what a follower may see, within a second." DOC_AUDIENCES,
        NULL,    NULL,  NULL};
    (void)action;
    return perform(false, &argp, argc, argv);
}

int admin_follower(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_action actions[] = {
        {"add", "register a follower with its key and what it may see", add, NULL},
        {"set", "change what it may see", set, NULL},
        ADMIN_PARTY_ACTIONS(kind)};
    (void)action;
    return admin_dispatch("waybill admin follower", actions, argc, argv);
}
