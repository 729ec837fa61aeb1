#include "adapters/file/report.h"

#include <string.h>

#include "proto/problem.h"

#define LISTED_MAX 50 /* lines of one list, in words */

static uint64_t rejected(const struct report *report) {
    return rejects_count(report->rejects);
}

static double rate(const struct report *report) {
    return report->seconds > 0 ? (double)report->read / report->seconds : 0;
}

void report_summary(const struct report *report, FILE *to) {
    fprintf(to, "%llu read, ", (unsigned long long)report->read);
    if (report->dry)
        fprintf(to, "%llu would be accepted, ", (unsigned long long)report->events);
    else
        fprintf(to, "%llu acknowledged (%llu repeats), ", (unsigned long long)report->acknowledged,
                (unsigned long long)report->repeats);
    if (report->skipped > 0)
        fprintf(to, "%llu skipped, ", (unsigned long long)report->skipped);
    if (report->unacknowledged > 0)
        fprintf(to, "%llu without an answer, ", (unsigned long long)report->unacknowledged);
    fprintf(to, "%llu rejected in %.1f s (%.0f/s)\n", (unsigned long long)rejected(report),
            report->seconds, rate(report));
}

static void put_reasons(const struct report *report, FILE *to) {
    const struct rejects_reason *all;
    size_t count = rejects_reasons(report->rejects, &all);
    for (size_t i = 0; i < count; i++) {
        struct wb_error why;
        problem(&why, all[i].code, "%s", "");
        fprintf(to, "  %llu rejected: %s (%s)\n", (unsigned long long)all[i].count, why.message,
                problem_name(all[i].code));
    }
}

static void put_unmapped(const struct report *report, FILE *to) {
    const struct mapping_unmapped *all;
    uint64_t more;
    size_t count = report->mapping ? mapping_unmapped(report->mapping, &all, &more) : 0;
    if (count == 0)
        return;
    fprintf(to, "values that stage.dictionary does not have:\n");
    for (size_t i = 0; i < count && i < LISTED_MAX; i++) {
        char value[PROBLEM_VALUE];
        fprintf(to, "  %s  %llu times, first in line %llu",
                problem_value(all[i].value, strlen(all[i].value), value),
                (unsigned long long)all[i].count, (unsigned long long)all[i].first_line);
        fprintf(to, all[i].example[0] ? ", case %s\n" : "%s\n", all[i].example);
    }
    if (count > LISTED_MAX || more > 0)
        fprintf(to, "  and %llu more%s\n", (unsigned long long)(count - LISTED_MAX) + more,
                "; --json lists more of them");
}

static bool is_unknown(const struct column *column) {
    return column->used && column->records == 0 && !column->present;
}

static bool is_unused(const struct column *column) {
    return !column->used && column->records > 0;
}

static void put_unknown(const struct report *report, FILE *to) {
    for (size_t i = 0; report->read > 0 && i < columns_count(report->columns); i++) {
        const struct column *column = columns_at(report->columns, (int)i);
        if (!is_unknown(column))
            continue;
        const char *near = columns_nearest(report->columns, column->name);
        fprintf(to, "no record has the column \"%s\" that the mapping names%s%s%s\n", column->name,
                near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
}

static void put_unused(const struct report *report, FILE *to) {
    size_t listed = 0, count = 0;
    for (size_t i = 0; i < columns_count(report->columns); i++)
        count += is_unused(columns_at(report->columns, (int)i));
    if (count == 0)
        return;
    fprintf(to, "columns that no rule uses:\n");
    for (size_t i = 0; i < columns_count(report->columns) && listed < LISTED_MAX; i++) {
        const struct column *column = columns_at(report->columns, (int)i);
        if (!is_unused(column))
            continue;
        fprintf(to, "  %s  filled in %llu records\n", column->name,
                (unsigned long long)column->filled);
        listed++;
    }
    if (count > listed)
        fprintf(to, "  and %zu more; --json lists them\n", count - listed);
}

void report_findings(const struct report *report, bool all, FILE *to) {
    put_reasons(report, to);
    put_unmapped(report, to);
    if (!report->mapping)
        return;
    put_unknown(report, to);
    if (all)
        put_unused(report, to);
}

static json_t *number(uint64_t value) {
    return json_integer((json_int_t)value);
}

static json_t *unmapped_json(const struct mapping *mapping) {
    const struct mapping_unmapped *all;
    uint64_t more;
    size_t count = mapping_unmapped(mapping, &all, &more);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:o, s:o, s:s}", "from", all[i].from, "value",
                                        all[i].value, "count", number(all[i].count), "first_line",
                                        number(all[i].first_line), "example", all[i].example));
    return list;
}

static json_t *reasons_json(const struct report *report) {
    const struct rejects_reason *all;
    size_t count = rejects_reasons(report->rejects, &all);
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, problem_name(all[i].code), number(all[i].count));
    return object;
}

static void add_columns(const struct report *report, json_t *object) {
    json_t *unknown = json_array(), *unused = json_array();
    for (size_t i = 0; i < columns_count(report->columns); i++) {
        const struct column *column = columns_at(report->columns, (int)i);
        if (is_unknown(column) && report->read > 0)
            json_array_append_new(unknown,
                                  json_pack("{s:s, s:s*}", "column", column->name, "nearest",
                                            columns_nearest(report->columns, column->name)));
        if (is_unused(column))
            json_array_append_new(unused, json_pack("{s:s, s:o}", "column", column->name, "filled",
                                                    number(column->filled)));
    }
    json_object_set_new(object, "unknown_columns", unknown);
    json_object_set_new(object, "unused_columns", unused);
}

json_t *report_json(const struct report *report) {
    json_t *object = json_object();
    json_object_set_new(object, "read", number(report->read));
    if (report->dry)
        json_object_set_new(object, "acceptable", number(report->events));
    if (!report->dry) {
        json_object_set_new(object, "acknowledged", number(report->acknowledged));
        json_object_set_new(object, "repeats", number(report->repeats));
        json_object_set_new(object, "unacknowledged", number(report->unacknowledged));
    }
    json_object_set_new(object, "skipped", number(report->skipped));
    json_object_set_new(object, "rejected", number(rejected(report)));
    json_object_set_new(object, "seconds", json_real(report->seconds));
    json_object_set_new(object, "rate", json_real(rate(report)));
    json_object_set_new(object, "complete", json_boolean(report->complete));
    json_object_set_new(object, "reasons", reasons_json(report));
    if (report->mapping) {
        json_object_set_new(object, "unmapped", unmapped_json(report->mapping));
        add_columns(report, object);
    }
    return object;
}
