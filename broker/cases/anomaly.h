/* What in the history of a case contradicts the expected course. Nothing is refused for it: the
 * events are marked, here, and counted (fanout/examiner.h). The rules are in PROTOCOL.md,
 * "Anomalies"; they come from one table of stages. Pure: no I/O, no clock. */
#ifndef BROKER_CASES_ANOMALY_H
#define BROKER_CASES_ANOMALY_H

#include <stdbool.h>

struct arena;
struct history;

/* Sets the anomalies of the history's nodes. whole: the history has the case's first event, so
 * that what is missing in it was never there. The lists are the arena's. False without memory. */
bool anomaly_mark(struct history *history, bool whole, struct arena *arena);

#endif
