/* What an event is known by, read from its bytes. For receipts and dead letters of events whose
 * sender may be long gone. */
#ifndef LIB_GIST_H
#define LIB_GIST_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/event.h>

#define GIST_TEXT 136 /* the longest id or case number, with its NUL */

struct gist {
    char event_id[GIST_TEXT], case_no[GIST_TEXT];
    wb_stage stage; /* 0 if it has none */
    Waybill__V1__Kind kind;
};

/* What cannot be read stays empty. */
void gist_read(struct gist *gist, const uint8_t *event, size_t bytes);

#endif
