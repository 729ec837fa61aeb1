#include "proto/frame.h"

#include "common/arena.h"
#include "common/buffer.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct buffer out, parts;
    struct wb_error err;
    client_message *client;
    broker_message *broker;
    struct frame_publish publish;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    arena_init(&f->arena, 1 << 22);
    buffer_init(&f->out, 0);
    buffer_init(&f->parts, 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_free(&f->arena);
    buffer_free(&f->out);
    buffer_free(&f->parts);
    free(f);
    return 0;
}

static int read_client(struct fixture *f) {
    return frame_client(f->out.data, f->out.length, &f->arena, &f->client, &f->publish, &f->err);
}

static int read_broker(struct fixture *f) {
    return frame_broker(f->out.data, f->out.length, &f->arena, &f->broker, &f->err);
}

/* The bytes written around others must be those that protobuf-c writes for the whole. */
static void assert_same(const struct buffer *out, const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    protobuf_c_message_pack(message, bytes);
    assert_false(out->failed);
    assert_int_equal(out->length, size);
    assert_memory_equal(out->data, bytes, size);
    free(bytes);
}

static size_t pack_event(const char *id, uint8_t *to) {
    wb_event event = WB_EVENT_INIT;
    event.event_id = (char *)id;
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = 1767225600000000;
    return waybill__v1__event__pack(&event, to);
}

static void test_hello_goes_round(void **state) {
    struct fixture *f = *state;
    Waybill__V1__Hello hello = WAYBILL__V1__HELLO__INIT;
    hello.version = PROTOCOL_VERSION;
    hello.session = 7;
    hello.source = (char *)"permits";
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    frame_put_client(&f->out, &message);
    assert_int_equal(read_client(f), 0);
    assert_null(f->publish.events);
    assert_int_equal(f->client->body_case, WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO);
    assert_int_equal(f->client->hello->session, 7);
    assert_string_equal(f->client->hello->source, "permits");
    assert_string_equal(f->client->hello->client, "");
}

static void test_publish_is_given_as_slices(void **state) {
    struct fixture *f = *state;
    uint8_t one[64], two[64];
    size_t one_bytes = pack_event("e-1", one), two_bytes = pack_event("e-22", two);
    frame_add_event(&f->parts, one, one_bytes);
    frame_add_event(&f->parts, two, two_bytes);
    frame_add_event(&f->parts, "\xff", 1); /* not an event: its receipt will say so */
    frame_put_publish(&f->out, 300, true, &f->parts);
    assert_int_equal(read_client(f), 0);
    assert_null(f->client);
    assert_int_equal(f->publish.batch, 300);
    assert_true(f->publish.want_codes);
    assert_int_equal(f->publish.count, 3);
    assert_int_equal(f->publish.events[0].length, one_bytes);
    assert_memory_equal(f->publish.events[0].data, one, one_bytes);
    assert_memory_equal(f->publish.events[1].data, two, two_bytes);
    assert_int_equal(f->publish.events[2].length, 1);
}

static void test_publish_is_what_protobuf_writes(void **state) {
    struct fixture *f = *state;
    uint8_t bytes[64];
    size_t size = pack_event("e-1", bytes);
    frame_add_event(&f->parts, bytes, size);
    frame_put_publish(&f->out, 1, true, &f->parts);
    Waybill__V1__Publish publish = WAYBILL__V1__PUBLISH__INIT;
    wb_event *event = waybill__v1__event__unpack(&f->arena.protobuf, size, bytes);
    publish.batch = 1;
    publish.want_codes = true;
    publish.n_events = 1;
    publish.events = &event;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_PUBLISH;
    message.publish = &publish;
    assert_same(&f->out, &message.base);
}

