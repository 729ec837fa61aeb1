/* The subscriber library against a broker whose every word is scripted. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/timestamp.h"
#include "streams_peer.h"

#define HELLO       WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO
#define PING        WAYBILL__V1__CLIENT_MESSAGE__BODY_PING
#define BYE         WAYBILL__V1__CLIENT_MESSAGE__BODY_BYE
#define SUBSCRIBE   WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE
#define CREDIT      WAYBILL__V1__CLIENT_MESSAGE__BODY_CREDIT
#define UNSUBSCRIBE WAYBILL__V1__CLIENT_MESSAGE__BODY_UNSUBSCRIBE
#define CASE_QUERY  WAYBILL__V1__CLIENT_MESSAGE__BODY_CASE_QUERY

struct fixture {
    struct streams_peer peer;
    wb_subscriber *subscriber;
    int ups, downs;
    char words[200]; /* of the newest change */
};

static void on_session(void *arg, bool up, const char *words) {
    struct fixture *fixture = arg;
    *(up ? &fixture->ups : &fixture->downs) += 1;
    snprintf(fixture->words, sizeof fixture->words, "%s", words);
}

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.ups = 0};
    peer_start(&fixture.peer);
    struct wb_subscriber_options options = {
        .client = "unit-test", .session = on_session, .arg = &fixture};
    struct wb_error err;
    fixture.subscriber = wb_subscriber_open(fixture.peer.endpoint, &options, &err);
    *state = &fixture;
    return fixture.subscriber ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    wb_subscriber_close(fixture->subscriber);
    peer_stop(&fixture->peer);
    return 0;
}

/* Reads Subscribe, which has to name the cursor, and answers it. Gives the subscription's number.
 */
static uint64_t begin(struct fixture *fixture, uint64_t cursor, uint64_t head) {
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    uint64_t number = message->subscribe->subscription;
    assert_true(number != 0);
    assert_int_equal(message->subscribe->credit, fixture->peer.credit);
    if (cursor == WB_FROM_NOW) {
        assert_int_equal(message->subscribe->from_case, WAYBILL__V1__SUBSCRIBE__FROM_NOW);
        assert_true(message->subscribe->now);
        cursor = head;
    } else {
        assert_int_equal(message->subscribe->from_case, WAYBILL__V1__SUBSCRIBE__FROM_AFTER_OFFSET);
        assert_int_equal(message->subscribe->after_offset, cursor);
    }
    peer_subscribed(&fixture->peer, number, cursor, head);
    return number;
}

static wb_subscription *follow(struct fixture *fixture, uint64_t cursor) {
    struct wb_error err;
    wb_subscription *subscription =
        wb_subscribe(fixture->subscriber, cursor, NULL, NULL, NULL, &err);
    assert_non_null(subscription);
    return subscription;
}

static void expect_next(wb_subscription *subscription, uint64_t first, uint64_t last) {
    for (uint64_t offset = first; offset <= last; offset++) {
        const wb_record *record;
        struct wb_error err;
        assert_int_equal(wb_subscription_next(subscription, 5000, &record, &err), 1);
        assert_int_equal(record->offset, offset);
        char id[32];
        snprintf(id, sizeof id, "e%llu", (unsigned long long)offset);
        assert_string_equal(record->event->event_id, id);
    }
}

static void expect_nothing(wb_subscription *subscription) {
    const wb_record *record;
    struct wb_error err;
    assert_int_equal(wb_subscription_next(subscription, 50, &record, &err), 0);
    assert_null(record);
}

static void test_replay_and_live_are_one(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 3);
    assert_false(wb_subscription_live(all));
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 3, 9);
    peer_deliver(&fixture->peer, number, 4, 5, 1, 7);
    expect_next(all, 4, 4);
    assert_int_equal(wb_subscription_cursor(all), 4);
    expect_next(all, 5, 5);
    assert_int_equal(wb_subscription_cursor(all), 7);
    assert_false(wb_subscription_live(all));
    peer_deliver(&fixture->peer, number, 1, 0, 1, 9); /* nothing in 8 and 9 matches */
    expect_nothing(all);
    assert_int_equal(wb_subscription_cursor(all), 9);
    assert_true(wb_subscription_live(all));
    peer_deliver(&fixture->peer, number, 10, 10, 1, 10);
    peer_deliver(&fixture->peer, number, 11, 12, 1, 12);
    peer_deliver(&fixture->peer, number, 1, 0, 1, 14); /* behind what waits */
    expect_next(all, 10, 12);
    expect_nothing(all);
    assert_int_equal(wb_subscription_cursor(all), 14);
    assert_int_equal(fixture->ups, 1);
    assert_int_equal(fixture->downs, 0);
    wb_subscription_close(all);
    peer_expect(&fixture->peer, fixture->subscriber, CREDIT); /* 4 of 8 were used */
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, UNSUBSCRIBE);
    assert_int_equal(message->unsubscribe->subscription, number);
}

