/* Which cases were opened with their code lately, so that who follows one again need not be looked
 * up in the log: a right code says nothing of whether the case exists, and whether it ended so long
 * ago that its code has lost its force (code_life).
 *
 * Bounded: the 65,536 to 131,072 newest are known; an older one is looked up again. One set a
 * process, for the loop's thread. */
#ifndef BROKER_CASES_OPENED_H
#define BROKER_CASES_OPENED_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"

/* The case was found, and its code opens it until then (by timestamp_now_us). Without memory it is
 * forgotten. */
void opened_note(struct slice case_no, int64_t until_us);
bool opened_holds(struct slice case_no, int64_t now_us);
/* Forgets all: the log may be another one. */
void opened_clear(void);

#endif
