#include "common/yaml.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "common/nearest.h"
#include "proto/problem.h"

#define DEPTH_MAX  16
#define READ_BYTES 16384
/* An entry takes at least two bytes in the file ("- "), and in memory a node, its place in two
 * arrays and its text. */
#define MEMORY_PER_BYTE 128

struct yaml_node {
    enum yaml_kind kind;
    size_t line;
    const char *text;
    struct yaml_node *next; /* in its list or map, while that is read */
    struct yaml_node **children;
    struct yaml_node ***by_key; /* a map's pairs in the order of their keys */
    size_t count;               /* of children: in a map, keys and values by turns */
};

struct yaml_file {
    char *path;
    struct arena arena;
    struct yaml_node *root;
};

/* A list or map that is being read. */
struct level {
    struct yaml_node *node, *first, **link;
};

struct reader {
    struct yaml_file *file;
    yaml_parser_t parser;
    struct level levels[DEPTH_MAX];
    size_t depth;
    bool document_seen;
    struct wb_error *err;
};

static int vproblem(const struct yaml_file *file, size_t line, struct wb_error *err,
                    const char *format, va_list args) {
    char words[200];
    vsnprintf(words, sizeof words, format, args);
    if (line)
        return problem(err, WB_E_CONFIG, "%s:%zu: %s", file->path, line, words);
    return problem(err, WB_E_CONFIG, "%s: %s", file->path, words);
}

int yaml_problem(const struct yaml_file *file, const struct yaml_node *node, struct wb_error *err,
                 const char *format, ...) {
    va_list args;
    va_start(args, format);
    vproblem(file, node ? node->line : 0, err, format, args);
    va_end(args);
    return -1;
}

static int line_problem(struct reader *reader, size_t line, const char *format, ...)
    WB_PRINTF(3, 4);
static int line_problem(struct reader *reader, size_t line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vproblem(reader->file, line, reader->err, format, args);
    va_end(args);
    return -1;
}

/* Whole, since libyaml's reader tells an offset and not the line of bytes that are not text. */
static int read_file(struct yaml_file *file, size_t max_bytes, struct buffer *contents,
                     struct wb_error *err) {
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && contents->length <= max_bytes) {
        uint8_t *room = buffer_reserve(contents, READ_BYTES);
        got = room ? read(fd, room, READ_BYTES) : -1;
        if (got > 0)
            contents->length += (size_t)got;
    }
    int cause = contents->failed ? ENOMEM : errno;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        yaml_problem(file, NULL, err, "cannot be read: %s", strerror(cause));
        return problem_hint(err, "check the path and who may read it");
    }
    if (contents->length > max_bytes)
        return yaml_problem(file, NULL, err, "is larger than %zu bytes", max_bytes);
    return 0;
}

static int parser_problem(struct reader *reader, const struct buffer *contents) {
    const yaml_parser_t *parser = &reader->parser;
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < parser->problem_offset && i < contents->length; i++)
            line += contents->data[i] == '\n';
    }
    const char *words = parser->problem ? parser->problem : "memory is out";
    if (parser->context)
        return line_problem(reader, line, "%s (%s)", words, parser->context);
    return line_problem(reader, line, "%s", words);
}

static int no_memory(struct reader *reader) {
    return line_problem(reader, 0, "memory is out");
}

static struct yaml_node *new_node(struct reader *reader, enum yaml_kind kind, size_t line) {
    struct yaml_node *node = arena_alloc(&reader->file->arena, sizeof *node);
    if (node)
        *node = (struct yaml_node){.kind = kind, .line = line};
    return node;
}

/* Puts the node where the reader is. */
static int place(struct reader *reader, struct yaml_node *node) {
    if (!node)
        return no_memory(reader);
    if (!reader->depth) {
        reader->file->root = node;
        return 0;
    }
    struct level *level = &reader->levels[reader->depth - 1];
    bool is_key = level->node->kind == YAML_MAP && level->node->count % 2 == 0;
    if (is_key && node->kind != YAML_TEXT)
        return line_problem(reader, node->line, "a key must be text");
    *level->link = node;
    level->link = &node->next;
    level->node->count++;
    return 0;
}

static int read_text(struct reader *reader, const yaml_event_t *event) {
    size_t line = event->start_mark.line + 1, bytes = event->data.scalar.length;
    const char *value = (const char *)event->data.scalar.value;
    if (strlen(value) != bytes)
        return line_problem(reader, line, "a text holds a NUL character");
    struct yaml_node *node = new_node(reader, YAML_TEXT, line);
    if (!node || !(node->text = arena_text(&reader->file->arena, value, bytes)))
        return no_memory(reader);
    return place(reader, node);
}

static int begin(struct reader *reader, enum yaml_kind kind, size_t line) {
    struct yaml_node *node = new_node(reader, kind, line);
    if (place(reader, node))
        return -1;
    if (reader->depth == DEPTH_MAX)
        return line_problem(reader, line, "nested deeper than %d", DEPTH_MAX);
    struct level *level = &reader->levels[reader->depth++];
    *level = (struct level){.node = node};
    level->link = &level->first;
    return 0;
}

static int compare_keys(const void *a, const void *b) {
    return strcmp((**(struct yaml_node * *const *)a)->text,
                  (**(struct yaml_node * *const *)b)->text);
}