static void test_credit_follows_the_caller(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 100);
    peer_deliver(&fixture->peer, number, 1, 5, 1, 5);
    peer_deliver(&fixture->peer, number, 6, 8, 1, 8); /* 8 were granted */
    expect_next(all, 1, 3);
    assert_null(peer_read(&fixture->peer, fixture->subscriber, 50));
    expect_next(all, 4, 4);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CREDIT);
    assert_int_equal(message->credit->subscription, number);
    assert_int_equal(message->credit->events, 4);
    peer_deliver(&fixture->peer, number, 9, 12, 1, 12);
    expect_next(all, 5, 12);
    assert_true(wb_subscriber_up(fixture->subscriber));
}

static void test_more_than_the_credit_is_not_taken(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 100);
    peer_deliver(&fixture->peer, number, 1, 6, 1, 6);
    expect_next(all, 1, 2);
    peer_deliver(&fixture->peer, number, 7, 9, 1, 9); /* one too many */
    peer_greet(&fixture->peer, fixture->subscriber);
    assert_int_equal(fixture->downs, 1);
    number = begin(fixture, 2, 100);
    peer_deliver(&fixture->peer, number, 3, 10, 1, 10);
    expect_next(all, 3, 10);
}

static void test_goes_on_behind_the_cursor(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 100);
    peer_deliver(&fixture->peer, number, 1, 4, 1, 4);
    expect_next(all, 1, 2);
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    assert_int_equal(fixture->ups, 2);
    uint64_t again = begin(fixture, 2, 100);
    assert_true(again != number);
    peer_deliver(&fixture->peer, number, 3, 4, 1, 4); /* late, of the session before */
    peer_deliver(&fixture->peer, again, 3, 3, 1, 3);
    expect_next(all, 3, 3);
    peer_deliver(&fixture->peer, again, 4, 6, 1, 6);
    expect_next(all, 4, 6);
    assert_true(wb_subscriber_up(fixture->subscriber));
}

static void test_from_now_is_now_once(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, WB_FROM_NOW);
    assert_int_equal(wb_subscription_cursor(all), WB_FROM_NOW);
    peer_greet(&fixture->peer, fixture->subscriber);
    peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0); /* before the broker said where now is */
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, WB_FROM_NOW, 41);
    expect_nothing(all);
    assert_int_equal(wb_subscription_cursor(all), 41);
    assert_true(wb_subscription_live(all));
    peer_refuse(&fixture->peer, WB_E_SHUTTING_DOWN, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 41, 50); /* what came meanwhile is not lost */
    peer_deliver(&fixture->peer, number, 42, 45, 1, 45);
    expect_next(all, 42, 45);
}

static void test_order_of_the_log(void **state) {
    static const struct {
        uint64_t first, last, step, through;
    } broken[] = {
        {4, 5, 1, 5}, /* 4 was there already */
        {3, 3, 1, 4}, /* so was 3 */
        {6, 9, 1, 8}, /* 9 lies behind the cursor that it gives */
        {6, 6, 1, 3}, /* the cursor goes back */
    };
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 100);
    peer_deliver(&fixture->peer, number, 1, 4, 1, 4);
    expect_next(all, 1, 4);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        uint64_t by = 4 * i;
        peer_expect(&fixture->peer, fixture->subscriber, CREDIT);
        peer_deliver(&fixture->peer, number, broken[i].first + by, broken[i].last + by,
                     broken[i].step, broken[i].through + by);
        expect_nothing(all);
        peer_greet(&fixture->peer, fixture->subscriber);
        number = begin(fixture, 4 + by, 100);
        peer_deliver(&fixture->peer, number, 5 + by, 8 + by, 1, 8 + by);
        expect_next(all, 5 + by, 8 + by);
    }
    assert_int_equal(fixture->downs, 4);
}

