#include "subscribers/gateway/channel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/sse.h"
#include "subscribers/gateway/stream_request.h"
#include "subscribers/gateway/viewer.h"

#define FLUSH_BYTES     ((size_t)128 * 1024) /* gathered before they go out in the turn's middle */
#define CATCH_UP_EVENTS 512                  /* that the broker sends ahead to one who catches up */

void viewer_list_add(struct viewer_list *list, struct viewer *viewer) {
    viewer->next = NULL;
    viewer->previous = list->last;
    if (list->last)
        list->last->next = viewer;
    else
        list->first = viewer;
    list->last = viewer;
    list->count++;
}

void viewer_list_remove(struct viewer_list *list, struct viewer *viewer) {
    if (viewer->previous)
        viewer->previous->next = viewer->next;
    else
        list->first = viewer->next;
    if (viewer->next)
        viewer->next->previous = viewer->previous;
    else
        list->last = viewer->previous;
    list->count--;
}

/* What comes from the log */

static void flush(struct channel *channel) {
    size_t bytes, count;
    uint64_t before = channel->flushed, through;
    uint64_t reached = wb_subscription_cursor(channel->subscription);
    const void *text = ring_behind(&channel->ring, before, SIZE_MAX, &bytes, &through, &count);
    bool lost = channel->ring.after > before; /* memory was short */
    if (reached > channel->flushed)
        channel->flushed = reached;
    if (!bytes && !lost)
        return;
    meter_add(METER_DELIVERED, "live", (int64_t)(count * channel->live.count));
    for (struct viewer *next, *viewer = channel->live.first; viewer; viewer = next) {
        next = viewer->next;
        if (lost)
            viewer_fall_behind(viewer, before);
        else
            viewer_write_live(viewer, text, bytes, before);
    }
}

static void begin_at(struct channel *channel, uint64_t after) {
    channel->begun = true;
    channel->flushed = after;
    ring_restart(&channel->ring, after);
}

static size_t unflushed_bytes(const struct channel *channel) {
    size_t bytes, count;
    uint64_t through;
    ring_behind(&channel->ring, channel->flushed, SIZE_MAX, &bytes, &through, &count);
    return bytes;
}

static void on_record(void *arg, const wb_record *record) {
    struct channel *channel = arg;
    struct buffer text;
    if (!channel->begun)
        begin_at(channel, record->offset - 1);
    buffer_init(&text, 0);
    sse_put(&text, "node", record->offset, record_to_json(record));
    if (text.failed) {
        log_error("channel", "out of memory: an event is read again for each follower");
        ring_restart(&channel->ring, record->offset);
    } else if (ring_put(&channel->ring, record->offset, text.data, text.length) == 0 &&
               unflushed_bytes(channel) >= FLUSH_BYTES) {
        flush(channel);
    }
    buffer_free(&text);
}

static int subscribe(struct channel *channel, uint64_t cursor, struct wb_error *err) {
    const struct wb_subscribe_options options = {.audience = channel->audience,
                                                 .token = channel->token};
    channel->subscription = wb_subscribe_with(channel->all->subscriber, cursor, channel->filter,
                                              &options, on_record, channel, err);
    return channel->subscription ? 0 : -1;
}

wb_subscription *channel_subscribe(const struct channel *channel, uint64_t cursor,
                                   struct wb_error *err) {
    const struct wb_subscribe_options options = {
        .audience = channel->audience, .token = channel->token, .credit_events = CATCH_UP_EVENTS};
    return wb_subscribe_with(channel->all->subscriber, cursor, channel->filter, &options, NULL,
                             NULL, err);
}

/* What is due */

static void each(struct channel *channel, void (*act)(struct viewer *, const void *),
                 const void *arg) {
    struct viewer_list *lists[] = {&channel->live, &channel->waiting};
    for (int i = 0; i < 2; i++)
        for (size_t left = lists[i]->count; left && lists[i]->first; left--) {
            struct viewer *viewer = lists[i]->first;
            /* Behind the others: it may stay in this list. */
            viewer_list_remove(lists[i], viewer);
            viewer_list_add(lists[i], viewer);
            act(viewer, arg);
        }
}

static void end_one(struct viewer *viewer, const void *err) {
    viewer_end(viewer, err);
}

static void reset_one(struct viewer *viewer, const void *reason) {
    viewer_reset(viewer, reason);
}

/* The log is another one, or has lost its beginning up to beyond here: from now, as it stands. */
static bool begin_anew(struct channel *channel, const struct wb_error *why) {
    struct wb_error err;
    bool replaced = why->code == WB_E_CURSOR_UNKNOWN;
    char words[600];
    log_warn("channel", "a stream goes on from now: %s", problem_line(why, words, sizeof words));
    wb_subscription_close(channel->subscription);
    channel->begun = false;
    if (subscribe(channel, WB_FROM_NOW, &err)) {
        each(channel, end_one, &err);
        return false;
    }
    each(channel, reset_one, replaced ? "log_replaced" : "cursor_expired");
    return true;
}

