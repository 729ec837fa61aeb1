#include "broker/admit/credit.h"

#include "proto/bounds.h"
#include "proto/problem.h"

#define LEAST_BYTES                                                                                \
    (64 * 1024) /* room for one event of any size, and for some hundred small ones */
#define LEAST_EVENTS 64
#define GRACE_US     INT64_C(5000000) /* what was told before is still acted on */
#define LATELY_US    INT64_C(2000000) /* who published since then counts as active */

static uint32_t within(uint64_t value, uint32_t least, uint32_t most) {
    uint64_t raised = value < least ? least : value;
    return raised > most ? most : (uint32_t)raised;
}

/* Of n that are equal. Events cost memory beside their bytes, so both are shared. */
static struct frame_window share(const struct credit_pool *pool, size_t n) {
    uint64_t count = n ? n : 1;
    return (struct frame_window){
        .events = within(UINT64_C(4) * pool->most.events / count, LEAST_EVENTS, pool->most.events),
        .bytes = within(pool->pool_bytes / count, LEAST_BYTES, pool->most.bytes),
    };
}

static void set_active(struct credit_pool *pool, struct credit *c, bool active) {
    if (active && !c->active)
        pool->active++;
    else if (!active && c->active)
        pool->active--;
    c->active = active;
}

void credit_open(struct credit_pool *pool, struct credit *c) {
    pool->sessions++;
    *c = (struct credit){.window = share(pool, pool->sessions)};
}

void credit_close(struct credit_pool *pool, struct credit *c) {
    set_active(pool, c, false);
    pool->sessions--;
}

static struct frame_window larger(struct frame_window a, struct frame_window b) {
    return (struct frame_window){.events = a.events > b.events ? a.events : b.events,
                                 .bytes = a.bytes > b.bytes ? a.bytes : b.bytes};
}

static bool fits(struct frame_window window, uint64_t events, uint64_t bytes) {
    return events <= window.events && bytes <= window.bytes;
}

int credit_take(struct credit_pool *pool, struct credit *c, uint32_t events, uint32_t bytes,
                int64_t now_us, struct wb_error *err) {
    uint64_t all_events = (uint64_t)c->events + events, all_bytes = (uint64_t)c->bytes + bytes;
    bool grace = c->shrunk_us && now_us - c->shrunk_us < GRACE_US;
    struct frame_window believed = grace ? larger(c->before, c->window) : c->window;
    bool allowed = fits(believed, all_events, all_bytes) || all_events <= 1;
    if (!allowed)
        return problem(err, WB_E_WINDOW_EXCEEDED,
                       "%u events of %u bytes with %u of %u bytes unacknowledged, window %u and "
                       "%u bytes",
                       events, bytes, c->events, c->bytes, c->window.events, c->window.bytes);
    c->events += events;
    c->bytes += bytes;
    c->used_us = now_us;
    set_active(pool, c, true);
    return 0;
}

struct frame_window credit_give(struct credit_pool *pool, struct credit *c, uint32_t events,
                                uint32_t bytes, int64_t now_us) {
    c->events -= events;
    c->bytes -= bytes;
    struct frame_window now = share(pool, pool->active);
    if (now.events == c->window.events && now.bytes == c->window.bytes)
        return (struct frame_window){0};
    if (now.events < c->window.events || now.bytes < c->window.bytes) {
        bool grace = c->shrunk_us && now_us - c->shrunk_us < GRACE_US;
        c->before = grace ? larger(c->before, c->window) : c->window;
        c->shrunk_us = now_us;
    }
    c->window = now;
    return now;
}

void credit_rest(struct credit_pool *pool, struct credit *c, int64_t now_us) {
    if (c->events == 0 && now_us - c->used_us > LATELY_US)
        set_active(pool, c, false);
}
