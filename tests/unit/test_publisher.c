#include "common/timestamp.h"
#include "scripted_broker.h"
#include "window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <waybill/publisher.h>

#include <cmocka.h>

#define RECEIPTS 4096

static char tags[RECEIPTS]; /* their addresses are the tags */

struct fixture {
    struct scripted_broker broker;
    struct wb_publisher_options options;
    wb_publisher *publisher;
    struct wb_error err;
    volatile sig_atomic_t stop;

    size_t receipts; /* handed out; the n-th tag has to be n */
    uint64_t offsets[RECEIPTS];
    bool repeats[RECEIPTS];
    char code[32];
    struct wb_error refusal;
    size_t refused;

    unsigned ups, downs;
    char words[256]; /* of the last going down */
    int nested;      /* what a call from within a receipt returned */
};

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct fixture *f = arg;
    assert_ptr_equal(receipt->tag, &tags[f->receipts]);
    f->offsets[f->receipts] = receipt->offset;
    f->repeats[f->receipts] = receipt->repeat;
    f->receipts++;
    snprintf(f->code, sizeof f->code, "%s", receipt->code);
    if (receipt->refusal) {
        f->refusal = *receipt->refusal;
        f->refused++;
    }
    f->nested = wb_publisher_poll(f->publisher, 0, NULL);
}

static void on_session(void *arg, bool up, const char *words) {
    struct fixture *f = arg;
    f->ups += up;
    f->downs += !up;
    if (!up)
        snprintf(f->words, sizeof f->words, "%s", words);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    broker_start(&f->broker);
    f->options = (struct wb_publisher_options){
        .receipt = on_receipt, .session = on_session, .arg = f, .stop = &f->stop};
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    wb_publisher_close(f->publisher);
    broker_stop(&f->broker);
    free(f);
    return 0;
}

static void open_publisher(struct fixture *f) {
    f->publisher = wb_publisher_open(f->broker.endpoint, "permits", &f->options, &f->err);
    assert_non_null(f->publisher);
}

static wb_event event_of(size_t n, char id[32]) {
    wb_event event = WB_EVENT_INIT;
    snprintf(id, 32, "e%zu", n);
    event.event_id = id;
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = INT64_C(1767225600000000) + (int64_t)n;
    return event;
}

static int send_event(struct fixture *f, size_t n) {
    char id[32];
    wb_event event = event_of(n, id);
    return wb_publisher_send(f->publisher, &event, &tags[n], &f->err);
}

static void send_events(struct fixture *f, size_t from, size_t to) {
    for (size_t n = from; n < to; n++)
        assert_int_equal(send_event(f, n), 0);
}

/* Lets both sides work until the condition holds; fails after ten seconds. */
#define PUMP_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        int64_t end_us = monotonic_us() + INT64_C(10000000);                                       \
        while (!(condition)) {                                                                     \
            assert_true(monotonic_us() < end_us);                                                  \
            broker_serve(&(f)->broker);                                                            \
            wb_publisher_poll((f)->publisher, 1, NULL);                                            \
        }                                                                                          \
    } while (0)

static void pump_all(struct fixture *f) {
    PUMP_UNTIL(f, wb_publisher_pending(f->publisher) == 0);
}

static void check_log(const struct fixture *f, size_t count) {
    assert_int_equal(f->broker.logged, count);
    for (size_t n = 0; n < count; n++) {
        char id[32];
        event_of(n, id);
        assert_string_equal(f->broker.log[n], id);
    }
}

static void check_receipts(const struct fixture *f, size_t count) {
    assert_int_equal(f->receipts, count);
    for (size_t n = 0; n < count; n++)
        assert_int_equal(f->offsets[n], n + 1);
}

static void test_receipts_come_in_order(void **state) {
    struct fixture *f = *state;
    f->options.want_codes = true;
    open_publisher(f);
    send_events(f, 0, 500);
    assert_int_equal(wb_publisher_pending(f->publisher), 500);
    pump_all(f);
    check_log(f, 500);
    check_receipts(f, 500);
    assert_false(f->repeats[0]);
    assert_string_equal(f->code, "ABCD-EFGH");
    assert_int_equal(f->ups, 1);
    assert_int_equal(f->nested, -1);
    assert_int_equal(f->broker.hellos, 1);
    assert_int_equal(f->broker.largest_batch, 100);
    assert_int_equal(wb_publisher_flush(f->publisher, 0, &f->err), 0);
}

