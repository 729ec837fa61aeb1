/* A small batch as parameters of one prepared statement, SQL_FEW: the columns as arrays. */
#ifndef BROKER_JOURNAL_FEW_H
#define BROKER_JOURNAL_FEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/journal/database.h"
#include "common/buffer.h"

#define FEW_ROWS    32
#define FEW_PARAMS  13
#define FEW_COLUMNS 9

struct batch;

struct few {
    struct buffer columns[FEW_COLUMNS];
    uint8_t numbers[4][8]; /* epoch, the head's old and new place, recorded_at */
    struct database_param params[FEW_PARAMS];
};

void few_init(struct few *few);
void few_free(struct few *few);

/* Fills the parameters from the batch's new events; they stay until the next call. False without
 * memory. */
bool few_fill(struct few *few, const struct batch *batch, int64_t epoch);

#endif
