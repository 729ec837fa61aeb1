#include "adapters/lib/record.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/lib/text.h"
#include "common/buffer.h"
#include "proto/problem.h"

struct member {
    int column;
    uint32_t at, bytes; /* in the texts */
};

struct record {
    struct columns *columns;
    struct member members[RECORD_MEMBERS_MAX];
    uint16_t slots[COLUMNS_MAX];        /* by column: index + 1, 0: not there */
    uint16_t order[RECORD_MEMBERS_MAX]; /* scratch of record_identify */
    size_t count;
    struct buffer texts; /* the values, each with a NUL behind it */
    uint64_t line;
    const char *raw;
    size_t raw_bytes;
    bool raw_is_json;
    char id[DIGEST_TEXT]; /* "": not derived yet */
};

struct record *record_new(struct columns *columns) {
    struct record *record = calloc(1, sizeof(*record));
    if (!record)
        return NULL;
    record->columns = columns;
    buffer_init(&record->texts, RECORD_BYTES_MAX);
    return record;
}

void record_free(struct record *record) {
    if (!record)
        return;
    buffer_free(&record->texts);
    free(record);
}

void record_begin(struct record *record, uint64_t line) {
    record_cut(record, 0);
    record->line = line;
    record->raw = NULL;
    record->raw_bytes = 0;
}

void record_set_line(struct record *record, uint64_t line) {
    record->line = line;
}

uint64_t record_line(const struct record *record) {
    return record->line;
}

int record_add(struct record *record, const char *name, size_t name_bytes, const char *value,
               size_t value_bytes, struct wb_error *err) {
    int column = columns_enter(record->columns, name, name_bytes);
    if (column != COLUMN_NONE)
        return record_put(record, column, value, value_bytes, err);
    int shown = name_bytes > 64 ? 64 : (int)name_bytes;
    if (name_bytes > COLUMN_NAME_BYTES)
        problem(err, WB_E_FORMAT, "the name \"%.*s...\" has %zu bytes, at most %d are read", shown,
                name, name_bytes, COLUMN_NAME_BYTES);
    else
        problem(err, WB_E_FORMAT, "\"%.*s\" is one more than %d different columns", shown, name,
                COLUMNS_MAX);
    return problem_hint(err, "look whether values stand where names should be");
}

int record_put(struct record *record, int column, const char *value, size_t value_bytes,
               struct wb_error *err) {
    const char *name = columns_at(record->columns, column)->name;
    if (record->slots[column]) {
        problem(err, WB_E_FORMAT, "\"%.100s\" is there twice", name);
        return problem_hint(err, "leave one of the two out");
    }
    uint8_t *at =
        value_bytes < RECORD_BYTES_MAX ? buffer_reserve(&record->texts, value_bytes + 1) : NULL;
    if (!at) {
        problem(err, WB_E_FORMAT, "with \"%.100s\" the record is larger than %d bytes", name,
                RECORD_BYTES_MAX);
        return problem_hint(err, "look for a quote or a tag that is not closed");
    }
    memcpy(at, value, value_bytes);
    at[value_bytes] = '\0';
    record->members[record->count] = (struct member){
        .column = column, .at = (uint32_t)record->texts.length, .bytes = (uint32_t)value_bytes};
    record->texts.length += value_bytes + 1;
    record->slots[column] = (uint16_t)++record->count;
    return 0;
}

static const char *member_text(const struct record *record, const struct member *member) {
    return (const char *)record->texts.data + member->at;
}

const char *record_value(const struct record *record, int column, size_t *bytes) {
    size_t slot = record->slots[column];
    if (slot == 0)
        return NULL;
    const struct member *member = &record->members[slot - 1];
    *bytes = member->bytes;
    return member_text(record, member);
}

size_t record_count(const struct record *record) {
    return record->count;
}

int record_column(const struct record *record, size_t index) {
    return record->members[index].column;
}

void record_cut(struct record *record, size_t count) {
    size_t length = count < record->count ? record->members[count].at : record->texts.length;
    for (size_t i = count; i < record->count; i++)
        record->slots[record->members[i].column] = 0;
    record->count = count < record->count ? count : record->count;
    if (record->count == 0)
        length = 0;
    record->texts.length = length;
    record->texts.failed = false;
    record->id[0] = '\0';
}

void record_seen(struct record *record, size_t from) {
    for (size_t i = from; i < record->count; i++) {
        struct column *column = columns_at(record->columns, record->members[i].column);
        column->records++;
        column->filled += record->members[i].bytes > 0;
    }
}

void record_set_raw(struct record *record, const char *raw, size_t bytes, bool is_json) {
    record->raw = raw;
    record->raw_bytes = bytes;
    record->raw_is_json = is_json;
}

const char *record_raw(const struct record *record, size_t *bytes) {
    *bytes = record->raw_bytes;
    return record->raw;
}

static const struct column *member_column(const struct record *record, size_t index) {
    return columns_at(record->columns, record->members[index].column);
}

static int by_name(const void *a, const void *b, void *arg) {
    const struct record *record = arg;
    return strcmp(member_column(record, *(const uint16_t *)a)->name,
                  member_column(record, *(const uint16_t *)b)->name);
}

/* Exports of the same system write the members in another order each time (hash tables), so the id
 * must not depend on it. Sorting in place of a short, mostly ordered list: insertion. */
static void sort_members(struct record *record, size_t count) {
    uint16_t *order = record->order;
    if (count > 64) {
        qsort_r(order, count, sizeof(*order), by_name, record);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        uint16_t moving = order[i];
        size_t to = i;
        while (to > 0 && by_name(&order[to - 1], &moving, record) > 0) {
            order[to] = order[to - 1];
            to--;
        }
        order[to] = moving;
    }
}

void record_identify(struct record *record, const char *identity, size_t from) {
    struct digest digest;
    size_t count = 0;
    for (size_t i = from; i < record->count; i++)
        record->order[count++] = (uint16_t)i;
    sort_members(record, count);
    digest_start(&digest);
    digest_part(&digest, identity, strlen(identity));
    for (size_t i = 0; i < count; i++) {
        const struct member *member = &record->members[record->order[i]];
        const struct column *column = columns_at(record->columns, member->column);
        digest_part(&digest, column->name, column->name_bytes);
        digest_part(&digest, member_text(record, member), member->bytes);
    }
    digest_finish(&digest, record->id);
}

void record_again(struct record *record, uint64_t n) {
    struct digest digest;
    digest_start(&digest);
    digest_part(&digest, record->id, strlen(record->id));
    digest_number(&digest, n);
    digest_finish(&digest, record->id);
}

const char *record_id(struct record *record) {
    if (record->id[0] == '\0')
        record_identify(record, "", 0);
    return record->id;
}

void record_json(const struct record *record, struct buffer *out) {
    if (record->raw && record->raw_is_json) {
        buffer_append(out, record->raw, record->raw_bytes);
        return;
    }
    if (record->raw) {
        text_json(out, record->raw, record->raw_bytes);
        return;
    }
    buffer_append(out, "{", 1);
    for (size_t i = 0; i < record->count; i++) {
        const struct member *member = &record->members[i];
        const struct column *column = member_column(record, i);
        if (i > 0)
            buffer_append(out, ", ", 2);
        text_json(out, column->name, column->name_bytes);
        buffer_append(out, ": ", 2);
        text_json(out, member_text(record, member), member->bytes);
    }
    buffer_append(out, "}", 1);
}
