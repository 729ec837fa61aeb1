/* A query's rows as a stream (COPY … TO STDOUT in binary): one row in memory at a time. */
#ifndef BROKER_ADMIN_ROWS_H
#define BROKER_ADMIN_ROWS_H

#include <stdint.h>

#include "broker/admin/connection.h"
#include "proto/frame.h"

#define ROWS_COLUMNS_MAX 10

struct rows {
    struct wb_admin *admin;
    char *line; /* libpq's */
    int columns;
    struct slice column[ROWS_COLUMNS_MAX]; /* data NULL: null */
};

/* The query is put into the COPY as it is. 0, or -1 and err. */
int rows_open(struct rows *rows, struct wb_admin *admin, const char *query, struct wb_error *err);

/* 1: a row, whose columns last until the next call; 0: that was all; -1 and err. After 0 and -1
 * there is nothing to close. */
int rows_next(struct rows *rows, struct wb_error *err);

/* Before the end: what is left is passed over. */
void rows_close(struct rows *rows);

/* Of columns of that type; 0 where the column is null. */
int64_t rows_int(const struct rows *rows, int column); /* smallint, integer, bigint */
int64_t rows_time_us(const struct rows *rows, int column);

#endif