static void test_link(void **state) {
    struct fixture *f = *state;
    char link[128];
    f->broker.stale_welcome = true;
    open_publisher(f);
    assert_int_equal(wb_publisher_link(f->publisher, "A-1", "CODE", link, sizeof link), -1);
    PUMP_UNTIL(f, f->ups == 1);
    assert_int_equal(wb_publisher_link(f->publisher, "A 1/\xe5\x8f\xb7", "C&D", link, sizeof link),
                     0);
    assert_string_equal(link, "http://127.0.0.1:7400/c/A%201%2F%E5%8F%B7/C%26D");
    assert_int_equal(wb_publisher_link(f->publisher, "A-1", "CODE", link, 20), -1);
}

static void test_one_event_is_refused(void **state) {
    struct fixture *f = *state;
    f->broker.refuse_id = "e3";
    open_publisher(f);
    send_events(f, 0, 6);
    pump_all(f);
    assert_int_equal(f->receipts, 6);
    assert_int_equal(f->refused, 1);
    assert_int_equal(f->offsets[3], 0);
    assert_int_equal(f->offsets[4], 4);
    assert_int_equal(f->refusal.code, WB_E_FIELD_VALUE);
    assert_string_equal(f->refusal.field, "item_code");
    assert_string_equal(f->refusal.detail, "item_code 'X'");
    assert_false(f->refusal.retriable);
}

