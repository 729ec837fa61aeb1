#include "subscribers/gateway/template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "proto/problem.h"

enum op_kind { OP_TEXT, OP_VALUE, OP_SECTION, OP_INVERTED, OP_END, OP_PARTIAL };

struct op {
    enum op_kind kind;
    const char *text; /* of OP_TEXT, inside the template's text */
    size_t bytes;
    char name[TEMPLATE_NAME];
    size_t end;  /* of a section: its OP_END */
    size_t line; /* for messages */
};

struct template {
    char *name, *text;
    struct op *ops;
    size_t count, capacity;
};

struct template_set {
    struct template templates[TEMPLATE_SET];
    size_t count;
};

struct template_set *template_set_new(void) {
    return calloc(1, sizeof(struct template_set));
}

static void template_clear(struct template *template) {
    free(template->name);
    free(template->text);
    free(template->ops);
    memset(template, 0, sizeof *template);
}

void template_set_free(struct template_set *set) {
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        template_clear(&set->templates[i]);
    free(set);
}

static const struct template *find(const struct template_set *set, const char *name) {
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->templates[i].name, name))
            return &set->templates[i];
    return NULL;
}

/* Compiling */

struct compiler {
    struct template *template;
    const char *at, *end;
    size_t line;
    size_t open[TEMPLATE_DEPTH]; /* sections that have not ended, by their op */
    size_t depth;
    struct wb_error *err;
};

static int fault(const struct compiler *compiler, const char *what, const char *which) {
    return problem(compiler->err, WB_E_FORMAT, "template %s, line %zu: %s %s",
                   compiler->template->name, compiler->line, what, which);
}

static struct op *add_op(struct compiler *compiler, enum op_kind kind) {
    struct template *template = compiler->template;
    if (template->count == template->capacity) {
        size_t capacity = template->capacity ? template->capacity * 2 : 32;
        struct op *ops = realloc(template->ops, capacity * sizeof *ops);
        if (!ops) {
            problem(compiler->err, WB_E_SYSTEM, "out of memory");
            return NULL;
        }
        template->ops = ops;
        template->capacity = capacity;
    }
    struct op *op = &template->ops[template->count++];
    *op = (struct op){.kind = kind, .line = compiler->line};
    return op;
}

static int add_text(struct compiler *compiler, const char *from, const char *to) {
    for (const char *c = from; c < to; c++)
        compiler->line += *c == '\n';
    if (from == to)
        return 0;
    struct op *op = add_op(compiler, OP_TEXT);
    if (!op)
        return -1;
    op->text = from;
    op->bytes = (size_t)(to - from);
    return 0;
}

static int end_section(struct compiler *compiler, const char *name) {
    if (!compiler->depth)
        return fault(compiler, "nothing is open that could end with", name);
    struct op *ops = compiler->template->ops;
    size_t start = compiler->open[--compiler->depth];
    if (strcmp(ops[start].name, name) != 0)
        return fault(compiler, "the innermost section is not", name);
    ops[start].end = compiler->template->count - 1;
    return 0;
}

static int add_tag(struct compiler *compiler, enum op_kind kind, const char *name) {
    struct op *op = add_op(compiler, kind);
    if (!op)
        return -1;
    snprintf(op->name, sizeof op->name, "%s", name);
    if (kind == OP_END)
        return end_section(compiler, name);
    if (kind != OP_SECTION && kind != OP_INVERTED)
        return 0;
    if (compiler->depth == TEMPLATE_DEPTH)
        return fault(compiler, "sections nest too deep at", name);
    compiler->open[compiler->depth++] = compiler->template->count - 1;
    return 0;
}

static int kind_of(char sigil) {
    switch (sigil) {
    case '#':
        return OP_SECTION;
    case '^':
        return OP_INVERTED;
    case '/':
        return OP_END;
    case '>':
        return OP_PARTIAL;
    default:
        return OP_VALUE;
    }
}

