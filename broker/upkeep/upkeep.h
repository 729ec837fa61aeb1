/* The log's upkeep, in the background on a connection of its own: a leaf that is full is frozen
 * once, so that autovacuum has nothing to do; a leaf that is older than the retention is dropped.
 *
 * A case goes as a whole or not at all. What is dropped are the events of cases that ended and were
 * quiet for the whole retention; those of all others are copied to waybill.event_kept first, where
 * their timelines find them. They are looked at again with every leaf that is dropped. Deciding is
 * done beforehand, in steps that disturb nobody; the exchange of the tables is one short
 * transaction, which looks again for cases that moved meanwhile. */
#ifndef BROKER_UPKEEP_UPKEEP_H
#define BROKER_UPKEEP_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct sources;
struct upkeep;

struct upkeep_options {
    const char *database;
    int64_t retention_us; /* 0: everything is kept */
    int64_t check_ms;     /* how often it looks */
};

struct upkeep_events {
    /* The log is about to begin at this offset: called before anything is dropped. */
    void (*retiring)(void *arg, uint64_t first_offset);
};

struct upkeep *upkeep_new(uv_loop_t *loop, const struct upkeep_options *options,
                          const struct sources *sources, const struct upkeep_events *events,
                          void *arg);
void upkeep_close(struct upkeep *upkeep); /* NULL is allowed */

/* Works while this broker writes in that epoch; 0: it does not. */
void upkeep_run(struct upkeep *upkeep, int64_t epoch);

#endif
