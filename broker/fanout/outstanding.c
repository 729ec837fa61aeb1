#include "broker/fanout/outstanding.h"

#include "broker/meter.h"

static void change(struct outstanding *o, size_t bytes) {
    o->pool->bytes = o->pool->bytes - o->bytes + bytes;
    o->bytes = bytes;
    meter_set(METER_OUTSTANDING_BYTES, NULL, (int64_t)o->pool->bytes);
}

bool outstanding_has_room(const struct outstanding *o) {
    const struct outstanding_pool *pool = o->pool;
    size_t left = pool->bytes < pool->bytes_max ? pool->bytes_max - pool->bytes : 0;
    return o->bytes == 0 || o->bytes < left;
}

void outstanding_add(struct outstanding *o, uint64_t events, size_t bytes) {
    o->events += events;
    change(o, o->bytes + bytes);
}

void outstanding_credit(struct outstanding *o, uint64_t events) {
    uint64_t taken = events < o->events ? events : o->events;
    if (taken == 0)
        return;
    size_t bytes = o->bytes - (size_t)((double)o->bytes * (double)taken / (double)o->events);
    o->events -= taken;
    change(o, o->events ? bytes : 0);
}

void outstanding_clear(struct outstanding *o) {
    o->events = 0;
    change(o, 0);
}
