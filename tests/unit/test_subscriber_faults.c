/* The subscriber library against a broker that does wrong at random: every event comes once, in
 * order, whatever happens. The script comes from a seed; FAULT_SEED=N runs that one alone. The
 * library's clock runs fifty times as fast as the wall's, so that its patience costs no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/timestamp.h"
#include "streams_peer.h"

#define SEEDS  20
#define EVENTS 1500 /* in the log at the end of a script */
#define HASTE  50

int64_t __real_monotonic_us(void);
int64_t __wrap_monotonic_us(void);

int64_t __wrap_monotonic_us(void) {
    return __real_monotonic_us() * HASTE;
}

struct broker {
    struct streams_peer peer;
    uint64_t random;
    uint64_t head;       /* of its log */
    bool open, ill;      /* a session is open; it says nothing at all */
    uint64_t number;     /* of the subscription; 0: none */
    uint64_t old_number; /* of the one before */
    uint64_t position;   /* looked at through here */
    uint64_t credit;
    int faults;
};

static uint64_t draw(struct broker *broker, uint64_t below) {
    broker->random ^= broker->random << 13;
    broker->random ^= broker->random >> 7;
    broker->random ^= broker->random << 17;
    return broker->random % below;
}

/* What the filter lets through: runs of five, with gaps of three. */
static bool matches(uint64_t offset) {
    return offset % 8 < 5;
}

static void lose_session(struct broker *broker) {
    broker->open = false;
    if (broker->number)
        broker->old_number = broker->number;
    broker->number = 0;
}

static void hear_subscribe(struct broker *broker, const Waybill__V1__Subscribe *subscribe) {
    if (!broker->open || draw(broker, 20) == 0) {
        lose_session(broker);
        peer_refuse(&broker->peer, WB_E_NO_SESSION, 0, 0);
        return;
    }
    uint64_t number = subscribe->subscription;
    if (draw(broker, 20) == 0) {
        peer_refuse(&broker->peer, WB_E_TOO_MANY, number, 0);
        return;
    }
    broker->number = number;
    broker->position = subscribe->after_offset;
    broker->credit = subscribe->credit;
    peer_subscribed(&broker->peer, number, broker->position, broker->head);
}

static void hear_hello(struct broker *broker, const Waybill__V1__Hello *hello) {
    uint64_t session = hello->session;
    lose_session(broker);
    broker->ill = false;
    switch (draw(broker, 8)) {
    case 0:
        peer_refuse(&broker->peer, WB_E_NOT_READY, 0, 0);
        return;
    case 1:
        return; /* it did not hear */
    case 2:
        peer_welcome(&broker->peer, session + 1);
        peer_refuse(&broker->peer, WB_E_NO_SESSION, 0, 0);
        break;
    default:
        break;
    }
    peer_welcome(&broker->peer, session);
    broker->open = true;
}

static void hear(struct broker *broker, const client_message *message) {
    if (broker->ill && message->body_case != WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO)
        return;
    switch (message->body_case) {
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_HELLO:
        hear_hello(broker, message->hello);
        break;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE:
        hear_subscribe(broker, message->subscribe);
        break;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_CREDIT:
        if (broker->number && message->credit->subscription == broker->number)
            broker->credit += message->credit->events;
        break;
    case WAYBILL__V1__CLIENT_MESSAGE__BODY_PING:
        if (!broker->open)
            peer_refuse(&broker->peer, WB_E_NO_SESSION, 0, 0);
        break; /* or its Pong is lost: silence is another fault that may happen */
    default:
        fail_msg("a message of kind %d", message->body_case);
    }
}

