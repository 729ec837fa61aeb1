#include "outbox.h"

#include "proto/problem.h"
#include "spool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HELD_BYTES    ((size_t)16 << 20)
#define AHEAD_EVENTS  4096              /* unsent events in the window: four full batches … */
#define AHEAD_BYTES   ((size_t)2 << 20) /* … or two of the largest */
#define SETTLE_EVENTS 2048              /* answered events are settled so many at a time … */
#define SETTLE_MOST   8192 /* … and no more in one transaction, which others wait for */
#define SETTLE_US     INT64_C(100000) /* or after so long */
#define REFUSED_MOST  1024            /* that cannot be put away; then nothing new is sent */
#define LOOK_US       INT64_C(1000000)
#define RETRY_US      INT64_C(1000000)
#define SHRINK_US     INT64_C(100000)

int outbox_open(struct outbox *o, const char *spool, const char *source, uint64_t spool_bytes,
                size_t window_events, struct wb_error *err) {
    *o = (struct outbox){0};
    window_init(&o->window, window_events);
    buffer_init(&o->held, HELD_BYTES);
    if (!spool)
        return 0;
    uint64_t first;
    o->spool = spool_open(spool, source, spool_bytes, err);
    if (o->spool && !spool_bounds(o->spool, &first, &o->last, err)) {
        o->read = o->answered = o->settled = first - 1;
        o->shrinking = true;
        return 0;
    }
    outbox_close(o);
    return -1;
}

void outbox_close(struct outbox *o) {
    window_free(&o->window);
    spool_close(o->spool);
    buffer_free(&o->held);
    free(o->held_list);
    free(o->refused);
    *o = (struct outbox){0};
}

uint64_t outbox_count(const struct outbox *o) {
    return o->last - o->read + window_count(&o->window) + o->held_count;
}

static bool window_has_room(const struct outbox *o) {
    return window_unsent(&o->window) < AHEAD_EVENTS && o->window.unsent_bytes < AHEAD_BYTES;
}

/* Takes the next event of the spool into the window. */
static bool take(void *arg, const struct spool_event *event) {
    struct outbox *o = arg;
    if (!window_has_room(o) ||
        window_add(&o->window, event->data, event->bytes, event->seq, event->tag) != 1)
        return false;
    o->read = event->seq;
    if (event->seq > o->last)
        o->last = event->seq;
    return true;
}

/* What was just stored need not be read again, if nothing waits before it. */
static void adopt(struct outbox *o, const struct spool_event *events, size_t count) {
    for (size_t i = 0; i < count && events[i].seq == o->read + 1 && take(o, &events[i]); i++)
        ;
    if (events[count - 1].seq > o->last)
        o->last = events[count - 1].seq;
}

static int held_grow(struct outbox *o) {
    size_t room = o->held_room ? o->held_room * 2 : 256;
    struct spool_event *list = realloc(o->held_list, room * sizeof *list);
    if (!list)
        return -1;
    o->held_list = list;
    o->held_room = room;
    return 0;
}

static int hold(struct outbox *o, const void *event, size_t bytes, void *tag,
                struct wb_error *err) {
    if (o->held_count == o->held_room && held_grow(o))
        return problem(err, WB_E_SYSTEM, "no memory for %zu events", o->held_count + 1);
    size_t at = o->held.length;
    buffer_append(&o->held, event, bytes);
    if (o->held.failed) {
        o->held.failed = false;
        o->held.length = at;
        problem(err, WB_E_SPOOL, "%zu events of %zu bytes are held, no more can be", o->held_count,
                at);
        return problem_hint(err, "release them before the next");
    }
    o->held_list[o->held_count++] = (struct spool_event){.bytes = bytes, .tag = tag};
    return 1;
}

static bool damaged(const struct outbox *o, struct wb_error *err) {
    if (o->damage.code && err)
        *err = o->damage;
    return o->damage.code;
}

int outbox_put(struct outbox *o, const void *event, size_t bytes, void *tag, struct wb_error *err) {
    if (!o->spool) {
        int added = window_add(&o->window, event, bytes, 0, tag);
        if (added < 0)
            problem(err, WB_E_SYSTEM, "no memory for an event of %zu bytes", bytes);
        return added;
    }
    if (damaged(o, err))
        return -1;
    if (o->holding)
        return hold(o, event, bytes, tag, err);
    struct spool_event one = {.data = event, .bytes = bytes, .tag = tag};
    if (spool_append(o->spool, &one, 1, err))
        return -1;
    adopt(o, &one, 1);
    return 1;
}

void outbox_hold(struct outbox *o) {
    o->holding = o->spool;
}

