#include "subscribers/gateway/channels.h"

#include <stdlib.h>

#include "common/http.h"
#include "proto/problem.h"
#include "subscribers/gateway/api.h"
#include "subscribers/gateway/channel.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/stream_request.h"
#include "subscribers/gateway/viewer.h"

#define TURN_BYTES ((size_t)4 * 1024 * 1024) /* made or written for those behind, in one turn */

struct channels *channels_new(wb_subscriber *subscriber, struct throttle *throttle,
                              const struct channel_limits *limits) {
    struct channels *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->subscriber = subscriber;
    all->throttle = throttle;
    all->limits = *limits;
    return all;
}

static void drop(struct channels *all, struct channel **link) {
    struct channel *channel = *link;
    *link = channel->next;
    all->count--;
    meter_set(METER_CHANNELS, (int64_t)all->count);
    channel_free(channel);
}

void channels_free(struct channels *all) {
    if (!all)
        return;
    while (all->first)
        drop(all, &all->first);
    free(all);
}

void channels_use(struct channels *all, wb_subscriber *subscriber) {
    all->subscriber = subscriber;
    for (struct channel **link = &all->first; *link;) {
        if (channel_use(*link))
            link = &(*link)->next;
        else
            drop(all, link);
    }
}

void channels_follow(struct channels *all, struct http_exchange *exchange, wb_audience audience,
                     bool token_wanted) {
    struct stream_request request;
    struct stream_refusal refusal;
    struct wb_error err;
    if (!stream_request_read(&request, exchange, audience, token_wanted, &refusal)) {
        api_refuse(exchange, refusal.status, refusal.code, refusal.message, refusal.hint);
        return;
    }
    struct attempt attempt = throttle_attempt(all->throttle, http_peer(exchange), NULL,
                                              request.token ? request.token : "");
    int wait_s = request.token ? throttle_wait_s(all->throttle, &attempt) : 0;
    if (wait_s) {
        api_throttled(exchange, wait_s);
        return;
    }
    struct channel *channel = channel_get(all, &request, &err);
    if (!channel) {
        api_error(exchange, &err);
    } else if (!viewer_new(channel, exchange, &request, &attempt)) {
        problem(&err, WB_E_SYSTEM, "out of memory");
        api_error(exchange, &err);
    }
}

bool channels_turn(struct channels *all) {
    all->quota = TURN_BYTES;
    for (struct channel **link = &all->first; *link;) {
        if (channel_turn(*link))
            link = &(*link)->next;
        else
            drop(all, link);
    }
    return all->quota == 0;
}

void channels_tick(struct channels *all, uint64_t now_ms) {
    all->now_ms = now_ms;
    viewers_keep_alive(all);
    for (struct channel **link = &all->first; *link;) {
        const struct channel *channel = *link;
        bool empty = !channel->live.count && !channel->waiting.count;
        if (empty && now_ms - channel->empty_ms >= all->limits.linger_ms)
            drop(all, link);
        else
            link = &(*link)->next;
    }
}
