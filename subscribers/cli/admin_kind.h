/* waybill admin: what the kinds of things that it keeps lists of (sources, followers, tokens,
 * items) have in common: the list, changes of one that take nothing but its name, and keys. */
#ifndef CLI_ADMIN_KIND_H
#define CLI_ADMIN_KIND_H

#include "admin.h"
#include "table.h"

struct admin_listing {
    bool json;
    const char *only; /* this one alone; NULL: all */
    struct table table;
    bool failed;
};

struct admin_kind {
    const char *noun;           /* "source" */
    const char *const *headers; /* of the list, ended by NULL */
    /* Hands each to admin_listing_wants, and those it wants to the table or, for programs, to
     * admin_listing_print. */
    int (*list)(wb_admin *admin, struct admin_listing *listing, struct wb_error *err);
    /* For kinds with keys: parties. */
    int (*enable)(wb_admin *admin, const char *name, bool enabled, struct wb_error *err);
    int (*rotate)(wb_admin *admin, const char *name, const char *new_key, struct wb_error *err);
    int (*retire)(wb_admin *admin, const char *name, struct wb_error *err);
};

bool admin_listing_wants(const struct admin_listing *listing, const char *name);
/* Releases the object. */
void admin_listing_print(struct admin_listing *listing, json_t *object);

/* A change of one that takes its name alone. */
struct admin_change {
    const struct admin_kind *kind;
    const char *doc; /* one sentence */
    int (*change)(wb_admin *admin, const char *name, struct wb_error *err);
    bool gone; /* there is nothing to show of it then */
};

/* Actions. Their data: the struct admin_kind; of the second the struct admin_change. */
int admin_list(const struct admin_action *action, int argc, char **argv);
int admin_change(const struct admin_action *action, int argc, char **argv);
int admin_disable(const struct admin_action *action, int argc, char **argv);
int admin_enable(const struct admin_action *action, int argc, char **argv);
int admin_rotate(const struct admin_action *action, int argc, char **argv);

/* The end of a party's actions. */
/* clang-format off */
#define ADMIN_PARTY_ACTIONS(kind) \
    {"list", "all of them", admin_list, &(kind)}, \
    {"disable", "cut one off", admin_disable, &(kind)}, \
    {"enable", "admit it again", admin_enable, &(kind)}, \
    {"rotate", "change its key without a stop", admin_rotate, &(kind)}, \
    {NULL, NULL, NULL, NULL}
/* clang-format on */

/* Opens the database, does it, and shows the one that is named as the list has it; without a name
 * nothing. Gives the exit status. */
typedef int admin_deed(wb_admin *admin, void *arg, struct wb_error *err);
int admin_perform(const struct admin_kind *kind, const struct admin_common *common,
                  const char *name, admin_deed *deed, void *arg);

/* Prefixes of agency, region, item and case, as options -a, -r, -i and -c. */
enum { ADMIN_PREFIXES_MAX = 256, ADMIN_PREFIX_LISTS = 4 };
struct admin_prefixes {
    struct wb_admin_list lists[ADMIN_PREFIX_LISTS]; /* agencies, regions, items, cases */
    unsigned given;                                 /* bit n: list n was named */
    const char *values[ADMIN_PREFIX_LISTS][ADMIN_PREFIXES_MAX];
};
/* Takes one of these options; an empty value is an error unless it may lift a restriction. False if
 * the option is another. */
bool admin_prefixes_parse(struct admin_prefixes *prefixes, bool may_lift, int key, const char *text,
                          struct argp_state *state);
/* "agency A* or B*, region 32*"; otherwise if all are empty. */
void admin_put_prefixes(struct buffer *out,
                        const struct wb_admin_list *const lists[ADMIN_PREFIX_LISTS],
                        const char *otherwise);
json_t *admin_list_json(const struct wb_admin_list *list);

#endif
