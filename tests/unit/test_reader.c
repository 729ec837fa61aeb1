/* Durable readers in the subscriber library, against a broker whose every word is scripted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "streams_peer.h"

#define SUBSCRIBE   WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE
#define UNSUBSCRIBE WAYBILL__V1__CLIENT_MESSAGE__BODY_UNSUBSCRIBE
#define ACKNOWLEDGE WAYBILL__V1__CLIENT_MESSAGE__BODY_ACKNOWLEDGE

struct fixture {
    struct streams_peer peer;
    wb_subscriber *subscriber;
};

static int set_up(void **state) {
    static struct fixture fixture;
    struct wb_error err;
    fixture = (struct fixture){.subscriber = NULL};
    peer_start(&fixture.peer);
    fixture.peer.credit = 1000;
    fixture.subscriber = wb_subscriber_open(fixture.peer.endpoint, NULL, &err);
    *state = &fixture;
    return fixture.subscriber ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    wb_subscriber_close(fixture->subscriber);
    peer_stop(&fixture->peer);
    return 0;
}

static wb_subscription *read_as(struct fixture *fixture, bool restart, bool stand_by,
                                wb_record_fn *record, void *arg) {
    char name[] = "notifier";
    const struct wb_subscribe_options options = {
        .reader = name, .restart = restart, .stand_by = stand_by};
    struct wb_error err;
    wb_subscription *subscription =
        wb_subscribe_with(fixture->subscriber, 3, NULL, &options, record, arg, &err);
    assert_non_null(subscription);
    memset(name, 'x', sizeof name - 1); /* it was copied */
    return subscription;
}

/* Reads the Subscribe and admits it there. */
static uint64_t begin(struct fixture *fixture, uint64_t asked, uint64_t after) {
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    uint64_t number = message->subscribe->subscription;
    assert_string_equal(message->subscribe->reader, "notifier");
    assert_int_equal(message->subscribe->after_offset, asked);
    peer_subscribed(&fixture->peer, number, after, 99);
    return number;
}

static void expect_next(wb_subscription *subscription, uint64_t first, uint64_t last) {
    for (uint64_t offset = first; offset <= last; offset++) {
        const wb_record *record;
        struct wb_error err;
        assert_int_equal(wb_subscription_next(subscription, 5000, &record, &err), 1);
        assert_int_equal(record->offset, offset);
    }
}

static void expect_nothing(wb_subscription *subscription) {
    const wb_record *record;
    struct wb_error err;
    assert_int_equal(wb_subscription_next(subscription, 50, &record, &err), 0);
}

static void expect_acknowledged(struct fixture *fixture, uint64_t number, uint64_t offset) {
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, ACKNOWLEDGE);
    assert_int_equal(message->acknowledge->subscription, number);
    assert_int_equal(message->acknowledge->offset, offset);
}

static void open_anew(struct fixture *fixture) {
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
}

static void test_goes_on_where_the_broker_says(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    wb_subscription *reader = read_as(fixture, false, false, NULL, NULL);
    assert_int_equal(wb_acknowledge(reader, 1, &err), -1); /* it has not begun */
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 41);
    peer_deliver(&fixture->peer, number, 42, 44, 1, 50);
    expect_next(reader, 42, 44);
    assert_int_equal(wb_subscription_cursor(reader), 50);
    assert_int_equal(wb_acknowledge(reader, 51, &err), -1);
    assert_int_equal(err.code, WB_E_USAGE);
    assert_int_equal(wb_acknowledge(reader, 43, &err), 0);
    assert_int_equal(wb_acknowledge(reader, 42, &err), 0); /* never back */
    expect_acknowledged(fixture, number, 43);
    assert_int_equal(wb_acknowledge(reader, 50, &err), 0);
    wb_subscription_close(reader); /* says first what it had not said yet */
    expect_acknowledged(fixture, number, 50);
    peer_expect(&fixture->peer, fixture->subscriber, UNSUBSCRIBE);
}

static void test_many_are_told_as_one(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    wb_subscription *reader = read_as(fixture, false, false, NULL, NULL);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 3);
    peer_deliver(&fixture->peer, number, 4, 203, 1, 203);
    expect_next(reader, 4, 4);
    for (uint64_t offset = 5; offset <= 203; offset++) {
        expect_next(reader, offset, offset);
        assert_int_equal(wb_acknowledge(reader, offset, &err), 0);
    }
    uint64_t told = 0;
    int messages = 0;
    while (told < 203) {
        told = peer_expect(&fixture->peer, fixture->subscriber, ACKNOWLEDGE)->acknowledge->offset;
        messages++;
    }
    assert_true(messages <= 20);
}

/* The broker lost the newest acknowledgements: it is told them again, and what it delivers again is
 * handed out once. */
