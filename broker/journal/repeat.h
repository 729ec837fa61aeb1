/* Recognises an identity, (source, event_id), among those of the batch that is being written. */
#ifndef BROKER_JOURNAL_REPEAT_H
#define BROKER_JOURNAL_REPEAT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

struct entry;
struct source;

struct repeat;

/* For so many identities at once. NULL without memory. */
struct repeat *repeat_new(size_t max);
void repeat_free(struct repeat *repeat);
void repeat_clear(struct repeat *repeat);

/* Remembers the entry under its identity, unless there is one: then that one is returned, else
 * NULL. The entry is kept by reference until repeat_clear. */
struct entry *repeat_add(struct repeat *repeat, int32_t source, struct entry *entry);
struct entry *repeat_find(const struct repeat *repeat, int32_t source, struct slice event_id);

#endif
