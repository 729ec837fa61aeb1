#include "frame.h"

#include "bounds.h"
#include "common/arena.h"
#include "common/buffer.h"
#include "problem.h"
#include "wire.h"
#include <stdio.h>
#include <string.h>

/* Field numbers of session.proto and event.proto, for the messages that are written and read
 * around events. */
enum {
    CLIENT_PUBLISH = 8,
    PUBLISH_BATCH = 1,
    PUBLISH_EVENTS = 2,
    PUBLISH_WANT_CODES = 3,
    BROKER_ACKNOWLEDGEMENT = 8,
    ACKNOWLEDGEMENT_BATCH = 1,
    ACKNOWLEDGEMENT_RECEIPTS = 2,
    ACKNOWLEDGEMENT_WINDOW_EVENTS = 3,
    ACKNOWLEDGEMENT_WINDOW_BYTES = 4,
    RECEIPT_OFFSET = 1,
    RECEIPT_REPEAT = 2,
    RECEIPT_CODE = 3,
    RECEIPT_REFUSAL = 4,
    BROKER_DELIVER = 17,
    DELIVER_SUBSCRIPTION = 1,
    DELIVER_THROUGH_OFFSET = 2,
    DELIVER_RECORDS = 3,
    LIVE_BATCH_FROM_OFFSET = 1,
    BROKER_FOLLOWED = 21,
    FOLLOWED_SUBSCRIPTION = 1,
    FOLLOWED_PLACES = 2,
    PLACE_ANSWER_CASE_NO = 1,
    PLACE_ANSWER_OUTCOME = 2,
    PLACE_ANSWER_THROUGH_OFFSET = 3,
    PLACE_ANSWER_RECORDS = 4,
    RECORD_OFFSET = 1,
    RECORD_SOURCE = 2,
    RECORD_RECORDED_AT_US = 3,
    RECORD_EVENT = 4,
};

static int too_large(size_t bytes, struct wb_error *err) {
    return problem(err, WB_E_TOO_LARGE, "the message has %zu bytes, at most %d are allowed", bytes,
                   LIMIT_MESSAGE_BYTES);
}

static int malformed(const char *where, struct wb_error *err) {
    return problem(err, WB_E_MALFORMED, "%s", where);
}

/* Finds the Publish inside a ClientMessage. 1: found, and nothing else known stands beside it;
 * 0: another message; -1: not well-formed. */
static int find_publish(const uint8_t *data, size_t bytes, struct slice *publish,
                        struct wb_error *err) {
    struct wire wire = {data, data + bytes};
    struct wire_field field;
    unsigned known = 0, unknown = 0;
    int more;
    *publish = (struct slice){NULL, 0};
    while ((more = wire_next(&wire, &field)) > 0) {
        if (protobuf_c_message_descriptor_get_field(&waybill__v1__client_message__descriptor,
                                                    field.number))
            known++;
        else if (++unknown > 4 * LIMIT_BATCH_EVENTS)
            return malformed("the message has too many unknown fields", err);
        if (field.number != CLIENT_PUBLISH)
            continue;
        if (field.type != WIRE_BYTES)
            return malformed("publish: not of the type that the .proto file declares", err);
        *publish = (struct slice){field.data, field.length};
    }
    if (more < 0)
        return malformed("the bytes do not form a protobuf message", err);
    if (publish->data && known > 1)
        return malformed("a Publish and another message in one frame", err);
    return publish->data != NULL;
}

static enum wire_type publish_type(uint32_t number) {
    return number == PUBLISH_EVENTS ? WIRE_BYTES : WIRE_VARINT;
}

/* Reads the numbers of a Publish and counts its events. */
static int read_publish(const struct slice *message, struct frame_publish *publish,
                        struct wb_error *err) {
    struct wire wire = {message->data, message->data + message->length};
    struct wire_field field;
    unsigned unknown = 0;
    int more;
    while ((more = wire_next(&wire, &field)) > 0) {
        if (field.number > PUBLISH_WANT_CODES) {
            if (++unknown > 4 * LIMIT_BATCH_EVENTS)
                return malformed("publish: too many unknown fields", err);
            continue;
        }
        if (field.type != publish_type(field.number))
            return malformed("publish: a field is not of the type that the .proto file declares",
                             err);
        if (field.number == PUBLISH_BATCH)
            publish->batch = field.value;
        else if (field.number == PUBLISH_WANT_CODES)
            publish->want_codes = field.value != 0;
        else
            publish->count++;
    }
    if (more < 0)
        return malformed("publish: the bytes do not form a protobuf message", err);
    if (publish->count > LIMIT_BATCH_EVENTS)
        return problem(err, WB_E_TOO_LARGE, "the batch has %zu events, at most %d are allowed",
                       publish->count, LIMIT_BATCH_EVENTS);
    return 0;
}

static void slice_events(const struct slice *message, struct slice *events) {
    struct wire wire = {message->data, message->data + message->length};
    struct wire_field field;
    while (wire_next(&wire, &field) > 0)
        if (field.number == PUBLISH_EVENTS)
            *events++ = (struct slice){field.data, field.length};
}