static void test_record_and_deliver_go_round(void **state) {
    struct fixture *f = *state;
    uint8_t event[64];
    size_t size = pack_event("e-1", event);
    struct buffer record;
    buffer_init(&record, 0);
    frame_put_record(&record, 41, "permits", 1767225601000000, event, size);
    frame_add_record(&f->parts, record.data, record.length);
    buffer_clear(&record);
    frame_put_record(&record, 42, "permits", 1767225602000000, event, size);
    frame_add_record(&f->parts, record.data, record.length);
    frame_put_deliver(&f->out, 3, 50, &f->parts);
    buffer_free(&record);
    assert_int_equal(read_broker(f), 0);
    const Waybill__V1__Deliver *deliver = f->broker->deliver;
    assert_int_equal(f->broker->body_case, WAYBILL__V1__BROKER_MESSAGE__BODY_DELIVER);
    assert_int_equal(deliver->through_offset, 50);
    assert_int_equal(deliver->n_records, 2);
    assert_int_equal(deliver->records[1]->offset, 42);
    assert_string_equal(deliver->records[1]->event->event_id, "e-1");
    assert_same(&f->out, &f->broker->base);
}

static void test_empty_deliver(void **state) {
    struct fixture *f = *state;
    frame_put_deliver(&f->out, 1, 9, &f->parts);
    assert_int_equal(read_broker(f), 0);
    assert_int_equal(f->broker->deliver->through_offset, 9);
    assert_int_equal(f->broker->deliver->n_records, 0);
}

static void test_acknowledgement_goes_round(void **state) {
    struct fixture *f = *state;
    struct wb_error refusal, read;
    problem_field(&refusal, WB_E_FIELD_MISSING, "case_no", "case_no is empty");
    frame_add_receipt(&f->parts, 1000, false, "7K2M-9QXD", NULL);
    frame_add_receipt(&f->parts, 7, true, NULL, NULL);
    frame_add_receipt(&f->parts, 0, false, NULL, &refusal);
    frame_put_acknowledgement(&f->out, 128, &f->parts, (struct frame_window){0});
    assert_int_equal(read_broker(f), 0);
    const Waybill__V1__Acknowledgement *ack = f->broker->acknowledgement;
    assert_int_equal(ack->batch, 128);
    assert_int_equal(ack->n_receipts, 3);
    assert_int_equal(ack->receipts[0]->offset, 1000);
    assert_string_equal(ack->receipts[0]->code, "7K2M-9QXD");
    assert_true(ack->receipts[1]->repeat);
    frame_refusal_error(ack->receipts[2]->refusal, &read);
    assert_int_equal(read.code, WB_E_FIELD_MISSING);
    assert_string_equal(read.field, "case_no");
    assert_string_equal(read.detail, "case_no is empty");
    assert_string_equal(ack->receipts[2]->refusal->name, "FIELD_MISSING");
    assert_same(&f->out, &f->broker->base);
}

static void test_refusal_goes_round(void **state) {
    struct fixture *f = *state;
    struct wb_error err, read;
    problem(&err, WB_E_OUT_OF_SEQUENCE, "batch %d, expected %d", 5, 4);
    frame_put_refusal(&f->out, &err, 5, 0, 0);
    assert_int_equal(read_broker(f), 0);
    assert_int_equal(f->broker->refusal->batch, 5);
    frame_refusal_error(f->broker->refusal, &read);
    assert_memory_equal(&read.code, &err.code, sizeof read.code);
    assert_true(read.retriable);
    assert_string_equal(read.message, err.message);
    assert_string_equal(read.detail, "batch 5, expected 4");
    assert_string_equal(read.hint, err.hint);
}

/* A broken text would make a client in another language throw the whole answer away. */
static void test_refusal_is_clean_text(void **state) {
    struct fixture *f = *state;
    struct wb_error err;
    problem(&err, WB_E_DATABASE, "plain");
    memcpy(err.detail, "a\xff\x1b\n\xe4\xb8", 7);
    frame_put_refusal(&f->out, &err, 0, 0, 0);
    assert_int_equal(read_broker(f), 0);
    assert_string_equal(f->broker->refusal->detail, "a?? ");
}

static void test_unknown_refusal_is_kept(void **state) {
    (void)state;
    Waybill__V1__Refusal refusal = WAYBILL__V1__REFUSAL__INIT;
    struct wb_error err;
    refusal.code = 9999;
    refusal.name = (char *)"NEWER";
    frame_refusal_error(&refusal, &err);
    assert_int_equal(err.code, 9999);
    assert_false(err.retriable);
    assert_string_equal(err.message, "NEWER");
}

