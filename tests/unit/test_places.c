/* The cases of a subscription, and the index by which the hub finds a case's records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fanout/hub.h"
#include "broker/fanout/places.h"
#include "broker/fanout/trail.h"
#include "broker/journal/record.h"
#include "broker/meter.h"

#define CASES 97

static struct slice text(const char *value) {
    return (struct slice){.data = (const uint8_t *)value, .length = strlen(value)};
}

static struct slice case_of(uint64_t offset) {
    static char number[24];
    snprintf(number, sizeof number, "A-%d", (int)(offset % CASES));
    return text(number);
}

/* An event of one of the cases, by its offset. */
static void append(struct hub *hub, uint64_t offset) {
    uint8_t packed[64];
    char number[24];
    snprintf(number, sizeof number, "A-%d", (int)(offset % CASES));
    wb_event event = WB_EVENT_INIT;
    event.case_no = number;
    event.occurred_at_us = (int64_t)offset;
    size_t bytes = protobuf_c_message_pack(&event.base, packed);
    const struct log_record record = {
        .offset = offset, .source = "s", .event = {.data = packed, .length = bytes}};
    hub_append(hub, &record, 1);
}

static void hold_what_was_added(void **state) {
    (void)state;
    struct places *places = places_new(1000);
    char number[24];
    for (int i = 0; i < 1000; i++) {
        snprintf(number, sizeof number, "C/%d", i);
        assert_true(places_add(places, text(number)));
        assert_true(places_add(places, text(number))); /* once is enough */
    }
    assert_int_equal(places_count(places), 1000);
    assert_false(places_add(places, text("one more")));
    assert_true(places_add(places, text("C/0")));
    for (int i = 0; i < 1000; i += 2) {
        snprintf(number, sizeof number, "C/%d", i);
        places_drop(places, text(number));
        places_drop(places, text(number));
    }
    assert_int_equal(places_count(places), 500);
    for (int i = 0; i < 1000; i++) {
        snprintf(number, sizeof number, "C/%d", i);
        assert_int_equal(places_hold(places, text(number)), i % 2);
    }
    places_free(places);
}

static void match_records_from_memory_and_from_the_database(void **state) {
    (void)state;
    struct hub *hub = hub_new(1 << 20, NULL);
    struct places *places = places_new(10);
    assert_true(hub_index(hub));
    for (uint64_t i = 1; i <= 500; i++)
        append(hub, i);
    places_add(places, text("A-5"));
    places_add(places, text("A-6"));
    for (uint64_t i = 1; i <= 500; i++) {
        struct log_record record = *hub_record(hub, i);
        bool wanted = i % CASES == 5 || i % CASES == 6;
        assert_int_equal(places_match(places, &record), wanted);
        record.case_hash = 0; /* as one that was read */
        assert_int_equal(places_match(places, &record), wanted);
    }
    places_free(places);
    hub_free(hub);
}

/* The chain of every case leads to all its records in memory and to no others. */
static void check_chains(struct hub *hub) {
    size_t found = 0;
    for (uint64_t i = 0; i < CASES; i++) {
        uint64_t expected = hub_head(hub);
        for (const struct log_record *r = hub_newest(hub, case_of(i)); r; r = hub_before(hub, r)) {
            while (expected % CASES != i)
                expected--;
            assert_int_equal(r->offset, expected--);
            found++;
        }
    }
    assert_int_equal(found, hub_head(hub) + 1 - hub_oldest(hub));
}

static void the_hub_finds_cases(void **state) {
    (void)state;
    struct hub *hub = hub_new(40000, NULL);
    assert_int_equal(hub_oldest(hub), 1);
    for (uint64_t i = 1; i <= 120; i++)
        append(hub, i);
    assert_null(hub_newest(hub, case_of(120))); /* nobody wanted it so far */
    assert_true(hub_index(hub));
    assert_int_equal(hub_oldest(hub), 1);
    check_chains(hub);
    for (uint64_t i = 121; i <= 5000; i++) {
        append(hub, i);
        if (i % 500 == 0)
            check_chains(hub);
    }
    assert_true(hub_oldest(hub) > 4000);
    assert_null(hub_newest(hub, text("unknown")));
    hub_reset(hub, 1, 7000);
    assert_int_equal(hub_oldest(hub), 7001);
    assert_null(hub_newest(hub, case_of(5000)));
    append(hub, 7001);
    check_chains(hub);
    hub_free(hub);
}

/* More than may wait for the index, and some that go while they wait. */
static void many_come_before_anybody_asks(void **state) {
    (void)state;
    struct hub *hub = hub_new(24 << 20, NULL);
    assert_true(hub_index(hub));
    for (uint64_t i = 1; i <= 200000; i++)
        append(hub, i);
    assert_true(hub_oldest(hub) > 1 && hub_oldest(hub) < 120000);
    check_chains(hub);
    hub_free(hub);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hold_what_was_added),
        cmocka_unit_test(match_records_from_memory_and_from_the_database),
        cmocka_unit_test(the_hub_finds_cases),
        cmocka_unit_test(many_come_before_anybody_asks),
    };
    meter_open();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    meter_close();
    return failed;
}
