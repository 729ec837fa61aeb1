/* An event made ready for an audience: one walk over its bytes, led by one table of fields and
 * audiences (redact.c; PROTOCOL.md, "Audiences", says the same). What is not in the table does not
 * leave, and numbers are written anew, so that nothing can lie in bits that a reader would not
 * look at. Nothing is unpacked and nothing is allocated. */
#ifndef BROKER_AUDIENCE_REDACT_H
#define BROKER_AUDIENCE_REDACT_H

#include "broker/access/disclosure.h"

/* Room for what comes of an event of so many bytes. */
#define REDACT_ROOM(bytes) ((bytes) + 128)

/* Asked at most once for an event, with its item's code. */
typedef enum disclosure redact_ask(const void *arg, struct slice item_code);

/* Writes it to out, which has REDACT_ROOM: how many bytes. 0 if it is not an event, or of an
 * audience that is not staff, applicant or public: nothing may leave. */
size_t redact_event(Waybill__V1__Audience audience, redact_ask *ask, const void *arg,
                    struct slice event, uint8_t *out);

#endif
