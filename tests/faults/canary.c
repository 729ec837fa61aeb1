/* waybilld-canary: the broker, but it acknowledges a batch when it begins to send it, before the
 * commit.
 *
 * tests/faults/run has to catch it. It is the broker's own code: the linker leads three of the
 * journal's calls through here (--wrap), so there is no switch in the broker that somebody could
 * build into the real one. */
#include <stdbool.h>
#include <stddef.h>

#include "broker/journal/batch.h"

#define BATCHES_MAX 8 /* more than the journal has at a time */

/* Declared by the originals, so that a change of theirs does not go unnoticed here. */
extern typeof(batch_rewind) __real_batch_rewind, __wrap_batch_rewind;
extern typeof(batch_settle) __real_batch_settle, __wrap_batch_settle;
extern typeof(batch_release) __real_batch_release, __wrap_batch_release;

static const struct batch *told[BATCHES_MAX]; /* whose senders have heard that they are committed */

static const struct batch **place_of(const struct batch *batch) {
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (told[i] == batch)
            return &told[i];
    return NULL;
}

/* The journal calls it when a batch has its offsets, just before its rows are sent. */
void __wrap_batch_rewind(struct batch *batch) {
    const struct batch **place = place_of(NULL);
    __real_batch_rewind(batch);
    if (place_of(batch) || !place)
        return;
    *place = batch;
    __real_batch_settle(batch, true);
}

void __wrap_batch_settle(struct batch *batch, bool committed) {
    if (!place_of(batch))
        __real_batch_settle(batch, committed);
}

void __wrap_batch_release(struct batch *batch) {
    const struct batch **place = place_of(batch);
    if (place)
        *place = NULL;
    __real_batch_release(batch);
}
