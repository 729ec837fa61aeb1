#include <stdio.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/key.h"
#include "broker/admin/list.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define LISTS 4

/* The lists of a source, in the order of the statements' parameters. */
static const struct list {
    unsigned what;
    const char *field; /* whose values the prefixes are of */
} lists[LISTS] = {
    {WB_ADMIN_AGENCIES, "agency"},
    {WB_ADMIN_REGIONS, "region_code"},
    {WB_ADMIN_ITEMS, "item_code"},
    {WB_ADMIN_CASES, "case_no"},
};

static const struct wb_admin_list *list_of(const struct wb_admin_source *source, size_t i) {
    const struct wb_admin_list *all[LISTS] = {&source->agencies, &source->regions, &source->items,
                                              &source->cases};
    return all[i];
}

/* Checking. */

static int check_limits(const struct wb_admin_source *source, struct wb_error *err) {
    if (source->rate_events < 0)
        return problem(err, WB_E_USAGE, "the rate is %d events a second", source->rate_events);
    if (source->event_bytes < 0 || source->event_bytes > LIMIT_EVENT_BYTES) {
        problem(err, WB_E_USAGE, "the size limit of an event is %d bytes", source->event_bytes);
        return problem_hint(err, "write 1 to %d, or 0 for the contract's", LIMIT_EVENT_BYTES);
    }
    return 0;
}

static int check(const struct wb_admin_source *source, unsigned what, struct wb_error *err) {
    if (source_validate(source->name, err) != 0)
        return -1;
    for (size_t i = 0; i < LISTS; i++)
        if ((what & lists[i].what) &&
            list_check_prefixes(list_of(source, i), lists[i].field, err) != 0)
            return -1;
    return check_limits(source, err);
}

/* Changing. */

/* The parameters of SQL_SOURCE_ADD and SQL_SOURCE_SET; NULL for what is to stay. */
struct params {
    struct buffer arrays[LISTS];
    char rate[16], bytes[16];
    const char *values[1 + LISTS + 2];
};

static int params_init(struct params *p, const struct wb_admin_source *source, unsigned what,
                       struct wb_error *err) {
    bool failed = false;
    memset(p, 0, sizeof *p);
    p->values[0] = source->name;
    for (size_t i = 0; i < LISTS; i++) {
        buffer_init(&p->arrays[i], 0);
        if (!(what & lists[i].what))
            continue;
        list_put(&p->arrays[i], list_of(source, i));
        p->values[1 + i] = buffer_string(&p->arrays[i]);
        failed = failed || p->arrays[i].failed;
    }
    snprintf(p->rate, sizeof p->rate, "%d", source->rate_events);
    snprintf(p->bytes, sizeof p->bytes, "%d", source->event_bytes);
    if (what & WB_ADMIN_RATE)
        p->values[1 + LISTS] = p->rate;
    if (what & WB_ADMIN_EVENT_BYTES)
        p->values[2 + LISTS] = p->bytes;
    return failed ? problem(err, WB_E_SYSTEM, "out of memory") : 0;
}

static void params_free(struct params *p) {
    for (size_t i = 0; i < LISTS; i++)
        buffer_free(&p->arrays[i]);
}

/* What it may do now, in words, for the audit. */
static int put_words(wb_admin *admin, const char *name, struct buffer *detail,
                     struct wb_error *err) {
    return connection_put(admin, SQL_SOURCE_WORDS, name, detail, err);
}

static int registered_already(const char *name, struct wb_error *err) {
    problem(err, WB_E_USAGE, "the source %s is registered already", name);
    return problem_hint(err, "waybill admin source set changes what it may do, rotate its key");
}

static int insert(wb_admin *admin, const struct wb_admin_source *source, const struct params *p,
                  struct buffer *detail, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_SOURCE_ADD, 1 + LISTS + 2, p->values, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) == 0) {
        status = registered_already(source->name, err);
    } else {
        const struct holder holder = {
            .kind = "source", .name = source->name, .source_id = PQgetvalue(r, 0, 0)};
        status = put_words(admin, source->name, detail, err);
        for (size_t i = 0; status == 0 && i < KEYS_MAX && source->keys[i]; i++)
            status = key_add(admin, &holder, source->keys[i], detail, err);
    }
    PQclear(r);
    return status;
}

