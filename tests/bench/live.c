/* bench-live: some SUB sockets on a live feed, or on a bare XPUB of its own: the ceiling. Each has
 * a thread of its own, all share one context. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "proto/wire.h"
#include "tests/support/setting.h"

#define SUBSCRIBERS_MAX 64
#define LOOK_MS         100 /* how soon a subscriber sees that all is over */
#define OPEN_US         INT64_C(30000000)
#define QUIET_US        INT64_C(300000)  /* without a message: what made sure of it is through */
#define LOST_US         INT64_C(3000000) /* without a message: the rest was lost */
#define RECORDS         3                /* the field of LiveBatch */

struct live {
    const char *endpoint, *topic;
    uint64_t subscribers, events, bare_bytes;
    void *context;
    atomic_bool over;
};

struct subscriber {
    struct live *live;
    pthread_t thread;
    _Atomic uint64_t records, messages;
    uint64_t before;
};

static const struct setting settings[] = {
    {"live", 'l', "ENDPOINT", "the broker's live endpoint", SETTING_TEXT,
     .at = offsetof(struct live, endpoint)},
    {"topic", 't', "TEXT", "what to subscribe to, case/ or log and a line feed (log)", SETTING_TEXT,
     .at = offsetof(struct live, topic)},
    {"subscribers", 's', "N", "how many (10)", SETTING_NUMBER,
     .at = offsetof(struct live, subscribers), .least = 1, .most = SUBSCRIBERS_MAX},
    {"events", 'n', "N", "how many each is to get (1000000)", SETTING_NUMBER,
     .at = offsetof(struct live, events), .least = 1},
    {"bare", 'b', "BYTES", "publish messages of that size here, without a broker", SETTING_NUMBER,
     .at = offsetof(struct live, bare_bytes), .least = 1, .most = 65536},
    {0},
};

/* A message is a record, or under the topic log a batch of them. */
static uint64_t records_in(const struct live *live, zmq_msg_t *body) {
    if (live->bare_bytes || strncmp(live->topic, "log", 3) != 0)
        return 1;
    const uint8_t *data = zmq_msg_data(body);
    struct wire wire = {data, data + zmq_msg_size(body)};
    struct wire_field field;
    uint64_t records = 0;
    while (wire_next(&wire, &field) == 1)
        records += field.number == RECORDS;
    return records;
}

static void receive(struct subscriber *subscriber, void *socket) {
    zmq_msg_t part;
    zmq_msg_init(&part);
    while (!subscriber->live->over) {
        if (zmq_msg_recv(&part, socket, 0) < 0)
            continue;
        if (zmq_msg_more(&part))
            continue;
        subscriber->records += records_in(subscriber->live, &part);
        subscriber->messages++;
    }
    zmq_msg_close(&part);
}

static void *run(void *arg) {
    static const int unbounded = 0, look_ms = LOOK_MS;
    struct subscriber *subscriber = arg;
    const struct live *live = subscriber->live;
    void *socket = zmq_socket(live->context, ZMQ_SUB);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &unbounded, sizeof unbounded);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &look_ms, sizeof look_ms);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, live->topic, strlen(live->topic));
    if (zmq_connect(socket, live->endpoint))
        fprintf(stderr, "bench-live: %s: %s\n", live->endpoint, zmq_strerror(zmq_errno()));
    else
        receive(subscriber, socket);
    zmq_close(socket);
    return NULL;
}

