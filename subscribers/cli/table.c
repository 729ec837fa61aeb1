#include "table.h"

#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BETWEEN 2 /* columns of space */

static void put(struct table *table, char *cell) {
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            free(cell);
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = cell;
}

void table_init(struct table *table, size_t columns, const char *const *headers) {
    *table = (struct table){.columns = columns};
    for (size_t i = 0; i < columns; i++)
        table_cell(table, "%s", headers[i]);
}

void table_cell(struct table *table, const char *format, ...) {
    char *cell;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&cell, format, arguments) < 0) {
        table->failed = true;
        cell = NULL;
    }
    va_end(arguments);
    put(table, cell);
}

static const char *cell_at(const struct table *table, size_t i) {
    return table->cells[i] ? table->cells[i] : "";
}

static int column_width(const struct table *table, size_t column) {
    int widest = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        int width = screen_width(cell_at(table, i));
        if (width > widest)
            widest = width;
    }
    return widest;
}

void table_print(const struct table *table, struct screen *screen) {
    int *begins = calloc(table->columns + 1, sizeof *begins);
    if (!begins || table->columns == 0) {
        free(begins);
        return;
    }
    for (size_t column = 0; column < table->columns; column++)
        begins[column + 1] = begins[column] + column_width(table, column) + BETWEEN;
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        screen_to(screen, begins[column]);
        screen_put(screen, i < table->columns ? FAINT : PLAIN, cell_at(table, i));
        if (column + 1 == table->columns)
            screen_line(screen);
    }
    free(begins);
}

void table_free(struct table *table) {
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
}
