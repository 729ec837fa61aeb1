/* waybilld-canary: the broker, but it acknowledges a batch when it sends it, before the commit.
 *
 * tests/faults/run has to catch it. It is the broker's own code: the linker leads three of the
 * journal's calls through here (--wrap), so there is no switch in the broker that somebody could
 * build into the real one. */
#include <stddef.h>
#include <string.h>

#include "broker/journal/batch.h"
#include "broker/journal/database.h"

#define BATCHES_MAX 8 /* more than the journal has at a time */

/* Declared by the originals, so that a change of theirs does not go unnoticed here. */
extern typeof(batch_number) __real_batch_number, __wrap_batch_number;
extern typeof(batch_settle) __real_batch_settle, __wrap_batch_settle;
extern typeof(batch_release) __real_batch_release, __wrap_batch_release;
extern typeof(database_query) __real_database_query, __wrap_database_query;

static struct batch *numbered;          /* the one that is going to be sent */
static struct batch *told[BATCHES_MAX]; /* whose senders have heard that they are committed */

static struct batch **place_of(const struct batch *batch) {
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (told[i] == batch)
            return &told[i];
    return NULL;
}

bool __wrap_batch_number(struct batch *batch, const struct batch *ahead, uint64_t first,
                         int64_t recorded_at_us) {
    numbered = batch;
    return __real_batch_number(batch, ahead, first, recorded_at_us);
}

void __wrap_database_query(struct database *database, const char *sql, database_result *result,
                           void *arg) {
    __real_database_query(database, sql, result, arg);
    struct batch **place = place_of(NULL);
    if (!strstr(sql, "COPY waybill.event") || !numbered || place_of(numbered) || !place)
        return;
    *place = numbered;
    __real_batch_settle(numbered, true);
}

void __wrap_batch_settle(struct batch *batch, bool committed) {
    if (!place_of(batch))
        __real_batch_settle(batch, committed);
}

void __wrap_batch_release(struct batch *batch) {
    struct batch **place = place_of(batch);
    if (place)
        *place = NULL;
    __real_batch_release(batch);
}
