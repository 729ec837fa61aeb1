/* The newest part of the log in memory, so that those who follow live cost the database nothing.
 *
 * A stream is a cursor over the log: what the hub still holds comes from here, what is older comes
 * from the database, and there is no seam because both are the same log. */
#ifndef BROKER_FANOUT_HUB_H
#define BROKER_FANOUT_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct access;
struct hub;
struct log_record;

/* Keeps at most so many bytes, also of what was made ready for audiences, and always the newest
 * batch. access: for hub_event; outlives it. */
struct hub *hub_new(size_t bytes_max, const struct access *access);
void hub_free(struct hub *hub);

/* The log as it was opened: forgets all records. */
void hub_reset(struct hub *hub, uint64_t first_offset, uint64_t head_offset);
/* Copies records that follow the head. Without memory the hub keeps the head and forgets the rest.
 */
void hub_append(struct hub *hub, const struct log_record *records, size_t count);

/* Who may see what changed: what was made ready for audiences is made anew. */
void hub_remake(struct hub *hub);
/* The log is about to begin at that offset. */
void hub_retire(struct hub *hub, uint64_t first_offset);
uint64_t hub_first(const struct hub *hub); /* the oldest offset that the log can give */
uint64_t hub_head(const struct hub *hub);
/* NULL if the hub does not hold it (any more). Valid until hub_append or hub_reset. */
const struct log_record *hub_record(const struct hub *hub, uint64_t offset);
/* As above; sets the number of records that lie behind it in one piece, itself included. */
const struct log_record *hub_run(const struct hub *hub, uint64_t offset, size_t *count);

/* From now on the hub knows its records by their case, for those who follow cases; where nobody
 * does, nothing is spent on it. False without memory. */
bool hub_index(struct hub *hub);
/* The newest record of the case that is in memory, and the one of the same case before it; NULL if
 * there is none. Valid as above. */
const struct log_record *hub_newest(struct hub *hub, struct slice case_no);
const struct log_record *hub_before(const struct hub *hub, const struct log_record *record);
/* The offset with which memory begins: one behind the head where it is empty. */
uint64_t hub_oldest(const struct hub *hub);

/* The event of a record that hub_record or hub_run gave, as the audience may see it: made once for
 * all of its readers, and kept as long as the record. Length 0 without memory. */
struct slice hub_event(struct hub *hub, const struct log_record *record,
                       Waybill__V1__Audience audience);

#endif