static void test_a_session_breaks(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    wb_subscription *reader = read_as(fixture, true, false, NULL, NULL);
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_true(message->subscribe->restart);
    uint64_t number = message->subscribe->subscription;
    peer_subscribed(&fixture->peer, number, 3, 99);
    peer_deliver(&fixture->peer, number, 4, 12, 1, 12);
    expect_next(reader, 4, 10);
    assert_int_equal(wb_acknowledge(reader, 7, &err), 0);
    expect_acknowledged(fixture, number, 7);
    open_anew(fixture);
    message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_false(message->subscribe->restart); /* once is enough */
    assert_int_equal(message->subscribe->after_offset, 7);
    number = message->subscribe->subscription;
    peer_subscribed(&fixture->peer, number, 5, 99);
    expect_acknowledged(fixture, number, 7);
    peer_deliver(&fixture->peer, number, 6, 8, 1, 8);
    peer_deliver(&fixture->peer, number, 9, 11, 1, 11);
    expect_next(reader, 11, 11);
    expect_nothing(reader);
    assert_int_equal(wb_subscription_cursor(reader), 11);
    peer_deliver(&fixture->peer, number, 1, 0, 1, 14);
    expect_nothing(reader);
    assert_int_equal(wb_subscription_cursor(reader), 14);
}

static void test_another_instance_was_further(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *reader = read_as(fixture, false, false, NULL, NULL);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 3);
    peer_deliver(&fixture->peer, number, 4, 6, 1, 6);
    expect_next(reader, 4, 4);
    open_anew(fixture);
    number = begin(fixture, 3, 20);
    peer_deliver(&fixture->peer, number, 21, 22, 1, 22);
    expect_next(reader, 21, 22);
}

static void test_taken_over(void **state) {
    struct fixture *fixture = *state;
    const wb_record *record;
    struct wb_error err;
    wb_subscription *reader = read_as(fixture, false, false, NULL, NULL);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 3);
    peer_deliver(&fixture->peer, number, 4, 6, 1, 6);
    expect_next(reader, 4, 4);
    peer_refuse(&fixture->peer, WB_E_READER_TAKEN, number, 0);
    while (!wb_subscription_error(reader))
        assert_int_equal(wb_subscriber_process(fixture->subscriber, &err), 0);
    /* What had come and was not handed out is the other instance's now. */
    assert_int_equal(wb_subscription_next(reader, 0, &record, &err), -1);
    assert_int_equal(err.code, WB_E_READER_TAKEN);
    assert_false(wb_subscription_waits(reader));
}

static void test_stands_by(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *reader = read_as(fixture, false, true, NULL, NULL);
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_true(message->subscribe->stand_by);
    uint64_t number = message->subscribe->subscription;
    assert_true(wb_subscription_waits(reader));
    expect_nothing(reader);
    peer_subscribed(&fixture->peer, number, 8, 99);
    peer_deliver(&fixture->peer, number, 9, 10, 1, 10);
    expect_next(reader, 9, 10);
    assert_false(wb_subscription_waits(reader));
    peer_refuse(&fixture->peer, WB_E_READER_TAKEN, number, 0);
    message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_true(message->subscribe->stand_by);
    assert_int_equal(message->subscribe->after_offset, 8);
    assert_true(wb_subscription_waits(reader));
    peer_subscribed(&fixture->peer, message->subscribe->subscription, 30, 99);
    expect_nothing(reader);
    assert_int_equal(wb_subscription_cursor(reader), 30);
}

struct work {
    wb_subscription *reader;
    uint64_t last;
};

static void on_record(void *arg, const wb_record *record) {
    struct work *work = arg;
    struct wb_error err;
    assert_true(record->offset > work->last);
    work->last = record->offset;
    assert_int_equal(wb_acknowledge(work->reader, record->offset, &err), 0);
}

static void test_callbacks_acknowledge(void **state) {
    struct fixture *fixture = *state;
    struct work work = {.last = 0};
    work.reader = read_as(fixture, false, false, on_record, &work);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 3);
    peer_deliver(&fixture->peer, number, 4, 6, 1, 6);
    expect_acknowledged(fixture, number, 6);
    open_anew(fixture);
    number = begin(fixture, 6, 4); /* the acknowledgement was lost */
    expect_acknowledged(fixture, number, 6);
    peer_deliver(&fixture->peer, number, 5, 8, 1, 8);
    expect_acknowledged(fixture, number, 8);
    assert_int_equal(work.last, 8);
}

static void test_others_have_nothing_to_acknowledge(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    wb_subscription *all = wb_subscribe(fixture->subscriber, 0, NULL, NULL, NULL, &err);
    peer_greet(&fixture->peer, fixture->subscriber);
    peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_int_equal(wb_acknowledge(all, 0, &err), -1);
    assert_int_equal(err.code, WB_E_USAGE);
    assert_false(wb_subscription_waits(all));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_goes_on_where_the_broker_says),
        TEST(test_many_are_told_as_one),
        TEST(test_a_session_breaks),
        TEST(test_another_instance_was_further),
        TEST(test_taken_over),
        TEST(test_stands_by),
        TEST(test_callbacks_acknowledge),
        TEST(test_others_have_nothing_to_acknowledge),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
