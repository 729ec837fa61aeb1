/* A reader of the file adapter, fed with the bytes at once and in small pieces: both have to give
 * the same records. Each record goes through a mapping, or, without one, is read as an event. */
#ifndef TESTS_FUZZ_PIECES_H
#define TESTS_FUZZ_PIECES_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/file/reader.h"

struct mapping;

typedef struct reader *pieces_new(const struct reader_options *options, struct wb_error *err);

struct pieces {
    pieces_new *new_reader;
    struct reader_options options; /* but for name, columns, sink and arg */
    const char *mapping;           /* the path of a mapping; NULL: the JSON form of an event */
    size_t piece;                  /* bytes, at least 1 */
};

void pieces_check(const struct pieces *pieces, const uint8_t *data, size_t bytes);

#endif
