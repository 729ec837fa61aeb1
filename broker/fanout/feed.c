#include "broker/fanout/feed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zmq.h>

#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/zsock.h"
#include "proto/problem.h"

#define SEND_MAX         10000 /* messages waiting for one subscriber; further ones it misses */
#define SUBSCRIPTION_MAX 1024  /* bytes of what a subscriber may send */
#define QUOTA            256

struct feed {
    struct zsock *zsock;
    char address[256];
    bool wanted; /* somebody subscribed once: until then nothing is encoded */
    struct buffer topic, record;
};

/* XPUB says when a topic gets its first subscriber (1). It also hands on unsubscriptions (0) of
 * what nobody had subscribed to, so these are not counted: one peer could silence the feed for all.
 */
static void on_readable(void *arg) {
    struct feed *f = arg;
    for (int i = 0; i < QUOTA; i++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, zsock_socket(f->zsock), ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&message);
            return;
        }
        if (zmq_msg_size(&message) > 0 && *(const char *)zmq_msg_data(&message) == 1)
            f->wanted = true;
        zmq_msg_close(&message);
    }
}

struct feed *feed_new(uv_loop_t *loop, void *context, const char *address, struct wb_error *err) {
    static const int options[] = {ZMQ_SNDHWM,
                                  SEND_MAX,
                                  ZMQ_LINGER,
                                  0,
                                  ZMQ_MAXMSGSIZE,
                                  SUBSCRIPTION_MAX,
                                  ZMQ_HANDSHAKE_IVL,
                                  5000,
                                  ZMQ_HEARTBEAT_IVL,
                                  10000,
                                  ZMQ_HEARTBEAT_TIMEOUT,
                                  30000,
                                  -1};
    struct feed *f = calloc(1, sizeof *f);
    void *socket = f ? zsock_bind(context, ZMQ_XPUB, address, options, err) : NULL;
    if (!socket) {
        if (!f)
            problem(err, WB_E_SYSTEM, "out of memory");
        free(f);
        return NULL;
    }
    zsock_endpoint(socket, f->address, sizeof f->address);
    buffer_init(&f->topic, 0);
    buffer_init(&f->record, 0);
    f->zsock = zsock_new(loop, socket, on_readable, NULL, f, err);
    if (!f->zsock) {
        free(f);
        return NULL;
    }
    return f;
}

void feed_close(struct feed *f) {
    if (!f)
        return;
    zsock_close(f->zsock);
    buffer_free(&f->topic);
    buffer_free(&f->record);
    free(f);
}

const char *feed_address(const struct feed *f) {
    return f->address;
}

static void publish(struct feed *f, const struct log_record *r) {
    struct header h;
    if (!header_read(r->event.data, r->event.length, &h))
        return;
    buffer_clear(&f->topic);
    buffer_text(&f->topic, "case/");
    buffer_append(&f->topic, h.case_no.data, h.case_no.length);
    buffer_text(&f->topic, "\n");
    buffer_clear(&f->record);
    frame_put_record(&f->record, r->offset, r->source, r->recorded_at_us, r->event.data,
                     r->event.length);
    if (f->topic.failed || f->record.failed)
        return;
    void *socket = zsock_socket(f->zsock);
    if (zmq_send(socket, f->topic.data, f->topic.length, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
        zmq_send(socket, f->record.data, f->record.length, ZMQ_DONTWAIT) >= 0)
        meter_add(METER_LIVE_PUBLISHED, NULL, 1);
}

void feed_publish(struct feed *f, const struct log_record *records, size_t count) {
    /* A subscription that has arrived counts, also if the loop has not come to it yet. */
    on_readable(f);
    for (size_t i = 0; i < count && f->wanted; i++)
        publish(f, &records[i]);
}
