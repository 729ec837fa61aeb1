/* NDJSON on jansson: one object a line. Members inside members are called by both names with a dot
 * between (handler.name), entries of lists by their place (papers.0). */
#include "adapters/file/ndjson.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/file/reader.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define DEPTH_MAX   16
#define MARK_BYTES  3
#define SHOWN_BYTES 200 /* of a line that is too long, in the file of rejects */

struct ndjson_reader {
    struct reader reader; /* the first member */
    struct reader_options options;
    struct buffer line; /* the beginning of a line whose end has not come */
    struct record *record;
    uint64_t number; /* of the line that is being read, from 1 */
    bool oversize;   /* the line is too long; its rest is passed over */
};

/* A name under construction. */
struct path {
    char text[COLUMN_NAME_BYTES + 1];
    size_t bytes, depth;
};

json_t *ndjson_parse(const char *line, size_t bytes, struct wb_error *err) {
    json_error_t why;
    json_t *json = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(json))
        return json;
    if (json) {
        problem(err, WB_E_FORMAT, "the line is JSON, but not an object");
        problem_hint(err, "write one object a line: {\"name\": \"value\"}");
        json_decref(json);
        return NULL;
    }
    problem(err, WB_E_FORMAT, "column %d: %.160s", why.column, why.text);
    if (json_error_code(&why) == json_error_numeric_overflow)
        problem_hint(err, "numbers of this size are read as text: write them in quotes");
    else
        problem_hint(err, "every line must be one JSON object on its own");
    return NULL;
}

static int add_text(struct ndjson_reader *reader, const struct path *path, const char *text,
                    size_t bytes, struct wb_error *err) {
    return record_add(reader->record, path->text, path->bytes, text, bytes, err);
}

/* The shortest of the usual forms that gives the same number again. */
static int add_real(struct ndjson_reader *reader, const struct path *path, double value,
                    struct wb_error *err) {
    char text[40];
    int bytes = snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value)
        bytes = snprintf(text, sizeof(text), "%.17g", value);
    return add_text(reader, path, text, (size_t)bytes, err);
}

static int add_scalar(struct ndjson_reader *reader, const struct path *path, const json_t *json,
                      struct wb_error *err) {
    char text[24];
    switch (json_typeof(json)) {
    case JSON_STRING:
        return add_text(reader, path, json_string_value(json), json_string_length(json), err);
    case JSON_INTEGER:
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(json));
        return add_text(reader, path, text, strlen(text), err);
    case JSON_REAL:
        return add_real(reader, path, json_real_value(json), err);
    case JSON_TRUE:
        return add_text(reader, path, "true", 4, err);
    case JSON_FALSE:
        return add_text(reader, path, "false", 5, err);
    default:
        return add_text(reader, path, "", 0, err);
    }
}

static int extend(struct path *path, const char *name, struct wb_error *err) {
    size_t room = sizeof(path->text) - path->bytes;
    int bytes = snprintf(path->text + path->bytes, room, path->bytes ? ".%s" : "%s", name);
    if (bytes >= 0 && (size_t)bytes < room) {
        path->bytes += (size_t)bytes;
        return 0;
    }
    problem(err, WB_E_FORMAT, "a name with those around it is longer than %d bytes: \"%.60s...\"",
            COLUMN_NAME_BYTES, path->text);
    return problem_hint(err, "look whether values stand where names should be");
}

static int flatten(struct ndjson_reader *reader, struct path *path, json_t *json,
                   struct wb_error *err) {
    size_t bytes = path->bytes, index;
    const char *name;
    json_t *value;
    int result = 0;
    if (!json_is_object(json) && !json_is_array(json))
        return add_scalar(reader, path, json, err);
    if (++path->depth > DEPTH_MAX) {
        problem(err, WB_E_FORMAT, "\"%.80s...\" is nested deeper than %d", path->text, DEPTH_MAX);
        return problem_hint(err, "write the members that matter nearer to the top");
    }
    if (json_is_object(json)) {
        json_object_foreach(json, name, value) {
            if (result == 0 && extend(path, name, err) == 0)
                result = flatten(reader, path, value, err);
            else
                result = -1;
            path->text[path->bytes = bytes] = '\0';
        }
    } else {
        json_array_foreach(json, index, value) {
            char place[24];
            snprintf(place, sizeof(place), "%zu", index);
            if (result == 0 && extend(path, place, err) == 0)
                result = flatten(reader, path, value, err);
            else
                result = -1;
            path->text[path->bytes = bytes] = '\0';
        }
    }
    path->depth--;
    return result;
}

