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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_appended),
        cmocka_unit_test(forgets_the_oldest_within_its_bound),
        cmocka_unit_test(many_small_batches_are_found),
        cmocka_unit_test(a_reset_log_is_another_log),
    };
    meter_open();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    meter_close();
    return failed;
}
