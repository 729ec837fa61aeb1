#include "broker/journal/queue.h"

#include "broker/journal/source.h"
#include "broker/journal/submission.h"

#define QUANTUM_BYTES (64 * 1024) /* what a source may send when its turn comes */
#define BURST_EVENTS  1024        /* a whole Publish passes at once, whatever the rate */

static void enter_ring(struct queue *q, struct source *source) {
    struct flow *flow = &source->flow;
    flow->deficit = 0;
    if (!q->turn) {
        flow->next = flow->previous = source;
        q->turn = source;
        return;
    }
    flow->next = q->turn;
    flow->previous = q->turn->flow.previous;
    flow->previous->flow.next = source;
    q->turn->flow.previous = source;
}

static void leave_ring(struct queue *q, struct source *source) {
    struct flow *flow = &source->flow;
    if (q->turn == source)
        q->turn = flow->next;
    flow->previous->flow.next = flow->next;
    flow->next->flow.previous = flow->previous;
    if (flow->next == source)
        q->turn = NULL;
    flow->next = flow->previous = NULL;
}

void queue_put(struct queue *q, struct submission *s) {
    struct flow *flow = &s->source->flow;
    s->next = NULL;
    if (flow->first) {
        flow->last->next = s;
    } else {
        flow->first = s;
        enter_ring(q, s->source);
    }
    flow->last = s;
    q->events += s->count;
    q->bytes += s->bytes;
}

static struct submission *take_first(struct queue *q, struct source *source) {
    struct flow *flow = &source->flow;
    struct submission *s = flow->first;
    flow->first = s->next;
    s->next = NULL;
    q->events -= s->count;
    q->bytes -= s->bytes;
    if (!flow->first)
        leave_ring(q, source);
    return s;
}

static int64_t burst(const struct flow *flow) {
    return flow->rate_events > BURST_EVENTS ? flow->rate_events : BURST_EVENTS;
}

static void refill(struct flow *flow, int64_t now_us) {
    int64_t full_us = burst(flow) * 1000000, passed_us = now_us - flow->refilled_us;
    if (!flow->refilled_us || passed_us > (full_us - flow->tokens_us) / flow->rate_events)
        flow->tokens_us = full_us;
    else
        flow->tokens_us += passed_us * flow->rate_events;
    flow->refilled_us = now_us;
}

/* One token an event, in millionths. It may go into debt, so that the size of a Publish does not
 * matter. */
static bool has_tokens(struct flow *flow, int64_t now_us) {
    if (!flow->rate_events)
        return true;
    refill(flow, now_us);
    return flow->tokens_us > 0;
}

/* Goes around the ring, handing out quanta, up to one that may send now. NULL: all wait for
 * tokens. A Publish is bounded, so a few rounds are enough for the largest. */
static struct source *next_to_send(struct queue *q, int64_t now_us) {
    for (bool any = true; any;) {
        struct source *start = q->turn;
        any = false;
        do {
            struct flow *flow = &q->turn->flow;
            if (has_tokens(flow, now_us)) {
                any = true;
                if (flow->deficit < (int64_t)flow->first->bytes)
                    flow->deficit += QUANTUM_BYTES;
                if (flow->deficit >= (int64_t)flow->first->bytes)
                    return q->turn;
            }
            q->turn = flow->next;
        } while (q->turn != start);
    }
    return NULL;
}

struct submission *queue_take(struct queue *q, size_t *events_left, size_t *bytes_left, bool empty,
                              int64_t now_us) {
    if (!q->turn)
        return NULL;
    struct source *source = next_to_send(q, now_us);
    if (!source)
        return NULL;
    struct submission *s = source->flow.first;
    if (!empty && (s->count > *events_left || s->bytes > *bytes_left))
        return NULL;
    source->flow.deficit -= (int64_t)s->bytes;
    if (source->flow.rate_events)
        source->flow.tokens_us -= (int64_t)s->count * 1000000;
    bool more = s->next != NULL;
    take_first(q, source);
    if (more && source->flow.deficit < (int64_t)source->flow.first->bytes)
        q->turn = source->flow.next;
    *events_left = s->count < *events_left ? *events_left - s->count : 0;
    *bytes_left = s->bytes < *bytes_left ? *bytes_left - s->bytes : 0;
    return s;
}

bool queue_remove(struct queue *q, struct submission *s) {
    struct flow *flow = &s->source->flow;
    struct submission *before = NULL;
    if (flow->first == s) {
        take_first(q, s->source);
        return true;
    }
    for (before = flow->first; before && before->next != s; before = before->next)
        ;
    if (!before)
        return false;
    before->next = s->next;
    if (flow->last == s)
        flow->last = before;
    s->next = NULL;
    q->events -= s->count;
    q->bytes -= s->bytes;
    return true;
}

struct submission *queue_drain(struct queue *q) {
    return q->turn ? take_first(q, q->turn) : NULL;
}

int64_t queue_due_us(const struct queue *q, int64_t now_us) {
    int64_t due_us = INT64_MAX;
    const struct source *source = q->turn;
    if (!source)
        return due_us;
    do {
        const struct flow *flow = &source->flow;
        if (flow->rate_events && flow->tokens_us <= 0) {
            int64_t at_us = flow->refilled_us - flow->tokens_us / flow->rate_events + 1;
            if (at_us < due_us)
                due_us = at_us;
        }
        source = flow->next;
    } while (source != q->turn);
    return due_us > now_us ? due_us : now_us;
}
