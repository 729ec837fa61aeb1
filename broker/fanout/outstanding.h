/* What was delivered and not yet credited back: a reader's credit counts events, but what waits in
 * its queue is bytes. All streams share one pool, by dynamic thresholds (Choudhury and Hahne,
 * 1998): a stream may have as much outstanding as the pool has left. So one that is not read takes
 * half of it at most, and a stream with nothing outstanding always gets its next Deliver. */
#ifndef BROKER_FANOUT_OUTSTANDING_H
#define BROKER_FANOUT_OUTSTANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outstanding_pool {
    size_t bytes, bytes_max;
};

struct outstanding {
    struct outstanding_pool *pool;
    uint64_t events;
    size_t bytes;
};

bool outstanding_has_room(const struct outstanding *outstanding);
void outstanding_add(struct outstanding *outstanding, uint64_t events, size_t bytes);
/* The reader gave credit for so many events: it has taken as many, of average size. */
void outstanding_credit(struct outstanding *outstanding, uint64_t events);
/* The stream is over. */
void outstanding_clear(struct outstanding *outstanding);

#endif
