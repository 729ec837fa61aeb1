/* Subscriptions by case of the subscriber library against a broker whose every word is scripted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#include <waybill/subscriber.h>

#include "common/timestamp.h"
#include "streams_peer.h"

#define SUBSCRIBE WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE
#define FOLLOW    WAYBILL__V1__CLIENT_MESSAGE__BODY_FOLLOW
#define CREDIT    WAYBILL__V1__CLIENT_MESSAGE__BODY_CREDIT
#define HELLO     WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO

struct fixture {
    struct streams_peer peer;
    wb_subscriber *subscriber;
    wb_subscription *cases;
    char told[4000]; /* what the functions were called with, in words */
    bool close;      /* at the next answer */
};

static void say(struct fixture *fixture, const char *what, uint64_t number) {
    size_t at = strlen(fixture->told);
    snprintf(fixture->told + at, sizeof fixture->told - at, "%s%llu ", what,
             (unsigned long long)number);
}

static void on_record(void *arg, const wb_record *record) {
    say(arg, "r", record->offset);
}

/* "A-1=1/9[4 5 ]": the owner's text, the outcome, through, and the records. */
static void on_place(void *arg, wb_place *place, const wb_place_answer *answer) {
    struct fixture *fixture = arg;
    char text[200];
    snprintf(text, sizeof text, "%s=%d/", (const char *)wb_place_owner(place),
             (int)answer->outcome);
    say(fixture, text, answer->through_offset);
    for (size_t i = 0; i < answer->n_records; i++)
        say(fixture, "+", answer->records[i]->offset);
    if (fixture->close)
        wb_subscription_close(fixture->cases);
}

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.close = false};
    peer_start(&fixture.peer);
    struct wb_error err;
    fixture.subscriber = wb_subscriber_open(fixture.peer.endpoint, NULL, &err);
    const struct wb_subscribe_options options = {.answered = on_place};
    fixture.cases = wb_subscribe_with(fixture.subscriber, WB_FROM_NOW, NULL, &options, on_record,
                                      &fixture, &err);
    *state = &fixture;
    return fixture.cases ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    wb_subscriber_close(fixture->subscriber);
    peer_stop(&fixture->peer);
    return 0;
}

static wb_place *follow(struct fixture *fixture, const char *case_no, uint64_t after) {
    struct wb_error err;
    wb_place *place = wb_follow(fixture->cases, case_no, "CODE", after, (void *)case_no, &err);
    assert_non_null(place);
    return place;
}

/* Reads Hello and Subscribe: by case, without credit. */
static uint64_t begin(struct fixture *fixture, uint64_t cursor) {
    peer_greet(&fixture->peer, fixture->subscriber);
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, SUBSCRIBE);
    uint64_t number = message->subscribe->subscription;
    assert_true(message->subscribe->by_case);
    assert_int_equal(message->subscribe->credit, 0);
    if (cursor == WB_FROM_NOW)
        assert_true(message->subscribe->now);
    else
        assert_int_equal(message->subscribe->after_offset, cursor);
    peer_subscribed(&fixture->peer, number, cursor == WB_FROM_NOW ? 9 : cursor, 9);
    return number;
}

/* Reads one Follow and compares it with words: "-dropped … case@after[!] …". */
static void expect_follow(struct fixture *fixture, const char *words) {
    char text[2000] = "";
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, FOLLOW);
    const Waybill__V1__Follow *asked = message->follow;
    for (size_t i = 0; i < asked->n_dropped; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "-%s ", asked->dropped[i]);
    for (size_t i = 0; i < asked->n_places; i++) {
        assert_string_equal(asked->places[i]->code, "CODE");
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s@%lld%s ",
                 asked->places[i]->case_no, (long long)asked->places[i]->after_offset,
                 asked->places[i]->again ? "!" : "");
    }
    assert_string_equal(text, words);
}

static void expect_credit(struct fixture *fixture) {
    const client_message *message = peer_expect(&fixture->peer, fixture->subscriber, CREDIT);
    assert_int_equal(message->credit->events, fixture->peer.credit);
}

