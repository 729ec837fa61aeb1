/* A record to an event: by the rules of a mapping, or, without one, by reading the line as the JSON
 * form of an event. */
#ifndef FILE_CONVERT_H
#define FILE_CONVERT_H

#include "adapters/lib/mapping.h"
#include "common/arena.h"

struct convert {
    struct mapping *mapping; /* not owned; NULL: none */
    struct arena arena;      /* the event's, until the next */
};

void convert_init(struct convert *convert, struct mapping *mapping);
void convert_free(struct convert *convert);

/* As mapping_apply; the event lasts until the next call. */
enum mapping_outcome convert_record(struct convert *convert, struct record *record,
                                    wb_event **event, struct wb_error *err);

#endif
