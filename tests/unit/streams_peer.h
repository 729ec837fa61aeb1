/* The broker's streams endpoint as a test plays it: a ROUTER socket whose every word is scripted.
 * It lives in the test's own thread, so it and the subscriber take turns. */
#ifndef UNIT_STREAMS_PEER_H
#define UNIT_STREAMS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/subscriber.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "proto/frame.h"

struct streams_peer {
    void *context, *router;
    char endpoint[64];
    uint8_t identity[256]; /* of the client that spoke last */
    size_t identity_bytes;
    struct arena arena; /* of the message read last */
    struct buffer out, records, places;
    uint32_t ping_ms, credit; /* what Welcome announces */
    char *public_url;
    wb_audience audience; /* what Subscribed says */
};

void peer_start(struct streams_peer *peer);
void peer_stop(struct streams_peer *peer);
/* The broker dies, and comes back at the same endpoint. */
void peer_down(struct streams_peer *peer);
void peer_up(struct streams_peer *peer);

/* The next message from the subscriber, which is processed meanwhile; NULL if none comes within
 * timeout_ms. subscriber may be NULL. */
const client_message *peer_read(struct streams_peer *peer, wb_subscriber *subscriber,
                                int timeout_ms);
/* The same; it has to come, and to be of this kind (…BODY_HELLO). Pings before it are passed. */
const client_message *peer_expect(struct streams_peer *peer, wb_subscriber *subscriber, int body);
/* Reads Hello and answers it. */
void peer_greet(struct streams_peer *peer, wb_subscriber *subscriber);

void peer_send(struct streams_peer *peer, const void *data, size_t bytes);
void peer_welcome(struct streams_peer *peer, uint64_t session);
void peer_subscribed(struct streams_peer *peer, uint64_t subscription, uint64_t after,
                     uint64_t head);
/* Records with the offsets first, first + step … up to last. None if last < first. */
void peer_deliver(struct streams_peer *peer, uint64_t subscription, uint64_t first, uint64_t last,
                  uint64_t step, uint64_t through);
/* Adds a place's answer, with the records first to last (none if last < first); then sends all. */
void peer_place(struct streams_peer *peer, const char *case_no, Waybill__V1__Outcome outcome,
                uint64_t through, uint64_t first, uint64_t last);
void peer_followed(struct streams_peer *peer, uint64_t subscription);
void peer_refuse(struct streams_peer *peer, int code, uint64_t subscription, uint64_t request);
void peer_answer(struct streams_peer *peer, uint64_t request, char *case_no, int nodes);

#endif