static void expect_told(struct fixture *fixture, const char *words) {
    int64_t deadline = monotonic_us() + 5000000;
    while (strlen(fixture->told) < strlen(words) && monotonic_us() < deadline) {
        wb_subscriber_process(fixture->subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    assert_string_equal(fixture->told, words);
    fixture->told[0] = '\0';
}

static void expect_silence(struct fixture *fixture) {
    for (int i = 0; i < 20; i++)
        assert_null(peer_read(&fixture->peer, fixture->subscriber, 2));
    assert_string_equal(fixture->told, "");
}

static void places_are_named_and_answered(void **state) {
    struct fixture *fixture = *state;
    follow(fixture, "A-1", 3); /* before there is a session */
    uint64_t number = begin(fixture, WB_FROM_NOW);
    expect_follow(fixture, "A-1@3 ");
    expect_credit(fixture);
    follow(fixture, "A-2", WB_FROM_NOW);
    follow(fixture, "A-3", 9);
    expect_follow(fixture, "A-2@-1 A-3@9 ");
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 4, 5);
    peer_followed(&fixture->peer, number);
    peer_deliver(&fixture->peer, number, 10, 10, 1, 10);
    peer_place(&fixture->peer, "A-2", WB_OUTCOME(BEHIND), 10, 1, 0);
    peer_place(&fixture->peer, "A-3", WB_OUTCOME(REFUSED), 10, 1, 0);
    peer_followed(&fixture->peer, number);
    expect_told(fixture, "A-1=1/9 +4 +5 r10 A-2=2/10 A-3=3/10 ");
    assert_int_equal(wb_subscription_cursor(fixture->cases), 10);
}

static void a_new_session_goes_on_where_the_old_one_was(void **state) {
    struct fixture *fixture = *state;
    uint64_t number = begin(fixture, WB_FROM_NOW);
    expect_credit(fixture); /* nothing has to be named before */
    follow(fixture, "A-1", 3);
    wb_place *refused = follow(fixture, "A-2", 3);
    expect_follow(fixture, "A-1@3 A-2@3 ");
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(BEHIND), 9, 1, 0);
    peer_place(&fixture->peer, "A-2", WB_OUTCOME(REFUSED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    peer_deliver(&fixture->peer, number, 12, 12, 1, 15);
    expect_told(fixture, "A-1=2/9 A-2=3/9 r12 ");
    follow(fixture, "A-3", 12);
    expect_follow(fixture, "A-3@12 "); /* not answered any more */
    wb_place *left = follow(fixture, "A-4", 12);
    expect_follow(fixture, "A-4@12 ");
    wb_unfollow(left);
    wb_unfollow(refused);
    expect_follow(fixture, "-A-2 ");
    peer_down(&fixture->peer);
    for (int i = 0; i < 5000 && wb_subscriber_up(fixture->subscriber); i++) {
        wb_subscriber_process(fixture->subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    peer_up(&fixture->peer);
    number = begin(fixture, 15);
    expect_follow(fixture, "A-1@15! A-3@12 ");
    expect_credit(fixture);
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 15, 1, 0);
    peer_place(&fixture->peer, "A-3", WB_OUTCOME(FOLLOWED), 15, 14, 14);
    peer_followed(&fixture->peer, number);
    peer_deliver(&fixture->peer, number, 16, 16, 1, 16);
    expect_told(fixture, "A-3=1/15 +14 r16 "); /* nothing happened to A-1 */
}

static void what_cannot_go_on_is_told(void **state) {
    struct fixture *fixture = *state;
    uint64_t number = begin(fixture, WB_FROM_NOW);
    expect_credit(fixture);
    follow(fixture, "A-1", 9);
    expect_follow(fixture, "A-1@9 ");
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    expect_told(fixture, "A-1=1/9 ");
    peer_refuse(&fixture->peer, WB_E_NO_SESSION, 0, 0); /* the broker was started anew */
    number = begin(fixture, 9);
    expect_follow(fixture, "A-1@9! ");
    expect_credit(fixture);
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(REFUSED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    expect_told(fixture, "A-1=3/9 ");
}

static void many_are_named_a_few_at_a_time(void **state) {
    struct fixture *fixture = *state;
    enum { MANY = 1500 };
    static char numbers[MANY][16];
    uint64_t number = begin(fixture, WB_FROM_NOW);
    for (int i = 0; i < MANY; i++) {
        snprintf(numbers[i], sizeof numbers[i], "N-%d", i);
        follow(fixture, numbers[i], 9);
    }
    size_t named = 0, answered = 0;
    while (answered < MANY) {
        const client_message *message = peer_read(&fixture->peer, fixture->subscriber, 20);
        if (message && message->body_case == FOLLOW) {
            assert_true(message->follow->n_places <= 256);
            for (size_t i = 0; i < message->follow->n_places; i++)
                assert_string_equal(message->follow->places[i]->case_no, numbers[named + i]);
            named += message->follow->n_places;
            assert_true(named - answered <= 1024);
        } else if (!message) { /* it waits for answers */
            for (size_t until = answered + 200; answered < named && answered < until; answered++)
                peer_place(&fixture->peer, numbers[answered], WB_OUTCOME(FOLLOWED), 9, 1, 0);
            peer_followed(&fixture->peer, number);
            fixture->told[0] = '\0';
        }
    }
    assert_int_equal(named, MANY);
}

static void a_case_is_dropped_with_its_last_place(void **state) {
    struct fixture *fixture = *state;
    uint64_t number = begin(fixture, WB_FROM_NOW);
    expect_credit(fixture);
    wb_place *first = follow(fixture, "A-1", 9);
    wb_place *second = follow(fixture, "A-1", 8);
    wb_place *unnamed = follow(fixture, "A-2", 9);
    wb_unfollow(unnamed);
    expect_follow(fixture, "A-1@9 A-1@8 ");
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    expect_told(fixture, "A-1=1/9 ");
    wb_unfollow(first); /* the other is named, and will follow it */
    wb_unfollow(second);
    expect_silence(fixture);
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 9, 9);
    peer_followed(&fixture->peer, number);
    expect_follow(fixture, "-A-1 ");
    first = follow(fixture, "A-1", 9);
    expect_follow(fixture, "A-1@9 ");
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    expect_told(fixture, "A-1=1/9 ");
    wb_unfollow(first);
    follow(fixture, "A-1", 9);
    expect_follow(fixture, "-A-1 A-1@9 "); /* in this order */
}

static void a_function_may_close_the_subscription(void **state) {
    struct fixture *fixture = *state;
    uint64_t number = begin(fixture, WB_FROM_NOW);
    expect_credit(fixture);
    follow(fixture, "A-1", 9);
    follow(fixture, "A-2", 9);
    expect_follow(fixture, "A-1@9 A-2@9 ");
    fixture->close = true;
    peer_place(&fixture->peer, "A-1", WB_OUTCOME(FOLLOWED), 9, 1, 0);
    peer_place(&fixture->peer, "A-2", WB_OUTCOME(FOLLOWED), 9, 1, 0);
    peer_followed(&fixture->peer, number);
    peer_expect(&fixture->peer, fixture->subscriber, WAYBILL__V1__CLIENT_MESSAGE__BODY_UNSUBSCRIBE);
    expect_told(fixture, "A-1=1/9 ");
}

static void an_answer_to_nothing_opens_anew(void **state) {
    struct fixture *fixture = *state;
    struct {
        const char *case_no;
        uint64_t through, first, last;
    } wrong[] = {{"A-2", 9, 1, 0}, {"A-1", 9, 8, 10}};
    uint64_t cursor = WB_FROM_NOW;
    follow(fixture, "A-1", 7);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint64_t number = begin(fixture, cursor);
        cursor = 9;
        expect_follow(fixture, "A-1@7 ");
        expect_credit(fixture);
        peer_place(&fixture->peer, wrong[i].case_no, WB_OUTCOME(FOLLOWED), wrong[i].through,
                   wrong[i].first, wrong[i].last);
        peer_followed(&fixture->peer, number);
    }
    peer_expect(&fixture->peer, fixture->subscriber, HELLO);
    assert_string_equal(fixture->told, "");
}

static void misuse_is_told(void **state) {
    struct fixture *fixture = *state;
    struct wb_error err;
    char giant[200];
    memset(giant, 'x', sizeof giant);
    giant[199] = '\0';
    assert_null(wb_follow(fixture->cases, "", "CODE", 0, NULL, &err));
    assert_null(wb_follow(fixture->cases, giant, "CODE", 0, NULL, &err));
    assert_null(wb_follow(fixture->cases, "A-1", giant, 0, NULL, &err));
    assert_int_equal(err.code, WB_E_USAGE);
    wb_unfollow(NULL);
    wb_subscription *log = wb_subscribe(fixture->subscriber, 0, NULL, NULL, NULL, &err);
    assert_null(wb_follow(log, "A-1", "CODE", 0, NULL, &err));
    assert_int_equal(err.code, WB_E_USAGE);
    wb_filter filter = WB_FILTER_INIT;
    const struct wb_subscribe_options options = {.answered = on_place};
    assert_null(
        wb_subscribe_with(fixture->subscriber, 0, &filter, &options, on_record, NULL, &err));
    assert_null(wb_subscribe_with(fixture->subscriber, 0, NULL, &options, NULL, NULL, &err));
    assert_int_equal(err.code, WB_E_USAGE);
    uint64_t number = begin(fixture, WB_FROM_NOW);
    peer_refuse(&fixture->peer, WB_E_CURSOR_EXPIRED, number, 0);
    for (int i = 0; i < 5000 && !wb_subscription_error(fixture->cases); i++) {
        wb_subscriber_process(fixture->subscriber, NULL);
        zmq_poll(NULL, 0, 1);
    }
    assert_null(wb_follow(fixture->cases, "A-1", "CODE", 0, NULL, &err));
    assert_int_equal(err.code, WB_E_CURSOR_EXPIRED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(places_are_named_and_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_session_goes_on_where_the_old_one_was, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_go_on_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_are_named_a_few_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_case_is_dropped_with_its_last_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_function_may_close_the_subscription, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_to_nothing_opens_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misuse_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
