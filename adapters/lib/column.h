/* The columns of a source: every name that its records use, once, with a small number. The numbers
 * hold as long as the table; records and templates speak of columns by them. */
#ifndef LIB_COLUMN_H
#define LIB_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMNS_MAX       4096
#define COLUMN_NAME_BYTES 512
#define COLUMN_NONE       -1

struct column {
    const char *name; /* the table's */
    size_t name_bytes;
    uint64_t records; /* that had it */
    uint64_t filled;  /* of them, with a value that is not empty */
    bool used;        /* a rule of the mapping names it */
    bool present;     /* a header names it, whether records could be read or not */
};

struct columns;

struct columns *columns_new(void); /* NULL without memory */
void columns_free(struct columns *columns);

/* The column's number; it is entered if it is new. COLUMN_NONE if the table is full (COLUMNS_MAX),
 * the name is longer than COLUMN_NAME_BYTES or memory is out. */
int columns_enter(struct columns *columns, const char *name, size_t bytes);

size_t columns_count(const struct columns *columns);
struct column *columns_at(struct columns *columns, int column);

/* The name most like this one among the columns that records had or a header names; NULL if there
 * is none. */
const char *columns_nearest(const struct columns *columns, const char *name);

#endif
