/* waybill admin token: who may follow through a gateway without an account. */
#include "admin_kind.h"

#include "command.h"

#include "common/buffer.h"
#include "common/quantity.h"

#include <stdio.h>
#include <string.h>

#define LASTS_DEFAULT_MS (INT64_C(90) * 86400000)
#define LASTS_MAX_MS     (INT64_C(3650) * 86400000)

struct request {
    struct admin_common common;
    const char *name, *audience;
    struct admin_prefixes prefixes;
    int64_t lasts_ms;
    char text[WB_ADMIN_TOKEN_TEXT];
};

enum { OPTION_EXPIRES = 256 };

static int64_t duration(struct argp_state *state, const char *text) {
    int64_t ms;
    if (quantity_parse(text, quantity_ms, &ms) != 0 || ms < 1 || ms > LASTS_MAX_MS)
        argp_error(state,
                   "--expires '%s': write a duration such as 90d, 12h or 30min, at most "
                   "3650d",
                   text);
    return ms;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text) ||
        admin_parse_name(&request->name, "token", key, text, state) ||
        admin_prefixes_parse(&request->prefixes, false, key, text, state))
        return 0;
    switch (key) {
    case 'A':
        if (strcmp(text, "staff") != 0 && strcmp(text, "public") != 0)
            argp_error(state, "--audience '%s': a token is for staff or for public", text);
        request->audience = text;
        return 0;
    case OPTION_EXPIRES:
        request->lasts_ms = duration(state, text);
        return 0;
    case ARGP_KEY_END:
        if (!request->audience)
            argp_error(state, "say what its bearer may see: --audience staff or public");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Showing. */

static const char *state_of(const struct wb_admin_token *token) {
    return !token->enabled ? "revoked" : token->expired ? "expired" : "valid";
}

static json_t *token_json(const struct wb_admin_token *token) {
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "name", token->name, "state", state_of(token),
        "audience", token->audience, "agencies", admin_list_json(&token->agencies), "regions",
        admin_list_json(&token->regions), "items", admin_list_json(&token->items), "since",
        admin_time_json(token->since_us), "expires", admin_time_json(token->expires_us));
}

static void list_one(void *arg, const struct wb_admin_token *token) {
    const struct wb_admin_list *const scope[] = {&token->agencies, &token->regions, &token->items,
                                                 NULL};
    struct admin_listing *listing = arg;
    struct buffer good_for;
    char since[ADMIN_TIME], expires[ADMIN_TIME];
    if (!admin_listing_wants(listing, token->name))
        return;
    if (listing->json) {
        admin_listing_print(listing, token_json(token));
        return;
    }
    buffer_init(&good_for, 0);
    admin_put_prefixes(&good_for, scope, "everything");
    table_cell(&listing->table, "%s", token->name);
    table_cell(&listing->table, "%s", state_of(token));
    table_cell(&listing->table, "%s", token->audience);
    table_cell(&listing->table, "%s", buffer_string(&good_for));
    table_cell(&listing->table, "%s", admin_time(token->since_us, since));
    table_cell(&listing->table, "%s", admin_time(token->expires_us, expires));
    buffer_free(&good_for);
}

static int list(wb_admin *admin, struct admin_listing *listing, struct wb_error *err) {
    return wb_admin_tokens(admin, list_one, listing, err);
}

static const char *const headers[] = {"TOKEN", "STATE",   "AUDIENCE", "GOOD FOR",
                                      "SINCE", "EXPIRES", NULL};
static const struct admin_kind kind = {.noun = "token", .headers = headers, .list = list};

/* Doing. */

static int make(wb_admin *admin, void *arg, struct wb_error *err) {
    struct request *request = arg;
    const struct wb_admin_list *lists = request->prefixes.lists;
    const struct wb_admin_token token = {.name = request->name,
                                         .audience = request->audience,
                                         .agencies = lists[0],
                                         .regions = lists[1],
                                         .items = lists[2]};
    return wb_admin_token_add(admin, &token, request->lasts_ms, request->text, err);
}

/* The text alone on standard output, so that a script can take it. */
static int print(const struct request *request) {
    char lasts[QUANTITY_TEXT];
    bool printed = true;
    if (request->common.json)
        printed = command_print_json(
            "admin", json_pack("{s:s, s:s}", "name", request->name, "token", request->text));
    else
        puts(request->text);
    if (!printed || !command_flush("admin"))
        return COMMAND_FAILED;
    fprintf(stderr, "waybill admin: %s is good for %s; its text is not kept, and not shown again\n",
            request->name, quantity_format(request->lasts_ms, quantity_ms, lasts));
    return COMMAND_DONE;
}

static int add(const struct admin_action *action, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"audience", 'A', "staff|public", 0, "what its bearer may see", 0},
        {"agency", 'a', "PREFIX", 0, "of events whose agency begins so; may be repeated", 0},
        {"region", 'r', "PREFIX", 0, "of events whose region_code begins so", 0},
        {"item", 'i', "PREFIX", 0, "of events whose item_code begins so", 0},
        {"expires", OPTION_EXPIRES, "DURATION", 0, "it is good for so long, 12h or 30d (90d)", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        "NAME",
        "Makes a bearer token and prints it, this once."
        "\vOf the kinds of prefixes that are given an event has to fit one of each. The database "
        "keeps the token's SHA-256 alone: who loses it gets another one.",
        NULL,
        NULL,
        NULL};
    static struct request request;
    (void)action;
    request = (struct request){.common = ADMIN_COMMON_INIT, .lasts_ms = LASTS_DEFAULT_MS};
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    int status = admin_perform(&kind, &request.common, NULL, make, &request);
    return status == COMMAND_DONE ? print(&request) : status;
}

int admin_token(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_change revoke = {
        &kind, "Revokes a token, for good. What it opened is closed within a second.",
        wb_admin_token_revoke, false};
    static const struct admin_change removal = {
        &kind, "Revokes a token and forgets it. Its name is free again.", wb_admin_token_remove,
        true};
    static const struct admin_action actions[] = {
        {"add", "make one and print it, this once", add, NULL},
        {"list", "all of them", admin_list, &kind},
        {"revoke", "close what it opened, and open nothing more", admin_change, &revoke},
        {"remove", "the same, and forget it", admin_change, &removal},
        {NULL, NULL, NULL, NULL},
    };
    (void)action;
    return admin_dispatch("waybill admin token", actions, argc, argv);
}
