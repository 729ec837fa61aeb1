/* The sources that the log knows: who published, by name, with the number that stands in its rows.
 */
#ifndef BROKER_JOURNAL_SOURCE_H
#define BROKER_JOURNAL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/bounds.h"

#define SOURCES_MAX 16384

struct source {
    int32_t id; /* in waybill.source; 0: not registered yet */
    char name[LIMIT_SOURCE_BYTES + 1];
};

struct sources;

struct sources *sources_new(void);
void sources_free(struct sources *sources);

/* A source lives as long as the registry. NULL if it is full or memory is out. */
struct source *sources_add(struct sources *sources, const char *name);
const struct source *sources_by_id(const struct sources *sources, int32_t id); /* NULL */
/* The numbers are another database's: all are to be registered anew. */
void sources_forget_ids(struct sources *sources);
void sources_register(struct sources *sources, struct source *source, int32_t id);

#endif