static void assert_client_refused(struct fixture *f, const void *data, size_t bytes, int code) {
    assert_int_equal(frame_client(data, bytes, &f->arena, &f->client, &f->publish, &f->err), -1);
    assert_int_equal(f->err.code, code);
    assert_null(f->client);
}

static void test_client_refuses(void **state) {
    struct fixture *f = *state;
    assert_client_refused(f, "", 0, WB_E_MALFORMED);
    assert_client_refused(f, "\xff\xff", 2, WB_E_MALFORMED);
    assert_client_refused(f, "\x0a\x01", 2, WB_E_MALFORMED);             /* hello cut off */
    assert_client_refused(f, "\xba\x3e\x00", 3, WB_E_MALFORMED);         /* a body of later days */
    assert_client_refused(f, "\x42\x00\x0a\x00", 4, WB_E_MALFORMED);     /* publish and hello */
    assert_client_refused(f, "\x42\x00\x42\x00", 4, WB_E_MALFORMED);     /* publish twice */
    assert_client_refused(f, "\x40\x05", 2, WB_E_MALFORMED);             /* publish, a number */
    assert_client_refused(f, "\x42\x02\x10\x05", 4, WB_E_MALFORMED);     /* events, a number */
    assert_client_refused(f, "\x42\x03\x0a\x01x", 5, WB_E_MALFORMED);    /* batch, a text */
    assert_client_refused(f, "\x42\x02\x12\x09", 4, WB_E_MALFORMED);     /* event cut off */
    assert_client_refused(f, "\x0a\x03\x1a\x01\xff", 5, WB_E_MALFORMED); /* source not UTF-8 */
}

static void test_limits(void **state) {
    struct fixture *f = *state;
    uint8_t *large = calloc(1, LIMIT_MESSAGE_BYTES + 1);
    assert_non_null(large);
    assert_client_refused(f, large, LIMIT_MESSAGE_BYTES + 1, WB_E_TOO_LARGE);
    free(large);
    for (int i = 0; i < LIMIT_BATCH_EVENTS; i++)
        frame_add_event(&f->parts, "", 0);
    frame_put_publish(&f->out, 1, false, &f->parts);
    assert_int_equal(read_client(f), 0);
    assert_int_equal(f->publish.count, LIMIT_BATCH_EVENTS);
    frame_add_event(&f->parts, "", 0);
    buffer_clear(&f->out);
    frame_put_publish(&f->out, 1, false, &f->parts);
    assert_client_refused(f, f->out.data, f->out.length, WB_E_TOO_LARGE);
}

static void test_a_full_arena_is_refused(void **state) {
    struct fixture *f = *state;
    struct arena small;
    arena_init(&small, 64);
    for (int i = 0; i < 100; i++)
        frame_add_receipt(&f->parts, 1, false, "code", NULL);
    frame_put_acknowledgement(&f->out, 1, &f->parts, (struct frame_window){0});
    assert_int_equal(frame_broker(f->out.data, f->out.length, &small, &f->broker, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_TOO_LARGE);
    arena_free(&small);
}

static void test_a_failed_buffer_stays_failed(void **state) {
    struct fixture *f = *state;
    f->parts.max = 16;
    frame_add_event(&f->parts, "0123456789abcdef", 16);
    assert_true(f->parts.failed);
    frame_put_publish(&f->out, 1, false, &f->parts);
    assert_true(f->out.failed);
}

static void test_newer_broker_messages_pass(void **state) {
    struct fixture *f = *state;
    wire_put_bytes(&f->out, 999, "x", 1);
    assert_int_equal(read_broker(f), 0);
    assert_int_equal(f->broker->body_case, WAYBILL__V1__BROKER_MESSAGE__BODY__NOT_SET);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_hello_goes_round),
        TEST(test_publish_is_given_as_slices),
        TEST(test_publish_is_what_protobuf_writes),
        TEST(test_record_and_deliver_go_round),
        TEST(test_empty_deliver),
        TEST(test_acknowledgement_goes_round),
        TEST(test_refusal_goes_round),
        TEST(test_refusal_is_clean_text),
        TEST(test_unknown_refusal_is_kept),
        TEST(test_client_refuses),
        TEST(test_limits),
        TEST(test_a_full_arena_is_refused),
        TEST(test_a_failed_buffer_stays_failed),
        TEST(test_newer_broker_messages_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