static int sort_keys(struct reader *reader, struct yaml_node *map) {
    size_t pairs = map->count / 2;
    map->by_key = arena_alloc(&reader->file->arena, pairs * sizeof *map->by_key);
    if (!map->by_key)
        return no_memory(reader);
    for (size_t i = 0; i < pairs; i++)
        map->by_key[i] = &map->children[2 * i];
    qsort(map->by_key, pairs, sizeof *map->by_key, compare_keys);
    for (size_t i = 1; i < pairs; i++) {
        const struct yaml_node *one = *map->by_key[i - 1], *other = *map->by_key[i];
        if (strcmp(one->text, other->text) != 0)
            continue;
        bool in_order = one->line <= other->line;
        return line_problem(reader, in_order ? other->line : one->line,
                            "'%.60s' stands in line %zu already", one->text,
                            in_order ? one->line : other->line);
    }
    return 0;
}

static int end(struct reader *reader) {
    struct level *level = &reader->levels[--reader->depth];
    struct yaml_node *node = level->node;
    node->children = arena_alloc(&reader->file->arena, node->count * sizeof(struct yaml_node *));
    if (!node->children)
        return no_memory(reader);
    struct yaml_node *child = level->first;
    for (size_t i = 0; i < node->count; i++, child = child->next)
        node->children[i] = child;
    return node->kind == YAML_MAP ? sort_keys(reader, node) : 0;
}

static const char *refused_feature(const yaml_event_t *event) {
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    if (event->type == YAML_ALIAS_EVENT)
        return "an alias (*name)";
    return anchor ? "an anchor (&name)" : tag ? "a tag (!name)" : NULL;
}

static int take_event(struct reader *reader, const yaml_event_t *event) {
    size_t line = event->start_mark.line + 1;
    const char *feature = refused_feature(event);
    if (feature)
        return line_problem(reader, line, "%s is not supported; write the value out", feature);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reader->document_seen)
            return line_problem(reader, line, "a second document begins; one file holds one");
        reader->document_seen = true;
        return 0;
    case YAML_SCALAR_EVENT:
        return read_text(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin(reader, YAML_LIST, line);
    case YAML_MAPPING_START_EVENT:
        return begin(reader, YAML_MAP, line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return end(reader);
    default:
        return 0;
    }
}

static int read_events(struct reader *reader, const struct buffer *contents) {
    bool more = true;
    int result = 0;
    while (more && !result) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event))
            return parser_problem(reader, contents);
        more = event.type != YAML_STREAM_END_EVENT;
        result = take_event(reader, &event);
        yaml_event_delete(&event);
    }
    return result;
}

static int parse(struct yaml_file *file, const struct buffer *contents, struct wb_error *err) {
    struct reader reader = {.file = file, .err = err};
    if (!yaml_parser_initialize(&reader.parser))
        return no_memory(&reader);
    yaml_parser_set_input_string(&reader.parser, contents->data, contents->length);
    int result = read_events(&reader, contents);
    yaml_parser_delete(&reader.parser);
    struct yaml_node *root = file->root;
    if (root && root->kind == YAML_TEXT && !*root->text) /* "---" and nothing else */
        file->root = NULL;
    return result;
}

struct yaml_file *yaml_open(const char *path, size_t max_bytes, struct wb_error *err) {
    struct yaml_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        problem(err, WB_E_SYSTEM, "%s: memory is out", path);
        return NULL;
    }
    arena_init(&file->arena, (max_bytes + 1024) * MEMORY_PER_BYTE);
    struct buffer contents;
    buffer_init(&contents, 0);
    int result = read_file(file, max_bytes, &contents, err);
    if (!result)
        result = parse(file, &contents, err);
    buffer_free(&contents);
    if (!result)
        return file;
    yaml_close(file);
    return NULL;
}

void yaml_close(struct yaml_file *file) {
    if (!file)
        return;
    arena_free(&file->arena);
    free(file->path);
    free(file);
}

const struct yaml_node *yaml_root(const struct yaml_file *file) {
    return file->root;
}

enum yaml_kind yaml_kind(const struct yaml_node *node) {
    return node->kind;
}

const char *yaml_text(const struct yaml_node *node) {
    return node->text;
}

size_t yaml_count(const struct yaml_node *node) {
    return node->kind == YAML_MAP ? node->count / 2 : node->count;
}

const struct yaml_node *yaml_at(const struct yaml_node *node, size_t index) {
    assert(index < yaml_count(node));
    return node->children[node->kind == YAML_MAP ? 2 * index + 1 : index];
}

const struct yaml_node *yaml_key(const struct yaml_node *map, size_t index) {
    assert(map->kind == YAML_MAP && index < yaml_count(map));
    return map->children[2 * index];
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key) {
    if (map->kind != YAML_MAP)
        return NULL;
    struct yaml_node wanted = {.text = key}, *pair = &wanted, **place_of = &pair;
    struct yaml_node ***found =
        bsearch(&place_of, map->by_key, map->count / 2, sizeof *map->by_key, compare_keys);
    return found ? (*found)[1] : NULL;
}

int yaml_keys(const struct yaml_file *file, const struct yaml_node *map, const char *const *known,
              struct wb_error *err) {
    if (map->kind != YAML_MAP)
        return yaml_problem(file, map, err, "`name: value` lines are expected here");
    for (size_t i = 0; i < yaml_count(map); i++) {
        const struct yaml_node *key = yaml_key(map, i);
        const char *const *name = known;
        while (*name && strcmp(*name, key->text) != 0)
            name++;
        if (*name)
            continue;
        yaml_problem(file, key, err, "'%.60s' is not known here", key->text);
        const char *near = nearest(key->text, known);
        return near ? problem_hint(err, "did you mean '%s'?", near) : -1;
    }
    return 0;
}
