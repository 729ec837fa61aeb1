/* The state of a case, computed a second time and in another way than broker/cases/state.c: as
 * plainly as PROTOCOL.md, "The history of a case", has it, however slow. Where the two disagree one
 * of them is wrong. Pure. */
#ifndef BROKER_ADMIN_RETELL_H
#define BROKER_ADMIN_RETELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/event.h>

struct retold_event {
    uint64_t offset;
    const char *source;
    const wb_event *event;
    bool stands; /* found out: it is one of those that the state comes from */

    bool retracted; /* a retraction that holds names it */
    struct retold_event *names, *decided_by;
};

struct retold {
    int stage;
    bool ended;
    uint64_t current_offset, last_offset;
    int64_t opened_at_us, since_us;
    const char *item_code, *item_name, *region_code, *agency, *parent_case_no;
};

/* The events of one case by offset, at least one; they are sorted by time. */
void retell(struct retold_event *events, size_t count, struct retold *told);

#endif
