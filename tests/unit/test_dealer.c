/* A dealer before brokers that a test plays: bare ROUTER sockets, and ports where nobody answers.
 */
#include "common/dealer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/timestamp.h"

#define LONG_MS 20000

struct broker {
    void *router;
    char endpoint[64];
};

static void *context;

static void begin(struct broker *broker) {
    size_t size = sizeof broker->endpoint;
    broker->router = zmq_socket(context, ZMQ_ROUTER);
    zmq_setsockopt(broker->router, ZMQ_LINGER, &(int){0}, sizeof(int));
    assert_int_equal(zmq_bind(broker->router, "tcp://127.0.0.1:*"), 0);
    zmq_getsockopt(broker->router, ZMQ_LAST_ENDPOINT, broker->endpoint, &size);
}

/* From now on nobody listens there. */
static void end(struct broker *broker) {
    zmq_close(broker->router);
    broker->router = NULL;
}

/* The next message, which is answered; "" if none comes. */
static const char *hear(struct broker *broker, int timeout_ms) {
    static char text[64];
    uint8_t peer[64];
    zmq_pollitem_t item = {.socket = broker->router, .events = ZMQ_POLLIN};
    memset(text, 0, sizeof text);
    if (zmq_poll(&item, 1, timeout_ms) <= 0)
        return text;
    int peer_bytes = zmq_recv(broker->router, peer, sizeof peer, 0);
    zmq_recv(broker->router, text, sizeof text - 1, 0);
    zmq_send(broker->router, peer, (size_t)peer_bytes, ZMQ_SNDMORE);
    zmq_send(broker->router, "heard", 5, 0);
    return text;
}

static struct dealer *open_list(const struct broker *first, const struct broker *second) {
    char list[160];
    snprintf(list, sizeof list, "%s%s%s", first->endpoint, second ? "," : "",
             second ? second->endpoint : "");
    const struct dealer_options options = {
        .endpoints = list, .send_messages = 10, .receive_messages = 10};
    struct dealer *dealer = dealer_open(&options, NULL);
    assert_non_null(dealer);
    return dealer;
}

/* The next change; DEALER_SAME if none comes. */
static enum dealer_change change(struct dealer *dealer, int timeout_ms) {
    int64_t until_us = monotonic_us() + timeout_ms * INT64_C(1000), now_us;
    while ((now_us = monotonic_us()) < until_us) {
        enum dealer_change got = dealer_change(dealer, now_us);
        if (got != DEALER_SAME)
            return got;
        dealer_wait(dealer, (int)((until_us - now_us) / 1000) + 1, false);
    }
    return DEALER_SAME;
}

static void expect_up(struct dealer *dealer, const struct broker *broker) {
    assert_int_equal(change(dealer, LONG_MS), DEALER_UP);
    assert_string_equal(dealer_endpoint(dealer), broker->endpoint);
}

static void test_the_first_that_answers(void **state) {
    (void)state;
    struct broker away, there;
    begin(&away);
    begin(&there);
    end(&away);
    struct dealer *dealer = open_list(&away, &there);
    expect_up(dealer, &there);
    assert_int_equal(change(dealer, 300), DEALER_SAME); /* and it stays there */
    dealer_close(dealer, 0);
    end(&there);
}

static void test_goes_on_and_comes_round(void **state) {
    (void)state;
    struct broker a, b;
    begin(&a);
    begin(&b);
    struct dealer *dealer = open_list(&a, &b);
    expect_up(dealer, &a);
    dealer_works(dealer, monotonic_us());
    assert_true(dealer_leave(dealer, monotonic_us(), false));
    assert_false(dealer_leave(dealer, monotonic_us(), false)); /* not there yet */
    expect_up(dealer, &b);
    int64_t left_us = monotonic_us();
    for (int round = 0; round < 8; round++) {
        assert_true(dealer_leave(dealer, monotonic_us(), false));
        expect_up(dealer, round % 2 ? &b : &a);
    }
    int64_t took_us = monotonic_us() - left_us;
    assert_true(took_us > 500000);  /* four rounds that rest in between, … */
    assert_true(took_us < 8000000); /* … never for more than a second */
    dealer_close(dealer, 0);
    end(&a);
    end(&b);
}

