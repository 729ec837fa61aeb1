/* A table for people: columns as wide as their widest cell, Chinese at its width. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct screen;

struct table {
    size_t columns, count, capacity; /* cells, with the header's */
    char **cells;
    bool failed; /* memory was too short for a cell: it is shown empty */
};

/* The headers count as the first row. */
void table_init(struct table *table, size_t columns, const char *const *headers);
/* The next cell, row by row; copied. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *table, struct screen *screen);
void table_free(struct table *table);

#endif
