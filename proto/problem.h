/* Fills a struct wb_error from the table in errors.def. */
#ifndef PROTO_PROBLEM_H
#define PROTO_PROBLEM_H

#include <waybill/error.h>

struct wb_error;

/* Always -1, so that a caller can return it. The message, hint and retriable come from the table;
 * detail is printed. err may be NULL. */
int problem(struct wb_error *err, int code, const char *detail, ...) WB_PRINTF(3, 4);

/* The same, for one field of an event. */
int problem_field(struct wb_error *err, int code, const char *field, const char *detail, ...)
    WB_PRINTF(4, 5);

/* Replaces the hint; returns -1. */
int problem_hint(struct wb_error *err, const char *hint, ...) WB_PRINTF(2, 3);

const char *problem_name(int code); /* "NO_SESSION"; "UNKNOWN" for a code not in the table */

/* One line: "message: detail (hint)". Returns text. */
const char *problem_line(const struct wb_error *err, char *text, unsigned long size);

#endif