static int no_memory(struct wb_error *err) {
    problem(err, WB_E_TOO_LARGE, "the decoded message does not fit its memory");
    return problem_hint(err, "send smaller messages");
}

/* Everything that makes protobuf-c allocate was looked at by wire_check before. */
static int unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t bytes,
                  struct arena *arena, ProtobufCMessage **message, struct wb_error *err) {
    if (wire_check(descriptor, data, bytes, LIMIT_DEPTH, WB_E_MALFORMED, err))
        return -1;
    *message = protobuf_c_message_unpack(descriptor, &arena->protobuf, bytes, data);
    return *message ? 0 : no_memory(err);
}

int frame_client(const uint8_t *data, size_t bytes, struct arena *arena, client_message **message,
                 struct frame_publish *publish, struct wb_error *err) {
    struct slice inside;
    *message = NULL;
    *publish = (struct frame_publish){0};
    if (bytes > LIMIT_MESSAGE_BYTES)
        return too_large(bytes, err);
    int found = find_publish(data, bytes, &inside, err);
    if (found < 0)
        return -1;
    if (found) {
        if (read_publish(&inside, publish, err))
            return -1;
        publish->events = arena_alloc(arena, (publish->count + 1) * sizeof *publish->events);
        if (!publish->events)
            return no_memory(err);
        slice_events(&inside, publish->events);
        return 0;
    }
    ProtobufCMessage *unpacked;
    if (unpack(&waybill__v1__client_message__descriptor, data, bytes, arena, &unpacked, err))
        return -1;
    *message = (client_message *)unpacked;
    if ((*message)->body_case == WAYBILL__V1__CLIENT_MESSAGE__BODY__NOT_SET) {
        *message = NULL;
        return malformed(
            bytes ? "a ClientMessage without a body that version 1 knows" : "an empty frame", err);
    }
    return 0;
}

int frame_broker(const uint8_t *data, size_t bytes, struct arena *arena, broker_message **message,
                 struct wb_error *err) {
    *message = NULL;
    if (bytes > LIMIT_MESSAGE_BYTES)
        return too_large(bytes, err);
    ProtobufCMessage *unpacked;
    if (unpack(&waybill__v1__broker_message__descriptor, data, bytes, arena, &unpacked, err))
        return -1;
    *message = (broker_message *)unpacked;
    return 0;
}

static void put(struct buffer *out, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *at = buffer_reserve(out, size);
    if (at)
        out->length += protobuf_c_message_pack(message, at);
}

void frame_put_client(struct buffer *out, const client_message *message) {
    put(out, &message->base);
}

void frame_put_broker(struct buffer *out, const broker_message *message) {
    put(out, &message->base);
}

/* A Refusal that points into err, which therefore has to last. */
static Waybill__V1__Refusal refusal_of(const struct wb_error *err) {
    Waybill__V1__Refusal refusal = WAYBILL__V1__REFUSAL__INIT;
    refusal.code = (uint32_t)err->code;
    refusal.name = (char *)problem_name(err->code);
    refusal.message = (char *)err->message;
    refusal.detail = (char *)err->detail;
    refusal.hint = (char *)err->hint;
    refusal.field = (char *)err->field;
    return refusal;
}

void frame_put_refusal(struct buffer *out, const struct wb_error *err, uint64_t batch,
                       uint64_t subscription, uint64_t request) {
    struct wb_error clean = *err;
    problem_clean(&clean);
    Waybill__V1__Refusal refusal = refusal_of(&clean);
    refusal.batch = batch;
    refusal.subscription = subscription;
    refusal.request = request;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_REFUSAL;
    message.refusal = &refusal;
    frame_put_broker(out, &message);
}

void frame_refusal_error(const Waybill__V1__Refusal *refusal, struct wb_error *err) {
    if (!err)
        return;
    err->code = (int)refusal->code;
    err->retriable = problem_retriable(err->code);
    snprintf(err->message, sizeof err->message, "%s",
             refusal->message[0] ? refusal->message : refusal->name);
    snprintf(err->detail, sizeof err->detail, "%s", refusal->detail);
    snprintf(err->hint, sizeof err->hint, "%s", refusal->hint);
    snprintf(err->field, sizeof err->field, "%s", refusal->field);
    problem_clean(err);
}

/* Opens a field that holds a message of so many bytes. */
static void begin(struct buffer *out, uint32_t field, size_t bytes) {
    wire_raw_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
    wire_raw_varint(out, bytes);
}

/* All fields of this protocol's session messages have numbers below 16: one byte of tag. */
static size_t number_size(uint64_t value) {
    return value ? 1 + wire_varint_size(value) : 0;
}

static void append(struct buffer *out, const struct buffer *part) {
    if (part->failed)
        out->failed = true;
    else
        buffer_append(out, part->data, part->length);
}

