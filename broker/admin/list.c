#include "broker/admin/list.h"

#include "common/buffer.h"
#include "proto/field.h"
#include "proto/problem.h"

int list_check_prefixes(const struct wb_admin_list *list, const char *field, struct wb_error *err) {
    if (list->count > LIST_MAX)
        return problem(err, WB_E_USAGE, "%s: %zu prefixes, at most %d are allowed", field,
                       list->count, LIST_MAX);
    for (size_t i = 0; i < list->count; i++) {
        if (!list->values[i][0]) {
            problem(err, WB_E_USAGE, "%s: a prefix is empty", field);
            return problem_hint(err, "leave the list out to allow any value");
        }
        if (field_check(field_find(field), list->values[i], err) != 0)
            return -1;
    }
    return 0;
}

void list_put(struct buffer *out, const struct wb_admin_list *list) {
    buffer_text(out, "{");
    for (size_t i = 0; i < list->count; i++) {
        buffer_text(out, i ? ",\"" : "\"");
        for (const char *at = list->values[i]; *at; at++) {
            if (*at == '"' || *at == '\\')
                buffer_text(out, "\\");
            buffer_append(out, at, 1);
        }
        buffer_text(out, "\"");
    }
    buffer_text(out, "}");
}

json_t *list_read(const char *column, const char *values[LIST_MAX], struct wb_admin_list *list) {
    json_t *json = json_loads(column, 0, NULL);
    list->values = values;
    for (size_t i = 0; i < json_array_size(json) && list->count < LIST_MAX; i++) {
        const char *text = json_string_value(json_array_get(json, i));
        if (text)
            values[list->count++] = text;
    }
    return json;
}
