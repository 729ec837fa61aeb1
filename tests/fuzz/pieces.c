#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/file/convert.h"
#include "adapters/lib/mapping.h"
#include "common/buffer.h"
#include "common/digest.h"
#include "fuzz.h"
#include "proto/validate.h"
#include "valid.h"

#define RECORDS_MAX 256 /* further ones are read, but make no events: each costs the same */

struct reading {
    struct columns *columns;
    struct convert convert;
    bool events;          /* are made of the records */
    struct digest digest; /* of all that came */
    unsigned records, faults;
    int result;
    struct wb_error err;
    char sum[DIGEST_TEXT];
};

static void make_event(struct reading *reading, struct record *record) {
    struct wb_error err = {0};
    wb_event *event;
    switch (convert_record(&reading->convert, record, &event, &err)) {
    case MAPPING_EVENT:
        if (event_validate(event, &err) == 0)
            valid_event(event);
        break;
    case MAPPING_REJECTED:
        FUZZ_CHECK(err.code && err.detail[0]);
        break;
    case MAPPING_SKIPPED:
        break;
    }
}

static void add_record(struct reading *reading, struct record *record) {
    struct buffer json;
    buffer_init(&json, 0);
    record_json(record, &json);
    digest_part(&reading->digest, buffer_string(&json), json.length);
    digest_number(&reading->digest, record_line(record));
    digest_part(&reading->digest, record_id(record), strlen(record_id(record)));
    buffer_free(&json);
}

static int on_record(void *arg, struct record *record, const struct wb_error *fault) {
    struct reading *reading = arg;
    reading->records++;
    reading->faults += fault != NULL;
    FUZZ_CHECK(!fault || (fault->code && fault->detail[0]));
    add_record(reading, record);
    if (!fault && reading->events && reading->records <= RECORDS_MAX)
        make_event(reading, record);
    return 0;
}

static void feed(struct reader *reader, struct reading *reading, const uint8_t *data, size_t bytes,
                 size_t piece) {
    size_t at = 0;
    while (at < bytes && reading->result == 0) {
        size_t next = piece < bytes - at ? piece : bytes - at;
        char *copy = malloc(next); /* a sanitizer sees reads behind the piece */
        FUZZ_CHECK(copy);
        memcpy(copy, data + at, next);
        reading->result = reader->feed(reader, copy, next, &reading->err);
        free(copy);
        at += next;
    }
    if (reading->result == 0)
        reading->result = reader->finish(reader, &reading->err);
}

/* The records of the second reading are those of the first, so events are made once. */
static void read_all(const struct pieces *pieces, size_t piece, bool events, const uint8_t *data,
                     size_t bytes, struct reading *reading) {
    struct reader_options options = pieces->options;
    struct mapping *mapping = NULL;
    *reading = (struct reading){.columns = columns_new(), .events = events};
    FUZZ_CHECK(reading->columns);
    if (events && pieces->mapping) {
        mapping = mapping_load(pieces->mapping, reading->columns, &reading->err);
        FUZZ_CHECK(mapping);
    }
    convert_init(&reading->convert, mapping);
    digest_start(&reading->digest);
    options.name = "input";
    options.columns = reading->columns;
    options.sink = on_record;
    options.arg = reading;
    struct reader *reader = pieces->new_reader(&options, &reading->err);
    FUZZ_CHECK(reader);
    feed(reader, reading, data, bytes, piece);
    FUZZ_CHECK(reading->result == 0 || (reading->err.code && reading->err.detail[0]));
    reader->free(reader);
    digest_finish(&reading->digest, reading->sum);
    convert_free(&reading->convert);
    mapping_free(mapping);
    columns_free(reading->columns);
}

void pieces_check(const struct pieces *pieces, const uint8_t *data, size_t bytes) {
    struct reading whole, parts;
    read_all(pieces, bytes ? bytes : 1, true, data, bytes, &whole);
    read_all(pieces, pieces->piece, false, data, bytes, &parts);
    FUZZ_CHECK(whole.result == parts.result && whole.err.code == parts.err.code);
    FUZZ_CHECK(whole.records == parts.records && whole.faults == parts.faults);
    FUZZ_CHECK(strcmp(whole.sum, parts.sum) == 0);
}