int outbox_release(struct outbox *o, struct wb_error *err) {
    const uint8_t *at = o->held.data;
    size_t count = o->held_count;
    for (size_t i = 0; i < count; at += o->held_list[i++].bytes)
        o->held_list[i].data = at;
    int failed = count && (damaged(o, err) || spool_append(o->spool, o->held_list, count, err));
    if (count && !failed)
        adopt(o, o->held_list, count);
    o->holding = false;
    o->held_count = 0;
    buffer_clear(&o->held);
    return failed ? -1 : 0;
}

void outbox_answered(struct outbox *o, uint64_t seq, const struct wb_error *refusal,
                     int64_t now_us) {
    if (!o->spool)
        return;
    if (o->answered == o->settled)
        o->answered_us = now_us;
    if (refusal && o->refused_count == o->refused_room) {
        size_t room = o->refused_room ? o->refused_room * 2 : 16;
        struct spool_refusal *refused = realloc(o->refused, room * sizeof *refused);
        if (!refused) { /* it would be taken for acknowledged: better it is all sent again */
            problem(&o->broken, WB_E_SYSTEM, "no memory for the reason of a refusal");
            return;
        }
        o->refused = refused;
        o->refused_room = room;
    }
    if (refusal)
        o->refused[o->refused_count++] = (struct spool_refusal){seq, *refusal};
    o->answered = seq;
}

/* Keeps an error: there is another try in a while, or the spool is damaged, and only what is in the
 * window still goes. */
static void failed(struct outbox *o, const struct wb_error *err, int64_t now_us,
                   int64_t *retry_us) {
    o->trouble = *err;
    if (!err->retriable)
        o->damage = *err;
    *retry_us = now_us + RETRY_US;
}

/* One transaction of those answered. False when that is all for now. */
static bool settle(struct outbox *o, int64_t now_us) {
    struct wb_error err;
    uint64_t through = o->answered;
    if (through - o->settled > SETTLE_MOST)
        through = o->settled + SETTLE_MOST;
    size_t count = 0;
    while (count < o->refused_count && o->refused[count].seq <= through)
        count++;
    if (spool_settle(o->spool, through, o->refused, count, &err)) {
        failed(o, &err, now_us, &o->settle_retry_us);
        return false;
    }
    o->trouble.code = WB_OK;
    o->settled = through;
    o->refused_count -= count;
    if (count)
        memmove(o->refused, o->refused + count, o->refused_count * sizeof *o->refused);
    o->answered_us = now_us;
    o->shrinking = true;
    return true;
}

static bool settle_due(const struct outbox *o, int64_t now_us, bool all) {
    if (o->damage.code)
        return false;
    uint64_t events = o->answered - o->settled;
    return events && (all || now_us >= o->settle_retry_us) &&
           (all || events >= SETTLE_EVENTS || now_us - o->answered_us >= SETTLE_US);
}

/* Dead letters come back to the queue by another process's hand. */
static void look(struct outbox *o, int64_t now_us) {
    uint64_t first, last;
    o->looked_us = now_us;
    if (spool_changed(o->spool) && !spool_bounds(o->spool, &first, &last, NULL) && last > o->last)
        o->last = last;
}

static void fill(struct outbox *o, int64_t now_us) {
    struct wb_error err;
    uint64_t before = o->read;
    if (o->read == o->last || o->refused_count >= REFUSED_MOST || !window_has_room(o) ||
        now_us < o->fill_retry_us || o->damage.code)
        return;
    if (spool_read(o->spool, o->read, take, o, &err))
        failed(o, &err, now_us, &o->fill_retry_us);
    else if (o->read == before) /* somebody took them out by hand */
        o->last = o->read;
}

int outbox_tend(struct outbox *o, int64_t now_us, bool all) {
    if (!o->spool)
        return 0;
    if (o->damage.code && !window_count(&o->window))
        o->broken = o->damage;
    if (o->broken.code)
        return -1;
    while (settle_due(o, now_us, all) && settle(o, now_us))
        ;
    if (now_us - o->looked_us >= LOOK_US)
        look(o, now_us);
    fill(o, now_us);
    if (o->shrinking && o->read == o->last && o->answered == o->settled &&
        !window_count(&o->window))
        o->shrinking = spool_shrink(o->spool);
    return o->broken.code ? -1 : 0;
}

int64_t outbox_due_us(const struct outbox *o) {
    if (!o->spool)
        return INT64_MAX;
    int64_t due_us = o->looked_us + LOOK_US;
    int64_t settle_us = o->answered_us + SETTLE_US;
    if (settle_us < o->settle_retry_us)
        settle_us = o->settle_retry_us;
    if (o->answered != o->settled && settle_us < due_us)
        due_us = settle_us;
    return due_us;
}
