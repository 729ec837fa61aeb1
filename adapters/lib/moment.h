/* Times as sources write them, by the formats that a mapping lists. */
#ifndef LIB_MOMENT_H
#define LIB_MOMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

#include "common/timestamp.h"

#define MOMENT_FORMATS 16

/* "rfc3339", or a format of strptime(3); tried in their order. */
struct moment_formats {
    char *formats[MOMENT_FORMATS]; /* not owned */
    size_t count;                  /* 0: rfc3339 alone */
    bool has_zone;                 /* the process's zone stands for times without an offset */
};

/* -1 and err (WB_E_USAGE) if the format cannot give a time: it lacks a date, or gives local times
 * while no zone is known. */
int moment_check(const char *format, bool has_zone, struct wb_error *err);

/* -1 and err (WB_E_FIELD_VALUE) with the value and what would help. A text without a time of day
 * gives date_only. */
int moment_parse(const struct moment_formats *formats, const char *text, struct timestamp *out,
                 struct wb_error *err);

#endif