static void test_garbage_opens_anew(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 0, 9);
    peer_send(&fixture->peer, "\xff\xff\xff", 3);
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 0, 9);
    peer_send(&fixture->peer, "\x8a\x01\x02\x08", 4); /* a Deliver that ends in its number */
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 0, 9);
    zmq_send(fixture->peer.router, fixture->peer.identity, fixture->peer.identity_bytes,
             ZMQ_SNDMORE);
    zmq_send(fixture->peer.router, "", 0, ZMQ_SNDMORE);
    zmq_send(fixture->peer.router, "x", 1, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 9);
    peer_deliver(&fixture->peer, number, 1, 2, 1, 2);
    expect_next(all, 1, 2);
    assert_int_equal(fixture->downs, 3);
}

static void test_a_refused_subscription_is_over(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *bad = follow(fixture, 7777);
    wb_subscription *good = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 7777, 5);
    peer_refuse(&fixture->peer, WB_E_CURSOR_UNKNOWN, number, 0);
    const wb_record *record;
    struct wb_error err;
    assert_int_equal(wb_subscription_next(bad, 5000, &record, &err), -1);
    assert_int_equal(err.code, WB_E_CURSOR_UNKNOWN);
    assert_string_equal(err.detail, "as scripted");
    assert_int_equal(wb_subscription_error(bad)->code, WB_E_CURSOR_UNKNOWN);
    number = begin(fixture, 0, 5);
    peer_deliver(&fixture->peer, number, 1, 2, 1, 2);
    expect_next(good, 1, 2);
    assert_null(wb_subscription_error(good));
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 2, 5); /* the good one alone */
    assert_null(peer_read(&fixture->peer, fixture->subscriber, 50));
}

/* Subscriptions are found by number: the one that begins no more must not hide those beside it. */
static void test_a_refused_subscription_hides_no_other(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *first = follow(fixture, 0);
    wb_subscription *bad = follow(fixture, 7777);
    wb_subscription *last = follow(fixture, 1);
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 0, 5);
    uint64_t number = begin(fixture, 7777, 5);
    begin(fixture, 1, 5);
    peer_refuse(&fixture->peer, WB_E_CURSOR_UNKNOWN, number, 0);
    for (int session = 0; session < 3; session++) {
        peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
        peer_greet(&fixture->peer, fixture->subscriber);
        uint64_t cursor = 2 * (uint64_t)session;
        uint64_t of_first = begin(fixture, cursor, 9);
        uint64_t of_last = begin(fixture, cursor + 1, 9);
        assert_null(peer_read(&fixture->peer, fixture->subscriber, 20));
        peer_deliver(&fixture->peer, of_first, cursor + 1, cursor + 2, 1, cursor + 2);
        peer_deliver(&fixture->peer, of_last, cursor + 2, cursor + 3, 1, cursor + 3);
        expect_next(first, cursor + 1, cursor + 2);
        expect_next(last, cursor + 2, cursor + 3);
    }
    assert_int_equal(wb_subscription_error(bad)->code, WB_E_CURSOR_UNKNOWN);
    assert_true(wb_subscriber_up(fixture->subscriber));
}

static void test_too_many_subscriptions_wait(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    for (int i = 0; i < 2; i++) {
        const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
        peer_refuse(&fixture->peer, WB_E_TOO_MANY, message->subscribe->subscription, 0);
    }
    uint64_t number = begin(fixture, 0, 1);
    peer_deliver(&fixture->peer, number, 1, 1, 1, 1);
    expect_next(all, 1, 1);
    assert_int_equal(fixture->downs, 0);
}

