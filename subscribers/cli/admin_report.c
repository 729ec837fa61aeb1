/* waybill admin audit and partitions: what can be looked at. */
#include "admin.h"

#include "command.h"
#include "screen.h"
#include "table.h"

#include "common/timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT_DEFAULT 50

struct report {
    struct admin_common common;
    const char *subject;
    size_t limit;
    struct table table;
    bool failed;
};

enum { OPTION_LIMIT = 256 };

static size_t parse_limit(struct argp_state *state, const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || *end || *text < '1' || *text > '9' || value > INT32_MAX)
        argp_error(state, "--limit '%s': write a number from 1", text);
    return value;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct report *report = state->input;
    if (admin_parse(&report->common, key, text))
        return 0;
    switch (key) {
    case OPTION_LIMIT:
        report->limit = parse_limit(state, text);
        return 0;
    case 's':
        report->subject = text;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_json(struct report *report, json_t *object) {
    if (report->failed)
        json_decref(object);
    else
        report->failed = !command_print_json("admin", object);
}

/* What a report calls for each row, by way of read. */
typedef int read_rows(wb_admin *admin, struct report *report, struct wb_error *err);

static int run(struct report *report, const char *const *headers, size_t columns, read_rows *read) {
    struct wb_error err;
    struct screen screen;
    wb_admin *admin = wb_admin_open(report->common.database, false, &err);
    if (!admin)
        return admin_complain(&err);
    screen_init(&screen, stdout);
    table_init(&report->table, columns, headers);
    int status = read(admin, report, &err);
    if (status == 0 && !report->common.json)
        table_print(&report->table, &screen);
    table_free(&report->table);
    wb_admin_close(admin);
    if (status != 0)
        return admin_complain(&err);
    return !report->failed && command_flush("admin") ? COMMAND_DONE : COMMAND_FAILED;
}

/* The audit. */

static void audit_entry(void *arg, const struct wb_admin_entry *entry) {
    struct report *report = arg;
    char at[ADMIN_TIME];
    if (report->common.json) {
        print_json(report, json_pack("{s:o, s:s, s:s, s:s, s:I, s:s}", "at",
                                     admin_time_json(entry->at_us), "actor", entry->actor, "action",
                                     entry->action, "subject", entry->subject, "count",
                                     (json_int_t)entry->count, "detail", entry->detail));
        return;
    }
    table_cell(&report->table, "%s", admin_time(entry->at_us, at));
    table_cell(&report->table, "%s", entry->actor);
    table_cell(&report->table, "%s", entry->action);
    table_cell(&report->table, "%s", entry->subject);
    table_cell(&report->table, "%lld", (long long)entry->count);
    table_cell(&report->table, "%s", entry->detail);
}

static int read_audit(wb_admin *admin, struct report *report, struct wb_error *err) {
    return wb_admin_audit(admin, report->subject, report->limit, audit_entry, report, err);
}

int admin_audit(const struct admin_action *action, int argc, char **argv) {
    (void)action;
    static const char *const headers[] = {"AT", "BY", "ACTION", "SUBJECT", "TIMES", "DETAIL"};
    static const struct argp_option options[] = {
        {"limit", OPTION_LIMIT, "N", 0, "the newest N entries (50)", 0},
        {"subject", 's', "NAME", 0, "of this source, follower or key alone", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options, parse,
        NULL,    "Shows what operators changed and what the broker refused, the newest last.",
        NULL,    NULL,
        NULL};
    struct report report = {.common = ADMIN_COMMON_INIT, .limit = LIMIT_DEFAULT};
    argp_parse(&argp, argc, argv, 0, NULL, &report);
    return run(&report, headers, sizeof headers / sizeof *headers, read_audit);
}

/* The leaves. */

static void put_age(struct table *table, int64_t us) {
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{2 * 86400, "d"}, {2 * 3600, "h"}, {2 * 60, "min"}, {0, "s"}};
    static const int64_t divisors[] = {86400, 3600, 60, 1};
    int64_t seconds = us / 1000000;
    size_t i = 0;
    while (units[i].seconds > seconds)
        i++;
    table_cell(table, "%lld %s", (long long)(seconds / divisors[i]), units[i].unit);
}

static void put_size(struct table *table, int64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes / 1024;
    size_t i = 0;
    for (; size >= 1000 && i < 3; i++)
        size /= 1024;
    table_cell(table, "%.*f %s", size < 10 ? 1 : 0, size, units[i]);
}

static void put_leaf(struct table *table, const struct wb_admin_leaf *leaf) {
    char text[ADMIN_TIME];
    int64_t now = timestamp_now_us();
    table_cell(table, "%s", leaf->name);
    table_cell(table, "%s", admin_time(leaf->from_us, text));
    table_cell(table, "%s", admin_time(leaf->to_us, text));
    if (leaf->from_us && leaf->from_us <= now)
        put_age(table, now - leaf->from_us);
    else
        table_cell(table, "-");
    if (leaf->first_offset) {
        table_cell(table, "%llu", (unsigned long long)leaf->first_offset);
        table_cell(table, "%llu", (unsigned long long)leaf->events);
    } else {
        table_cell(table, "older");
        table_cell(table, "-");
    }
    put_size(table, leaf->bytes);
    table_cell(table, "%s",
               leaf->sealed_us       ? "frozen"
               : !leaf->first_offset ? "kept for open cases"
               : leaf->to_us > now   ? "open"
                                     : "full");
}

static void leaf_entry(void *arg, const struct wb_admin_leaf *leaf) {
    struct report *report = arg;
    if (!report->common.json) {
        put_leaf(&report->table, leaf);
        return;
    }
    bool kept = leaf->first_offset == 0;
    print_json(
        report,
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:o}", "name", leaf->name, "from",
                  admin_time_json(leaf->from_us), "to", admin_time_json(leaf->to_us),
                  "first_offset", kept ? json_null() : json_integer((json_int_t)leaf->first_offset),
                  "events", kept ? json_null() : json_integer((json_int_t)leaf->events), "bytes",
                  (json_int_t)leaf->bytes, "sealed", admin_time_json(leaf->sealed_us)));
}

static int read_leaves(wb_admin *admin, struct report *report, struct wb_error *err) {
    return wb_admin_leaves(admin, leaf_entry, report, err);
}

int admin_partitions(const struct admin_action *action, int argc, char **argv) {
    (void)action;
    static const char *const headers[] = {"LEAF",         "FROM",   "TO",   "AGE",
                                          "FIRST OFFSET", "EVENTS", "SIZE", "STATE"};
    static const struct argp_option options[] = {ADMIN_OPTIONS};
    static const struct argp argp = {
        options, parse, NULL, "Shows the leaves of the log, the oldest first.", NULL, NULL, NULL};
    struct report report = {.common = ADMIN_COMMON_INIT};
    argp_parse(&argp, argc, argv, 0, NULL, &report);
    return run(&report, headers, sizeof headers / sizeof *headers, read_leaves);
}
