#include "subscribers/gateway/viewer.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/http.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "subscribers/gateway/api.h"
#include "subscribers/gateway/channel.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/sse.h"
#include "subscribers/gateway/stream_request.h"

#define QUEUE_BYTES ((size_t)64 * 1024) /* not taken yet: more is not added by choice */
#define PIECE_BYTES ((size_t)64 * 1024) /* written at once to one who is behind */
#define KEEPALIVES  512                 /* in one tick: who is left waits for the next */

/* The list by the time of the last write, the newest at its end */

static void unlink_by_time(struct viewer *viewer) {
    struct channels *all = viewer->channel->all;
    if (viewer->older)
        viewer->older->newer = viewer->newer;
    else
        all->oldest = viewer->newer;
    if (viewer->newer)
        viewer->newer->older = viewer->older;
    else
        all->newest = viewer->older;
}

static void link_by_time(struct viewer *viewer) {
    struct channels *all = viewer->channel->all;
    viewer->sent_ms = all->now_ms;
    viewer->newer = NULL;
    viewer->older = all->newest;
    if (all->newest)
        all->newest->newer = viewer;
    else
        all->oldest = viewer;
    all->newest = viewer;
}

static void write_to(struct viewer *viewer, const void *text, size_t bytes) {
    http_stream_write(viewer->exchange, text, bytes);
    unlink_by_time(viewer);
    link_by_time(viewer);
}

/* Coming and going */

static struct viewer_list *list_of(const struct viewer *viewer) {
    return viewer->state == VIEWER_LIVE ? &viewer->channel->live : &viewer->channel->waiting;
}

static void move(struct viewer *viewer, enum viewer_state state) {
    viewer_list_remove(list_of(viewer), viewer);
    viewer->state = state;
    viewer_list_add(list_of(viewer), viewer);
}

static void stop_catching_up(struct viewer *viewer) {
    if (!viewer->catch_up)
        return;
    wb_subscription_close(viewer->catch_up);
    viewer->catch_up = NULL;
    meter_set(METER_CATCH_UPS, (int64_t)--viewer->channel->all->catch_ups);
}

static void viewer_free(struct viewer *viewer) {
    struct channel *channel = viewer->channel;
    struct channels *all = channel->all;
    stop_catching_up(viewer);
    unlink_by_time(viewer);
    viewer_list_remove(list_of(viewer), viewer);
    if (!channel->live.count && !channel->waiting.count)
        channel->empty_ms = all->now_ms;
    free(viewer);
    meter_set(METER_STREAM_FOLLOWERS, (int64_t)--all->viewers);
}

static void on_gone(void *arg, struct http_exchange *exchange) {
    (void)exchange;
    viewer_free(arg);
}

struct viewer *viewer_new(struct channel *channel, struct http_exchange *exchange,
                          const struct stream_request *request, const struct attempt *attempt) {
    struct viewer *viewer = calloc(1, sizeof *viewer);
    if (!viewer)
        return NULL;
    viewer->attempt = *attempt;
    viewer->channel = channel;
    viewer->exchange = exchange;
    viewer->cursor = request->cursor;
    viewer->reset = request->reset;
    viewer->since_ms = channel->all->now_ms;
    viewer->state = VIEWER_OPENING;
    viewer_list_add(list_of(viewer), viewer);
    link_by_time(viewer);
    http_on_gone(exchange, on_gone, viewer);
    meter_set(METER_STREAM_FOLLOWERS, (int64_t)++channel->all->viewers);
    return viewer;
}

