/* A quick look at an encoded event: one walk over its bytes that unpacks nothing. It knows the
 * plain cases, which are nearly all, and leaves the others to event_decode, which finds words for
 * what is wrong. */
#ifndef PROTO_GLANCE_H
#define PROTO_GLANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True: event_decode would accept it, and its kind is progress. False: look closer. */
bool event_glance(const uint8_t *data, size_t bytes);

#endif
