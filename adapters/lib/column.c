#include "adapters/lib/column.h"

#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

#define SLOTS (COLUMNS_MAX * 2) /* a power of two, never more than half full */

struct columns {
    struct column all[COLUMNS_MAX];
    uint32_t hashes[COLUMNS_MAX];
    uint16_t slots[SLOTS]; /* number + 1, 0: free */
    size_t count;
};

/* FNV-1a. Names come from the file, so a hostile one can make the table slow, not large: a look-up
 * walks at most COLUMNS_MAX entries. */
static uint32_t name_hash(const char *name, size_t bytes) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash;
}

struct columns *columns_new(void) {
    return calloc(1, sizeof(struct columns));
}

void columns_free(struct columns *columns) {
    if (!columns)
        return;
    for (size_t i = 0; i < columns->count; i++)
        free((char *)columns->all[i].name);
    free(columns);
}

int columns_enter(struct columns *columns, const char *name, size_t bytes) {
    uint32_t hash = name_hash(name, bytes);
    size_t slot = hash & (SLOTS - 1);
    for (; columns->slots[slot]; slot = (slot + 1) & (SLOTS - 1)) {
        size_t i = columns->slots[slot] - 1u;
        const struct column *column = &columns->all[i];
        if (columns->hashes[i] == hash && column->name_bytes == bytes &&
            memcmp(column->name, name, bytes) == 0)
            return (int)i;
    }
    if (columns->count == COLUMNS_MAX || bytes > COLUMN_NAME_BYTES)
        return COLUMN_NONE;
    char *copy = strndup(name, bytes);
    if (!copy)
        return COLUMN_NONE;
    size_t number = columns->count++;
    columns->all[number] = (struct column){.name = copy, .name_bytes = bytes};
    columns->hashes[number] = hash;
    columns->slots[slot] = (uint16_t)(number + 1);
    return (int)number;
}

size_t columns_count(const struct columns *columns) {
    return columns->count;
}

struct column *columns_at(struct columns *columns, int column) {
    return &columns->all[column];
}

const char *columns_nearest(const struct columns *columns, const char *name) {
    const char **known = calloc(columns->count + 1, sizeof(*known)), *found;
    size_t count = 0;
    if (!known)
        return NULL;
    for (size_t i = 0; i < columns->count; i++)
        if ((columns->all[i].records > 0 || columns->all[i].present) &&
            strcmp(columns->all[i].name, name) != 0)
            known[count++] = columns->all[i].name;
    found = nearest(name, known);
    free(known);
    return found;
}