static void test_silence(void **state) {
    struct fixture *fixture = *state;
    fixture->peer.ping_ms = 20;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    begin(fixture, 0, 9);
    peer_expect(&fixture->peer, fixture->subscriber, PING);
    int64_t asked = monotonic_us();
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    assert_true(monotonic_us() - asked >= 40000); /* after four intervals, of which one is over */
    assert_non_null(strstr(fixture->words, "nothing has come"));
    uint64_t session = message->hello->session;
    peer_welcome(&fixture->peer, session + 1); /* of an earlier Hello */
    peer_deliver(&fixture->peer, 1, 1, 1, 1, 1);
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0); /* the answer to an earlier Ping */
    for (int i = 0; i < 20; i++) {
        wb_subscriber_process(fixture->subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    assert_false(wb_subscriber_up(fixture->subscriber));
    peer_welcome(&fixture->peer, session);
    uint64_t number = begin(fixture, 0, 9);
    peer_deliver(&fixture->peer, number, 1, 1, 1, 1);
    expect_next(all, 1, 1);
}

static void test_the_broker_dies_and_comes_back(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    uint64_t number = begin(fixture, 0, 9);
    peer_deliver(&fixture->peer, number, 1, 3, 1, 3);
    expect_next(all, 1, 3);
    peer_down(&fixture->peer);
    int64_t died = monotonic_us();
    while (wb_subscriber_up(fixture->subscriber)) {
        assert_true(monotonic_us() - died < 5000000);
        expect_nothing(all);
    }
    assert_int_equal(fixture->downs, 1); /* at once, not after 20 s of silence */
    assert_non_null(strstr(fixture->words, "lost"));
    expect_nothing(all);
    peer_up(&fixture->peer);
    peer_greet(&fixture->peer, fixture->subscriber);
    number = begin(fixture, 3, 9);
    peer_deliver(&fixture->peer, number, 4, 5, 1, 5);
    expect_next(all, 4, 5);
    assert_int_equal(fixture->downs, 1);
}

static void test_refused_for_good(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    peer_refuse(&fixture->peer, WB_E_NOT_READY, 0, 0); /* may be mended */
    int64_t asked = monotonic_us();
    peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    assert_true(monotonic_us() - asked >= 90000);
    peer_refuse(&fixture->peer, WB_E_NOT_READY, 0, 0);
    asked = monotonic_us();
    peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    assert_true(monotonic_us() - asked >= 180000);
    peer_refuse(&fixture->peer, WB_E_VERSION, 0, 0);
    const wb_record *record;
    struct wb_error err;
    assert_int_equal(wb_subscription_next(all, 5000, &record, &err), -1);
    assert_int_equal(err.code, WB_E_VERSION);
    assert_int_equal(wb_subscriber_process(fixture->subscriber, &err), -1);
    wb_case *answer;
    assert_int_equal(wb_case_get(fixture->subscriber, "A-1", NULL, 0, 5000, &answer, &err), -1);
    assert_int_equal(err.code, WB_E_VERSION);
    assert_int_equal(fixture->ups, 0);
    assert_int_equal(fixture->downs, 2); /* NOT_READY is news once */
}

/* Garbage before the Welcome is why there is no session, but no reason not to wait for it. */
static void test_garbage_for_a_welcome(void **state) {
    struct fixture *fixture = *state;
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    uint64_t session = message->hello->session;
    peer_send(&fixture->peer, "\xff\xff\xff", 3);
    wb_case *answer;
    struct wb_error err;
    assert_int_equal(wb_case_get(fixture->subscriber, "A-1", NULL, 0, 100, &answer, &err), -1);
    assert_int_equal(err.code, WB_E_TIMEOUT);
    assert_non_null(strstr(err.detail, "cannot be decoded"));
    assert_non_null(strstr(fixture->words, "a Waybill broker's streams endpoint?"));
    assert_null(strstr(fixture->words, "ClientMessage"));
    assert_int_equal(fixture->downs, 1);
    peer_welcome(&fixture->peer, session);
    wb_subscription *all = follow(fixture, 0);
    begin(fixture, 0, 0);
    assert_null(wb_subscription_error(all));
    assert_null(wb_subscriber_error(fixture->subscriber));
}

static void test_the_wrong_endpoint(void **state) {
    struct fixture *fixture = *state;
    peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    peer_refuse(&fixture->peer, WB_E_SOURCE_NAME, 0, 0);
    peer_send(&fixture->peer, "\xff\xff\xff", 3);
    wb_case *answer;
    struct wb_error err;
    assert_int_equal(wb_case_get(fixture->subscriber, "A-1", NULL, 0, 5000, &answer, &err), -1);
    assert_int_equal(err.code, WB_E_WRONG_ENDPOINT);
    assert_string_equal(err.hint, "is this the broker's streams endpoint?");
    assert_non_null(strstr(err.detail, fixture->peer.endpoint));
    assert_int_equal(wb_subscriber_error(fixture->subscriber)->code, WB_E_WRONG_ENDPOINT);
    assert_null(peer_read(&fixture->peer, fixture->subscriber, 300));
    assert_int_equal(fixture->downs, 1);
}

struct answer {
    int calls, nodes, code;
    char case_no[32];
};

static void on_answer(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct answer *kept = arg;
    kept->calls++;
    kept->code = err ? err->code : 0;
    if (answer) {
        kept->nodes = (int)answer->n_nodes;
        snprintf(kept->case_no, sizeof kept->case_no, "%s", answer->state->case_no);
    }
}

static void ask(struct fixture *fixture, const char *case_no, int timeout_ms,
                struct answer *answer) {
    struct wb_error err;
    *answer = (struct answer){.code = -1};
    assert_int_equal(wb_case_request(fixture->subscriber, case_no, "code", 3, timeout_ms, on_answer,
                                     answer, &err),
                     0);
}

static void wait_for(struct fixture *fixture, const struct answer *answer) {
    int64_t deadline = monotonic_us() + 5000000;
    while (!answer->calls) {
        assert_true(monotonic_us() < deadline);
        wb_subscriber_process(fixture->subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    assert_int_equal(answer->calls, 1);
}

static void test_questions(void **state) {
    struct fixture *fixture = *state;
    struct answer first, second;
    ask(fixture, "A-1", 5000, &first); /* before there is a session */
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    assert_string_equal(message->case_query->case_no, "A-1");
    assert_string_equal(message->case_query->code, "code");
    assert_int_equal(message->case_query->limit, 3);
    uint64_t number = message->case_query->request;
    ask(fixture, "A-2", 5000, &second);
    message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    assert_true(message->case_query->request != number);
    peer_refuse(&fixture->peer, WB_E_CASE_NOT_FOUND, 0, message->case_query->request);
    wait_for(fixture, &second);
    assert_int_equal(second.code, WB_E_CASE_NOT_FOUND);
    assert_int_equal(first.calls, 0);
    peer_answer(&fixture->peer, number, (char *)"A-1", 3);
    peer_answer(&fixture->peer, number, (char *)"A-1", 4); /* nobody waits for it */
    wait_for(fixture, &first);
    assert_int_equal(first.nodes, 3);
    assert_string_equal(first.case_no, "A-1");
    for (int i = 0; i < 20; i++)
        wb_subscriber_process(fixture->subscriber, NULL);
    assert_int_equal(first.calls, 1);
}

static void test_questions_outlive_a_session(void **state) {
    struct fixture *fixture = *state;
    struct answer answer;
    peer_greet(&fixture->peer, fixture->subscriber);
    ask(fixture, "A-1", 5000, &answer);
    peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    peer_refuse(&fixture->peer, WB_E_BUSY, 0, message->case_query->request);
    message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    assert_int_equal(answer.calls, 0);
    peer_answer(&fixture->peer, message->case_query->request, (char *)"A-1", 1);
    wait_for(fixture, &answer);
    assert_int_equal(answer.code, 0);
}

/* An answer that was under way when the session ended may be older than what the caller has seen
 * since. */
static void test_an_answer_of_the_session_before_is_none(void **state) {
    struct fixture *fixture = *state;
    struct answer answer;
    peer_greet(&fixture->peer, fixture->subscriber);
    ask(fixture, "A-1", 5000, &answer);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    uint64_t number = message->case_query->request;
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    message = peer_expect(&fixture->peer, fixture->subscriber, CASE_QUERY);
    uint64_t again = message->case_query->request;
    peer_answer(&fixture->peer, number, (char *)"A-1", 1);
    peer_refuse(&fixture->peer, WB_E_CASE_NOT_FOUND, 0, number);
    peer_answer(&fixture->peer, again, (char *)"A-1", 2);
    wait_for(fixture, &answer);
    assert_int_equal(answer.code, 0);
    assert_int_equal(answer.nodes, 2);
}

static void test_questions_time_out(void **state) {
    struct fixture *fixture = *state;
    struct answer answer;
    peer_down(&fixture->peer);
    ask(fixture, "A-1", 60, &answer);
    wait_for(fixture, &answer);
    assert_int_equal(answer.code, WB_E_TIMEOUT);
    wb_case *got;
    struct wb_error err;
    assert_int_equal(wb_case_get(fixture->subscriber, "A-1", NULL, 0, 60, &got, &err), -1);
    assert_int_equal(err.code, WB_E_TIMEOUT);
    assert_non_null(strstr(err.detail, fixture->peer.endpoint));
    peer_up(&fixture->peer);
    peer_greet(&fixture->peer, fixture->subscriber);
    assert_null(peer_read(&fixture->peer, fixture->subscriber, 20)); /* it is not asked any more */
    assert_int_equal(wb_case_get(fixture->subscriber, "A-1", NULL, 0, 60, &got, &err), -1);
    assert_int_equal(err.code, WB_E_TIMEOUT);
    assert_int_equal(wb_case_get(fixture->subscriber, "", NULL, 0, 60, &got, &err), -1);
    assert_int_equal(err.code, WB_E_USAGE);
}

struct reader {
    wb_subscriber *subscriber;
    wb_subscription *subscription;
    uint64_t seen[64];
    size_t count, close_at;
};

static void on_record(void *arg, const wb_record *record) {
    struct reader *reader = arg;
    reader->seen[reader->count++] = record->offset;
    struct wb_error err;
    const wb_record *next;
    assert_int_equal(wb_subscriber_process(reader->subscriber, &err), -1); /* not from in here */
    assert_int_equal(wb_subscription_next(reader->subscription, 0, &next, &err), -1);
    if (reader->count == reader->close_at)
        wb_subscription_close(reader->subscription);
}

/* As an event loop would do it: nothing but the descriptor tells when to process. */
static void loop_until(struct fixture *fixture, const struct reader *reader, size_t count) {
    int64_t deadline = monotonic_us() + 5000000;
    while (reader->count < count) {
        assert_true(monotonic_us() < deadline);
        struct pollfd ready = {.fd = wb_subscriber_fd(fixture->subscriber), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 2000), 1);
        wb_subscriber_process(fixture->subscriber, NULL);
    }
}

static void test_callbacks_on_a_loop(void **state) {
    struct fixture *fixture = *state;
    struct reader reader = {.subscriber = fixture->subscriber, .close_at = 11};
    struct wb_error err;
    peer_greet(&fixture->peer, fixture->subscriber);
    reader.subscription = wb_subscribe(fixture->subscriber, 0, NULL, on_record, &reader, &err);
    assert_non_null(reader.subscription);
    uint64_t number = begin(fixture, 0, 9);
    peer_deliver(&fixture->peer, number, 1, 8, 1, 8);
    loop_until(fixture, &reader, 8);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CREDIT);
    assert_int_equal(message->credit->events, 8);
    peer_deliver(&fixture->peer, number, 9, 10, 1, 10);
    loop_until(fixture, &reader, 10);
    assert_int_equal(wb_subscription_cursor(reader.subscription), 10);
    peer_deliver(&fixture->peer, number, 11, 15, 1, 15); /* closes itself at the first of them */
    peer_expect(&fixture->peer, fixture->subscriber, UNSUBSCRIBE);
    assert_int_equal(reader.count, 11);
    for (size_t i = 0; i < reader.count; i++)
        assert_int_equal(reader.seen[i], i + 1);
}

static void test_filters(void **state) {
    struct fixture *fixture = *state;
    char long_text[400], *values[65];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    for (size_t i = 0; i < 65; i++)
        values[i] = long_text;
    wb_filter filter = WB_FILTER_INIT;
    struct wb_error err;
    filter.agencies = values;
    filter.n_agencies = 1;
    assert_null(wb_subscribe(fixture->subscriber, 0, &filter, NULL, NULL, &err));
    assert_int_equal(err.code, WB_E_FILTER);
    long_text[256] = '\0';
    filter.n_agencies = 65;
    assert_null(wb_subscribe(fixture->subscriber, 0, &filter, NULL, NULL, &err));
    assert_int_equal(err.code, WB_E_FILTER);
    filter.n_agencies = 64;
    assert_non_null(wb_subscribe(fixture->subscriber, 0, &filter, NULL, NULL, &err));
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    assert_int_equal(message->subscribe->filter->n_agencies, 64);
    assert_string_equal(message->subscribe->filter->agencies[63], long_text);
}

static void test_for_an_audience_with_a_token(void **state) {
    struct fixture *fixture = *state;
    char token[] = "wbt_secret";
    const struct wb_subscribe_options options = {
        .audience = WB_AUDIENCE(STAFF), .token = token, .credit_events = 2};
    struct wb_error err;
    wb_subscription *some =
        wb_subscribe_with(fixture->subscriber, 3, NULL, &options, NULL, NULL, &err);
    assert_non_null(some);
    memset(token, 'x', sizeof token - 1); /* it was copied */
    assert_false(wb_subscription_begun(some));
    fixture->peer.audience = WB_AUDIENCE(STAFF);
    peer_greet(&fixture->peer, fixture->subscriber);
    for (uint64_t round = 0; round < 2; round++) {
        const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
        assert_int_equal(message->subscribe->audience, WB_AUDIENCE(STAFF));
        assert_string_equal(message->subscribe->token, "wbt_secret");
        assert_int_equal(message->subscribe->credit, 2);
        uint64_t number = message->subscribe->subscription, at = 3 + 2 * round;
        assert_int_equal(message->subscribe->after_offset, at);
        peer_subscribed(&fixture->peer, number, at, 99);
        peer_deliver(&fixture->peer, number, at + 1, at + 2, 1, at + 2);
        expect_next(some, at + 1, at + 2);
        for (int i = 0; i < 2; i++)
            assert_int_equal(
                peer_expect(&fixture->peer, fixture->subscriber, CREDIT)->credit->events, 1);
        assert_true(wb_subscription_begun(some));
        assert_int_equal(wb_subscription_audience(some), WB_AUDIENCE(STAFF));
        peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0);
        peer_greet(&fixture->peer, fixture->subscriber);
    }
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    peer_refuse(&fixture->peer, WB_E_TOKEN, message->subscribe->subscription, 0);
    const wb_record *record;
    assert_int_equal(wb_subscription_next(some, 5000, &record, &err), -1);
    assert_int_equal(err.code, WB_E_TOKEN);
}