/* The tag between the braces. */
static int compile_tag(struct compiler *compiler, const char *from, const char *to) {
    int kind = from < to ? kind_of(*from) : OP_VALUE;
    if (kind != OP_VALUE)
        from++;
    while (from < to && *from == ' ')
        from++;
    while (to > from && to[-1] == ' ')
        to--;
    char name[TEMPLATE_NAME];
    size_t bytes = (size_t)(to - from);
    if (bytes == 0 || bytes >= sizeof name)
        return fault(compiler, "a tag needs a name of", "1 to 47 bytes");
    memcpy(name, from, bytes);
    name[bytes] = 0;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") != bytes)
        return fault(compiler, "not a name:", name);
    return add_tag(compiler, (enum op_kind)kind, name);
}

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* If the tag from..to stands alone on its line, widens it to the whole line. */
static void widen(const char *start, const char *end, const char **from, const char **to) {
    const char *left = *from, *right = skip_blanks(*to, end);
    while (left > start && (left[-1] == ' ' || left[-1] == '\t'))
        left--;
    if ((left == start || left[-1] == '\n') && (right == end || *right == '\n')) {
        *from = left;
        *to = right == end ? end : right + 1;
    }
}

static const char *find_pair(const char *at, const char *end, const char *pair) {
    return at < end ? memmem(at, (size_t)(end - at), pair, 2) : NULL;
}

static int compile_next(struct compiler *compiler) {
    const char *start = compiler->template->text;
    const char *open = find_pair(compiler->at, compiler->end, "{{");
    if (!open) {
        int status = add_text(compiler, compiler->at, compiler->end);
        compiler->at = compiler->end;
        return status;
    }
    const char *close = find_pair(open + 2, compiler->end, "}}");
    if (!close)
        return add_text(compiler, compiler->at, open)
                   ? -1
                   : fault(compiler, "a tag does not end:", "{{");
    const char *from = open, *to = close + 2;
    if (strchr("#^/>!", open[2]))
        widen(start, compiler->end, &from, &to);
    if (from < compiler->at)
        from = compiler->at;
    if (add_text(compiler, compiler->at, from))
        return -1;
    compiler->at = to;
    int status = open[2] == '!' ? 0 : compile_tag(compiler, open + 2, close);
    for (const char *c = from; c < to; c++)
        compiler->line += *c == '\n';
    return status;
}

static int compile(struct template *template, size_t bytes, struct wb_error *err) {
    struct compiler compiler = {
        .template = template,
        .at = template->text,
        .end = template->text + bytes,
        .line = 1,
        .err = err,
    };
    while (compiler.at < compiler.end)
        if (compile_next(&compiler))
            return -1;
    if (compiler.depth)
        return fault(&compiler, "a section does not end:",
                     template->ops[compiler.open[compiler.depth - 1]].name);
    return 0;
}

int template_add(struct template_set *set, const char *name, const char *text, size_t bytes,
                 struct wb_error *err) {
    if (set->count == TEMPLATE_SET)
        return problem(err, WB_E_FORMAT, "more than %d templates", TEMPLATE_SET);
    struct template *template = &set->templates[set->count];
    template->name = strdup(name);
    template->text = malloc(bytes + 1);
    if (!template->name || !template->text) {
        template_clear(template);
        return problem(err, WB_E_SYSTEM, "out of memory");
    }
    memcpy(template->text, text, bytes);
    template->text[bytes] = 0;
    if (compile(template, bytes, err)) {
        template_clear(template);
        return -1;
    }
    set->count++;
    return 0;
}

int template_link(struct template_set *set, struct wb_error *err) {
    for (size_t i = 0; i < set->count; i++)
        for (size_t j = 0; j < set->templates[i].count; j++) {
            const struct op *op = &set->templates[i].ops[j];
            if (op->kind == OP_PARTIAL && !find(set, op->name))
                return problem(err, WB_E_FORMAT, "template %s, line %zu: there is no template %s",
                               set->templates[i].name, op->line, op->name);
        }
    return 0;
}

