#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/fanout/hub.h"
#include "broker/journal/record.h"
#include "broker/meter.h"

/* Events `first` to `last`, each holding its own offset as text. */
static void append(struct hub *hub, uint64_t first, uint64_t last) {
    size_t count = (size_t)(last - first + 1);
    struct log_record *records = calloc(count, sizeof *records);
    char(*texts)[24] = calloc(count, sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "event %d", (int)(first + i));
        records[i] =
            (struct log_record){.offset = first + i,
                                .source = "s",
                                .event = {.data = (uint8_t *)texts[i], .length = strlen(texts[i])}};
    }
    hub_append(hub, records, count);
    free(texts);
    free(records);
}

static void assert_holds(const struct hub *hub, uint64_t offset) {
    char text[24];
    const struct log_record *r = hub_record(hub, offset);
    assert_non_null(r);
    assert_int_equal(r->offset, offset);
    snprintf(text, sizeof text, "event %d", (int)offset);
    assert_int_equal(r->event.length, strlen(text));
    assert_memory_equal(r->event.data, text, strlen(text));
}

static void holds_what_was_appended(void **state) {
    (void)state;
    struct hub *hub = hub_new(1 << 20, NULL);
    size_t run;
    assert_int_equal(hub_head(hub), 0);
    assert_int_equal(hub_first(hub), 1);
    assert_null(hub_record(hub, 1));
    append(hub, 1, 3);
    append(hub, 4, 4);
    append(hub, 5, 100);
    assert_int_equal(hub_head(hub), 100);
    for (uint64_t i = 1; i <= 100; i++)
        assert_holds(hub, i);
    assert_null(hub_record(hub, 0));
    assert_null(hub_record(hub, 101));
    assert_non_null(hub_run(hub, 2, &run));
    assert_int_equal(run, 2);
    assert_non_null(hub_run(hub, 5, &run));
    assert_int_equal(run, 96);
    hub_free(hub);
}

static void forgets_the_oldest_within_its_bound(void **state) {
    (void)state;
    struct hub *hub = hub_new(4096, NULL);
    for (uint64_t i = 1; i <= 10000; i++)
        append(hub, i, i);
    assert_int_equal(hub_head(hub), 10000);
    uint64_t oldest = 10000;
    while (hub_record(hub, oldest - 1))
        oldest--;
    assert_in_range(oldest, 9900, 9990);
    for (uint64_t i = oldest; i <= 10000; i++)
        assert_holds(hub, i);
    append(hub, 10001, 20000); /* larger than the bound: the newest batch is kept whole */
    assert_holds(hub, 10001);
    assert_holds(hub, 20000);
    assert_null(hub_record(hub, 10000));
    hub_free(hub);
}

static void many_small_batches_are_found(void **state) {
    (void)state;
    struct hub *hub = hub_new(1 << 24, NULL);
    for (uint64_t i = 1; i <= 5000; i++)
        append(hub, i, i);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_holds(hub, i);
    hub_free(hub);
}

static void a_reset_log_is_another_log(void **state) {
    (void)state;
    struct hub *hub = hub_new(1 << 20, NULL);
    append(hub, 1, 10);
    hub_reset(hub, 5, 40);
    assert_int_equal(hub_first(hub), 5);
    assert_int_equal(hub_head(hub), 40);
    assert_null(hub_record(hub, 10));
    append(hub, 41, 42);
    assert_holds(hub, 41);
    hub_free(hub);
}

/* Batches of events that have a step with a mobile number in it. */
static void append_events(struct hub *hub, uint64_t first, size_t count) {
    static const char event[] = "\x1a\x03"
                                "A-1\x32\x0b"
                                "13800138000\x38\x01";
    struct log_record *records = calloc(count, sizeof *records);
    for (size_t i = 0; i < count; i++)
        records[i] = (struct log_record){
            .offset = first + i,
            .source = "s",
            .event = {.data = (const uint8_t *)event, .length = sizeof event - 1}};
    hub_append(hub, records, count);
    free(records);
}

static void events_are_made_ready_once(void **state) {
    (void)state;
    struct hub *hub = hub_new(1 << 20, NULL);
    append_events(hub, 1, 1);
    append_events(hub, 2, 500);
    append_events(hub, 502, 3);
    for (uint64_t i = 1; i < 505; i++) {
        const struct log_record *r = hub_record(hub, i);
        struct slice full = hub_event(hub, r, WAYBILL__V1__AUDIENCE__AUDIENCE_FULL);
        struct slice staff = hub_event(hub, r, WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF);
        struct slice open = hub_event(hub, r, WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC);
        assert_ptr_equal(full.data, r->event.data);
        assert_int_equal(staff.length, full.length);
        assert_non_null(memmem(staff.data, staff.length, "***********", 11));
        assert_int_equal(open.length, 2);
        assert_ptr_equal(hub_event(hub, r, WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF).data, staff.data);
        assert_ptr_equal(hub_event(hub, r, WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC).data, open.data);
    }
    hub_free(hub);
}

/* What is kept for audiences counts: fewer events are held then. */
static void what_was_made_ready_takes_its_part_of_memory(void **state) {
    size_t held[2] = {0};
    (void)state;
    for (int made = 0; made < 2; made++) {
        struct hub *hub = hub_new(64 << 10, NULL);
        for (uint64_t i = 1; i <= 2000; i += 10) {
            append_events(hub, i, 10);
            for (uint64_t k = i; made && k < i + 10; k++)
                hub_event(hub, hub_record(hub, k), WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF);
        }
        for (uint64_t i = 2000; hub_record(hub, i); i--)
            held[made]++;
        hub_free(hub);
    }
    assert_in_range(held[1], 50, held[0] * 3 / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_appended),
        cmocka_unit_test(forgets_the_oldest_within_its_bound),
        cmocka_unit_test(many_small_batches_are_found),
        cmocka_unit_test(a_reset_log_is_another_log),
        cmocka_unit_test(events_are_made_ready_once),
        cmocka_unit_test(what_was_made_ready_takes_its_part_of_memory),
    };
    meter_open();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    meter_close();
    return failed;
}
