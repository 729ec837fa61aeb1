#include "adapters/file/convert.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/file/ndjson.h"
#include "common/digest.h"
#include "proto/json.h"
#include "proto/problem.h"

#define ARENA_BYTES 4194304

void convert_init(struct convert *convert, struct mapping *mapping) {
    convert->mapping = mapping;
    arena_init(&convert->arena, ARENA_BYTES);
}

void convert_free(struct convert *convert) {
    arena_free(&convert->arena);
}

/* The id of an event that brings none: from its members, whatever order they stand in. */
static int derive_id(struct convert *convert, const json_t *json, wb_event *event,
                     struct wb_error *err) {
    char id[DIGEST_TEXT];
    struct digest digest;
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT);
    if (!text)
        return problem(err, WB_E_SYSTEM, "no memory for the event");
    digest_start(&digest);
    digest_part(&digest, text, strlen(text));
    digest_finish(&digest, id);
    free(text);
    event->event_id = arena_text(&convert->arena, id, strlen(id));
    return event->event_id ? 0 : problem(err, WB_E_SYSTEM, "no memory for the event");
}

static enum mapping_outcome convert_line(struct convert *convert, struct record *record,
                                         wb_event **event, struct wb_error *err) {
    size_t bytes;
    const char *line = record_raw(record, &bytes);
    json_t *json = ndjson_parse(line, bytes, err);
    if (!json) {
        record_set_raw(record, line, bytes, false);
        return MAPPING_REJECTED;
    }
    int result = event_from_json(json, &convert->arena, event, err);
    if (result == 0 && (*event)->event_id[0] == '\0')
        result = derive_id(convert, json, *event, err);
    json_decref(json);
    return result ? MAPPING_REJECTED : MAPPING_EVENT;
}

enum mapping_outcome convert_record(struct convert *convert, struct record *record,
                                    wb_event **event, struct wb_error *err) {
    arena_reset(&convert->arena);
    if (convert->mapping)
        return mapping_apply(convert->mapping, record, &convert->arena, event, err);
    return convert_line(convert, record, event, err);
}
