/* Which events a stream wants. Empty fields match everything; the values of one field are
 * alternatives. Items, regions and agencies match by prefix. */
#ifndef BROKER_FANOUT_FILTER_H
#define BROKER_FANOUT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

#include "proto/frame.h"

struct filter;
struct log_record;

/* Copies it. *filter is NULL if everything matches. Returns 0, or -1 and err (FILTER). */
int filter_new(const Waybill__V1__Filter *wanted, struct filter **filter, struct wb_error *err);
void filter_free(struct filter *filter);

bool filter_matches(const struct filter *filter, const struct log_record *record);

/* The cases, if the filter names any: a database can find these by its index. */
size_t filter_cases(const struct filter *filter, const char *const **case_nos);

#endif
