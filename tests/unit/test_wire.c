#include "proto/wire.h"

#include "common/arena.h"
#include "common/buffer.h"
#include "proto/bounds.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <waybill/event.h>
#include <waybill/v1/session.pb-c.h>

#include <cmocka.h>

#define BYTES(text) ((const uint8_t *)(text)), sizeof(text) - 1

static int first_field(const uint8_t *data, size_t bytes, struct wire_field *field) {
    struct wire wire = {data, data + bytes};
    return wire_next(&wire, field);
}

static void test_varints_go_round(void **state) {
    (void)state;
    static const uint64_t values[] = {1,          127,       128,        16383,
                                      16384,      INT32_MAX, UINT32_MAX, 1ull << 35,
                                      UINT64_MAX, INT64_MAX, 1ull << 63, 300};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct buffer out;
        struct wire_field field;
        buffer_init(&out, 0);
        wire_put_varint(&out, 536870911, values[i]);
        assert_int_equal(out.length, 5 + wire_varint_size(values[i]));
        assert_int_equal(first_field(out.data, out.length, &field), 1);
        assert_int_equal(field.number, 536870911);
        assert_int_equal(field.type, WIRE_VARINT);
        assert_true(field.value == values[i]);
        buffer_free(&out);
    }
}

static void test_empty_values_are_not_written(void **state) {
    (void)state;
    struct buffer out;
    buffer_init(&out, 0);
    wire_put_varint(&out, 1, 0);
    wire_put_text(&out, 2, "");
    assert_int_equal(out.length, 0);
    wire_put_bytes(&out, 2, NULL, 0);
    assert_int_equal(out.length, 2);
    assert_memory_equal(out.data, "\x12\x00", 2);
    buffer_free(&out);
}

static void test_reads_every_wire_type(void **state) {
    (void)state;
    static const uint8_t data[] = "\x08\x05\x11\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x02hi"
                                  "\x25\x01\x02\x03\x04";
    struct wire wire = {data, data + sizeof data - 1};
    struct wire_field field;
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_int_equal(field.value, 5);
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.type == WIRE_FIXED64 && field.value == 0x0807060504030201);
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.number == 3 && field.length == 2 && memcmp(field.data, "hi", 2) == 0);
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.type == WIRE_FIXED32 && field.value == 0x04030201);
    assert_int_equal(wire_next(&wire, &field), 0);
}

