/* What went wrong, as a person needs it: what happened, which value, what to do.
 *
 * Functions that can fail return 0 or -1 and fill the error their caller gave
 * them, which may be NULL. Texts are cut where they do not fit, never left open. */
#ifndef WAYBILL_ERROR_H
#define WAYBILL_ERROR_H

#include <stdbool.h>

#if defined(__GNUC__)
#define WB_EXPORT              __attribute__((visibility("default")))
#define WB_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define WB_EXPORT
#define WB_PRINTF(text, first)
#endif

enum wb_error_code {
    WB_OK = 0,
#define WB_ERROR(number, name, retriable, message, hint) WB_E_##name = number,
#include <waybill/errors.def>
#undef WB_ERROR
};

struct wb_error {
    int code;         /* enum wb_error_code, also one that this version does not know */
    bool retriable;   /* the same bytes may succeed later */
    char message[96]; /* from the table in errors.def */
    char detail[240]; /* which value, where */
    char hint[160];   /* what to do */
    char field[48];   /* of an event, "handler.name"; else empty */
};

#endif
