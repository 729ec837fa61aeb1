/* A format: bytes in, records out, as they come. A reader keeps no more of the file than the record
 * it is at. */
#ifndef FILE_READER_H
#define FILE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

#include "adapters/lib/record.h"

#define READER_STOPPED 1

/* Gets each record; it is the reader's and lasts until this returns. fault: the record cannot be
 * used, the ones behind it can. Returns 0, or -1 to stop reading. It may not call the reader. */
typedef int reader_sink(void *arg, struct record *record, const struct wb_error *fault);

struct reader_options {
    const char *name;        /* of the file, for complaints */
    struct columns *columns; /* outlives the reader */
    reader_sink *sink;
    void *arg;
    char delimiter;       /* of CSV; '\0': a comma */
    const char *encoding; /* of CSV; NULL: UTF-8 */
    bool whole;           /* NDJSON: records are the lines, not their members */
    bool zone_known;      /* XES: times without a time zone are allowed */
    bool lax;             /* XES: declarations that do not touch the events are not checked */
};

struct reader {
    /* Takes bytes. Returns 0, READER_STOPPED if the sink said so, or -1 and err ("FILE:LINE: ...")
     * when nothing behind can be read. After other than 0 only free may follow. */
    int (*feed)(struct reader *reader, const char *data, size_t bytes, struct wb_error *err);
    /* The file ended here. Returns as feed. */
    int (*finish)(struct reader *reader, struct wb_error *err);
    void (*free)(struct reader *reader);
};

/* NULL and err without memory or if the options are not valid. */
struct reader *csv_reader_new(const struct reader_options *options, struct wb_error *err);
struct reader *ndjson_reader_new(const struct reader_options *options, struct wb_error *err);
struct reader *xes_reader_new(const struct reader_options *options, struct wb_error *err);

#endif