/* From the start of a log whose first events retention has removed. */
static void test_the_start_is_where_the_log_starts(void **state) {
    struct fixture *fixture = *state;
    wb_subscription *all = follow(fixture, 0);
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    peer_subscribed(&fixture->peer, message->subscribe->subscription, 41, 41);
    expect_nothing(all);
    assert_int_equal(wb_subscription_cursor(all), 41);
    assert_true(wb_subscription_live(all));
}

static void test_opening_and_closing(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    assert_null(wb_subscriber_open("nonsense", NULL, &err));
    assert_int_equal(err.code, WB_E_USAGE);
    assert_non_null(strstr(err.detail, "nonsense"));
    wb_subscriber_close(NULL);
    wb_subscription_close(NULL);
    wb_case_free(NULL);
    fixture->peer.public_url = (char *)"https://track.example";
    wb_subscriber *other = wb_subscriber_open(fixture->peer.endpoint, NULL, &err);
    assert_non_null(other);
    assert_string_equal(wb_subscriber_public_url(other), "");
    peer_greet(&fixture->peer, other);
    assert_string_equal(wb_subscriber_public_url(other), "https://track.example");
    wb_subscriber_close(other);
    peer_expect(&fixture->peer, NULL, BYE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(replay_and_live_are_one),
        TEST(credit_follows_the_caller),
        TEST(more_than_the_credit_is_not_taken),
        TEST(goes_on_behind_the_cursor),
        TEST(from_now_is_now_once),
        TEST(order_of_the_log),
        TEST(garbage_opens_anew),
        TEST(a_refused_subscription_is_over),
        TEST(a_refused_subscription_hides_no_other),
        TEST(too_many_subscriptions_wait),
        TEST(silence),
        TEST(the_broker_dies_and_comes_back),
        TEST(refused_for_good),
        TEST(garbage_for_a_welcome),
        TEST(the_wrong_endpoint),
        TEST(questions),
        TEST(questions_outlive_a_session),
        TEST(an_answer_of_the_session_before_is_none),
        TEST(questions_time_out),
        TEST(callbacks_on_a_loop),
        TEST(filters),
        TEST(for_an_audience_with_a_token),
        TEST(the_start_is_where_the_log_starts),
        TEST(opening_and_closing),
    };
    return cmocka_run_group_tests_name("subscriber", tests, NULL, NULL);
}
