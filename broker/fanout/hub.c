#include "broker/fanout/hub.h"

#include <stdlib.h>
#include <string.h>

#include "broker/journal/record.h"
#include "broker/meter.h"

/* One batch: the records and, behind them, their bytes. */
struct block {
    uint64_t first;
    size_t count, bytes;
    struct log_record records[];
};

struct hub {
    const struct access *access;
    size_t bytes, bytes_max;
    uint64_t first, head;
    struct block **blocks; /* a ring, the oldest at `oldest` */
    size_t size, oldest, count;
};

struct hub *hub_new(size_t bytes_max, const struct access *access) {
    struct hub *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->bytes_max = bytes_max;
    h->access = access;
    h->size = 1024;
    h->first = 1;
    h->blocks = calloc(h->size, sizeof *h->blocks);
    if (!h->blocks) {
        free(h);
        return NULL;
    }
    return h;
}

static struct block *block_at(const struct hub *h, size_t index) {
    return h->blocks[(h->oldest + index) % h->size];
}

static void drop_oldest(struct hub *h) {
    struct block *b = block_at(h, 0);
    h->bytes -= b->bytes;
    h->oldest = (h->oldest + 1) % h->size;
    h->count--;
    free(b);
}

static void drop_all(struct hub *h) {
    while (h->count)
        drop_oldest(h);
}

void hub_free(struct hub *h) {
    if (!h)
        return;
    drop_all(h);
    free(h->blocks);
    free(h);
}

void hub_reset(struct hub *h, uint64_t first_offset, uint64_t head_offset) {
    drop_all(h);
    h->first = first_offset;
    h->head = head_offset;
}

static struct block *copy_block(const struct log_record *records, size_t count) {
    size_t bytes = sizeof(struct block) + count * sizeof *records;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].event.length;
    struct block *b = malloc(bytes);
    if (!b)
        return NULL;
    b->first = records[0].offset;
    b->count = count;
    b->bytes = bytes;
    uint8_t *at = (uint8_t *)&b->records[count];
    for (size_t i = 0; i < count; i++) {
        b->records[i] = records[i];
        b->records[i].event.data = at;
        memcpy(at, records[i].event.data, records[i].event.length);
        at += records[i].event.length;
    }
    return b;
}

/* The ring of blocks grows while small batches come; it is bounded by bytes_max. */
static bool make_room(struct hub *h) {
    if (h->count < h->size)
        return true;
    struct block **blocks = calloc(h->size * 2, sizeof *blocks);
    if (!blocks)
        return false;
    for (size_t i = 0; i < h->count; i++)
        blocks[i] = block_at(h, i);
    free(h->blocks);
    h->blocks = blocks;
    h->oldest = 0;
    h->size *= 2;
    return true;
}

void hub_append(struct hub *h, const struct log_record *records, size_t count) {
    struct block *b = make_room(h) ? copy_block(records, count) : NULL;
    h->head = records[count - 1].offset;
    if (!b) {
        drop_all(h);
        return;
    }
    h->blocks[(h->oldest + h->count++) % h->size] = b;
    h->bytes += b->bytes;
    while (h->bytes > h->bytes_max && h->count > 1)
        drop_oldest(h);
    meter_set(METER_RECENT_BYTES, NULL, (int64_t)h->bytes);
}

void hub_retire(struct hub *h, uint64_t first_offset) {
    if (first_offset > h->first)
        h->first = first_offset;
}

uint64_t hub_first(const struct hub *h) {
    return h->first;
}

uint64_t hub_head(const struct hub *h) {
    return h->head;
}

const struct log_record *hub_run(const struct hub *h, uint64_t offset, size_t *count) {
    size_t low = 0, high = h->count;
    *count = 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct block *b = block_at(h, middle);
        if (offset < b->first) {
            high = middle;
        } else if (offset >= b->first + b->count) {
            low = middle + 1;
        } else {
            *count = b->count - (size_t)(offset - b->first);
            return &b->records[offset - b->first];
        }
    }
    return NULL;
}

const struct log_record *hub_record(const struct hub *h, uint64_t offset) {
    size_t count;
    return hub_run(h, offset, &count);
}

struct slice hub_event(struct hub *h, const struct log_record *record,
                       Waybill__V1__Audience audience) {
    (void)h;
    return audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL ? record->event : (struct slice){0};
}
