/* One record of a source as text: a row, a line, an event of a log. Members keep their order; their
 * values are NUL-ended copies that last until the record changes. Memory is used again from record
 * to record and never exceeds RECORD_BYTES_MAX and RECORD_MEMBERS_MAX. */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "adapters/lib/column.h"
#include "common/digest.h"

#define RECORD_BYTES_MAX   1048576
#define RECORD_MEMBERS_MAX COLUMNS_MAX

struct buffer;
struct record;

struct record *record_new(struct columns *columns); /* NULL without memory; columns outlive it */
void record_free(struct record *record);

/* Forgets the members, the id and the raw text. line: where the record begins, from 1. */
void record_begin(struct record *record, uint64_t line);
void record_set_line(struct record *record, uint64_t line);
uint64_t record_line(const struct record *record);

/* Adds a member; a column can be there once. -1 and err: the record is too large or has too many
 * members, the column is there already, or there are too many different columns. */
int record_add(struct record *record, const char *name, size_t name_bytes, const char *value,
               size_t value_bytes, struct wb_error *err);
int record_put(struct record *record, int column, const char *value, size_t value_bytes,
               struct wb_error *err);

/* NULL if the record does not have the column. */
const char *record_value(const struct record *record, int column, size_t *bytes);

size_t record_count(const struct record *record);
int record_column(const struct record *record, size_t index);
/* Takes away the members behind the first `count`. */
void record_cut(struct record *record, size_t count);

/* Counts the members from `from` on as seen, for the table of columns. */
void record_seen(struct record *record, size_t from);

/* The record as its source wrote it, where it is not made of members; not copied. is_json: it is
 * one JSON value. */
void record_set_raw(struct record *record, const char *raw, size_t bytes, bool is_json);
const char *record_raw(const struct record *record, size_t *bytes); /* NULL: none */

/* Derives the record's id from `identity` (may be "") and the members from `from` on, whatever
 * order they stand in. */
void record_identify(struct record *record, const char *identity, size_t from);
/* Makes another id from it, for the n-th record (from 1) with the same content. */
void record_again(struct record *record, uint64_t n);
/* 32 hexadecimal digits; derived from all members if nobody did. */
const char *record_id(struct record *record);

/* As a JSON object; a raw text as it is if it is JSON, else as a JSON string. */
void record_json(const struct record *record, struct buffer *out);

#endif
