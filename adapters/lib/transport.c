#include "transport.h"

#include "common/buffer.h"
#include "proto/bounds.h"
#include "proto/problem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct transport {
    void *dealer, *monitor;
    zmq_msg_t frame; /* the message received last */
    bool blocked;    /* the last send was not taken */
};

/* One context, and with it one I/O thread, for all publishers of a process. */
static struct {
    pthread_mutex_t lock;
    void *zmq;
    size_t users;
} context = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *context_hold(void) {
    pthread_mutex_lock(&context.lock);
    if (!context.zmq)
        context.zmq = zmq_ctx_new();
    if (context.zmq)
        context.users++;
    void *zmq = context.zmq;
    pthread_mutex_unlock(&context.lock);
    return zmq;
}

static void context_release(void) {
    pthread_mutex_lock(&context.lock);
    void *last = NULL;
    if (--context.users == 0) {
        last = context.zmq;
        context.zmq = NULL;
    }
    pthread_mutex_unlock(&context.lock);
    if (last)
        zmq_ctx_term(last);
}

static const struct {
    int option, value;
} options[] = {
    {ZMQ_IPV6, 1},
    {ZMQ_LINGER, 0},
    {ZMQ_SNDHWM, 64}, /* few batches are under way at a time */
    {ZMQ_RCVHWM, 256},
    {ZMQ_HANDSHAKE_IVL, 10000},
    {ZMQ_HEARTBEAT_IVL, 5000},
    {ZMQ_HEARTBEAT_TIMEOUT, 15000},
    {ZMQ_RECONNECT_IVL, 100},
    {ZMQ_RECONNECT_IVL_MAX, 2000},
};

static int dealer_connect(struct transport *transport, const char *endpoint, struct wb_error *err) {
    void *dealer = transport->dealer;
    int64_t largest = LIMIT_MESSAGE_BYTES;
    zmq_setsockopt(dealer, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        zmq_setsockopt(dealer, options[i].option, &options[i].value, sizeof options[i].value);

    char address[64];
    snprintf(address, sizeof address, "inproc://waybill-publisher-%p", (void *)transport);
    if (zmq_socket_monitor(dealer, address, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED))
        return problem(err, WB_E_SYSTEM, "zmq_socket_monitor: %s", zmq_strerror(errno));
    if (zmq_connect(transport->monitor, address))
        return problem(err, WB_E_SYSTEM, "connecting the monitor: %s", zmq_strerror(errno));
    if (strncmp(endpoint, "tcp://", 6) != 0 || zmq_connect(dealer, endpoint)) {
        problem(err, WB_E_USAGE, "endpoint '%s'", endpoint);
        return problem_hint(err, "write it like tcp://127.0.0.1:7411");
    }
    return 0;
}

struct transport *transport_open(const char *endpoint, struct wb_error *err) {
    struct transport *transport = calloc(1, sizeof *transport);
    void *zmq = transport ? context_hold() : NULL;
    if (!zmq) {
        problem(err, WB_E_SYSTEM, "no memory for a connection to %s", endpoint);
        free(transport);
        return NULL;
    }
    zmq_msg_init(&transport->frame);
    transport->dealer = zmq_socket(zmq, ZMQ_DEALER);
    transport->monitor = zmq_socket(zmq, ZMQ_PAIR);
    int failed = -1;
    if (!transport->dealer || !transport->monitor)
        problem(err, WB_E_SYSTEM, "zmq_socket: %s", zmq_strerror(errno));
    else
        failed = dealer_connect(transport, endpoint, err);
    if (!failed)
        return transport;
    transport_close(transport, 0);
    return NULL;
}

void transport_close(struct transport *transport, int linger_ms) {
    if (!transport)
        return;
    zmq_msg_close(&transport->frame);
    if (transport->dealer) {
        zmq_setsockopt(transport->dealer, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_socket_monitor(transport->dealer, NULL, 0);
        zmq_close(transport->dealer);
    }
    if (transport->monitor)
        zmq_close(transport->monitor);
    context_release();
    free(transport);
}

int transport_wait(struct transport *transport, int timeout_ms) {
    zmq_pollitem_t items[] = {
        {.socket = transport->dealer,
         .events = (short)(ZMQ_POLLIN | (transport->blocked ? ZMQ_POLLOUT : 0))},
        {.socket = transport->monitor, .events = ZMQ_POLLIN},
    };
    return zmq_poll(items, 2, timeout_ms) > 0;
}

/* A monitor's message has two frames: the number of the event with a value, and an address. */
enum transport_change transport_change(struct transport *transport) {
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    enum transport_change change = TRANSPORT_SAME;
    if (zmq_msg_recv(&frame, transport->monitor, ZMQ_DONTWAIT) >= 2) {
        uint16_t event;
        memcpy(&event, zmq_msg_data(&frame), sizeof event);
        change = event == ZMQ_EVENT_DISCONNECTED ? TRANSPORT_DISCONNECTED : TRANSPORT_CONNECTED;
        while (zmq_msg_more(&frame) && zmq_msg_recv(&frame, transport->monitor, 0) >= 0)
            ;
    }
    zmq_msg_close(&frame);
    return change;
}

bool transport_send(struct transport *transport, const struct buffer *message) {
    int sent = zmq_send(transport->dealer, message->data, message->length, ZMQ_DONTWAIT);
    transport->blocked = sent < 0;
    return sent >= 0;
}

int transport_receive(struct transport *transport, const uint8_t **data, size_t *bytes) {
    zmq_msg_t *frame = &transport->frame;
    if (zmq_msg_recv(frame, transport->dealer, ZMQ_DONTWAIT) < 0)
        return 0;
    int frames = 1;
    for (; zmq_msg_more(frame) && zmq_msg_recv(frame, transport->dealer, 0) >= 0; frames++)
        ;
    *data = zmq_msg_data(frame);
    *bytes = zmq_msg_size(frame);
    return frames == 1 ? 1 : -1;
}
