#include "common/zsock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include <cmocka.h>

#define FLOOD    100000
#define QUOTA    3
#define PATIENCE 60000 /* ms until a test that hangs is given up */

/* A ROUTER that sends everything back and a DEALER, both on one loop. */
static struct pair {
    void *context;
    uv_loop_t loop;
    uv_timer_t watchdog, timer;
    struct zsock *router, *dealer;
    uint32_t sent, echoed, received; /* by the dealer, by the router, by the dealer */
    uint32_t goal;                   /* messages until the loop stops */
    zmq_msg_t held[2];               /* what the router could not send back yet */
    bool holding, resumed, hung;
    unsigned turns;
} pair;

static const int narrow[] = {ZMQ_SNDHWM,           10, ZMQ_RCVHWM, 10, ZMQ_LINGER, 0,
                             ZMQ_ROUTER_MANDATORY, 1,  -1};

static void on_patience(uv_timer_t *timer) {
    (void)timer;
    pair.hung = true;
    uv_stop(&pair.loop);
}

static void echo(void) {
    for (; pair.holding; pair.holding = false, pair.echoed++) {
        for (int part = 0; part < 2; part++) {
            int flags = ZMQ_DONTWAIT | (part ? 0 : ZMQ_SNDMORE);
            if (zmq_msg_send(&pair.held[part], zsock_socket(pair.router), flags) >= 0)
                continue;
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(part, 0);
            zsock_read(pair.router, false);
            zsock_want_write(pair.router, true);
            return;
        }
    }
    zsock_read(pair.router, true);
    zsock_want_write(pair.router, false);
}

static void router_writable(void *arg) {
    (void)arg;
    echo();
}

static void router_readable(void *arg) {
    (void)arg;
    for (int i = 0; i < QUOTA && !pair.holding; i++) {
        if (zmq_msg_recv(&pair.held[0], zsock_socket(pair.router), ZMQ_DONTWAIT) < 0)
            return;
        assert_true(zmq_msg_recv(&pair.held[1], zsock_socket(pair.router), ZMQ_DONTWAIT) >= 0);
        pair.holding = true;
        echo();
    }
}

static void dealer_writable(void *arg) {
    (void)arg;
    while (pair.sent < pair.goal &&
           zmq_send(zsock_socket(pair.dealer), &pair.sent, sizeof pair.sent, ZMQ_DONTWAIT) >= 0)
        pair.sent++;
    zsock_want_write(pair.dealer, pair.sent < pair.goal);
}

static void dealer_readable(void *arg) {
    (void)arg;
    uint32_t number;
    for (int i = 0; i < QUOTA; i++) {
        int bytes = zmq_recv(zsock_socket(pair.dealer), &number, sizeof number, ZMQ_DONTWAIT);
        if (bytes < 0)
            return;
        assert_int_equal(bytes, sizeof number);
        assert_int_equal(number, pair.received);
        if (++pair.received == pair.goal)
            uv_stop(&pair.loop);
    }
}

static int set_up(void **state) {
    (void)state;
    memset(&pair, 0, sizeof pair);
    struct wb_error err;
    pair.context = zmq_ctx_new();
    uv_loop_init(&pair.loop);
    uv_timer_init(&pair.loop, &pair.watchdog);
    uv_timer_init(&pair.loop, &pair.timer);
    uv_timer_start(&pair.watchdog, on_patience, PATIENCE, 0);
    void *router = zsock_bind(pair.context, ZMQ_ROUTER, "tcp://127.0.0.1:0", narrow, &err);
    assert_non_null(router);
    char endpoint[64];
    assert_int_equal(zsock_endpoint(router, endpoint, sizeof endpoint), 0);
    void *dealer = zsock_connect(pair.context, ZMQ_DEALER, endpoint,
                                 (int[]){ZMQ_SNDHWM, 10, ZMQ_RCVHWM, 10, ZMQ_LINGER, 0, -1}, &err);
    assert_non_null(dealer);
    pair.router = zsock_new(&pair.loop, router, router_readable, router_writable, &pair, &err);
    pair.dealer = zsock_new(&pair.loop, dealer, dealer_readable, dealer_writable, &pair, &err);
    assert_non_null(pair.router);
    assert_non_null(pair.dealer);
    for (int i = 0; i < 2; i++)
        zmq_msg_init(&pair.held[i]);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    zsock_close(pair.router);
    zsock_close(pair.dealer);
    uv_close((uv_handle_t *)&pair.watchdog, NULL);
    uv_close((uv_handle_t *)&pair.timer, NULL);
    uv_run(&pair.loop, UV_RUN_DEFAULT); /* returns when every handle let go */
    assert_int_equal(uv_loop_close(&pair.loop), 0);
    for (int i = 0; i < 2; i++)
        zmq_msg_close(&pair.held[i]);
    zmq_ctx_term(pair.context);
    return 0;
}

