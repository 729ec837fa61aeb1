/* waybill admin item: what applicants see of the person who handles their case. */
#include "admin_kind.h"

#include "command.h"

#include <string.h>

struct request {
    struct admin_common common;
    const char *code, *disclosure;
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text) ||
        admin_parse_name(&request->code, "item", key, text, state))
        return 0;
    switch (key) {
    case 'D':
        request->disclosure = text;
        return 0;
    case ARGP_KEY_END:
        if (!request->disclosure)
            argp_error(state, "say what is disclosed: --disclosure full, title, number or office");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void list_one(void *arg, const struct wb_admin_item *item) {
    struct admin_listing *listing = arg;
    if (!admin_listing_wants(listing, item->code))
        return;
    if (listing->json) {
        admin_listing_print(
            listing, json_pack("{s:s, s:s}", "code", item->code, "disclosure", item->disclosure));
        return;
    }
    table_cell(&listing->table, "%s*", item->code);
    table_cell(&listing->table, "%s", item->disclosure);
}

static int list(wb_admin *admin, struct admin_listing *listing, struct wb_error *err) {
    return wb_admin_items(admin, list_one, listing, err);
}

static const char *const headers[] = {"ITEM", "DISCLOSURE", NULL};
static const struct admin_kind kind = {.noun = "item", .headers = headers, .list = list};

static int act(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    const struct wb_admin_item item = {.code = request->code, .disclosure = request->disclosure};
    return wb_admin_item_set(admin, &item, err);
}

static int set(const struct admin_action *action, int argc, char **argv) {
    static const struct argp_option options[] = {
        {"disclosure", 'D', "full|title|number|office", 0,
         "name and all, surname with title, staff number, or the office alone", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        "CODE",
        "Says what applicants see of who handles their case, for items whose code begins so."
        "\vOf several codes that an item's begins with the longest counts. Where there is none "
        "waybilld's option 'disclosure' does. Staff see the handler in full, the public nothing.",
        NULL,
        NULL,
        NULL};
    struct request request = {.common = ADMIN_COMMON_INIT};
    (void)action;
    argp_parse(&argp, argc, argv, 0, NULL, &request);
    return admin_perform(&kind, &request.common, request.code, act, &request);
}

int admin_item(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_change removal = {
        &kind, "Takes an item's rule away: a shorter code's holds, or the broker's.",
        wb_admin_item_remove, true};
    static const struct admin_action actions[] = {
        {"set", "say what is disclosed of who handles it", set, NULL},
        {"list", "all of them", admin_list, &kind},
        {"remove", "take the rule away", admin_change, &removal},
        {NULL, NULL, NULL, NULL},
    };
    (void)action;
    return admin_dispatch("waybill admin item", actions, argc, argv);
}
