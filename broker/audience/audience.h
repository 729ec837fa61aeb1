/* Events made ready for those who may not see all of them: once for each event and audience.
 *
 * What an audience gets is a list of what it may have, field by field (PROTOCOL.md, "Audiences"): a
 * field that is not on it does not leave, also one that a later version adds. */
#ifndef BROKER_AUDIENCE_AUDIENCE_H
#define BROKER_AUDIENCE_AUDIENCE_H

#include <stdbool.h>

#include "proto/frame.h"

struct access; /* what is disclosed of handlers, by item */
struct arena;
struct buffer;

/* Appends the event as the audience may see it; for FULL its own bytes. False: no memory, or not an
 * event; nothing of it may leave. */
bool audience_put(const struct access *access, Waybill__V1__Audience audience, struct slice event,
                  struct buffer *out);
/* The same into REDACT_ROOM bytes (redact.h), not for FULL: how many they are, 0 as false above. */
size_t audience_make(const struct access *access, Waybill__V1__Audience audience,
                     struct slice event, uint8_t *out);
/* The same for a record of a case's history and for its state, in place: what is put there is the
 * arena's. False without memory. */
bool audience_narrow_record(const struct access *access, Waybill__V1__Audience audience,
                            wb_record *record, struct arena *arena);
bool audience_narrow_state(const struct access *access, Waybill__V1__Audience audience,
                           Waybill__V1__CaseState *state, struct arena *arena);

#endif
