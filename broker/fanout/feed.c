#include "broker/fanout/feed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zmq.h>

#include "broker/access/access.h"
#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/zsock.h"
#include "proto/problem.h"

#define SEND_MAX         10000 /* messages waiting for one subscriber; further ones it misses */
#define SUBSCRIPTION_MAX 1024  /* bytes of what a subscriber may send */
#define QUOTA            256
#define BIND_AGAIN_MS    10

struct feed {
    struct zsock *zsock;
    char address[256];
    char bound[256];   /* the same as libzmq has it */
    uv_timer_t rebind; /* while the feed is cut */
    bool wanted;       /* somebody subscribed once: until then nothing is encoded */
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

static void on_rebind(uv_timer_t *timer) {
    struct feed *f = timer->data;
    if (zmq_bind(zsock_socket(f->zsock), f->address) != 0) {
        if (errno != EADDRINUSE)
            log_error("live", "%s: %s", f->address, zmq_strerror(errno));
        return; /* libzmq closes the old listener in a thread of its own, in a moment */
    }
    uv_timer_stop(timer);
    log_info("live", "all subscribers were cut, and may come back");
}

void feed_cut(struct feed *f) {
    if (uv_is_active((uv_handle_t *)&f->rebind))
        return;
    /* The connections go with the listener that accepted them. */
    if (zmq_unbind(zsock_socket(f->zsock), f->bound) != 0) {
        log_error("live", "%s: %s", f->bound, zmq_strerror(errno));
        return;
    }
    uv_timer_start(&f->rebind, on_rebind, 0, BIND_AGAIN_MS);
}

static void *open_socket(void *context, const char *address, const struct curve_keys *keys,
                         struct wb_error *err) {
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
    return zsock_bind_keyed(context, ZMQ_XPUB, address, options, keys,
                            access_domain_name(ACCESS_LIVE), err);
}

struct feed *feed_new(uv_loop_t *loop, void *context, const char *address,
                      const struct curve_keys *keys, struct wb_error *err) {
    struct feed *f = calloc(1, sizeof *f);
    void *socket = f ? open_socket(context, address, keys, err) : NULL;
    size_t size = sizeof f->bound;
    if (!socket) {
        if (!f)
            problem(err, WB_E_SYSTEM, "out of memory");
        free(f);
        return NULL;
    }
    zsock_endpoint(socket, f->address, sizeof f->address);
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, f->bound, &size);
    buffer_init(&f->topic, 0);
    buffer_init(&f->record, 0);
    f->zsock = zsock_new(loop, socket, on_readable, NULL, f, err);
    if (!f->zsock) {
        free(f);
        return NULL;
    }
    uv_timer_init(loop, &f->rebind);
    f->rebind.data = f;
    return f;
}

static void free_feed(uv_handle_t *handle) {
    free(handle->data);
}

void feed_close(struct feed *f) {
    if (!f)
        return;
    zsock_close(f->zsock);
    buffer_free(&f->topic);
    buffer_free(&f->record);
    uv_close((uv_handle_t *)&f->rebind, free_feed);
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