static uint64_t records_of_all(struct subscriber *all, const struct live *live, uint64_t *least) {
    uint64_t sum = 0;
    *least = UINT64_MAX;
    for (size_t i = 0; i < live->subscribers; i++) {
        uint64_t records = all[i].records - all[i].before;
        sum += records;
        *least = records < *least ? records : *least;
    }
    return sum;
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Until each has got something, and no more comes. */
static int wait_open(struct subscriber *all, struct live *live, struct wb_error *err) {
    uint64_t least, sum = 0;
    int64_t now_us = monotonic_us(), end_us = now_us + OPEN_US, quiet_us = now_us;
    do {
        uint64_t before = sum;
        nap();
        now_us = monotonic_us();
        sum = records_of_all(all, live, &least);
        if (sum != before)
            quiet_us = now_us;
        if (now_us > end_us)
            return problem(err, WB_E_TIMEOUT, "not every subscriber got a message");
    } while (least == 0 || now_us - quiet_us < QUIET_US);
    for (size_t i = 0; i < live->subscribers; i++) {
        all[i].before = all[i].records;
        all[i].messages = 0;
    }
    return 0;
}

/* Microseconds from the first message to the last. */
static int64_t measure(struct subscriber *all, const struct live *live) {
    uint64_t least, sum = 0, wanted = live->events * live->subscribers;
    int64_t began_us = 0, last_us = monotonic_us();
    while (sum < wanted && monotonic_us() - last_us < (began_us ? LOST_US : OPEN_US)) {
        uint64_t before = sum;
        nap();
        sum = records_of_all(all, live, &least);
        if (sum == before)
            continue;
        last_us = monotonic_us();
        began_us = began_us ? began_us : last_us - 1000;
    }
    return began_us ? last_us - began_us : 0;
}

/* A bare XPUB in a context of its own, as a broker would have it. */
static void *publish(void *arg) {
    static const int unbounded = 0, every_one = 1;
    const struct live *live = arg;
    uint8_t message[65536], subscription[64];
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_XPUB);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &unbounded, sizeof unbounded);
    zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &every_one, sizeof every_one);
    memset(message, 'x', sizeof message);
    memcpy(message, live->topic, strlen(live->topic));
    if (zmq_bind(socket, live->endpoint))
        fprintf(stderr, "bench-live: %s: %s\n", live->endpoint, zmq_strerror(zmq_errno()));
    for (uint64_t i = 0; i < live->subscribers; i++)
        zmq_recv(socket, subscription, sizeof subscription, 0);
    zmq_send(socket, message, live->bare_bytes, 0);
    nanosleep(&(struct timespec){.tv_nsec = 3 * QUIET_US * 1000}, NULL);
    for (uint64_t i = 0; i < live->events; i++)
        zmq_send(socket, message, live->bare_bytes, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
    return NULL;
}

static void print(struct subscriber *all, const struct live *live, int64_t took_us) {
    uint64_t least, messages = 0, sum = records_of_all(all, live, &least);
    for (size_t i = 0; i < live->subscribers; i++)
        messages += all[i].messages;
    printf("{\"subscribers\": %" PRIu64 ", \"deliveries\": %" PRIu64 ", \"messages\": %" PRIu64
           ", \"lost\": %" PRIu64 ", \"seconds\": %.6f}\n",
           live->subscribers, sum, messages, live->events * live->subscribers - sum,
           (double)took_us / 1e6);
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Subscribes, prints {\"open\": true} once every subscriber has got a message and no more "
        "comes, then counts and prints what they got, and in what time from the first message to "
        "the last, as one JSON object. The feed may lose messages; that they were lost is no "
        "failure.";
    static struct subscriber all[SUBSCRIBERS_MAX];
    static pthread_t publisher;
    struct live live = {
        .endpoint = "tcp://127.0.0.1:7412", .topic = "log\n", .subscribers = 10, .events = 1000000};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &live);
    live.context = zmq_ctx_new();
    for (size_t i = 0; i < live.subscribers; i++) {
        all[i].live = &live;
        pthread_create(&all[i].thread, NULL, run, &all[i]);
    }
    if (live.bare_bytes)
        pthread_create(&publisher, NULL, publish, &live);
    int failed = wait_open(all, &live, &err);
    if (failed) {
        fprintf(stderr, "bench-live: %s: %s\n", err.message, err.detail);
    } else {
        printf("{\"open\": true}\n");
        fflush(stdout);
        print(all, &live, measure(all, &live));
    }
    live.over = true;
    for (size_t i = 0; i < live.subscribers; i++)
        pthread_join(all[i].thread, NULL);
    if (live.bare_bytes && !failed)
        pthread_join(publisher, NULL);
    if (!failed)
        zmq_ctx_term(live.context);
    return failed != 0;
}
