/* Session messages: one ZeroMQ frame, one ClientMessage or BrokerMessage.
 *
 * Small messages go through protobuf-c. The three that carry events in bulk (Publish, Deliver, the
 * live feed's Record) are written and read around the events' own bytes, which nobody re-encodes.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>
#include <waybill/v1/query.pb-c.h>
#include <waybill/v1/session.pb-c.h>

struct arena;
struct buffer;

typedef Waybill__V1__ClientMessage client_message;
typedef Waybill__V1__BrokerMessage broker_message;

struct slice {
    const uint8_t *data;
    size_t length;
};

struct frame_publish {
    uint64_t batch;
    bool want_codes;
    struct slice *events; /* in the arena; the bytes lie in the message */
    size_t count;
};

/* Reads a ClientMessage that a peer sent. A Publish is given as slices in *publish and NULL in
 * *message; every other message in *message, with *publish cleared. All memory is the arena's.
 * The events are not looked into: event_decode does, one by one. A message without a body that this
 * version knows is MALFORMED. Returns 0, or -1 and err (MALFORMED, TOO_LARGE). */
int frame_client(const uint8_t *data, size_t bytes, struct arena *arena, client_message **message,
                 struct frame_publish *publish, struct wb_error *err);

/* Reads a BrokerMessage. All memory is the arena's. A body that this version does not know is left
 * out (body_case NOT_SET): to be passed over. Returns 0, or -1 and err (MALFORMED, TOO_LARGE). */
int frame_broker(const uint8_t *data, size_t bytes, struct arena *arena, broker_message **message,
                 struct wb_error *err);

/* Append a whole message to out (see its sticky error). */
void frame_put_client(struct buffer *out, const client_message *message);
void frame_put_broker(struct buffer *out, const broker_message *message);
/* A Refusal as a whole BrokerMessage, its texts from err; batch, subscription and request are 0 if
 * they do not apply. */
void frame_put_refusal(struct buffer *out, const struct wb_error *err, uint64_t batch,
                       uint64_t subscription, uint64_t request);
/* The Refusal inside a receipt or a message, as an error. */
void frame_refusal_error(const Waybill__V1__Refusal *refusal, struct wb_error *err);

/* A Publish built up: the events' fields first (frame_add_event), then the message around them. */
void frame_add_event(struct buffer *events, const void *event, size_t bytes);
void frame_put_publish(struct buffer *out, uint64_t batch, bool want_codes,
                       const struct buffer *events);

/* A Record, as the live feed sends it, and as a field of a Deliver that is being built. */
void frame_put_record(struct buffer *out, uint64_t offset, const char *source,
                      int64_t recorded_at_us, const void *event, size_t bytes);
void frame_add_record(struct buffer *records, const void *record, size_t bytes);
void frame_put_deliver(struct buffer *out, uint64_t subscription, uint64_t through_offset,
                       const struct buffer *records);
/* A LiveBatch, from records as those of a Deliver. */
void frame_put_live_batch(struct buffer *out, uint64_t from_offset, uint64_t through_offset,
                          const struct buffer *records);

/* A Followed built up: the records of a place (frame_add_place_record), the place with them
 * (frame_add_place), then the message around all places. */
void frame_add_place_record(struct buffer *records, const void *record, size_t bytes);
void frame_add_place(struct buffer *places, const char *case_no, Waybill__V1__Outcome outcome,
                     uint64_t through_offset, const struct buffer *records);
void frame_put_followed(struct buffer *out, uint64_t subscription, const struct buffer *places);

/* The Refusal as part of an Acknowledgement that is being built: frame_add_receipt for each event,
 * then the message around them. code and refusal may be NULL. */
void frame_add_receipt(struct buffer *receipts, uint64_t offset, bool repeat, const char *code,
                       const struct wb_error *refusal);
/* The window from now on, in events and bytes; 0 leaves it as it was. */
struct frame_window {
    uint32_t events, bytes;
};
void frame_put_acknowledgement(struct buffer *out, uint64_t batch, const struct buffer *receipts,
                               struct frame_window window);

#endif
