/* What holds of every event that event_validate accepts, wherever it came from. */
#ifndef TESTS_FUZZ_VALID_H
#define TESTS_FUZZ_VALID_H

#include <waybill/event.h>

/* Bytes that an arena of a target may hold. */
#define VALID_ARENA ((size_t)8 << 20)

/* Within proto/bounds.h and the years; encoded, it decodes to the same bytes again, and its header
 * says the same; the JSON form reads back to an event of the same form. */
void valid_event(const wb_event *event);

#endif
