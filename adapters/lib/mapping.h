/* How the records of a source become events: the rules of a mapping file (docs/mapping.md). One
 * mapping serves one source; it belongs to one thread. */
#ifndef LIB_MAPPING_H
#define LIB_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>

#include "adapters/lib/column.h"
#include "adapters/lib/record.h"

#define MAPPING_VERSION        1
#define MAPPING_FILE_BYTES     1048576
#define MAPPING_RULES_MAX      128
#define MAPPING_IDS_MAX        16   /* templates under event_id */
#define MAPPING_UNMAPPED_MAX   1000 /* different values that are remembered */
#define MAPPING_UNMAPPED_BYTES 200  /* of each */

struct arena;
struct mapping;

/* What the file says of the source itself. */
struct mapping_source {
    const char *format;   /* "csv", "ndjson", "xes"; NULL: not said */
    char delimiter;       /* of CSV; '\0': not said */
    const char *encoding; /* of CSV, as iconv knows it; NULL: not said */
    bool has_zone;        /* times without an offset have one, time.zone */
};

/* A value that no rule covers. */
struct mapping_unmapped {
    const char *from;    /* the template that gave it: "{concept:name}" */
    char *value;         /* at most MAPPING_UNMAPPED_BYTES of it */
    uint64_t count;      /* records that had it */
    uint64_t first_line; /* of the first of them */
    char *example;       /* its case number; may be "" */
};

/* Reads and checks the file; err (WB_E_CONFIG) names its line. Columns that the rules name are
 * entered in `columns`, which outlives the mapping, and marked as used. Sets the process's zone if
 * the file names one. */
struct mapping *mapping_load(const char *path, struct columns *columns, struct wb_error *err);
void mapping_free(struct mapping *mapping); /* NULL is allowed */

const struct mapping_source *mapping_source(const struct mapping *mapping);

enum mapping_outcome {
    MAPPING_EVENT,   /* *event is the arena's and lasts until that is reset; not validated yet */
    MAPPING_SKIPPED, /* the rules say that the record is no event */
    MAPPING_REJECTED /* err says why */
};

enum mapping_outcome mapping_apply(struct mapping *mapping, struct record *record,
                                   struct arena *arena, wb_event **event, struct wb_error *err);

/* The values that were not covered, the first met first. *more: records whose value came after
 * MAPPING_UNMAPPED_MAX different ones. */
size_t mapping_unmapped(const struct mapping *mapping, const struct mapping_unmapped **all,
                        uint64_t *more);

#endif
