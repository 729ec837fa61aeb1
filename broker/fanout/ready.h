/* The events of one batch as audiences see them: each is made when it is first asked for, and kept
 * as long as the batch. */
#ifndef BROKER_FANOUT_READY_H
#define BROKER_FANOUT_READY_H

#include <stddef.h>

#include "proto/frame.h"

struct access;

#define READY_AUDIENCES 3 /* staff, applicant, public */

/* {0} is empty. */
struct ready {
    struct ready_set *sets[READY_AUDIENCES];
    size_t bytes; /* of memory */
};

void ready_free(struct ready *ready);
/* The event at `index` of `count` of the batch. Length 0 without memory, or if it is not an event.
 * It lasts until ready_free. Not for the audience FULL. */
struct slice ready_event(struct ready *ready, const struct access *access,
                         Waybill__V1__Audience audience, size_t count, size_t index,
                         struct slice event);

#endif
