#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/key.h"
#include "broker/admin/list.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/field.h"
#include "proto/problem.h"
#include "proto/validate.h"

static int check_audiences(const struct wb_admin_list *audiences, struct wb_error *err) {
    char value[PROBLEM_VALUE];
    const char *unknown = NULL;
    for (size_t i = 0; i < audiences->count && !unknown; i++)
        if (audience_parse(audiences->values[i]) < 0)
            unknown = audiences->values[i];
    if (audiences->count > 0 && audiences->count <= LIST_MAX && !unknown)
        return 0;
    if (unknown)
        problem(err, WB_E_USAGE, "there is no audience %s",
                problem_value(unknown, strlen(unknown), value));
    else
        problem(err, WB_E_USAGE, "a follower without an audience sees nothing");
    return problem_hint(err, "give one or more of full, staff, applicant and public");
}

static int check(const struct wb_admin_follower *follower, struct wb_error *err) {
    if (source_validate(follower->name, err) != 0) /* the same form */
        return -1;
    if (!follower->streams && !follower->live) {
        problem(err, WB_E_USAGE, "%s may use neither streams nor the live feed", follower->name);
        return problem_hint(err, "leave out one of --no-streams and --no-live");
    }
    if (!follower->keys[0]) {
        problem(err, WB_E_USAGE, "%s has no key", follower->name);
        return problem_hint(err, "followers are known by their key alone: waybill keygen");
    }
    return check_audiences(&follower->audiences, err);
}

/* What it may use and see now, for the audit. */
static int put_words(wb_admin *admin, const char *name, struct buffer *detail,
                     struct wb_error *err) {
    return connection_put(admin, SQL_FOLLOWER_WORDS, name, detail, err);
}

static int insert(wb_admin *admin, const struct wb_admin_follower *follower, const char *audiences,
                  struct buffer *detail, struct wb_error *err) {
    const char *const values[] = {follower->name, follower->streams ? "true" : "false",
                                  follower->live ? "true" : "false", audiences};
    const struct holder holder = {
        .kind = "follower", .name = follower->name, .follower = follower->name};
    PGresult *r = connection_query(admin, SQL_FOLLOWER_ADD, 4, values, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) == 0) {
        status = problem(err, WB_E_USAGE, "there is a follower %s already", follower->name);
        problem_hint(err, "waybill admin follower set changes what it may see, rotate its key");
    }
    PQclear(r);
    if (status == 0)
        status = put_words(admin, follower->name, detail, err);
    for (size_t i = 0; status == 0 && i < KEYS_MAX && follower->keys[i]; i++)
        status = key_add(admin, &holder, follower->keys[i], detail, err);
    return status;
}

int wb_admin_follower_add(wb_admin *admin, const struct wb_admin_follower *follower,
                          struct wb_error *err) {
    struct buffer detail, audiences;
    if (check(follower, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    buffer_init(&audiences, 0);
    list_put(&audiences, &follower->audiences);
    int status = insert(admin, follower, buffer_string(&audiences), &detail, err);
    buffer_free(&audiences);
    return connection_end(admin, status, "follower add", follower->name, &detail, err);
}

static int find(wb_admin *admin, const char *name, bool *enabled, struct wb_error *err) {
    PGresult *r = connection_find(admin, SQL_FOLLOWER_FIND, "follower", name, err);
    if (!r)
        return -1;
    *enabled = connection_true(r, 0, 2);
    PQclear(r);
    return 0;
}

static int update(wb_admin *admin, const char *name, const char *audiences, struct buffer *detail,
                  struct wb_error *err) {
    const char *const values[] = {name, audiences};
    bool enabled;
    if (find(admin, name, &enabled, err) != 0)
        return -1;
    buffer_text(detail, "was: ");
    if (put_words(admin, name, detail, err) != 0 ||
        connection_change(admin, SQL_FOLLOWER_SET, 2, values, err) < 0)
        return -1;
    buffer_text(detail, "; is: ");
    return put_words(admin, name, detail, err);
}

int wb_admin_follower_set(wb_admin *admin, const char *name, const struct wb_admin_list *audiences,
                          struct wb_error *err) {
    struct buffer detail, array;
    if (check_audiences(audiences, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    buffer_init(&array, 0);
    list_put(&array, audiences);
    int status = update(admin, name, buffer_string(&array), &detail, err);
    buffer_free(&array);
    return connection_end(admin, status, "follower set", name, &detail, err);
}

int wb_admin_follower_enable(wb_admin *admin, const char *name, bool enabled,
                             struct wb_error *err) {
    const char *const values[] = {name, enabled ? "true" : "false"};
    struct buffer detail;
    bool before = enabled;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &before, err);
    if (status == 0 && before == enabled)
        buffer_printf(&detail, "was %s already", enabled ? "enabled" : "disabled");
    if (status == 0 && connection_change(admin, SQL_FOLLOWER_ENABLE, 2, values, err) < 0)
        status = -1;
    return connection_end(admin, status, enabled ? "follower enable" : "follower disable", name,
                          &detail, err);
}

static int change_keys(wb_admin *admin, const char *name, const char *new_key,
                       struct wb_error *err) {
    const struct holder holder = {.kind = "follower", .name = name, .follower = name};
    struct buffer detail;
    bool enabled;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &enabled, err);
    if (status == 0)
        status = new_key ? key_add(admin, &holder, new_key, &detail, err)
                         : key_retire(admin, &holder, &detail, err);
    return connection_end(admin, status, "follower rotate", name, &detail, err);
}

int wb_admin_follower_rotate(wb_admin *admin, const char *name, const char *new_key,
                             struct wb_error *err) {
    return change_keys(admin, name, new_key, err);
}

int wb_admin_follower_retire(wb_admin *admin, const char *name, struct wb_error *err) {
    return change_keys(admin, name, NULL, err);
}

int wb_admin_followers(wb_admin *admin,
                       void (*fn)(void *arg, const struct wb_admin_follower *follower), void *arg,
                       struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_FOLLOWERS, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++) {
        struct keys_read keys;
        const char *audiences[LIST_MAX];
        struct wb_admin_follower follower = {.name = PQgetvalue(r, row, 0),
                                             .enabled = connection_true(r, row, 1),
                                             .streams = connection_true(r, row, 2),
                                             .live = connection_true(r, row, 3),
                                             .since_us = connection_number(r, row, 4)};
        key_read(PQgetvalue(r, row, 5), &keys, follower.keys);
        json_t *json = list_read(PQgetvalue(r, row, 6), audiences, &follower.audiences);
        fn(arg, &follower);
        json_decref(json);
    }
    PQclear(r);
    return 0;
}