static void test_invalid_event_is_not_queued(void **state) {
    struct fixture *f = *state;
    char id[32];
    open_publisher(f);
    wb_event event = event_of(0, id);
    event.case_no = (char *)"";
    assert_int_equal(wb_publisher_send(f->publisher, &event, NULL, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_FIELD_MISSING);
    assert_string_equal(f->err.field, "case_no");
    assert_int_equal(wb_publisher_pending(f->publisher), 0);
    send_events(f, 0, 1);
    pump_all(f);
    check_log(f, 1);
}

static void test_too_large_event(void **state) {
    struct fixture *f = *state;
    char id[32];
    open_publisher(f);
    wb_event event = event_of(0, id);
    static char text[8000];
    memset(text, 'x', sizeof text - 1);
    wb_notice notice = WB_NOTICE_INIT;
    notice.text = text;
    wb_notice *notices[32];
    for (size_t i = 0; i < 32; i++)
        notices[i] = &notice;
    event.notices = notices;
    event.n_notices = 32;
    assert_int_equal(wb_publisher_send(f->publisher, &event, NULL, &f->err), -1);
    assert_in_range(f->err.code, WB_E_EVENT_TOO_LARGE, WB_E_FIELD_TOO_LONG);
}

static void test_lost_broker(void **state) {
    struct fixture *f = *state;
    f->broker.hold = true; /* commits, and dies before it can say so */
    open_publisher(f);
    send_events(f, 0, 150);
    PUMP_UNTIL(f, f->broker.logged > 0);
    size_t known = f->broker.logged;
    broker_down(&f->broker);
    PUMP_UNTIL(f, f->downs == 1);
    assert_non_null(strstr(f->words, "lost"));
    assert_int_equal(f->receipts, 0);
    send_events(f, 150, 200);
    f->broker.hold = false;
    broker_up(&f->broker);
    pump_all(f);
    check_log(f, 200);
    check_receipts(f, 200);
    assert_true(f->repeats[0]);
    assert_true(f->repeats[known - 1]);
    assert_false(f->repeats[199]);
    assert_int_equal(f->ups, 2);
}

static void test_forgotten_session(void **state) {
    struct fixture *f = *state;
    open_publisher(f);
    send_events(f, 0, 10);
    pump_all(f);
    f->broker.open = false;
    send_events(f, 10, 20);
    pump_all(f);
    check_log(f, 20);
    check_receipts(f, 20);
    assert_int_equal(f->broker.hellos, 2);
    assert_non_null(strstr(f->words, "no session"));
}

static void test_silence(void **state) {
    struct fixture *f = *state;
    f->broker.ping_ms = 20;
    open_publisher(f);
    PUMP_UNTIL(f, f->ups == 1);
    f->broker.mute = true;
    send_events(f, 0, 5);
    PUMP_UNTIL(f, f->broker.pings >= 1);
    assert_int_equal(f->broker.hellos, 1);
    PUMP_UNTIL(f, f->broker.hellos >= 2);
    assert_in_range(f->broker.pings, 2, 4);
    assert_non_null(strstr(f->words, "silent"));
    f->broker.mute = false;
    pump_all(f);
    check_log(f, 5);
    check_receipts(f, 5);
}

static void test_idle_session_is_kept(void **state) {
    struct fixture *f = *state;
    f->broker.ping_ms = 150;
    open_publisher(f);
    PUMP_UNTIL(f, f->broker.pings >= 6);
    assert_int_equal(f->broker.hellos, 1);
    assert_int_equal(f->downs, 0);
}

static void test_window(void **state) {
    struct fixture *f = *state;
    f->broker.window_events = 10;
    f->broker.batch_events = 4;
    f->broker.hold = true;
    open_publisher(f);
    send_events(f, 0, 100);
    PUMP_UNTIL(f, f->broker.unacknowledged >= 4);
    for (int i = 0; i < 50; i++) {
        broker_serve(&f->broker);
        wb_publisher_poll(f->publisher, 1, NULL);
    }
    assert_in_range(f->broker.unacknowledged, 4, 10);
    broker_release(&f->broker);
    pump_all(f);
    check_log(f, 100);
    assert_in_range(f->broker.most_unacknowledged, 8, 10);
    assert_int_equal(f->broker.largest_batch, 4);
}

static void test_window_smaller_than_a_batch(void **state) {
    struct fixture *f = *state;
    f->broker.window_events = 3;
    f->broker.hold = true;
    open_publisher(f);
    send_events(f, 0, 20);
    PUMP_UNTIL(f, f->broker.unacknowledged == 3);
    broker_release(&f->broker);
    pump_all(f);
    check_log(f, 20);
    assert_int_equal(f->broker.most_unacknowledged, 3);
}

static void pump_a_while(struct fixture *f) {
    for (int i = 0; i < 50; i++) {
        broker_serve(&f->broker);
        wb_publisher_poll(f->publisher, 1, NULL);
    }
}

/* The events of these tests take less than 64 bytes, and more than 16. */
static void test_window_of_bytes(void **state) {
    struct fixture *f = *state;
    f->broker.window_bytes = 640;
    f->broker.hold = true;
    open_publisher(f);
    send_events(f, 0, 100);
    PUMP_UNTIL(f, f->broker.unacknowledged >= 2);
    pump_a_while(f);
    assert_in_range(f->broker.unacknowledged, 10, 40);
    broker_release(&f->broker);
    pump_all(f);
    check_log(f, 100);
    check_receipts(f, 100);
    assert_in_range(f->broker.most_bytes, 400, 640);
}

static void test_one_event_may_always_go(void **state) {
    struct fixture *f = *state;
    f->broker.window_bytes = 1;
    open_publisher(f);
    send_events(f, 0, 5);
    pump_all(f);
    check_log(f, 5);
    assert_int_equal(f->broker.most_unacknowledged, 1);
}

/* An Acknowledgement names another window, smaller and then larger: it holds from then on. */
static void test_window_moves(void **state) {
    struct fixture *f = *state;
    f->broker.next_events = 5;
    open_publisher(f);
    send_events(f, 0, 10);
    pump_all(f);
    f->broker.most_unacknowledged = 0;
    f->broker.hold = true;
    send_events(f, 10, 60);
    pump_a_while(f);
    f->broker.next_events = 0; /* stays */
    broker_release(&f->broker);
    PUMP_UNTIL(f, f->broker.logged >= 30);
    assert_int_equal(f->broker.most_unacknowledged, 5);
    f->broker.next_events = 40;
    f->broker.next_bytes = 128;
    pump_all(f);
    f->broker.most_bytes = f->broker.most_unacknowledged = 0;
    f->broker.next_bytes = 1 << 20;
    send_events(f, 60, 61);
    pump_all(f);
    send_events(f, 61, 200);
    pump_all(f);
    check_log(f, 200);
    check_receipts(f, 200);
    assert_in_range(f->broker.most_unacknowledged, 20, 40);
}

/* Less than what is under way: nothing goes until enough is acknowledged. */
static void test_window_shrinks_below_what_is_sent(void **state) {
    struct fixture *f = *state;
    f->broker.batch_events = 10;
    f->broker.window_events = 20;
    f->broker.next_events = 3;
    f->broker.hold = true;
    open_publisher(f);
    send_events(f, 0, 60);
    PUMP_UNTIL(f, f->broker.unacknowledged >= 20);
    broker_release(&f->broker);
    PUMP_UNTIL(f, f->receipts >= 20);
    f->broker.most_unacknowledged = 0;
    pump_all(f);
    check_log(f, 60);
    assert_in_range(f->broker.most_unacknowledged, 1, 3);
}

/* The operator takes the source's key away and gives it back: nothing is lost, and the caller hears
 * of it once. */
static void test_disabled_source_waits(void **state) {
    struct fixture *f = *state;
    const int codes[] = {WB_E_DISABLED, WB_E_KEY_UNKNOWN};
    open_publisher(f);
    for (size_t i = 0; i < 2; i++) {
        size_t from = i * 10;
        f->downs = 0;
        f->broker.open = false;
        f->broker.refuse_hello = codes[i];
        f->broker.hellos = 0;
        send_events(f, from, from + 10);
        PUMP_UNTIL(f, f->broker.hellos == 3);
        assert_int_equal(f->receipts, from);
        assert_in_range(f->downs, 1, 2);
        assert_non_null(strstr(f->words, i ? "key" : "disabled"));
        f->broker.refuse_hello = 0;
        pump_all(f);
        check_log(f, from + 10);
    }
}

static void test_full_window_stops(void **state) {
    struct fixture *f = *state;
    f->options.window_events = 8;
    broker_down(&f->broker);
    open_publisher(f);
    send_events(f, 0, 8);
    f->stop = 1;
    assert_int_equal(send_event(f, 8), -1);
    assert_int_equal(f->err.code, WB_E_TIMEOUT);
    assert_int_equal(wb_publisher_flush(f->publisher, -1, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_TIMEOUT);
    assert_int_equal(wb_publisher_pending(f->publisher), 8);
}

static void test_flush_gives_up(void **state) {
    struct fixture *f = *state;
    broker_down(&f->broker);
    open_publisher(f);
    send_events(f, 0, 3);
    int64_t begin_us = monotonic_us();
    assert_int_equal(wb_publisher_flush(f->publisher, 60, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_TIMEOUT);
    assert_non_null(strstr(f->err.detail, "3 events"));
    assert_in_range(monotonic_us() - begin_us, 60 * 1000, 2 * 1000 * 1000);
}

static void test_refused_for_good(void **state) {
    struct fixture *f = *state;
    f->broker.refuse_hello = WB_E_VERSION;
    open_publisher(f);
    send_events(f, 0, 1);
    PUMP_UNTIL(f, wb_publisher_poll(f->publisher, 0, &f->err) < 0);
    assert_int_equal(f->err.code, WB_E_VERSION);
    assert_int_equal(f->downs, 1);
    f->err = (struct wb_error){0};
    assert_int_equal(send_event(f, 1), -1);
    assert_int_equal(f->err.code, WB_E_VERSION);
    assert_int_equal(wb_publisher_flush(f->publisher, -1, &f->err), -1);
    assert_int_equal(wb_publisher_pending(f->publisher), 1);
    broker_serve(&f->broker);
    assert_int_equal(f->broker.hellos, 1);
}

/* What the broker says behind a refusal for good, be it in the same breath, opens nothing anew. */
static void test_garbage_behind_a_refusal(void **state) {
    struct fixture *f = *state;
    f->broker.refuse_hello = WB_E_VERSION;
    open_publisher(f);
    while (!f->broker.hellos) {
        wb_publisher_poll(f->publisher, 1, NULL);
        broker_serve(&f->broker);
    }
    broker_say(&f->broker, "\xff\xff\xff", 3, false);
    broker_say(&f->broker, "", 0, true);
    struct timespec pause = {.tv_nsec = 50000000}; /* all of it is read in one step */
    nanosleep(&pause, NULL);
    PUMP_UNTIL(f, wb_publisher_poll(f->publisher, 0, &f->err) < 0);
    pause.tv_nsec = 1000000;
    for (int i = 0; i < 300; i++) {
        broker_serve(&f->broker);
        assert_int_equal(wb_publisher_poll(f->publisher, 1, &f->err), -1);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(f->err.code, WB_E_VERSION);
    assert_int_equal(f->downs, 1);
    assert_int_equal(f->broker.hellos, 1);
}

static void test_refused_for_now(void **state) {
    struct fixture *f = *state;
    f->broker.refuse_hello = WB_E_NOT_READY;
    open_publisher(f);
    send_events(f, 0, 5);
    PUMP_UNTIL(f, f->broker.hellos == 4);
    int64_t *at_us = f->broker.hello_us;
    for (int i = 0; i < 3; i++)
        assert_in_range(at_us[i + 1] - at_us[i], (100 << i) * 1000, (100 << i) * 1000 + 90000);
    assert_int_equal(f->downs, 1); /* told once, not with each attempt */
    f->broker.refuse_hello = 0;
    pump_all(f);
    check_log(f, 5);

    f->broker.open = false; /* after success the delays begin anew, and the first has none */
    f->broker.refuse_hello = WB_E_NOT_READY;
    f->broker.hellos = 0;
    int64_t begin_us = monotonic_us();
    send_events(f, 5, 6);
    PUMP_UNTIL(f, f->broker.hellos == 2);
    assert_in_range(at_us[0] - begin_us, 0, 90000);
    assert_in_range(at_us[1] - at_us[0], 200000, 290000);
}

static void test_short_acknowledgement(void **state) {
    struct fixture *f = *state;
    f->broker.short_ack = 1;
    open_publisher(f);
    send_events(f, 0, 20);
    pump_all(f);
    check_log(f, 20);
    check_receipts(f, 20);
    assert_int_equal(f->broker.hellos, 2);
    assert_non_null(strstr(f->words, "acknowledged"));
}

static void test_garbage(void **state) {
    struct fixture *f = *state;
    static const uint8_t refusal_without_code[] = {0x1a, 0x00};
    open_publisher(f);
    PUMP_UNTIL(f, f->ups == 1);
    broker_say(&f->broker, "\xff\xff\xff", 3, false);
    PUMP_UNTIL(f, f->ups == 2);
    assert_non_null(strstr(f->words, "a Waybill broker's ingest endpoint?"));
    assert_null(strstr(f->words, "ClientMessage"));
    broker_say(&f->broker, "", 0, true); /* two frames */
    PUMP_UNTIL(f, f->ups == 3);
    broker_say(&f->broker, "", 0, false); /* a message without a body: passed over */
    send_events(f, 0, 5);
    pump_all(f);
    assert_int_equal(f->ups, 3);
    broker_say(&f->broker, refusal_without_code, 2, false);
    PUMP_UNTIL(f, f->ups == 4);
    send_events(f, 5, 6);
    pump_all(f);
    check_log(f, 6);
}

static void test_bye(void **state) {
    struct fixture *f = *state;
    open_publisher(f);
    send_events(f, 0, 1);
    pump_all(f);
    wb_publisher_close(f->publisher);
    f->publisher = NULL;
    for (int i = 0; i < 1000 && !f->broker.byes; i++) {
        broker_serve(&f->broker);
        struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
    assert_int_equal(f->broker.byes, 1);
}

/* Whatever happens to the broker: nothing is lost, twice in the log, or out of order. */
static void test_faults(void **state) {
    struct fixture *f = *state;
    f->broker.ping_ms = 25;
    f->broker.window_events = 64;
    f->broker.batch_events = 16;
    f->options.window_events = 64;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        f->broker.random = seed;
        f->broker.fault_percent = 6;
        f->receipts = 0;
        open_publisher(f);
        for (size_t n = 0; n < 600; n++) {
            PUMP_UNTIL(f, wb_publisher_pending(f->publisher) < 64);
            assert_int_equal(send_event(f, n), 0);
        }
        pump_all(f);
        check_log(f, 600);
        check_receipts(f, 600);
        wb_publisher_close(f->publisher);
        f->publisher = NULL;
        broker_serve(&f->broker);
        for (size_t i = 0; i < f->broker.logged; i++)
            free(f->broker.log[i]);
        f->broker.logged = 0;
    }
    assert_in_range(f->broker.faults, 9, 1000);
    assert_int_equal(f->refused, 0);
}

static void test_arguments(void **state) {
    (void)state;
    struct wb_error err;
    assert_null(wb_publisher_open("7411", "permits", NULL, &err));
    assert_int_equal(err.code, WB_E_USAGE);
    assert_non_null(strstr(err.detail, "7411"));
    assert_null(wb_publisher_open("tcp://", "permits", NULL, &err));
    assert_null(wb_publisher_open(NULL, "permits", NULL, &err));
    assert_null(wb_publisher_open("tcp://127.0.0.1:7411", "Permits!", NULL, &err));
    assert_int_equal(err.code, WB_E_SOURCE_NAME);
    assert_null(wb_publisher_open("tcp://127.0.0.1:7411", NULL, NULL, NULL));
    wb_publisher_close(NULL);
}

/* Blocks are given back and used again, a batch never crosses one, sent events can be repeated. */
static void test_window_memory(void **state) {
    (void)state;
    struct window window;
    static uint8_t event[60000];
    window_init(&window, 1000);
    size_t added = 0;
    while (window_add(&window, event, sizeof event, added, &tags[added]) == 1)
        added++;
    assert_int_equal(added, WINDOW_BLOCKS * (WINDOW_BLOCK_BYTES / sizeof event));
    size_t dropped = 0;
    for (int round = 0; round < 5; round++) {
        struct window_batch batch = window_batch(&window, 1000, SIZE_MAX);
        assert_int_equal(batch.count, WINDOW_BLOCK_BYTES / sizeof event);
        window_sent(&window, batch.count);
        window_rewind(&window);
        assert_ptr_equal(window_batch(&window, 1000, SIZE_MAX).data, batch.data);
        assert_int_equal(window_batch(&window, 2, SIZE_MAX).count, 2);
        assert_int_equal(window_batch(&window, 1000, sizeof event).count, 1);
        window_sent(&window, batch.count);
        assert_ptr_equal(window_item(&window, 0).tag, &tags[dropped]);
        assert_int_equal(window_item(&window, 0).seq, dropped);
        assert_int_equal(window_item(&window, 0).bytes, sizeof event);
        window_drop(&window, batch.count);
        dropped += batch.count;
        for (size_t i = 0; i < batch.count; i++, added++)
            assert_int_equal(window_add(&window, event, sizeof event, added, &tags[added]), 1);
        assert_int_equal(window_add(&window, event, sizeof event, 0, NULL), 0);
    }
    window_free(&window);
}

int main(void) {
#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_BROKER(test_receipts_come_in_order),
        WITH_BROKER(test_link),
        WITH_BROKER(test_one_event_is_refused),
        WITH_BROKER(test_invalid_event_is_not_queued),
        WITH_BROKER(test_too_large_event),
        WITH_BROKER(test_lost_broker),
        WITH_BROKER(test_forgotten_session),
        WITH_BROKER(test_silence),
        WITH_BROKER(test_idle_session_is_kept),
        WITH_BROKER(test_window),
        WITH_BROKER(test_window_smaller_than_a_batch),
        WITH_BROKER(test_window_of_bytes),
        WITH_BROKER(test_one_event_may_always_go),
        WITH_BROKER(test_window_moves),
        WITH_BROKER(test_window_shrinks_below_what_is_sent),
        WITH_BROKER(test_disabled_source_waits),
        WITH_BROKER(test_full_window_stops),
        WITH_BROKER(test_flush_gives_up),
        WITH_BROKER(test_refused_for_good),
        WITH_BROKER(test_garbage_behind_a_refusal),
        WITH_BROKER(test_refused_for_now),
        WITH_BROKER(test_short_acknowledgement),
        WITH_BROKER(test_garbage),
        WITH_BROKER(test_bye),
        WITH_BROKER(test_faults),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_window_memory),
    };
    return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
