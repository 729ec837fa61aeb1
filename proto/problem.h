/* Fills a struct wb_error from the table in errors.def. */
#ifndef PROTO_PROBLEM_H
#define PROTO_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

/* Always -1, so that a caller can return it. The message, hint and retriable come from the table;
 * detail is printed, then made clean UTF-8 in one line. err may be NULL. */
int problem(struct wb_error *err, int code, const char *detail, ...) WB_PRINTF(3, 4);

/* The same, for one field of an event. */
int problem_field(struct wb_error *err, int code, const char *field, const char *detail, ...)
    WB_PRINTF(4, 5);

/* Replaces the hint; returns -1. */
int problem_hint(struct wb_error *err, const char *hint, ...) WB_PRINTF(2, 3);

const char *problem_name(int code); /* "NO_SESSION"; "UNKNOWN" for a code not in the table */
bool problem_retriable(int code);   /* false for a code not in the table */

/* A value as a detail quotes it: at most 60 bytes of it, cut between characters, with what cannot
 * be printed written as \n or \x1b. Returns text. */
#define PROBLEM_VALUE 72
const char *problem_value(const char *value, size_t bytes, char text[PROBLEM_VALUE]);

/* Makes an error that came from elsewhere fit to be shown and sent: clean UTF-8 in one line. */
void problem_clean(struct wb_error *err);

/* One line: "message: detail (hint)". Returns text. */
const char *problem_line(const struct wb_error *err, char *text, unsigned long size);

#endif
