/* The sources that the log knows: who published, by name, with the number that stands in its rows.
 */
#ifndef BROKER_JOURNAL_SOURCE_H
#define BROKER_JOURNAL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "proto/bounds.h"

#define SOURCES_MAX 16384

/* A source's part of the journal's queue; see queue.h, whose business it is but for rate_events. */
struct flow {
    struct source *next, *previous; /* in the ring of those that have something waiting */
    struct submission *first, *last;
    int64_t deficit;                /* bytes that it may still send in this turn */
    uint32_t rate_events;           /* a second; 0: no limit. Set by the admission */
    int64_t tokens_us, refilled_us; /* events in millionths; when they were counted, monotonic */
};

struct source {
    int32_t id; /* in waybill.source; 0: not registered yet */
    char name[LIMIT_SOURCE_BYTES + 1];
    struct flow flow;
    struct buffer newest_id; /* the greatest event_id that the log has of it, by bytes */
};

struct sources;
struct submission;

struct sources *sources_new(void);
void sources_free(struct sources *sources);

/* A source lives as long as the registry. NULL if it is full or memory is out. */
struct source *sources_add(struct sources *sources, const char *name);
const struct source *sources_by_id(const struct sources *sources, int32_t id); /* NULL */
/* The numbers are another database's: all are to be registered anew. */
void sources_forget_ids(struct sources *sources);
void sources_register(struct sources *sources, struct source *source, int32_t id);

/* The log has that id. */
void source_note_id(struct source *source, const void *id, size_t bytes);
/* True if the id is greater than all that the log has of the source: then it is new for certain. */
bool source_is_newer(const struct source *source, const void *id, size_t bytes);

#endif
