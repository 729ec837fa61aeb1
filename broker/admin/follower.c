#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/key.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/problem.h"
#include "proto/validate.h"

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
    return 0;
}

static int insert(wb_admin *admin, const struct wb_admin_follower *follower, struct buffer *detail,
                  struct wb_error *err) {
    const char *const values[] = {follower->name, follower->streams ? "true" : "false",
                                  follower->live ? "true" : "false"};
    const struct holder holder = {
        .kind = "follower", .name = follower->name, .follower = follower->name};
    PGresult *r = connection_query(admin, SQL_FOLLOWER_ADD, 3, values, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) == 0) {
        status = problem(err, WB_E_USAGE, "there is a follower %s already", follower->name);
        problem_hint(err, "waybill admin follower rotate changes its key");
    }
    PQclear(r);
    buffer_text(detail, !follower->live      ? "streams"
                        : !follower->streams ? "live feed"
                                             : "streams and live feed");
    for (size_t i = 0; status == 0 && i < KEYS_MAX && follower->keys[i]; i++)
        status = key_add(admin, &holder, follower->keys[i], detail, err);
    return status;
}

int wb_admin_follower_add(wb_admin *admin, const struct wb_admin_follower *follower,
                          struct wb_error *err) {
    struct buffer detail;
    if (check(follower, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = insert(admin, follower, &detail, err);
    return connection_end(admin, status, "follower add", follower->name, &detail, err);
}

static int find(wb_admin *admin, const char *name, bool *enabled, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_FOLLOWER_FIND, 1, &name, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) == 0) {
        char value[PROBLEM_VALUE];
        status = problem(err, WB_E_USAGE, "there is no follower %s",
                         problem_value(name, strlen(name), value));
        problem_hint(err, "waybill admin follower list shows all, follower add makes one");
    } else {
        *enabled = connection_true(r, 0, 2);
    }
    PQclear(r);
    return status;
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
        struct wb_admin_follower follower = {.name = PQgetvalue(r, row, 0),
                                             .enabled = connection_true(r, row, 1),
                                             .streams = connection_true(r, row, 2),
                                             .live = connection_true(r, row, 3),
                                             .since_us = connection_number(r, row, 4)};
        key_read(PQgetvalue(r, row, 5), &keys, follower.keys);
        fn(arg, &follower);
    }
    PQclear(r);
    return 0;
}
