#include "transport.h"

#include <stdlib.h>

#include "common/buffer.h"
#include "common/dealer.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define SEND_MESSAGES    64 /* few batches are under way at a time */
#define RECEIVE_MESSAGES 256

struct transport {
    struct dealer *dealer;
    zmq_msg_t frame; /* the message received last */
    bool blocked;    /* the last send was not taken */
};

struct transport *transport_open(const char *endpoints, const struct curve_client *keys,
                                 struct wb_error *err) {
    const struct dealer_options options = {endpoints, *keys, SEND_MESSAGES, RECEIVE_MESSAGES};
    struct transport *transport = calloc(1, sizeof *transport);
    if (!transport) {
        problem(err, WB_E_SYSTEM, "no memory for a connection to %s", endpoints);
        return NULL;
    }
    zmq_msg_init(&transport->frame);
    transport->dealer = dealer_open(&options, err);
    if (transport->dealer)
        return transport;
    transport_close(transport, 0);
    return NULL;
}

void transport_close(struct transport *transport, int linger_ms) {
    if (!transport)
        return;
    zmq_msg_close(&transport->frame);
    dealer_close(transport->dealer, linger_ms);
    free(transport);
}

int transport_wait(struct transport *transport, int timeout_ms) {
    return dealer_wait(transport->dealer, timeout_ms, transport->blocked);
}

enum transport_change transport_change(struct transport *transport) {
    switch (dealer_change(transport->dealer, monotonic_us())) {
    case DEALER_UP:
        return TRANSPORT_CONNECTED;
    case DEALER_DOWN:
        return TRANSPORT_DISCONNECTED;
    case DEALER_FAILED:
        return TRANSPORT_FAILED;
    case DEALER_SAME:
        break;
    }
    return TRANSPORT_SAME;
}

const char *transport_words(const struct transport *transport) {
    return dealer_words(transport->dealer);
}

void transport_works(struct transport *transport) {
    dealer_works(transport->dealer, monotonic_us());
}

bool transport_leave(struct transport *transport, bool silent) {
    return dealer_leave(transport->dealer, monotonic_us(), silent);
}

int64_t transport_patience_us(const struct transport *transport) {
    return dealer_patience_us(transport->dealer);
}

bool transport_send(struct transport *transport, const struct buffer *message) {
    bool sent = dealer_send(transport->dealer, message->data, message->length);
    transport->blocked = !sent && dealer_is_up(transport->dealer);
    return sent;
}

int transport_receive(struct transport *transport, const uint8_t **data, size_t *bytes) {
    zmq_msg_t *frame = &transport->frame;
    if (!dealer_receive(transport->dealer, frame))
        return 0;
    int frames = 1;
    for (; zmq_msg_more(frame) && dealer_receive(transport->dealer, frame); frames++)
        ;
    *data = zmq_msg_data(frame);
    *bytes = zmq_msg_size(frame);
    return frames == 1 ? 1 : -1;
}
