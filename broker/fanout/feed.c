#include "broker/fanout/feed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "broker/fanout/hub.h"
#include "broker/fanout/topics.h"
#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/zsock.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include "proto/problem.h"

#define SEND_MAX         10000 /* messages waiting for one subscriber; further ones it misses */
#define SUBSCRIPTION_MAX 1024  /* bytes of what a subscriber may send */
#define QUOTA            256
#define LOG_BYTES        (64 * 1024) /* of records in a message of the log, and one more */
#define BIND_AGAIN_MS    10

/* A message of the log that is being put together: `count` records from `from` to `through`. */
struct batch {
    uint64_t from, through;
    size_t count;
    struct buffer records, message;
};

struct feed {
    struct zsock *zsock;
    char address[256];
    char bound[256];   /* the same as libzmq has it */
    uv_timer_t rebind; /* while the feed is cut */
    struct topics *topics;
    struct hub *hub;
    Waybill__V1__Audience audience;
    struct buffer topic, record;
    struct batch batch;
};

/* XPUB says when a topic gets its first subscriber (1). */
static void on_readable(void *arg) {
    struct feed *f = arg;
    for (int i = 0; i < QUOTA; i++) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, zsock_socket(f->zsock), ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&message);
            return;
        }
        const char *text = zmq_msg_data(&message);
        if (zmq_msg_size(&message) > 0 && text[0] == 1)
            topics_subscribe(f->topics, text + 1, zmq_msg_size(&message) - 1);
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
    if (!f || uv_is_active((uv_handle_t *)&f->rebind))
        return;
    /* The connections go with the listener that accepted them. */
    if (zmq_unbind(zsock_socket(f->zsock), f->bound) != 0) {
        log_error("live", "%s: %s", f->bound, zmq_strerror(errno));
        return;
    }
    uv_timer_start(&f->rebind, on_rebind, 0, BIND_AGAIN_MS);
}

static void *open_socket(void *context, const struct feed_options *o, struct wb_error *err) {
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
    return zsock_bind_keyed(context, ZMQ_XPUB, o->address, options, o->keys,
                            access_domain_name(o->domain), err);
}

/* The audience public has no case topics: to ask for everything is to ask for the log. */
static struct feed *make(const struct feed_options *o, struct wb_error *err) {
    struct feed *f = calloc(1, sizeof *f);
    if (f) {
        f->hub = o->hub;
        f->audience = access_domain_audience(o->domain);
        f->topics = topics_new(f->audience == WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC ? TOPIC_LOG
                                                                                     : TOPIC_CASE);
    }
    if (!f || !f->topics) {
        problem(err, WB_E_SYSTEM, "out of memory");
        free(f);
        return NULL;
    }
    buffer_init(&f->topic, 0);
    buffer_init(&f->record, 0);
    buffer_init(&f->batch.records, 0);
    buffer_init(&f->batch.message, 0);
    return f;
}

static void drop(struct feed *f) {
    topics_free(f->topics);
    buffer_free(&f->topic);
    buffer_free(&f->record);
    buffer_free(&f->batch.records);
    buffer_free(&f->batch.message);
    free(f);
}

struct feed *feed_new(uv_loop_t *loop, void *context, const struct feed_options *options,
                      struct wb_error *err) {
    struct feed *f = make(options, err);
    void *socket = f ? open_socket(context, options, err) : NULL;
    size_t size = sizeof f->bound;
    if (socket) {
        zsock_endpoint(socket, f->address, sizeof f->address);
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, f->bound, &size);
        f->zsock = zsock_new(loop, socket, on_readable, NULL, f, err);
    }
    if (f && !f->zsock) {
        drop(f);
        return NULL;
    }
    if (f) {
        uv_timer_init(loop, &f->rebind);
        f->rebind.data = f;
    }
    return f;
}

static void free_feed(uv_handle_t *handle) {
    drop(handle->data);
}

void feed_close(struct feed *f) {
    if (!f)
        return;
    zsock_close(f->zsock);
    uv_close((uv_handle_t *)&f->rebind, free_feed);
}