/* Records from the position on, as far as credit and chance allow. */
static void deliver(struct broker *broker) {
    if (!broker->number || broker->ill || broker->position >= broker->head)
        return;
    uint64_t first = broker->position + 1;
    while (first < broker->head && !matches(first))
        first++;
    uint64_t last = first - 1;
    uint64_t most = 1 + draw(broker, 5);
    if (!matches(first) || !broker->credit || draw(broker, 8) == 0) {
        broker->position = first - 1;
        peer_deliver(&broker->peer, broker->number, 1, 0, 1, broker->position);
        return;
    }
    while (most && broker->credit && last < broker->head && matches(last + 1))
        last++, most--, broker->credit--;
    uint64_t through = last;
    while (through < broker->head && !matches(through + 1) && draw(broker, 2))
        through++;
    broker->position = through;
    peer_deliver(&broker->peer, broker->number, first, last, 1, through);
}

static void do_wrong(struct broker *broker) {
    uint64_t position = broker->position;
    broker->faults++;
    switch (draw(broker, 8)) {
    case 0:
        peer_down(&broker->peer);
        peer_up(&broker->peer);
        lose_session(broker);
        break;
    case 1:
        lose_session(broker); /* as it will say when it is spoken to */
        break;
    case 2:
        lose_session(broker);
        peer_refuse(&broker->peer, WB_E_SHUTTING_DOWN, 0, 0);
        break;
    case 3:
        broker->ill = true;
        break;
    case 4:
        if (broker->number && broker->old_number) /* late, of one that is no more */
            peer_deliver(&broker->peer, broker->old_number, position + 1, position + 3, 1,
                         position + 3);
        break;
    case 5:
        if (broker->number && position) /* once more what was there */
            peer_deliver(&broker->peer, broker->number, position, position, 1, position + 1);
        break;
    case 6:
        if (broker->number) /* far more than was asked for */
            peer_deliver(&broker->peer, broker->number, position + 1, position + 40, 1,
                         position + 40);
        break;
    default:
        peer_send(&broker->peer, "\x8a\x01\x7f garbage", 11);
        break;
    }
}

static void read_some(wb_subscription *subscription, uint64_t *last, uint64_t most) {
    const wb_record *record;
    struct wb_error err;
    int got = 0;
    while (most-- && (got = wb_subscription_next(subscription, 0, &record, &err)) == 1) {
        uint64_t expected = *last + 1;
        while (!matches(expected))
            expected++;
        assert_int_equal(record->offset, expected);
        *last = record->offset;
        assert_true(wb_subscription_cursor(subscription) >= *last);
    }
    assert_true(got >= 0);
}

static void play(uint64_t seed) {
    struct broker broker = {.random = seed * 0x9e3779b97f4a7c15u, .head = 20};
    struct wb_error err;
    peer_start(&broker.peer);
    broker.peer.credit = 1 + (uint32_t)draw(&broker, 30);
    wb_subscriber *subscriber = wb_subscriber_open(broker.peer.endpoint, NULL, &err);
    assert_non_null(subscriber);
    wb_subscription *subscription = wb_subscribe(subscriber, 0, NULL, NULL, NULL, &err);
    assert_non_null(subscription);

    uint64_t last = 0, end = EVENTS;
    while (!matches(end))
        end--;
    int64_t deadline = __real_monotonic_us() + 60000000;
    while (last < end) {
        if (__real_monotonic_us() > deadline)
            fail_msg("seed %d: at %d of %d after a minute", (int)seed, (int)last, (int)end);
        const client_message *message;
        while ((message = peer_read(&broker.peer, subscriber, 0)))
            hear(&broker, message);
        if (broker.head < EVENTS)
            broker.head += draw(&broker, 4);
        deliver(&broker);
        if (broker.faults < 12 && draw(&broker, 60) == 0)
            do_wrong(&broker);
        read_some(subscription, &last, draw(&broker, 12));
        zmq_poll(NULL, 0, broker.number && !broker.ill ? 0 : 1);
    }
    assert_int_equal(last, end);
    wb_subscriber_close(subscriber);
    peer_stop(&broker.peer);
}

static void test_once_and_in_order(void **state) {
    (void)state;
    const char *one = getenv("FAULT_SEED");
    if (one) {
        play(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        play(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once_and_in_order)};
    return cmocka_run_group_tests_name("subscriber_faults", tests, NULL, NULL);
}