static int give(struct ndjson_reader *reader, const struct wb_error *fault) {
    if (!fault)
        record_seen(reader->record, 0);
    return reader->options.sink(reader->options.arg, reader->record, fault) ? READER_STOPPED : 0;
}

static int take_members(struct ndjson_reader *reader, const char *line, size_t bytes) {
    struct path path = {.bytes = 0};
    struct wb_error fault = {0};
    json_t *json = ndjson_parse(line, bytes, &fault);
    if (!json) {
        record_set_raw(reader->record, line, bytes, false);
        return give(reader, &fault);
    }
    int result = flatten(reader, &path, json, &fault);
    record_set_raw(reader->record, line, bytes, true);
    json_decref(json);
    return give(reader, result ? &fault : NULL);
}

static int take_line(struct ndjson_reader *reader, const char *line, size_t bytes) {
    if (reader->number == 1 && bytes >= MARK_BYTES && memcmp(line, "\xef\xbb\xbf", MARK_BYTES) == 0)
        line += MARK_BYTES, bytes -= MARK_BYTES;
    while (bytes > 0 && strchr(" \t\r", line[bytes - 1]) && line[bytes - 1] != '\0')
        bytes--;
    if (bytes == 0)
        return 0;
    record_begin(reader->record, reader->number);
    if (!reader->options.whole)
        return take_members(reader, line, bytes);
    record_set_raw(reader->record, line, bytes, true);
    return give(reader, NULL);
}

static int take_oversize(struct ndjson_reader *reader) {
    struct wb_error fault = {0};
    size_t shown = SHOWN_BYTES;
    while (shown > 0 && (reader->line.data[shown] & 0xc0) == 0x80)
        shown--; /* not within a character */
    problem(&fault, WB_E_FORMAT, "the line is longer than %d bytes", RECORD_BYTES_MAX);
    problem_hint(&fault, "write one event a line, without attachments");
    record_begin(reader->record, reader->number);
    record_set_raw(reader->record, (const char *)reader->line.data, shown, false);
    return give(reader, &fault);
}

static void hold(struct ndjson_reader *reader, const char *data, size_t bytes) {
    size_t room = RECORD_BYTES_MAX - reader->line.length;
    reader->oversize |= bytes > room;
    buffer_append(&reader->line, data, bytes < room ? bytes : room);
}

/* A line is complete with these bytes. */
static int end_line(struct ndjson_reader *reader, const char *data, size_t bytes) {
    int result;
    if (reader->line.length == 0 && bytes <= RECORD_BYTES_MAX) {
        result = take_line(reader, data, bytes);
    } else {
        hold(reader, data, bytes);
        result = reader->oversize
                     ? take_oversize(reader)
                     : take_line(reader, (const char *)reader->line.data, reader->line.length);
    }
    buffer_clear(&reader->line);
    reader->oversize = false;
    reader->number++;
    return result;
}

static int feed(struct reader *base, const char *data, size_t bytes, struct wb_error *err) {
    struct ndjson_reader *reader = (struct ndjson_reader *)base;
    const char *end = data + bytes, *newline;
    while ((newline = memchr(data, '\n', (size_t)(end - data)))) {
        int result = end_line(reader, data, (size_t)(newline - data));
        if (result != 0)
            return result;
        data = newline + 1;
    }
    hold(reader, data, (size_t)(end - data));
    if (reader->line.failed)
        return problem(err, WB_E_SYSTEM, "no memory to read %.100s", reader->options.name);
    return 0;
}

static int finish(struct reader *base, struct wb_error *err) {
    struct ndjson_reader *reader = (struct ndjson_reader *)base;
    (void)err;
    return reader->line.length > 0 ? end_line(reader, "", 0) : 0;
}

static void reader_free(struct reader *base) {
    struct ndjson_reader *reader = (struct ndjson_reader *)base;
    record_free(reader->record);
    buffer_free(&reader->line);
    free(reader);
}

struct reader *ndjson_reader_new(const struct reader_options *options, struct wb_error *err) {
    struct ndjson_reader *reader = calloc(1, sizeof(*reader));
    if (reader)
        reader->record = record_new(options->columns);
    if (!reader || !reader->record) {
        free(reader);
        problem(err, WB_E_SYSTEM, "no memory for a reader");
        return NULL;
    }
    reader->reader = (struct reader){.feed = feed, .finish = finish, .free = reader_free};
    reader->options = *options;
    reader->number = 1;
    buffer_init(&reader->line, 0);
    return &reader->reader;
}