/* Whether its followers still may have it. */
static bool check(struct channel *channel) {
    const struct wb_error *refused = wb_subscription_error(channel->subscription);
    struct wb_error err;
    if (refused && (refused->code == WB_E_CURSOR_UNKNOWN || refused->code == WB_E_CURSOR_EXPIRED))
        return begin_anew(channel, refused);
    if (refused) {
        err = *refused;
    } else if (wb_subscription_begun(channel->subscription) &&
               wb_subscription_audience(channel->subscription) != channel->audience) {
        problem(&err, WB_E_AUDIENCE, "the broker gives another one than was asked for");
    } else {
        return true;
    }
    each(channel, end_one, &err);
    return false;
}

bool channel_is_open(const struct channel *channel) {
    return channel->begun && wb_subscriber_up(channel->all->subscriber);
}

bool channel_turn(struct channel *channel) {
    if (!check(channel))
        return false;
    if (!channel->begun && wb_subscription_begun(channel->subscription))
        begin_at(channel, wb_subscription_cursor(channel->subscription));
    if (channel->begun)
        flush(channel);
    for (size_t left = channel->waiting.count; left; left--) {
        struct viewer *viewer = channel->waiting.first;
        viewer_list_remove(&channel->waiting, viewer);
        viewer_list_add(&channel->waiting, viewer);
        viewer_turn(viewer);
    }
    return true;
}

static void use_one(struct viewer *viewer, const void *arg) {
    (void)arg;
    viewer_use(viewer);
}

bool channel_use(struct channel *channel) {
    struct wb_error err;
    uint64_t cursor = channel->begun ? wb_subscription_cursor(channel->subscription) : WB_FROM_NOW;
    wb_subscription_close(channel->subscription);
    each(channel, use_one, NULL);
    if (subscribe(channel, cursor, &err) == 0)
        return true;
    each(channel, end_one, &err);
    return false;
}

/* Coming and going */

static uint8_t *make_key(const struct stream_request *request, size_t *bytes) {
    Waybill__V1__Subscribe same = WAYBILL__V1__SUBSCRIBE__INIT;
    same.audience = request->audience;
    if (request->token)
        same.token = (char *)request->token;
    same.filter = (wb_filter *)&request->filter;
    *bytes = protobuf_c_message_get_packed_size(&same.base);
    uint8_t *key = malloc(*bytes + 1);
    if (key)
        protobuf_c_message_pack(&same.base, key);
    return key;
}

void channel_free(struct channel *channel) {
    wb_subscription_close(channel->subscription);
    ring_free(&channel->ring);
    if (channel->filter)
        protobuf_c_message_free_unpacked(&channel->filter->base, NULL);
    free(channel->token);
    free(channel->key);
    free(channel);
}

static wb_filter *copy_filter(const wb_filter *filter) {
    size_t bytes = protobuf_c_message_get_packed_size(&filter->base);
    uint8_t *packed = malloc(bytes + 1);
    if (!packed)
        return NULL;
    protobuf_c_message_pack(&filter->base, packed);
    wb_filter *twin = waybill__v1__filter__unpack(NULL, bytes, packed);
    free(packed);
    return twin;
}

/* Takes the key over. */
static struct channel *channel_new(struct channels *all, const struct stream_request *request,
                                   uint8_t *key, size_t key_bytes, struct wb_error *err) {
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel) {
        free(key);
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    channel->all = all;
    channel->audience = request->audience;
    channel->key = key;
    channel->key_bytes = key_bytes;
    channel->empty_ms = all->now_ms;
    channel->token = request->token ? strdup(request->token) : NULL;
    channel->filter = copy_filter(&request->filter);
    ring_init(&channel->ring, all->limits.channel_bytes, 0);
    if ((request->token && !channel->token) || !channel->filter)
        problem(err, WB_E_SYSTEM, "out of memory");
    else if (subscribe(channel, WB_FROM_NOW, err) == 0)
        return channel;
    channel_free(channel);
    return NULL;
}

/* The one that has been without followers for longest. */
static struct channel **find_idlest(struct channels *all) {
    struct channel **found = NULL;
    for (struct channel **link = &all->first; *link; link = &(*link)->next) {
        bool empty = !(*link)->live.count && !(*link)->waiting.count;
        if (empty && (!found || (*link)->empty_ms < (*found)->empty_ms))
            found = link;
    }
    return found;
}

static int make_room(struct channels *all, struct wb_error *err) {
    if (all->count < all->limits.channels)
        return 0;
    struct channel **link = find_idlest(all);
    if (!link)
        return problem(err, WB_E_BUSY, "%zu different streams are followed", all->count);
    struct channel *idlest = *link;
    *link = idlest->next;
    all->count--;
    channel_free(idlest);
    return 0;
}

struct channel *channel_get(struct channels *all, const struct stream_request *request,
                            struct wb_error *err) {
    size_t bytes;
    uint8_t *key = make_key(request, &bytes);
    if (!key) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    for (struct channel *channel = all->first; channel; channel = channel->next)
        if (channel->key_bytes == bytes && memcmp(channel->key, key, bytes) == 0) {
            free(key);
            return channel;
        }
    if (make_room(all, err)) {
        free(key);
        return NULL;
    }
    struct channel *channel = channel_new(all, request, key, bytes, err);
    if (!channel)
        return NULL;
    channel->next = all->first;
    all->first = channel;
    all->count++;
    meter_set(METER_CHANNELS, (int64_t)all->count);
    return channel;
}