static void run(void) {
    uv_run(&pair.loop, UV_RUN_DEFAULT);
    assert_false(pair.hung);
}

static void floods_both_ways_without_loss(void **state) {
    (void)state;
    pair.goal = FLOOD;
    zsock_want_write(pair.dealer, true);
    run();
    assert_int_equal(pair.sent, FLOOD);
    assert_int_equal(pair.echoed, FLOOD);
    assert_int_equal(pair.received, FLOOD);
}

static void ping(void) {
    assert_int_equal(zmq_send(zsock_socket(pair.dealer), &pair.sent, sizeof pair.sent, 0),
                     sizeof pair.sent);
    pair.sent++;
}

/* Takes the edge off the router's descriptor after the check handle looked. */
static void take_edge(uv_timer_t *timer) {
    (void)timer;
    ping();
    int events = 0;
    while (!(events & ZMQ_POLLIN)) {
        size_t size = sizeof events;
        assert_int_equal(zmq_getsockopt(zsock_socket(pair.router), ZMQ_EVENTS, &events, &size), 0);
    }
}

static void finds_a_message_whose_edge_a_timer_took(void **state) {
    (void)state;
    for (pair.goal = 1; pair.goal <= 20; pair.goal++) {
        uv_timer_start(&pair.timer, take_edge, 1, 0);
        run();
    }
    assert_int_equal(pair.received, 20);
}

static void read_again(uv_timer_t *timer) {
    (void)timer;
    assert_int_equal(pair.echoed, 0);
    pair.resumed = true;
    zsock_read(pair.router, true);
}

static void leaves_messages_while_reading_is_off(void **state) {
    (void)state;
    zsock_read(pair.router, false);
    pair.goal = 5;
    for (int i = 0; i < 5; i++)
        ping();
    uv_timer_start(&pair.timer, read_again, 30, 0);
    run();
    assert_true(pair.resumed);
    assert_int_equal(pair.echoed, 5);
}

static void count_turn(uv_check_t *check) {
    (void)check;
    pair.turns++;
}

static void stop(uv_timer_t *timer) {
    (void)timer;
    uv_stop(&pair.loop);
}

static void sleeps_while_nothing_is_due(void **state) {
    (void)state;
    pair.goal = 1;
    ping();
    run(); /* now they are connected */
    zsock_read(pair.router, false);
    ping();
    uv_check_t check;
    uv_check_init(&pair.loop, &check);
    uv_check_start(&check, count_turn);
    uv_timer_start(&pair.timer, stop, 100, 0);
    run();
    assert_in_range(pair.turns, 1, 50);
    uv_close((uv_handle_t *)&check, NULL);
    uv_run(&pair.loop, UV_RUN_NOWAIT);
}

static void stop_writable(void *arg) {
    *(bool *)arg = true;
    uv_stop(&pair.loop);
}

static void tells_when_sending_became_possible(void **state) {
    (void)state;
    struct wb_error err;
    bool can_write = false;
    const int options[] = {ZMQ_LINGER, 0, -1};
    void *push = zsock_bind(pair.context, ZMQ_PUSH, "tcp://[::1]:0", options, &err);
    assert_non_null(push);
    assert_int_equal(zmq_send(push, "", 0, ZMQ_DONTWAIT), -1); /* nobody is there */
    struct zsock *zsock =
        zsock_new(&pair.loop, push, stop_writable, stop_writable, &can_write, &err);
    zsock_want_write(zsock, true);
    uv_run(&pair.loop, UV_RUN_NOWAIT);
    assert_false(can_write);
    char endpoint[64];
    assert_int_equal(zsock_endpoint(push, endpoint, sizeof endpoint), 0);
    void *pull = zsock_connect(pair.context, ZMQ_PULL, endpoint, options, &err);
    run();
    assert_true(can_write);
    zsock_close(zsock);
    zmq_close(pull);
}

