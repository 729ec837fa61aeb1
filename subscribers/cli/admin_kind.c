#include "admin_kind.h"

#include "command.h"
#include "screen.h"

#include "common/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Listing. */

bool admin_listing_wants(const struct admin_listing *listing, const char *name) {
    return !listing->only || strcmp(listing->only, name) == 0;
}

void admin_listing_print(struct admin_listing *listing, json_t *object) {
    if (listing->failed)
        json_decref(object);
    else
        listing->failed = !command_print_json("admin", object);
}

static int show(wb_admin *admin, const struct admin_kind *kind, bool json, const char *only,
                struct wb_error *err) {
    struct admin_listing listing = {.json = json, .only = only};
    struct screen screen;
    size_t columns = 0;
    while (kind->headers[columns])
        columns++;
    screen_init(&screen, stdout);
    table_init(&listing.table, columns, kind->headers);
    int status = kind->list(admin, &listing, err);
    if (status == 0 && !json)
        table_print(&listing.table, &screen);
    table_free(&listing.table);
    if (status != 0)
        return admin_complain(err);
    return !listing.failed && command_flush("admin") ? COMMAND_DONE : COMMAND_FAILED;
}

/* Doing. */

int admin_perform(const struct admin_kind *kind, const struct admin_common *common,
                  const char *name, admin_deed *deed, void *arg) {
    struct wb_error err;
    int status = COMMAND_DONE;
    wb_admin *admin = wb_admin_open(common->database, true, &err);
    if (!admin || deed(admin, arg, &err) != 0)
        status = admin_complain(&err);
    else if (name)
        status = show(admin, kind, common->json, name, &err);
    wb_admin_close(admin);
    return status;
}

/* The actions that all kinds have. */

struct request {
    struct admin_common common;
    const struct admin_kind *kind;
    const struct admin_change *change; /* NULL: another action */
    bool listing, rotating, done;
    const char *name;
    char *key;
};

enum { OPTION_DONE = 256 };

static error_t parse(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    if (admin_parse(&request->common, key, text))
        return 0;
    if (!request->listing &&
        admin_parse_name(&request->name, request->kind->noun, key, text, state))
        return 0;
    switch (key) {
    case 'k':
        admin_take_key(state, text, &request->key);
        return 0;
    case OPTION_DONE:
        request->done = true;
        return 0;
    case ARGP_KEY_END:
        if (request->rotating && request->done == (request->key != NULL))
            argp_error(state, "give either the new key with --key, or --done when it is in use");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void read_line(struct request *request, const struct argp_option *options, const char *args,
                      const char *doc, int argc, char **argv) {
    const struct argp argp = {options, parse, args, doc, NULL, NULL, NULL};
    request->common = (struct admin_common)ADMIN_COMMON_INIT;
    argp_parse(&argp, argc, argv, 0, NULL, request);
}

static const struct argp_option no_options[] = {ADMIN_OPTIONS};

int admin_list(const struct admin_action *action, int argc, char **argv) {
    struct request request = {.kind = action->data, .listing = true};
    struct wb_error err;
    char doc[64];
    snprintf(doc, sizeof doc, "Lists the %ss.", request.kind->noun);
    read_line(&request, no_options, NULL, doc, argc, argv);
    wb_admin *admin = wb_admin_open(request.common.database, false, &err);
    int status =
        admin ? show(admin, request.kind, request.common.json, NULL, &err) : admin_complain(&err);
    wb_admin_close(admin);
    return status;
}

static int change(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    return request->change->change(admin, request->name, err);
}

int admin_change(const struct admin_action *action, int argc, char **argv) {
    struct request request = {.change = action->data};
    request.kind = request.change->kind;
    read_line(&request, no_options, "NAME", request.change->doc, argc, argv);
    return admin_perform(request.kind, &request.common, request.change->gone ? NULL : request.name,
                         change, &request);
}

static int disable(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    return request->kind->enable(admin, request->name, false, err);
}

static int enable(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    return request->kind->enable(admin, request->name, true, err);
}

static int switch_party(const struct admin_kind *kind, const char *does, const char *how,
                        admin_deed *deed, int argc, char **argv) {
    struct request request = {.kind = kind};
    char doc[96];
    snprintf(doc, sizeof doc, "%s a %s%s", does, kind->noun, how);
    read_line(&request, no_options, "NAME", doc, argc, argv);
    return admin_perform(kind, &request.common, request.name, deed, &request);
}

int admin_disable(const struct admin_action *action, int argc, char **argv) {
    return switch_party(action->data, "Cuts", " off, within a second. What is in the log stays.",
                        disable, argc, argv);
}

int admin_enable(const struct admin_action *action, int argc, char **argv) {
    return switch_party(action->data, "Admits", " again.", enable, argc, argv);
}

static int rotate(wb_admin *admin, void *arg, struct wb_error *err) {
    const struct request *request = arg;
    const struct admin_kind *kind = request->kind;
    return request->done ? kind->retire(admin, request->name, err)
                         : kind->rotate(admin, request->name, request->key, err);
}

int admin_rotate(const struct admin_action *action, int argc, char **argv) {
    static const struct argp_option options[] = {
        ADMIN_OPTION_KEY,
        {"done", OPTION_DONE, NULL, 0, "the new key is in use: take the older one away", 0},
        ADMIN_OPTIONS};
    struct request request = {.kind = action->data, .rotating = true};
    char doc[256];
    snprintf(doc, sizeof doc,
             "Changes a %s's key without a stop: first --key adds the new one beside the old, "
             "then, with the %s using it, --done takes the old one away.",
             request.kind->noun, request.kind->noun);
    read_line(&request, options, "NAME", doc, argc, argv);
    int status = admin_perform(request.kind, &request.common, request.name, rotate, &request);
    free(request.key);
    return status;
}

/* Prefixes. */

bool admin_prefixes_parse(struct admin_prefixes *prefixes, bool may_lift, int key, const char *text,
                          struct argp_state *state) {
    static const char letters[] = "aric";
    const char *letter = key > 0 && key < 128 ? strchr(letters, key) : NULL;
    if (!letter)
        return false;
    size_t index = (size_t)(letter - letters);
    struct wb_admin_list *list = &prefixes->lists[index];
    prefixes->given |= 1u << index;
    if (!*text && may_lift)
        return true; /* any value */
    if (!*text)
        argp_error(state, "an empty prefix allows any value: leave the option out");
    if (list->count == ADMIN_PREFIXES_MAX)
        argp_error(state, "there are more than %d prefixes of one kind", ADMIN_PREFIXES_MAX);
    prefixes->values[index][list->count++] = text;
    list->values = prefixes->values[index];
    return true;
}

void admin_put_prefixes(struct buffer *out,
                        const struct wb_admin_list *const lists[ADMIN_PREFIX_LISTS],
                        const char *otherwise) {
    static const char *const words[ADMIN_PREFIX_LISTS] = {"agency", "region", "item", "case"};
    for (size_t n = 0; n < ADMIN_PREFIX_LISTS; n++)
        for (size_t i = 0; lists[n] && i < lists[n]->count; i++)
            buffer_printf(out, "%s%s %s*", out->length ? i ? " or" : ", " : "", i ? "" : words[n],
                          lists[n]->values[i]);
    if (!out->length)
        buffer_text(out, otherwise);
}

json_t *admin_list_json(const struct wb_admin_list *list) {
    json_t *json = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(json, json_string(list->values[i]));
    return json;
}
