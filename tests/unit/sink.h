/* Reads text with a reader of the file adapter and writes down what it gives, to compare. */
#ifndef TESTS_SINK_H
#define TESTS_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/file/reader.h"

struct sink {
    char text[16384]; /* "2: name=value other=value\n", faults as "3! detail\n" */
    unsigned records, faults;
    unsigned most;       /* stop after so many; 0: never */
    char ids[64][33];    /* of the first records */
    struct wb_error err; /* of the reader, if it failed */
    int result;          /* of its last call */
};

typedef struct reader *sink_new(const struct reader_options *options, struct wb_error *err);

/* Feeds the bytes in pieces of `piece` (0: at once) and ends the file. options->name, columns, sink
 * and arg are filled in. */
void sink_read(struct sink *sink, sink_new *new_reader, struct reader_options options,
               const char *data, size_t bytes, size_t piece);

/* The same for a C string, at once. */
void sink_text(struct sink *sink, sink_new *new_reader, struct reader_options options,
               const char *text);

#endif
