/* The history and the state of a case, computed from its events. Pure: no I/O, no clock. The rules
 * are in PROTOCOL.md, "The history of a case". */
#ifndef BROKER_CASES_STATE_H
#define BROKER_CASES_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/frame.h"

struct arena;
struct log_record;

struct history {
    Waybill__V1__CaseState state;
    Waybill__V1__Node *nodes; /* by occurred_at, then offset; all of them */
    size_t count;
};

/* From the case's records in any order, at least one. Everything is the arena's or lies in the
 * records. False without memory or if an event cannot be decoded. */
bool history_build(const struct log_record *records, size_t count, struct arena *arena,
                   struct history *history);

/* Whether it is one of those that the state comes from: something that happened, and that was
 * neither corrected nor retracted. */
bool history_stands(const Waybill__V1__Node *node);

#endif
