/* What an import came to, in words and as JSON. */
#ifndef FILE_REPORT_H
#define FILE_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "adapters/file/rejects.h"
#include "adapters/lib/column.h"
#include "adapters/lib/mapping.h"

struct report {
    uint64_t read; /* records */
    uint64_t skipped, events, acknowledged, repeats, unacknowledged;
    double seconds;
    bool dry, complete; /* complete: the input was read to its end */
    const struct rejects *rejects;
    const struct mapping *mapping; /* NULL: none */
    struct columns *columns;
};

/* "52217 read, 52217 acknowledged (0 repeats), 0 rejected in 1.2 s (43514/s)" */
void report_summary(const struct report *report, FILE *to);

/* What is to be done: the reasons of rejects, values that nothing maps, columns that rules name and
 * no record has; with `all` also the columns that no rule uses. Nothing, if there is none of it. */
void report_findings(const struct report *report, bool all, FILE *to);

/* New reference to an object with all of the above; NULL without memory. */
json_t *report_json(const struct report *report);

#endif
