/* Where the cases of the hub's records are: the newest record of each, from which a chain leads
 * back through the others (log_record.before).
 *
 * Cases are told apart by a hash of their number, keyed for this process, so that nobody can choose
 * numbers that meet; who must be sure compares the numbers as well (trail_is). */
#ifndef BROKER_FANOUT_TRAIL_H
#define BROKER_FANOUT_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct log_record;
struct trail;

#define TRAIL_RECORD_BYTES 48 /* what it takes for one record, about */

struct trail *trail_new(void); /* NULL without memory */
void trail_free(struct trail *trail);

uint64_t trail_hash(struct slice case_no); /* never 0 */
/* The number of the record's case, in its bytes. */
struct slice trail_case(const struct log_record *record);
bool trail_is(const struct log_record *record, struct slice case_no);

/* The record, which knows its case_hash, is the newest of its case: sets its before. False without
 * memory. */
bool trail_add(struct trail *trail, struct log_record *record);
/* The record goes: the oldest first. */
void trail_drop(struct trail *trail, const struct log_record *record);
/* The offset of the newest record whose case has this hash; 0: there is none. */
uint64_t trail_newest(const struct trail *trail, uint64_t hash);

#endif