void frame_add_event(struct buffer *events, const void *event, size_t bytes) {
    wire_put_bytes(events, PUBLISH_EVENTS, event, bytes);
}

void frame_put_publish(struct buffer *out, uint64_t batch, bool want_codes,
                       const struct buffer *events) {
    begin(out, CLIENT_PUBLISH, number_size(batch) + events->length + number_size(want_codes));
    wire_put_varint(out, PUBLISH_BATCH, batch);
    append(out, events);
    wire_put_varint(out, PUBLISH_WANT_CODES, want_codes);
}

void frame_put_record(struct buffer *out, uint64_t offset, const char *source,
                      int64_t recorded_at_us, const void *event, size_t bytes) {
    wire_put_varint(out, RECORD_OFFSET, offset);
    wire_put_text(out, RECORD_SOURCE, source);
    wire_put_varint(out, RECORD_RECORDED_AT_US, (uint64_t)recorded_at_us);
    wire_put_bytes(out, RECORD_EVENT, event, bytes);
}

void frame_add_record(struct buffer *records, const void *record, size_t bytes) {
    wire_put_bytes(records, DELIVER_RECORDS, record, bytes);
}

void frame_put_deliver(struct buffer *out, uint64_t subscription, uint64_t through_offset,
                       const struct buffer *records) {
    begin(out, BROKER_DELIVER,
          number_size(subscription) + number_size(through_offset) + records->length);
    wire_put_varint(out, DELIVER_SUBSCRIPTION, subscription);
    wire_put_varint(out, DELIVER_THROUGH_OFFSET, through_offset);
    append(out, records);
}

void frame_add_place_record(struct buffer *records, const void *record, size_t bytes) {
    wire_put_bytes(records, PLACE_ANSWER_RECORDS, record, bytes);
}

void frame_add_place(struct buffer *places, const char *case_no, Waybill__V1__Outcome outcome,
                     uint64_t through_offset, const struct buffer *records) {
    size_t text = strlen(case_no);
    begin(places, FOLLOWED_PLACES,
          (text ? number_size(text) + text : 0) + number_size(outcome) +
              number_size(through_offset) + records->length);
    wire_put_text(places, PLACE_ANSWER_CASE_NO, case_no);
    wire_put_varint(places, PLACE_ANSWER_OUTCOME, outcome);
    wire_put_varint(places, PLACE_ANSWER_THROUGH_OFFSET, through_offset);
    append(places, records);
}

void frame_put_followed(struct buffer *out, uint64_t subscription, const struct buffer *places) {
    begin(out, BROKER_FOLLOWED, number_size(subscription) + places->length);
    wire_put_varint(out, FOLLOWED_SUBSCRIPTION, subscription);
    append(out, places);
}

/* Its fields have the numbers of a Deliver's. */
void frame_put_live_batch(struct buffer *out, uint64_t from_offset, uint64_t through_offset,
                          const struct buffer *records) {
    wire_put_varint(out, LIVE_BATCH_FROM_OFFSET, from_offset);
    wire_put_varint(out, DELIVER_THROUGH_OFFSET, through_offset);
    append(out, records);
}

void frame_add_receipt(struct buffer *receipts, uint64_t offset, bool repeat, const char *code,
                       const struct wb_error *refusal) {
    struct wb_error clean;
    Waybill__V1__Refusal packed = WAYBILL__V1__REFUSAL__INIT;
    size_t refusal_bytes = 0, code_bytes = code ? strlen(code) : 0;
    size_t size = number_size(offset) + number_size(repeat);
    if (code_bytes)
        size += number_size(code_bytes) + code_bytes;
    if (refusal) {
        clean = *refusal;
        problem_clean(&clean);
        packed = refusal_of(&clean);
        refusal_bytes = protobuf_c_message_get_packed_size(&packed.base);
        size += 1 + wire_varint_size(refusal_bytes) + refusal_bytes;
    }
    begin(receipts, ACKNOWLEDGEMENT_RECEIPTS, size);
    wire_put_varint(receipts, RECEIPT_OFFSET, offset);
    wire_put_varint(receipts, RECEIPT_REPEAT, repeat);
    if (code_bytes)
        wire_put_bytes(receipts, RECEIPT_CODE, code, code_bytes);
    if (refusal) {
        begin(receipts, RECEIPT_REFUSAL, refusal_bytes);
        put(receipts, &packed.base);
    }
}

void frame_put_acknowledgement(struct buffer *out, uint64_t batch, const struct buffer *receipts,
                               struct frame_window window) {
    begin(out, BROKER_ACKNOWLEDGEMENT,
          number_size(batch) + receipts->length + number_size(window.events) +
              number_size(window.bytes));
    wire_put_varint(out, ACKNOWLEDGEMENT_BATCH, batch);
    append(out, receipts);
    wire_put_varint(out, ACKNOWLEDGEMENT_WINDOW_EVENTS, window.events);
    wire_put_varint(out, ACKNOWLEDGEMENT_WINDOW_BYTES, window.bytes);
}
