/* The answer to a Follow: which of its places are followed from now on, and what their cases got
 * since they were seen last, as far as memory has it. The database is not asked. */
#ifndef BROKER_FANOUT_FOLLOW_H
#define BROKER_FANOUT_FOLLOW_H

#include <stdint.h>

#include "proto/frame.h"

struct hub;
struct places;
struct session;
struct sight;

#define FOLLOW_CASES_MAX 131072 /* of one subscription */

struct follow {
    struct session *session;
    struct hub *hub;
    const struct sight *sight;
    struct places *places;
    uint64_t subscription;
    uint64_t cursor; /* of the stream: what lies behind it comes by Deliver */
};

/* Takes cases from f->places and adds some, and sends the answer. */
void follow(const struct follow *f, const Waybill__V1__Follow *request);

#endif