static void test_refuses_what_is_not_well_formed(void **state) {
    (void)state;
    static const struct {
        const char *why, *data;
        size_t bytes;
    } cases[] = {
#define CASE(why, data) {why, data, sizeof(data) - 1}
        CASE("tag without value", "\x08"),
        CASE("varint without end", "\x08\xff\xff"),
        CASE("varint of eleven bytes", "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        CASE("varint of 65 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        CASE("field 0", "\x00\x01"),
        CASE("tag of six bytes", "\x88\x80\x80\x80\x80\x00\x01"),
        CASE("tag of 33 bits", "\x88\x80\x80\x80\x10\x01"),
        CASE("start of a group", "\x0b\x0c"),
        CASE("end of a group", "\x0c"),
        CASE("wire type 6", "\x0e\x00"),
        CASE("wire type 7", "\x0f\x00"),
        CASE("fixed64 cut", "\x09\x01\x02\x03\x04\x05\x06\x07"),
        CASE("fixed32 cut", "\x0d\x01\x02\x03"),
        CASE("length beyond the end", "\x0a\x05hell"),
        CASE("length without end", "\x0a\x80"),
        CASE("length of 2^63", "\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01x"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wire_field field;
        if (first_field((const uint8_t *)cases[i].data, cases[i].bytes, &field) != -1)
            fail_msg("accepted: %s", cases[i].why);
    }
}

static void test_utf8(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "现场勘验",
                                       "é",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xe4\xb8",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80",
                                      "\xff",
                                      "\xe4\x41\x41"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(wire_utf8(good[i], strlen(good[i]), false));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (wire_utf8(bad[i], strlen(bad[i]), true))
            fail_msg("accepted bad text %zu", i);
    assert_false(wire_utf8("a\0b", 3, true));
    assert_false(wire_utf8("a\nb", 3, false));
    assert_true(wire_utf8("a\nb", 3, true));
    assert_false(wire_utf8("a\x1b[", 3, false));
    assert_false(wire_utf8("a\xc2\x85", 3, false));
}

static unsigned expected_bits(unsigned char c) {
    if (c == 0 || c >= 0x80)
        return WIRE_TEXT_BROKEN;
    if (c == '\n' || c == '\r' || c == '\t')
        return WIRE_TEXT_NEWLINE;
    return c < 0x20 || c == 0x7f ? WIRE_TEXT_CONTROL : 0;
}

/* The look at eight bytes at once must see what the look at one sees, at every place. */
static void test_every_byte_at_every_place(void **state) {
    (void)state;
    for (size_t length = 1; length <= 19; length++)
        for (size_t place = 0; place < length; place++)
            for (unsigned c = 0; c < 256; c++) {
                char text[20];
                memset(text, place % 2 ? '~' : ' ', sizeof text);
                text[place] = (char)c;
                if (wire_text(text, length) != expected_bits((unsigned char)c))
                    fail_msg("byte %02x at %zu of %zu", c, place, length);
            }
}

static int check_event(const uint8_t *data, size_t bytes, struct wb_error *err) {
    return wire_check(&waybill__v1__event__descriptor, data, bytes, LIMIT_DEPTH,
                      WB_E_EVENT_MALFORMED, err);
}

static void test_check_names_the_place(void **state) {
    (void)state;
    struct wb_error err;
    assert_int_equal(check_event(BYTES("\x0a\x01x\x52\x03\x0a\x01y"), &err), 0);
    assert_int_equal(check_event(BYTES("\x08\x01"), &err), -1);
    assert_string_equal(err.field, "event_id");
    assert_int_equal(err.code, WB_E_EVENT_MALFORMED);
    assert_int_equal(check_event(BYTES("\x52\x02\x08\x01"), &err), -1);
    assert_string_equal(err.field, "handler.name");
    assert_int_equal(check_event(BYTES("\x5a\x04\x12\x02\xe4\xb8"), &err), -1);
    assert_string_equal(err.field, "notices.title");
    assert_int_equal(err.code, WB_E_FIELD_TEXT);
    assert_int_equal(check_event(BYTES("\x52\x01\x0a"), &err), -1);
    assert_string_equal(err.field, "handler");
    assert_int_equal(check_event(BYTES("\x0a\x01"), NULL), -1);
}

static void test_check_refuses_parts_given_twice(void **state) {
    (void)state;
    struct wb_error err;
    assert_int_equal(check_event(BYTES("\x52\x00\x52\x00"), &err), -1);
    assert_string_equal(err.field, "handler");
    assert_int_equal(check_event(BYTES("\x5a\x00\x5a\x00"), &err), 0); /* a list */
    assert_int_equal(check_event(BYTES("\x0a\x01x\x0a\x01y"), &err), 0);
    const ProtobufCMessageDescriptor *client = &waybill__v1__client_message__descriptor;
    assert_int_equal(wire_check(client, BYTES("\x12\x00"), 5, WB_E_MALFORMED, &err), 0);
    assert_int_equal(wire_check(client, BYTES("\x12\x00\x1a\x00"), 5, WB_E_MALFORMED, &err), -1);
    assert_int_equal(wire_check(client, BYTES("\x12\x00\x12\x00"), 5, WB_E_MALFORMED, &err), -1);
    const ProtobufCMessageDescriptor *subscribe = &waybill__v1__subscribe__descriptor;
    assert_int_equal(wire_check(subscribe, BYTES("\x10\x05"), 5, WB_E_MALFORMED, &err), 0);
    assert_int_equal(wire_check(subscribe, BYTES("\x10\x05\x18\x01"), 5, WB_E_MALFORMED, &err), -1);
}

static void test_check_takes_lists_packed_or_not(void **state) {
    (void)state;
    const ProtobufCMessageDescriptor *filter = &waybill__v1__filter__descriptor;
    assert_int_equal(wire_check(filter, BYTES("\x3a\x03\x01\x02\x03"), 5, 1, NULL), 0);
    assert_int_equal(wire_check(filter, BYTES("\x38\x01\x38\x02"), 5, 1, NULL), 0);
    assert_int_equal(wire_check(filter, BYTES("\x3a\x02\x01\xff"), 5, 1, NULL), -1);
    assert_int_equal(wire_check(filter, BYTES("\x3d\x01\x02\x03\x04"), 5, 1, NULL), -1);
}

static void test_check_has_bounds(void **state) {
    (void)state;
    struct wb_error err;
    struct buffer out;
    buffer_init(&out, 0);
    for (int i = 0; i < LIMIT_BATCH_EVENTS; i++)
        wire_put_bytes(&out, 11, NULL, 0);
    assert_int_equal(check_event(out.data, out.length, &err), 0);
    wire_put_bytes(&out, 11, NULL, 0);
    assert_int_equal(check_event(out.data, out.length, &err), -1);
    assert_string_equal(err.field, "notices");
    buffer_clear(&out);
    for (int i = 0; i < 4 * LIMIT_BATCH_EVENTS; i++)
        wire_put_varint(&out, 99, 1);
    assert_int_equal(check_event(out.data, out.length, &err), 0);
    wire_put_varint(&out, 99, 1);
    assert_int_equal(check_event(out.data, out.length, &err), -1);
    buffer_free(&out);
    /* BrokerMessage.case_answer.nodes.record.event.handler stands five levels below. */
    static const uint8_t deep[] = "\x9a\x01\x08\x1a\x06\x0a\x04\x22\x02\x52\x00";
    const ProtobufCMessageDescriptor *broker = &waybill__v1__broker_message__descriptor;
    assert_int_equal(wire_check(broker, deep, sizeof deep - 1, LIMIT_DEPTH, 1, &err), 0);
    assert_int_equal(wire_check(broker, deep, sizeof deep - 1, LIMIT_DEPTH - 1, 1, &err), -1);
}

/* xorshift64: the same bytes in every run. */
static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static size_t sample(uint8_t *to) {
    wb_handler handler = WB_HANDLER_INIT;
    handler.name = (char *)"张三";
    wb_notice notice = WB_NOTICE_INIT, *notices[] = {&notice, &notice};
    notice.title = (char *)"请补充材料";
    wb_event event = WB_EVENT_INIT;
    event.event_id = (char *)"e-1";
    event.case_no = (char *)"A-1";
    event.occurred_at_us = 1767225600000000;
    event.utc_offset_minutes = 480;
    event.handler = &handler;
    event.n_notices = 2;
    event.notices = notices;
    return waybill__v1__event__pack(&event, to);
}

/* What passes the check must be unpacked, with whatever memory there is, and never read amiss. */
static void test_mutations_do_not_reach_the_unpacker(void **state) {
    (void)state;
    uint64_t seed = 20260302;
    uint8_t data[256];
    struct arena arena;
    arena_init(&arena, 16384);
    size_t accepted = 0;
    for (int round = 0; round < 60000; round++) {
        size_t bytes = sample(data);
        for (uint64_t n = next_random(&seed) % 4 + 1; n > 0; n--)
            data[next_random(&seed) % bytes] = (uint8_t)next_random(&seed);
        if (next_random(&seed) % 4 == 0)
            bytes = next_random(&seed) % (bytes + 1);
        arena_reset(&arena);
        arena.max = next_random(&seed) % 2 ? 16384 : next_random(&seed) % 1024;
        if (check_event(data, bytes, NULL))
            continue;
        wb_event *event = waybill__v1__event__unpack(&arena.protobuf, bytes, data);
        if (!event)
            assert_true(arena.max < 16384);
        accepted += event != NULL;
    }
    assert_true(accepted > 1000);
    arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints_go_round),
        cmocka_unit_test(test_empty_values_are_not_written),
        cmocka_unit_test(test_reads_every_wire_type),
        cmocka_unit_test(test_refuses_what_is_not_well_formed),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_every_byte_at_every_place),
        cmocka_unit_test(test_check_names_the_place),
        cmocka_unit_test(test_check_refuses_parts_given_twice),
        cmocka_unit_test(test_check_takes_lists_packed_or_not),
        cmocka_unit_test(test_check_has_bounds),
        cmocka_unit_test(test_mutations_do_not_reach_the_unpacker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
