/* The JSON form of events, records and cases, as NDJSON files, the CLI and the HTTP API have it.
 * Field names are those of the .proto files; stages are written without their prefix ("ACCEPTED"),
 * kinds in small letters, times as RFC 3339 text under `occurred_at` and `recorded_at`; what is
 * empty is left out. Attributes are an object. On jansson. */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include <jansson.h>
#include <waybill/error.h>
#include <waybill/event.h>
#include <waybill/v1/query.pb-c.h>

struct arena;

/* New references; NULL without memory. */
json_t *event_to_json(const wb_event *event);
json_t *
record_to_json(const wb_record *record); /* the event's members with offset, source, recorded_at */
json_t *case_state_to_json(const Waybill__V1__CaseState *state);
/* {"case": state, "nodes": [record with standing, replaced_by, anomalies], "through_offset",
 * "truncated"} */
json_t *case_answer_to_json(const Waybill__V1__CaseAnswer *answer);

/* Strict: an unknown member or a value of the wrong type is refused by name. Does not validate. The
 * event and its texts are the arena's. Members that a Record adds (offset, source, recorded_at) are
 * passed over, so that the output of `waybill tail` can be published again. */
int event_from_json(const json_t *json, struct arena *arena, wb_event **event,
                    struct wb_error *err);

#endif
