/* The cases that a subscription by case follows: a set of case numbers. Whether an event belongs to
 * one of them costs one look into a hash table. */
#ifndef BROKER_FANOUT_PLACES_H
#define BROKER_FANOUT_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/frame.h"

struct log_record;
struct places;

/* At most so many. NULL without memory. */
struct places *places_new(size_t max);
void places_free(struct places *places); /* NULL is allowed */

/* Copies the number. True if it is in the set now, or was; false: no room. */
bool places_add(struct places *places, struct slice case_no);
void places_drop(struct places *places, struct slice case_no);
bool places_hold(const struct places *places, struct slice case_no);
bool places_match(const struct places *places, const struct log_record *record);
size_t places_count(const struct places *places);

#endif
