#include <string.h>

#include "broker/access/disclosure.h"
#include "broker/admin/connection.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/field.h"
#include "proto/problem.h"

#define ITEMS_MAX "100000" /* brokers hold all of them in memory */

static int check(const struct wb_admin_item *item, struct wb_error *err) {
    enum disclosure disclosure;
    char value[PROBLEM_VALUE];
    if (!item->code[0])
        return problem(err, WB_E_FIELD_VALUE, "the item_code is empty");
    if (field_check(field_find("item_code"), item->code, err) != 0)
        return -1;
    if (disclosure_find(item->disclosure, &disclosure))
        return 0;
    problem(err, WB_E_USAGE, "there is no disclosure %s",
            problem_value(item->disclosure, strlen(item->disclosure), value));
    return problem_hint(err, "it is full, title, number or office");
}

static int check_room(wb_admin *admin, const char *code, struct wb_error *err) {
    const char *const values[] = {ITEMS_MAX, code};
    bool room;
    if (connection_ask(admin, SQL_ITEMS_ROOM, 2, values, &room, err) != 0)
        return -1;
    if (room)
        return 0;
    problem(err, WB_E_USAGE, "there are rules for %s items, and there may not be more", ITEMS_MAX);
    return problem_hint(err, "a rule holds for all items whose code begins so: use shorter codes");
}

/* What the item's rule is, "none" if there is none of its own. */
static int find(wb_admin *admin, const char *code, bool *found, struct buffer *out,
                struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_ITEM_FIND, 1, &code, err);
    if (!r)
        return -1;
    *found = PQntuples(r) > 0;
    buffer_text(out, *found ? PQgetvalue(r, 0, 0) : "none");
    PQclear(r);
    return 0;
}

static int update(wb_admin *admin, const struct wb_admin_item *item, struct buffer *detail,
                  struct wb_error *err) {
    const char *const values[] = {item->code, item->disclosure};
    bool found;
    buffer_text(detail, "was: ");
    if (find(admin, item->code, &found, detail, err) != 0 ||
        check_room(admin, item->code, err) != 0 ||
        connection_change(admin, SQL_ITEM_SET, 2, values, err) < 0)
        return -1;
    buffer_printf(detail, "; is: %s", item->disclosure);
    return 0;
}

int wb_admin_item_set(wb_admin *admin, const struct wb_admin_item *item, struct wb_error *err) {
    struct buffer detail;
    if (check(item, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = update(admin, item, &detail, err);
    return connection_end(admin, status, "item set", item->code, &detail, err);
}

static int drop(wb_admin *admin, const char *code, struct buffer *detail, struct wb_error *err) {
    bool found;
    buffer_text(detail, "was: ");
    if (find(admin, code, &found, detail, err) != 0)
        return -1;
    if (!found) {
        char value[PROBLEM_VALUE];
        problem(err, WB_E_USAGE, "there is no rule for the item %s",
                problem_value(code, strlen(code), value));
        return problem_hint(err, "waybill admin item list shows all");
    }
    return connection_change(admin, SQL_ITEM_REMOVE, 1, &code, err) < 0 ? -1 : 0;
}

int wb_admin_item_remove(wb_admin *admin, const char *code, struct wb_error *err) {
    struct buffer detail;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = drop(admin, code, &detail, err);
    return connection_end(admin, status, "item remove", code, &detail, err);
}

int wb_admin_items(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_item *item),
                   void *arg, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_ITEMS, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++) {
        const struct wb_admin_item item = {.code = PQgetvalue(r, row, 0),
                                           .disclosure = PQgetvalue(r, row, 1)};
        fn(arg, &item);
    }
    PQclear(r);
    return 0;
}
