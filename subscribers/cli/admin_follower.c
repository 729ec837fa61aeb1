/* waybill admin follower: who may follow with a key. */
#include "admin.h"

#include "command.h"
#include "screen.h"
#include "table.h"

#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum action { ADD, LIST, DISABLE, ENABLE, ROTATE };

struct request {
    struct admin_common common;
    enum action action;
    const char *name;
    char *key;
    bool done, no_streams, no_live;
};

enum { OPTION_NO_STREAMS = 256, OPTION_NO_LIVE, OPTION_DONE };

static void check(const struct request *request, struct argp_state *state) {
    if (request->action == ADD && !request->key)
        argp_error(state, "give its public key with --key: a follower is known by it alone");
    if (request->action == ADD && request->no_streams && request->no_live)
        argp_error(state, "--no-streams and --no-live together leave nothing to follow");
    if (request->action == ROTATE && request->done == (request->key != NULL))
        argp_error(state, "give either the new key with --key, or --done when it is in use");
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text))
        return 0;
    if (request->action != LIST && admin_parse_name(&request->name, "follower", key, text, state))
        return 0;
    switch (key) {
    case 'k':
        if (request->key)
            argp_error(state, "--key is given more than once");
        request->key = admin_key(state, text);
        return 0;
    case OPTION_NO_STREAMS:
        request->no_streams = true;
        return 0;
    case OPTION_NO_LIVE:
        request->no_live = true;
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

struct listing {
    const struct request *request;
    struct table table;
    bool failed;
};

static json_t *follower_json(const struct wb_admin_follower *follower) {
    return json_pack("{s:s, s:b, s:o, s:b, s:b, s:o}", "name", follower->name, "enabled",
                     follower->enabled, "keys", admin_keys_json(follower->keys), "streams",
                     follower->streams, "live", follower->live, "since",
                     admin_time_json(follower->since_us));
}

static void list_one(void *arg, const struct wb_admin_follower *follower) {
    struct listing *listing = arg;
    struct buffer keys;
    char since[ADMIN_TIME];
    if (listing->request->name && strcmp(listing->request->name, follower->name) != 0)
        return;
    if (listing->request->common.json) {
        if (!listing->failed)
            listing->failed = !command_print_json("admin", follower_json(follower));
        return;
    }
    buffer_init(&keys, 0);
    admin_put_keys(&keys, follower->keys);
    table_cell(&listing->table, "%s", follower->name);
    table_cell(&listing->table, "%s", follower->enabled ? "enabled" : "disabled");
    table_cell(&listing->table, "%s", buffer_string(&keys));
    table_cell(&listing->table, "%s%s%s", follower->streams ? "streams" : "",
               follower->streams && follower->live ? ", " : "", follower->live ? "live" : "");
    table_cell(&listing->table, "%s", admin_time(follower->since_us, since));
    buffer_free(&keys);
}

static int list(wb_admin *admin, const struct request *request, struct wb_error *err) {
    static const char *const headers[] = {"FOLLOWER", "STATE", "KEYS", "MAY USE", "SINCE"};
    struct listing listing = {.request = request};
    struct screen screen;
    screen_init(&screen, stdout);
    table_init(&listing.table, sizeof headers / sizeof *headers, headers);
    int status = wb_admin_followers(admin, list_one, &listing, err);
    if (status == 0 && !request->common.json)
        table_print(&listing.table, &screen);
    table_free(&listing.table);
    if (status != 0)
        return admin_complain(err);
    return !listing.failed && command_flush("admin") ? COMMAND_DONE : COMMAND_FAILED;
}

static int act(wb_admin *admin, const struct request *request, struct wb_error *err) {
    const struct wb_admin_follower follower = {.name = request->name,
                                               .streams = !request->no_streams,
                                               .live = !request->no_live,
                                               .keys = {request->key}};
    switch (request->action) {
    case ADD:
        return wb_admin_follower_add(admin, &follower, err);
    case DISABLE:
    case ENABLE:
        return wb_admin_follower_enable(admin, request->name, request->action == ENABLE, err);
    case ROTATE:
        return request->done ? wb_admin_follower_retire(admin, request->name, err)
                             : wb_admin_follower_rotate(admin, request->name, request->key, err);
    case LIST:
        break;
    }
    return 0;
}

static int run(enum action action, const struct argp *argp, int argc, char **argv) {
    struct request request = {.common = ADMIN_COMMON_INIT, .action = action};
    struct wb_error err;
    argp_parse(argp, argc, argv, 0, NULL, &request);
    wb_admin *admin = wb_admin_open(request.common.database, action != LIST, &err);
    int status = !admin || act(admin, &request, &err) != 0 ? admin_complain(&err)
                                                           : list(admin, &request, &err);
    wb_admin_close(admin);
    free(request.key);
    return status;
}

#define OPTION_KEY                                                                                 \
    { "key", 'k', "KEY|FILE.pub", 0, "its public key, or the file of it that keygen made", 0 }

static int add(int argc, char **argv) {
    static const struct argp_option options[] = {
        OPTION_KEY,
        {"no-streams", OPTION_NO_STREAMS, NULL, 0, "may not subscribe or ask about cases", 0},
        {"no-live", OPTION_NO_LIVE, NULL, 0, "may not take the live feed", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options, parse, "NAME", "Registers a follower: a gateway, a dashboard, a notifier.",
        NULL,    NULL,  NULL};
    return run(ADD, &argp, argc, argv);
}

static const struct argp_option no_options[] = {ADMIN_OPTIONS};

static int list_all(int argc, char **argv) {
    static const struct argp argp = {no_options, parse, NULL, "Lists the followers.",
                                     NULL,       NULL,  NULL};
    return run(LIST, &argp, argc, argv);
}

static int disable(int argc, char **argv) {
    static const struct argp argp = {
        no_options, parse, "NAME", "Cuts a follower off, within a second.", NULL, NULL, NULL};
    return run(DISABLE, &argp, argc, argv);
}

static int enable(int argc, char **argv) {
    static const struct argp argp = {no_options, parse, "NAME", "Admits a follower again.",
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
        "Changes a follower's key without a stop: first --key adds the new one beside the old, "
        "then, with the follower using it, --done takes the old one away.",
        NULL,
        NULL,
        NULL};
    return run(ROTATE, &argp, argc, argv);
}

int admin_follower(int argc, char **argv) {
    static const struct admin_action actions[] = {
        {"add", "register a follower with its key", add},
        {"list", "all of them", list_all},
        {"disable", "cut one off", disable},
        {"enable", "admit it again", enable},
        {"rotate", "change its key without a stop", rotate},
        {NULL, NULL, NULL},
    };
    return admin_dispatch("waybill admin follower", actions, argc, argv);
}