/* Rendering */

#define CONTEXTS (TEMPLATE_DEPTH * TEMPLATE_DEPTH)

struct render {
    const struct template_set *set;
    struct buffer *out;
    const json_t *contexts[CONTEXTS];
    size_t context_count;
    size_t depth; /* of partials */
};

void template_escape(struct buffer *out, const char *text, size_t bytes) {
    static const char *const escapes[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;",
    };
    size_t from = 0;
    for (size_t i = 0; i < bytes; i++) {
        const char *escape = escapes[(unsigned char)text[i]];
        if (!escape)
            continue;
        buffer_append(out, text + from, i - from);
        buffer_text(out, escape);
        from = i + 1;
    }
    buffer_append(out, text + from, bytes - from);
}

static const json_t *lookup(const struct render *render, const char *name) {
    if (!strcmp(name, "."))
        return render->contexts[render->context_count - 1];
    char part[TEMPLATE_NAME];
    size_t length = strcspn(name, ".");
    memcpy(part, name, length);
    part[length] = 0;
    const json_t *value = NULL;
    for (size_t i = render->context_count; i-- && !value;)
        value = json_object_get(render->contexts[i], part);
    while (value && name[length]) {
        name += length + 1;
        length = strcspn(name, ".");
        memcpy(part, name, length);
        part[length] = 0;
        value = json_object_get(value, part);
    }
    return value;
}

static bool holds(const json_t *value) {
    if (!value || json_is_null(value) || json_is_false(value))
        return false;
    if (json_is_array(value))
        return json_array_size(value) > 0;
    return !json_is_string(value) || json_string_length(value) > 0;
}

static void put_value(struct render *render, const json_t *value) {
    if (json_is_string(value))
        template_escape(render->out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        buffer_printf(render->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
}

static int render_template(struct render *render, const struct template *template);
static int render_ops(struct render *render, const struct template *template, size_t from,
                      size_t to);

static int render_in(struct render *render, const struct template *template, size_t section,
                     const json_t *context) {
    if (render->context_count == CONTEXTS)
        return -1;
    render->contexts[render->context_count++] = context;
    int status = render_ops(render, template, section + 1, template->ops[section].end);
    render->context_count--;
    return status;
}

static int render_section(struct render *render, const struct template *template, size_t section) {
    const struct op *op = &template->ops[section];
    const json_t *value = lookup(render, op->name);
    if (op->kind == OP_INVERTED)
        return holds(value) ? 0 : render_ops(render, template, section + 1, op->end);
    if (!holds(value))
        return 0;
    if (!json_is_array(value))
        return render_in(render, template, section, value);
    size_t i;
    json_t *entry;
    json_array_foreach(value, i, entry) {
        if (render_in(render, template, section, entry))
            return -1;
    }
    return 0;
}

static int render_ops(struct render *render, const struct template *template, size_t from,
                      size_t to) {
    int status = 0;
    for (size_t i = from; i < to && !status; i++) {
        const struct op *op = &template->ops[i];
        switch (op->kind) {
        case OP_TEXT:
            buffer_append(render->out, op->text, op->bytes);
            break;
        case OP_VALUE:
            put_value(render, lookup(render, op->name));
            break;
        case OP_PARTIAL:
            status = render_template(render, find(render->set, op->name));
            break;
        case OP_SECTION:
        case OP_INVERTED:
            status = render_section(render, template, i);
            i = op->end;
            break;
        case OP_END:
            break;
        }
    }
    return status;
}

static int render_template(struct render *render, const struct template *template) {
    if (!template || render->depth == TEMPLATE_DEPTH)
        return -1;
    render->depth++;
    int status = render_ops(render, template, 0, template->count);
    render->depth--;
    return status;
}

int template_render(const struct template_set *set, const char *name, const json_t *context,
                    struct buffer *out) {
    struct render render = {.set = set, .out = out, .contexts = {context}, .context_count = 1};
    return render_template(&render, find(set, name));
}