const char *feed_address(const struct feed *f) {
    return f ? f->address : "none";
}

static void send_parts(struct feed *f, const struct buffer *topic, const struct buffer *body) {
    void *socket = zsock_socket(f->zsock);
    if (!topic->failed && !body->failed &&
        zmq_send(socket, topic->data, topic->length, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        zmq_send(socket, body->data, body->length, ZMQ_DONTWAIT);
}

static void put_topic(struct buffer *out, enum topic_kind kind, struct slice value) {
    buffer_clear(out);
    buffer_text(out, topic_prefix(kind));
    if (kind != TOPIC_LOG) {
        buffer_append(out, value.data, value.length);
        buffer_text(out, "\n");
    }
}

/* The log. */

static void flush_log(struct feed *f) {
    struct batch *b = &f->batch;
    if (b->count == 0)
        return;
    put_topic(&f->topic, TOPIC_LOG, (struct slice){0});
    buffer_clear(&b->message);
    frame_put_live_batch(&b->message, b->from, b->through, &b->records);
    send_parts(f, &f->topic, &b->message);
    buffer_clear(&b->records);
    b->count = 0;
}

/* A record that could not be made is left out where the gap shows: between two messages. */
static void add_to_log(struct feed *f, uint64_t offset) {
    struct batch *b = &f->batch;
    if (b->count && (offset != b->through + 1 || b->count >= LIMIT_BATCH_EVENTS ||
                     b->records.length >= LOG_BYTES))
        flush_log(f);
    if (b->count++ == 0)
        b->from = offset;
    b->through = offset;
    frame_add_record(&b->records, f->record.data, f->record.length);
}

/* One by one. */

/* What the topics are made of is what the audience may see of it. */
static bool read_topics(struct slice event, struct slice values[TOPIC_LOG]) {
    struct header h;
    if (!header_read(event.data, event.length, &h))
        return false;
    values[TOPIC_CASE] = h.case_no;
    values[TOPIC_ITEM] = h.item_code;
    values[TOPIC_REGION] = h.region_code;
    values[TOPIC_AGENCY] = h.agency;
    return true;
}

static void send_one(struct feed *f, struct slice event) {
    struct slice values[TOPIC_LOG];
    if (!read_topics(event, values))
        return;
    for (int i = 0; i < TOPIC_LOG; i++) {
        enum topic_kind kind = (enum topic_kind)i;
        if (!values[i].length || !topics_wanted(f->topics, kind, values[i]))
            continue;
        put_topic(&f->topic, kind, values[i]);
        send_parts(f, &f->topic, &f->record);
    }
}

static struct slice event_for(struct feed *f, const struct log_record *r) {
    if (f->audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return r->event;
    const struct log_record *held = hub_record(f->hub, r->offset);
    return held ? hub_event(f->hub, held, f->audience) : (struct slice){0};
}

static void publish(struct feed *f, const struct log_record *r, bool one_by_one) {
    struct slice event = event_for(f, r);
    if (!event.length)
        return;
    buffer_clear(&f->record);
    frame_put_record(&f->record, r->offset, r->source, r->recorded_at_us, event.data, event.length);
    if (f->record.failed)
        return;
    if (one_by_one)
        send_one(f, event);
    if (topics_any(f->topics, TOPIC_LOG))
        add_to_log(f, r->offset);
    meter_add(METER_LIVE_PUBLISHED, audience_name((int)f->audience), 1);
}

void feed_publish(struct feed *f, const struct log_record *records, size_t count) {
    if (!f)
        return;
    /* A subscription that has arrived counts, also if the loop has not come to it yet. */
    on_readable(f);
    bool one_by_one = false;
    for (int i = 0; i < TOPIC_LOG; i++)
        one_by_one = one_by_one || topics_any(f->topics, (enum topic_kind)i);
    for (size_t i = 0; i < count && (one_by_one || topics_any(f->topics, TOPIC_LOG)); i++)
        publish(f, &records[i], one_by_one);
    flush_log(f);
}