static void test_nothing_leaks_into_the_next(void **state) {
    (void)state;
    struct broker a, b;
    begin(&a);
    begin(&b);
    struct dealer *dealer = open_list(&a, &b);
    expect_up(dealer, &a);
    dealer_works(dealer, monotonic_us());
    assert_true(dealer_send(dealer, "for a", 5));
    assert_string_equal(hear(&a, LONG_MS), "for a"); /* whose answer is not read */
    assert_true(dealer_leave(dealer, monotonic_us(), true));
    assert_false(dealer_send(dealer, "for nobody", 10));
    expect_up(dealer, &b);
    assert_string_equal(hear(&b, 200), "");
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_false(dealer_receive(dealer, &frame));
    assert_true(dealer_send(dealer, "for b", 5));
    assert_string_equal(hear(&b, LONG_MS), "for b");
    assert_string_equal(hear(&a, 100), "");
    zmq_msg_close(&frame);
    dealer_close(dealer, 0);
    end(&a);
    end(&b);
}

static void test_a_loss_is_told_behind_the_last_message(void **state) {
    (void)state;
    struct broker a;
    begin(&a);
    struct dealer *dealer = open_list(&a, NULL);
    expect_up(dealer, &a);
    assert_false(dealer_leave(dealer, monotonic_us(), false)); /* there is no other */
    assert_true(dealer_send(dealer, "hello", 5));
    assert_string_equal(hear(&a, LONG_MS), "hello");
    while (!dealer_ready(dealer))
        dealer_wait(dealer, LONG_MS, false);
    end(&a);
    assert_int_equal(change(dealer, 500), DEALER_SAME);
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    assert_true(dealer_receive(dealer, &frame));
    assert_int_equal(zmq_msg_size(&frame), 5);
    zmq_msg_close(&frame);
    assert_int_equal(change(dealer, LONG_MS), DEALER_DOWN);
    assert_non_null(strstr(dealer_words(dealer), a.endpoint));
    dealer_close(dealer, 0);
}

static void test_a_silent_one_is_left(void **state) {
    (void)state;
    struct broker a, b;
    begin(&b);
    void *mute = zmq_socket(context, ZMQ_STREAM); /* takes connections, and says nothing */
    zmq_setsockopt(mute, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(mute, ZMQ_STREAM_NOTIFY, &(int){0}, sizeof(int));
    size_t size = sizeof a.endpoint;
    assert_int_equal(zmq_bind(mute, "tcp://127.0.0.1:*"), 0);
    zmq_getsockopt(mute, ZMQ_LAST_ENDPOINT, a.endpoint, &size);
    int64_t begun_us = monotonic_us();
    struct dealer *dealer = open_list(&a, &b);
    expect_up(dealer, &b);
    assert_true(monotonic_us() - begun_us < 10000000);
    dealer_close(dealer, 0);
    zmq_close(mute);
    end(&b);
}

static void test_what_is_said_once(void **state) {
    (void)state;
    struct broker a;
    begin(&a);
    struct dealer *dealer = open_list(&a, NULL);
    assert_true(dealer_news(dealer, "not ready"));
    assert_false(dealer_news(dealer, "not ready"));
    assert_true(dealer_news(dealer, "no room"));
    expect_up(dealer, &a);
    dealer_works(dealer, monotonic_us());
    assert_true(dealer_news(dealer, "no room"));
    dealer_close(dealer, 0);
    end(&a);
}

static void test_rests(void **state) {
    (void)state;
    struct broker a;
    begin(&a);
    struct dealer *dealer = open_list(&a, NULL);
    expect_up(dealer, &a);
    dealer_rest(dealer);
    assert_false(dealer_is_up(dealer));
    assert_true(dealer_due_us(dealer) == INT64_MAX);
    assert_int_equal(change(dealer, 300), DEALER_SAME);
    assert_false(dealer_wait(dealer, 0, true));
    dealer_close(dealer, 0);
    end(&a);
}

static void test_what_cannot_be_opened(void **state) {
    (void)state;
    struct wb_error err;
    struct dealer_options options = {.endpoints = "tcp://127.0.0.1:1,elsewhere"};
    assert_null(dealer_open(&options, &err));
    assert_non_null(strstr(err.detail, "'elsewhere'"));
    options = (struct dealer_options){
        .endpoints = "tcp://127.0.0.1:1",
        .keys = {.server_key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", .key_file = "/none"}};
    assert_null(dealer_open(&options, &err));
    assert_int_equal(err.code, WB_E_KEY_FILE);
    options.keys.key_file = "";
    assert_null(dealer_open(&options, &err));
    assert_int_equal(err.code, WB_E_USAGE);
}

static int open_context(void **state) {
    (void)state;
    context = zmq_ctx_new();
    return context ? 0 : -1;
}

static int close_context(void **state) {
    (void)state;
    return zmq_ctx_term(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_that_answers),
        cmocka_unit_test(test_goes_on_and_comes_round),
        cmocka_unit_test(test_nothing_leaks_into_the_next),
        cmocka_unit_test(test_a_loss_is_told_behind_the_last_message),
        cmocka_unit_test(test_a_silent_one_is_left),
        cmocka_unit_test(test_what_is_said_once),
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