/* The code in small letters. */
static json_t *reason_of(const struct wb_error *err) {
    char reason[32];
    snprintf(reason, sizeof reason, "%s", problem_name(err->code));
    for (char *at = reason; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return json_string(reason);
}

static void put_end(struct buffer *out, const struct wb_error *err) {
    sse_put(out, "end", SSE_NO_ID,
            json_pack("{s:o, s:s, s:s}", "reason", reason_of(err), "message", err->message, "hint",
                      err->hint));
}

void viewer_end(struct viewer *viewer, const struct wb_error *err) {
    if (viewer->streaming) {
        struct buffer out;
        buffer_init(&out, 0);
        put_end(&out, err);
        if (!out.failed)
            http_stream_write(viewer->exchange, out.data, out.length);
        buffer_free(&out);
        http_stream_end(viewer->exchange);
        meter_add(METER_STREAM_ENDS, problem_name(err->code), 1);
    } else {
        if (err->code == WB_E_TOKEN)
            throttle_wrong(viewer->channel->all->throttle, &viewer->attempt);
        api_error(viewer->exchange, err);
    }
    viewer_free(viewer);
}

/* Where it begins */

static const char *const audience_names[] = {
    [WB_AUDIENCE(STAFF)] = "staff",
    [WB_AUDIENCE(PUBLIC)] = "public",
};

static json_t *words_of(const struct viewer *viewer) {
    if (strcmp(viewer->reset, "cursor_expired") == 0)
        return json_sprintf("the log starts at %" PRIu64, viewer->cursor + 1);
    if (strcmp(viewer->reset, "cursor_invalid") == 0)
        return json_string("Last-Event-ID is no offset of the log");
    if (strcmp(viewer->reset, "cursor_unknown") == 0)
        return json_sprintf("the log ends at %" PRIu64, viewer->cursor);
    return json_string("the log is not the one that it was");
}

/* The first event of a stream says behind which offset it goes on, so that a client has a cursor
 * before anything has happened; a reset says the same, and why that is not what was asked for. */
static void put_beginning(struct buffer *out, const struct viewer *viewer) {
    json_int_t after = (json_int_t)viewer->cursor;
    if (viewer->reset) {
        sse_put(out, "reset", viewer->cursor,
                json_pack("{s:s, s:o, s:I}", "reason", viewer->reset, "message", words_of(viewer),
                          "after_offset", after));
        meter_add(METER_RESETS, viewer->reset, 1);
    } else {
        sse_put(out, "begin", viewer->cursor,
                json_pack("{s:s, s:I}", "audience", audience_names[viewer->channel->audience],
                          "after_offset", after));
    }
}

static void stream(struct viewer *viewer) {
    static const char *const headers[] = {"Cache-Control: no-store", "X-Accel-Buffering: no", NULL};
    struct buffer out;
    if (viewer->streaming)
        return;
    viewer->streaming = true;
    http_stream_begin(viewer->exchange, headers);
    buffer_init(&out, 0);
    sse_put_retry(&out, viewer->channel->all->limits.retry_ms);
    if (!out.failed)
        write_to(viewer, out.data, out.length);
    buffer_free(&out);
}

/* False without memory: it has ended, and will come again. */
static bool tell_beginning(struct viewer *viewer) {
    struct buffer out;
    struct wb_error err;
    if (viewer->told)
        return true;
    buffer_init(&out, 0);
    put_beginning(&out, viewer);
    viewer->told = !out.failed;
    viewer->reset = NULL;
    if (viewer->told)
        write_to(viewer, out.data, out.length);
    buffer_free(&out);
    if (viewer->told)
        return true;
    problem(&err, WB_E_SYSTEM, "out of memory");
    viewer_end(viewer, &err);
    return false;
}

/* Catching up, and reading the ring */

static void read_ring(struct viewer *viewer);

/* False and err if there is no room. */
static bool start_catching_up(struct viewer *viewer, struct wb_error *err) {
    struct channels *all = viewer->channel->all;
    if (all->catch_ups >= all->limits.catch_ups) {
        problem(err, WB_E_BUSY, "%zu followers are catching up", all->catch_ups);
        return false;
    }
    viewer->catch_up = channel_subscribe(viewer->channel, viewer->cursor, err);
    if (!viewer->catch_up)
        return false;
    meter_set(METER_CATCH_UPS, (int64_t)++all->catch_ups);
    move(viewer, VIEWER_CATCHING_UP);
    return true;
}

static size_t room(const struct viewer *viewer) {
    size_t queued = http_stream_queued(viewer->exchange);
    size_t room = queued < QUEUE_BYTES ? QUEUE_BYTES - queued : 0;
    size_t quota = viewer->channel->all->quota;
    return room < quota ? room : quota;
}

static void use_quota(struct viewer *viewer, size_t bytes) {
    size_t *quota = &viewer->channel->all->quota;
    *quota -= bytes < *quota ? bytes : *quota;
}

/* What has come of its own subscription. */
static void take_records(struct viewer *viewer) {
    struct buffer out;
    const wb_record *record;
    size_t most = room(viewer);
    int64_t count = 0;
    buffer_init(&out, 0);
    while (out.length < most && !out.failed &&
           wb_subscription_take(viewer->catch_up, &record) == 1) {
        sse_put(&out, "node", record->offset, record_to_json(record));
        count++;
    }
    if (out.failed) {
        struct wb_error err;
        problem(&err, WB_E_SYSTEM, "out of memory");
        buffer_free(&out);
        viewer_end(viewer, &err);
        return;
    }
    if (out.length)
        write_to(viewer, out.data, out.length);
    use_quota(viewer, out.length);
    buffer_free(&out);
    meter_add(METER_DELIVERED, "replayed", count);
    viewer->cursor = wb_subscription_cursor(viewer->catch_up);
    if (!channel_is_open(viewer->channel) || viewer->cursor < viewer->channel->ring.after)
        return;
    stop_catching_up(viewer);
    move(viewer, VIEWER_BEHIND);
    read_ring(viewer);
}

/* The broker does not take its cursor, or does not let it see this any more. */
static void catch_up_refused(struct viewer *viewer, const struct wb_error *refused) {
    struct wb_error err = *refused;
    stop_catching_up(viewer);
    if (err.code == WB_E_CURSOR_UNKNOWN) {
        viewer_reset(viewer, "cursor_unknown");
    } else if (err.code == WB_E_CURSOR_EXPIRED) {
        viewer->reset = "cursor_expired";
        viewer->told = false;
        viewer->cursor = 0; /* from where the log starts now */
        if (!start_catching_up(viewer, &err))
            viewer_end(viewer, &err);
    } else {
        viewer_end(viewer, &err);
    }
}

static void catch_up(struct viewer *viewer) {
    const struct wb_error *refused = wb_subscription_error(viewer->catch_up);
    if (refused) {
        catch_up_refused(viewer, refused);
        return;
    }
    if (!wb_subscription_begun(viewer->catch_up) ||
        wb_subscription_audience(viewer->catch_up) != viewer->channel->audience)
        return;
    if (!viewer->told)
        viewer->cursor = wb_subscription_cursor(viewer->catch_up);
    if (tell_beginning(viewer))
        take_records(viewer);
}

static void read_ring(struct viewer *viewer) {
    struct channel *channel = viewer->channel;
    struct wb_error err;
    size_t most;
    if (viewer->cursor < channel->ring.after) {
        if (!start_catching_up(viewer, &err))
            viewer_end(viewer, &err);
        return;
    }
    while ((most = room(viewer)) > 0) {
        size_t bytes, count;
        const void *text =
            ring_behind(&channel->ring, viewer->cursor, most < PIECE_BYTES ? most : PIECE_BYTES,
                        &bytes, &viewer->cursor, &count);
        if (!bytes)
            break;
        write_to(viewer, text, bytes);
        use_quota(viewer, bytes);
        meter_add(METER_DELIVERED, "replayed", (int64_t)count);
    }
    /* One that has seen more than the channel has waits until that is there as well. */
    if (most > 0 && viewer->cursor <= channel->flushed)
        move(viewer, VIEWER_LIVE);
}

/* The broker has let it in. */
static void admit(struct viewer *viewer) {
    struct channel *channel = viewer->channel;
    struct wb_error err;
    if (channel->token && !viewer->streaming)
        throttle_right(channel->all->throttle, &viewer->attempt);
    bool covered = viewer->cursor >= channel->ring.after && viewer->cursor <= channel->flushed;
    if (viewer->reset || viewer->cursor == WB_FROM_NOW) {
        viewer->cursor = channel->flushed;
    } else if (!covered) {
        if (start_catching_up(viewer, &err))
            stream(viewer);
        else
            viewer_end(viewer, &err);
        return;
    }
    stream(viewer);
    if (!tell_beginning(viewer))
        return;
    move(viewer, VIEWER_BEHIND);
    read_ring(viewer);
}

static void wait_for_the_broker(struct viewer *viewer) {
    const struct channels *all = viewer->channel->all;
    struct wb_error err;
    if (viewer->streaming || all->now_ms - viewer->since_ms < all->limits.wait_ms)
        return;
    if (wb_subscriber_up(all->subscriber))
        problem(&err, WB_E_TIMEOUT, "the broker has not said whether it admits this stream");
    else
        problem(&err, WB_E_NOT_READY, "no session with the broker is open");
    viewer_end(viewer, &err);
}

void viewer_turn(struct viewer *viewer) {
    switch (viewer->state) {
    case VIEWER_OPENING:
        if (channel_is_open(viewer->channel))
            admit(viewer);
        else
            wait_for_the_broker(viewer);
        break;
    case VIEWER_CATCHING_UP:
        catch_up(viewer);
        break;
    case VIEWER_BEHIND:
        if (viewer->channel->begun)
            read_ring(viewer);
        break;
    case VIEWER_LIVE:
        break;
    }
}

/* What the channel does with it */

void viewer_fall_behind(struct viewer *viewer, uint64_t cursor) {
    viewer->cursor = cursor;
    move(viewer, VIEWER_BEHIND);
}

void viewer_write_live(struct viewer *viewer, const void *text, size_t bytes, uint64_t cursor) {
    if (http_stream_queued(viewer->exchange) > QUEUE_BYTES)
        viewer_fall_behind(viewer, cursor);
    else
        write_to(viewer, text, bytes);
}

void viewer_reset(struct viewer *viewer, const char *reason) {
    stop_catching_up(viewer);
    if (viewer->streaming) {
        viewer->reset = reason;
        viewer->told = false;
    }
    move(viewer, VIEWER_OPENING);
}

void viewer_use(struct viewer *viewer) {
    struct wb_error err;
    if (!viewer->catch_up)
        return;
    stop_catching_up(viewer);
    if (!start_catching_up(viewer, &err))
        viewer_end(viewer, &err);
}

void viewers_keep_alive(struct channels *all) {
    char text[40];
    for (int left = KEEPALIVES; left && all->oldest; left--) {
        struct viewer *viewer = all->oldest;
        if (viewer->sent_ms + all->limits.keepalive_ms > all->now_ms)
            return;
        int bytes =
            viewer->state == VIEWER_LIVE
                ? snprintf(text, sizeof text, ":\nid: %" PRIu64 "\n\n", viewer->channel->flushed)
                : snprintf(text, sizeof text, ":\n\n");
        if (viewer->streaming)
            http_stream_write(viewer->exchange, text, (size_t)bytes);
        unlink_by_time(viewer);
        link_by_time(viewer);
    }
}
