/* The courier view of a case in the terminal: where it stands, who has it, what to know and do now,
 * and the timeline, newest first. */
#ifndef CLI_COURIER_H
#define CLI_COURIER_H

#include "screen.h"
#include "words.h"

#include <waybill/subscriber.h>

/* The whole view. now_us: the wall clock. */
void courier_case(struct screen *screen, const wb_case *answer, enum language language,
                  int64_t now_us);

/* One node that came while the view stands. */
void courier_event(struct screen *screen, const wb_record *record, enum language language);

#endif