static void applies_options(void **state) {
    (void)state;
    struct wb_error err;
    const int options[] = {ZMQ_MAXMSGSIZE, 1 << 20, ZMQ_LINGER, 7, -1};
    void *socket = zsock_bind(pair.context, ZMQ_ROUTER, "tcp://localhost:0", options, &err);
    assert_non_null(socket);
    int64_t bytes = 0;
    int linger = 0, ipv6 = 0;
    size_t size = sizeof bytes;
    assert_int_equal(zmq_getsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, &size), 0);
    size = sizeof linger;
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LINGER, &linger, &size), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_IPV6, &ipv6, &size), 0);
    assert_int_equal(bytes, 1 << 20);
    assert_int_equal(linger, 7);
    assert_int_equal(ipv6, 1);
    zmq_close(socket);
}

static void names_an_endpoint_that_cannot_be_bound(void **state) {
    (void)state;
    struct wb_error err;
    char taken[64];
    assert_int_equal(zsock_endpoint(zsock_socket(pair.router), taken, sizeof taken), 0);
    const struct {
        const char *endpoint;
        int code;
    } cases[] = {{taken, WB_E_SYSTEM},
                 {"tcp://127.0.0.1", WB_E_USAGE},
                 {"tcp://127.0.0.1:70000", WB_E_USAGE},
                 {"http://127.0.0.1:7411", WB_E_USAGE},
                 {"tcp://192.0.2.1:7411", WB_E_SYSTEM},
                 {"", WB_E_USAGE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&err, 0, sizeof err);
        assert_null(zsock_bind(pair.context, ZMQ_ROUTER, cases[i].endpoint, NULL, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.detail, cases[i].endpoint));
        assert_true(err.hint[0]);
    }
}

static void knows_loopback(void **state) {
    (void)state;
    static const char *const loopback[] = {
        "tcp://127.0.0.1:7411", "tcp://127.255.0.9:0", "tcp://127.0.0.1:*",
        "tcp://[::1]:7411",     "tcp://::1:7411",      "tcp://[::ffff:127.0.0.1]:7411",
        "tcp://localhost:7411", "ipc:///run/waybill",  "inproc://x"};
    static const char *const other[] = {"tcp://*:7411",
                                        "tcp://0.0.0.0:7411",
                                        "tcp://[::]:7411",
                                        "tcp://[::ffff:10.0.0.1]:7411",
                                        "tcp://10.127.0.1:7411",
                                        "tcp://127.0.0.1.example.org:7411",
                                        "tcp://localhost.example.org:7411",
                                        "tcp://eth0:7411",
                                        "tcp://127.0.0.1",
                                        "tcp://",
                                        "tcp://:7411",
                                        "tcp://[]:1",
                                        "tcp://127.0.0.1;192.0.2.1:7411",
                                        "udp://127.0.0.1:7411",
                                        "127.0.0.1:7411",
                                        ""};
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        assert_true(zsock_is_loopback(loopback[i]));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(zsock_is_loopback(other[i]));
}

#define ON_LOOP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_LOOP(floods_both_ways_without_loss),
        ON_LOOP(finds_a_message_whose_edge_a_timer_took),
        ON_LOOP(leaves_messages_while_reading_is_off),
        ON_LOOP(sleeps_while_nothing_is_due),
        ON_LOOP(tells_when_sending_became_possible),
        ON_LOOP(applies_options),
        ON_LOOP(names_an_endpoint_that_cannot_be_bound),
        cmocka_unit_test(knows_loopback),
    };
    return cmocka_run_group_tests_name("zsock", tests, NULL, NULL);
}