int wb_admin_source_add(wb_admin *admin, const struct wb_admin_source *source,
                        struct wb_error *err) {
    const unsigned all = WB_ADMIN_GRANTS | WB_ADMIN_RATE | WB_ADMIN_EVENT_BYTES;
    struct params p;
    struct buffer detail;
    if (check(source, all, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = params_init(&p, source, all, err);
    if (status == 0)
        status = insert(admin, source, &p, &detail, err);
    params_free(&p);
    return connection_end(admin, status, "source add", source->name, &detail, err);
}

struct found {
    char id[16];
    bool registered, enabled;
};

static int find(wb_admin *admin, const char *name, struct found *found, struct wb_error *err) {
    PGresult *r = connection_find(admin, SQL_SOURCE_FIND, "source", name, err);
    *found = (struct found){0};
    if (!r)
        return -1;
    snprintf(found->id, sizeof found->id, "%s", PQgetvalue(r, 0, 0));
    found->registered = connection_true(r, 0, 1);
    found->enabled = connection_true(r, 0, 2);
    PQclear(r);
    return 0;
}

static int find_registered(wb_admin *admin, const char *name, struct found *found,
                           struct wb_error *err) {
    if (find(admin, name, found, err) != 0)
        return -1;
    if (found->registered)
        return 0;
    problem(err, WB_E_USAGE, "the source %s is not registered: it spoke on loopback only", name);
    return problem_hint(err, "waybill admin source add registers it and says what it may do");
}

static int update(wb_admin *admin, const char *name, const struct params *p, struct buffer *detail,
                  struct wb_error *err) {
    struct found found;
    if (find_registered(admin, name, &found, err) != 0)
        return -1;
    buffer_text(detail, "was: ");
    if (put_words(admin, name, detail, err) != 0 ||
        connection_change(admin, SQL_SOURCE_SET, 1 + LISTS + 2, p->values, err) < 0)
        return -1;
    buffer_text(detail, "; is: ");
    return put_words(admin, name, detail, err);
}

int wb_admin_source_set(wb_admin *admin, const struct wb_admin_source *source, unsigned what,
                        struct wb_error *err) {
    struct params p;
    struct buffer detail;
    if (check(source, what, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = params_init(&p, source, what, err);
    if (status == 0)
        status = update(admin, source->name, &p, &detail, err);
    params_free(&p);
    return connection_end(admin, status, "source set", source->name, &detail, err);
}

int wb_admin_source_enable(wb_admin *admin, const char *name, bool enabled, struct wb_error *err) {
    const char *const values[] = {name, enabled ? "true" : "false"};
    struct found found;
    struct buffer detail;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &found, err);
    if (status == 0 && found.enabled == enabled)
        buffer_printf(&detail, "was %s already", enabled ? "enabled" : "disabled");
    if (status == 0 && connection_change(admin, SQL_SOURCE_ENABLE, 2, values, err) < 0)
        status = -1;
    return connection_end(admin, status, enabled ? "source enable" : "source disable", name,
                          &detail, err);
}

static int change_keys(wb_admin *admin, const char *name, const char *new_key,
                       struct wb_error *err) {
    struct found found;
    struct buffer detail;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find_registered(admin, name, &found, err);
    const struct holder holder = {.kind = "source", .name = name, .source_id = found.id};
    if (status == 0)
        status = new_key ? key_add(admin, &holder, new_key, &detail, err)
                         : key_retire(admin, &holder, &detail, err);
    return connection_end(admin, status, "source rotate", name, &detail, err);
}

int wb_admin_source_rotate(wb_admin *admin, const char *name, const char *new_key,
                           struct wb_error *err) {
    return change_keys(admin, name, new_key, err);
}

int wb_admin_source_retire(wb_admin *admin, const char *name, struct wb_error *err) {
    return change_keys(admin, name, NULL, err);
}

/* Listing. */

static void tell(const PGresult *r, int row,
                 void (*fn)(void *arg, const struct wb_admin_source *source), void *arg) {
    const char *values[LISTS][LIST_MAX];
    json_t *json[LISTS];
    struct keys_read keys;
    struct wb_admin_source source = {.name = PQgetvalue(r, row, 0),
                                     .enabled = connection_true(r, row, 1),
                                     .registered = connection_true(r, row, 2),
                                     .rate_events = (int32_t)connection_number(r, row, 7),
                                     .event_bytes = (int32_t)connection_number(r, row, 8),
                                     .since_us = connection_number(r, row, 9)};
    struct wb_admin_list *into[LISTS] = {&source.agencies, &source.regions, &source.items,
                                         &source.cases};
    for (int i = 0; i < LISTS; i++)
        json[i] = list_read(PQgetvalue(r, row, 3 + i), values[i], into[i]);
    key_read(PQgetvalue(r, row, 10), &keys, source.keys);
    fn(arg, &source);
    for (int i = 0; i < LISTS; i++)
        json_decref(json[i]);
}

int wb_admin_sources(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_source *source),
                     void *arg, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_SOURCES, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++)
        tell(r, row, fn, arg);
    PQclear(r);
    return 0;
}
