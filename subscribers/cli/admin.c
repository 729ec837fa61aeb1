/* waybill admin: who may publish and follow, and whether the log is sound. */
#include "admin.h"

#include "command.h"

#include "common/buffer.h"
#include "common/curve.h"
#include "common/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct admin_action parts[] = {
    {"source", "who may publish: add, set, list, disable, enable, rotate", admin_source, NULL},
    {"follower", "who may follow: add, set, list, disable, enable, rotate", admin_follower, NULL},
    {"token", "who may follow through a gateway: add, list, revoke, remove", admin_token, NULL},
    {"item", "what applicants see of handlers: set, list, remove", admin_item, NULL},
    {"readers", "how far durable readers are behind", admin_readers, NULL},
    {"reader", "the same, and to forget one: list, remove", admin_reader, NULL},
    {"audit", "what operators changed and what the broker refused", admin_audit, NULL},
    {"partitions", "the leaves of the log: ages, sizes, first offsets", admin_partitions, NULL},
    {"verify", "walk the log and prove that it is sound", admin_verify, NULL},
    {NULL, NULL, NULL, NULL},
};

static void print_help(const char *words, const struct admin_action *actions) {
    printf("Usage: %s ACTION [OPTION...]\n\n", words);
    for (const struct admin_action *action = actions; action->name; action++)
        printf("  %-10s  %s\n", action->name, action->summary);
    printf(
        "\n'%s ACTION --help' describes an action. It works on the database that waybilld uses:\n"
        "--database CONNINFO, else WAYBILL_DATABASE, else 'dbname=waybill'. A broker that runs\n"
        "notices changes within a second. The exit status is 0 only when all was done, 2 when\n"
        "the command line is not valid.\n",
        words);
}

int admin_dispatch(const char *words, const struct admin_action *actions, int argc, char **argv) {
    static char name[96];
    const char *wanted = argc > 1 ? argv[1] : "";
    if (!strcmp(wanted, "--help") || !strcmp(wanted, "-?") || !strcmp(wanted, "-h") ||
        !strcmp(wanted, "help")) {
        print_help(words, actions);
        return command_flush("admin") ? COMMAND_DONE : COMMAND_FAILED;
    }
    for (const struct admin_action *action = actions; action->name; action++)
        if (!strcmp(wanted, action->name)) {
            snprintf(name, sizeof name, "%s %s", words, action->name);
            argv[1] = name;
            return action->run(action, argc - 1, argv + 1);
        }
    if (*wanted)
        fprintf(stderr, "%s: there is no '%s'; see '%s --help'\n", words, wanted, words);
    else
        fprintf(stderr, "%s: say what to do; see '%s --help'\n", words, words);
    return COMMAND_USAGE;
}

int command_admin(int argc, char **argv) {
    return admin_dispatch("waybill admin", parts, argc, argv);
}

bool admin_parse(struct admin_common *common, int key, char *text) {
    if (key == 'd')
        common->database = text;
    else if (key == ADMIN_OPTION_JSON)
        common->json = true;
    else
        return false;
    return true;
}

bool admin_parse_name(const char **name, const char *what, int key, char *text,
                      struct argp_state *state) {
    if (key == ARGP_KEY_ARG) {
        if (*name)
            argp_error(state, "one %s at a time: '%s' is one too many", what, text);
        *name = text;
        return true;
    }
    if (key == ARGP_KEY_END && !*name)
        argp_error(state, "name a %s", what);
    return false;
}

/* What the database would not take says for itself what was wrong; what no database would take is
 * a wrong command line. */
int admin_complain(const struct wb_error *err) {
    switch (err->code) {
    case WB_E_USAGE:
        fflush(stdout);
        fprintf(stderr, "waybill admin: %s (%s)\n", err->detail, err->hint);
        return COMMAND_FAILED;
    case WB_E_SOURCE_NAME:
    case WB_E_FIELD_TOO_LONG:
    case WB_E_FIELD_TEXT:
    case WB_E_FIELD_VALUE:
        command_complain("admin", err);
        return COMMAND_USAGE;
    default:
        command_complain("admin", err);
        return COMMAND_FAILED;
    }
}

/* Keys. */

char *admin_key(struct argp_state *state, const char *text) {
    struct curve_keys keys;
    struct wb_error err;
    if (curve_is_key(text))
        return strdup(text);
    if (curve_read(text, false, &keys, &err) != 0) {
        argp_error(state,
                   "--key: '%.80s' is neither a public key of 40 characters nor a file that "
                   "waybill keygen made: %s",
                   text, err.detail);
        return NULL;
    }
    char *key = strdup(keys.public_key);
    curve_forget(&keys);
    return key;
}

void admin_take_key(struct argp_state *state, const char *text, char **key) {
    if (*key)
        argp_error(state, "--key is given more than once");
    else
        *key = admin_key(state, text);
}

const char *admin_short_key(const char *key, char text[ADMIN_KEY_SHORT]) {
    snprintf(text, ADMIN_KEY_SHORT, "%.8s…", key);
    return text;
}

void admin_put_keys(struct buffer *out, const char *const keys[2]) {
    char text[ADMIN_KEY_SHORT];
    if (!keys[0])
        buffer_text(out, "none");
    for (int i = 0; i < 2 && keys[i]; i++)
        buffer_printf(out, "%s%s", i ? " " : "", admin_short_key(keys[i], text));
}

json_t *admin_keys_json(const char *const keys[2]) {
    json_t *list = json_array();
    for (int i = 0; i < 2 && keys[i]; i++)
        json_array_append_new(list, json_string(keys[i]));
    return list;
}

/* Times. */

const char *admin_time(int64_t us, char text[ADMIN_TIME]) {
    time_t seconds = us / 1000000;
    struct tm local;
    if (us == 0 || !localtime_r(&seconds, &local) ||
        strftime(text, ADMIN_TIME, "%Y-%m-%d %H:%M", &local) == 0)
        snprintf(text, ADMIN_TIME, "-");
    return text;
}

json_t *admin_time_json(int64_t us) {
    char text[TIMESTAMP_TEXT];
    const struct timestamp time = {.us = us};
    return us ? json_string(timestamp_format(&time, text)) : json_null();
}
