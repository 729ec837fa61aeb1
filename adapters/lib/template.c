#include "adapters/lib/template.h"

#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "proto/problem.h"

struct part {
    int column;         /* COLUMN_NONE: a literal */
    size_t from, bytes; /* of a literal, in the template's literals */
};

struct template {
    char *text;
    char *literals; /* what is left of the text without columns and doubled braces */
    struct columns *columns;
    size_t count, named; /* parts, and those that name a column */
    struct part parts[TEMPLATE_PARTS];
};

static int too_many(struct wb_error *err) {
    return problem(err, WB_E_USAGE, "the template has more than %d parts", TEMPLATE_PARTS);
}

static int add_part(struct template *template, int column, size_t from, size_t bytes,
                    struct wb_error *err) {
    if (column == COLUMN_NONE && bytes == 0)
        return 0;
    if (template->count == TEMPLATE_PARTS)
        return too_many(err);
    template->parts[template->count++] =
        (struct part){.column = column, .from = from, .bytes = bytes};
    template->named += column != COLUMN_NONE;
    return 0;
}

/* `at` stands behind the opening brace; returns where the text goes on, NULL on a fault. */
static const char *add_column(struct template *template, const char *at, struct wb_error *err) {
    size_t bytes = strcspn(at, "{}");
    if (at[bytes] != '}') {
        problem(err, WB_E_USAGE, "the brace before \"%.60s\" is not closed", at);
        problem_hint(err, "close it with '}', or write '{{' for a literal brace");
        return NULL;
    }
    if (bytes == 0) {
        problem(err, WB_E_USAGE, "'{}' names no column");
        return NULL;
    }
    int column = columns_enter(template->columns, at, bytes);
    if (column == COLUMN_NONE) {
        problem(err, WB_E_USAGE, "the column's name \"%.40s...\" is too long", at);
        return NULL;
    }
    columns_at(template->columns, column)->used = true;
    return add_part(template, column, 0, 0, err) ? NULL : at + bytes + 1;
}

static int stray_brace(const char *at, struct wb_error *err) {
    problem(err, WB_E_USAGE, "nothing opens the brace at \"%.60s\"", at);
    return problem_hint(
        err, "open it with '{' before the column's name, or write '}}' for a literal brace");
}

static int parse(struct template *template, struct wb_error *err) {
    const char *at = template->text;
    size_t length = 0, from = 0; /* of the literals; where the open literal begins */
    while (*at) {
        if ((*at == '{' || *at == '}') && at[1] == *at)
            at++;
        else if (*at == '{') {
            if (add_part(template, COLUMN_NONE, from, length - from, err))
                return -1;
            at = add_column(template, at + 1, err);
            if (!at)
                return -1;
            from = length;
            continue;
        } else if (*at == '}')
            return stray_brace(at, err);
        template->literals[length++] = *at++;
    }
    template->literals[length] = '\0';
    return add_part(template, COLUMN_NONE, from, length - from, err);
}

struct template *template_new(const char *text, struct columns *columns, struct wb_error *err) {
    size_t bytes = strlen(text);
    if (bytes > TEMPLATE_BYTES) {
        problem(err, WB_E_USAGE, "the template has %zu bytes, at most %d are allowed", bytes,
                TEMPLATE_BYTES);
        return NULL;
    }
    struct template *template = calloc(1, sizeof(*template));
    if (!template)
        return problem(err, WB_E_SYSTEM, "out of memory"), NULL;
    template->text = strdup(text);
    template->literals = malloc(bytes + 1);
    template->columns = columns;
    if (!template->text || !template->literals) {
        problem(err, WB_E_SYSTEM, "out of memory");
    } else if (parse(template, err) == 0) {
        return template;
    }
    template_free(template);
    return NULL;
}

void template_free(struct template *template) {
    if (!template)
        return;
    free(template->text);
    free(template->literals);
    free(template);
}

/* The column's value, NULL if it has none that means anything. */
static const char *part_value(const struct part *part, const struct record *record,
                              const struct template_blank *blank, size_t *bytes) {
    const char *value = record_value(record, part->column, bytes);
    if (!value || *bytes == 0)
        return NULL;
    for (size_t i = 0; i < blank->count; i++)
        if (strcmp(value, blank->values[i]) == 0)
            return NULL;
    return value;
}

enum template_fill template_fill(const struct template *template, const struct record *record,
                                 const struct template_blank *blank, struct buffer *scratch,
                                 const char **text) {
    size_t bytes, filled = 0;
    *text = "";
    if (template->named == 0) {
        *text = template->literals;
        return TEMPLATE_FULL;
    }
    if (template->count == 1) {
        const char *value = part_value(&template->parts[0], record, blank, &bytes);
        *text = value ? value : "";
        return value ? TEMPLATE_FULL : TEMPLATE_EMPTY;
    }
    buffer_clear(scratch);
    for (size_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        if (part->column == COLUMN_NONE) {
            buffer_append(scratch, template->literals + part->from, part->bytes);
            continue;
        }
        const char *value = part_value(part, record, blank, &bytes);
        if (value)
            buffer_append(scratch, value, bytes);
        filled += value != NULL;
    }
    if (filled == 0)
        return TEMPLATE_EMPTY;
    *text = buffer_string(scratch);
    return filled == template->named ? TEMPLATE_FULL : TEMPLATE_PARTIAL;
}

const char *template_lack(const struct template *template, const struct record *record,
                          const struct template_blank *blank) {
    size_t bytes;
    for (size_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        if (part->column != COLUMN_NONE && !part_value(part, record, blank, &bytes))
            return columns_at(template->columns, part->column)->name;
    }
    return NULL;
}

const char *template_text(const struct template *template) {
    return template->text;
}

const char *template_constant(const struct template *template) {
    return template->named == 0 ? template->literals : NULL;
}
