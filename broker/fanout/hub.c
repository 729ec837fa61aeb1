#include "broker/fanout/hub.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fanout/ready.h"
#include "broker/fanout/trail.h"
#include "broker/journal/record.h"
#include "broker/meter.h"

/* Further records go into the index as they come, so that nobody waits long for who asks next. */
#define UNINDEXED_MAX 65536

/* One batch: the records and, behind them, their bytes. */
struct block {
    uint64_t first;
    size_t count, bytes;
    struct ready ready;
    struct log_record records[];
};

struct hub {
    const struct access *access;
    size_t bytes, bytes_max;
    uint64_t first, head;
    struct block **blocks; /* a ring, the oldest at `oldest` */
    size_t size, oldest, count;
    struct trail *trail; /* NULL: nobody follows cases */
    size_t unindexed;    /* the newest blocks, whose records know their hash alone */
    size_t unindexed_records;
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
    if (h->unindexed == h->count) {
        h->unindexed--;
        h->unindexed_records -= b->count;
    } else if (h->trail) {
        for (size_t i = 0; i < b->count; i++)
            trail_drop(h->trail, &b->records[i]);
    }
    h->bytes -= b->bytes;
    h->oldest = (h->oldest + 1) % h->size;
    h->count--;
    ready_free(&b->ready);
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
    trail_free(h->trail);
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
    b->ready = (struct ready){0};
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

/* Counts what the index will take with the block. */
static void prepare_index(struct hub *h, struct block *b) {
    b->bytes += b->count * TRAIL_RECORD_BYTES;
    h->bytes += b->count * TRAIL_RECORD_BYTES;
    for (size_t i = 0; i < b->count; i++)
        b->records[i].case_hash = trail_hash(trail_case(&b->records[i]));
    h->unindexed++;
    h->unindexed_records += b->count;
}

/* Enters records until so many are left: while publishers fill memory and nobody names a case, most
 * of them are gone before anybody asks. */
static void catch_up(struct hub *h, size_t left) {
    while (h->unindexed_records > left) {
        struct block *b = block_at(h, h->count - h->unindexed);
        h->unindexed--;
        h->unindexed_records -= b->count;
        for (size_t i = 0; i < b->count; i++)
            if (!trail_add(h->trail, &b->records[i])) {
                drop_all(h);
                return;
            }
    }
}

bool hub_index(struct hub *h) {
    if (h->trail)
        return true;
    h->trail = trail_new();
    for (size_t i = 0; h->trail && i < h->count; i++)
        prepare_index(h, block_at(h, i));
    return h->trail != NULL;
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
    if (h->trail) {
        prepare_index(h, b);
        catch_up(h, UNINDEXED_MAX);
    }
    while (h->bytes > h->bytes_max && h->count > 1)
        drop_oldest(h);
    meter_set(METER_RECENT_BYTES, NULL, (int64_t)h->bytes);
}

void hub_remake(struct hub *h) {
    for (size_t i = 0; i < h->count; i++) {
        struct block *b = block_at(h, i);
        b->bytes -= b->ready.bytes;
        h->bytes -= b->ready.bytes;
        ready_free(&b->ready);
    }
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

static bool covers(const struct block *b, uint64_t offset) {
    return offset >= b->first && offset < b->first + b->count;
}

/* NULL if the hub does not hold it. Who follows live asks for the newest. */
static struct block *find_block(const struct hub *h, uint64_t offset) {
    size_t low = 0, high = h->count;
    if (high && covers(block_at(h, high - 1), offset))
        return block_at(h, high - 1);
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct block *b = block_at(h, middle);
        if (covers(b, offset))
            return b;
        if (offset < b->first)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct log_record *hub_run(const struct hub *h, uint64_t offset, size_t *count) {
    const struct block *b = find_block(h, offset);
    *count = b ? b->count - (size_t)(offset - b->first) : 0;
    return b ? &b->records[offset - b->first] : NULL;
}

const struct log_record *hub_record(const struct hub *h, uint64_t offset) {
    size_t count;
    return hub_run(h, offset, &count);
}

uint64_t hub_oldest(const struct hub *h) {
    return h->count ? block_at(h, 0)->first : h->head + 1;
}

/* The first of the chain from this offset on that is of the case. */
static const struct log_record *find_back(const struct hub *h, uint64_t offset,
                                          struct slice case_no) {
    const struct log_record *r = offset ? hub_record(h, offset) : NULL;
    while (r && !trail_is(r, case_no))
        r = r->before ? hub_record(h, r->before) : NULL;
    return r;
}

const struct log_record *hub_newest(struct hub *h, struct slice case_no) {
    if (h->trail)
        catch_up(h, 0);
    return h->trail ? find_back(h, trail_newest(h->trail, trail_hash(case_no)), case_no) : NULL;
}

const struct log_record *hub_before(const struct hub *h, const struct log_record *record) {
    return find_back(h, record->before, trail_case(record));
}

struct slice hub_event(struct hub *h, const struct log_record *record,
                       Waybill__V1__Audience audience) {
    if (audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return record->event;
    struct block *b = find_block(h, record->offset);
    size_t before = b ? b->ready.bytes : 0;
    struct slice event = b ? ready_event(&b->ready, h->access, audience, b->count,
                                         record - b->records, record->event)
                           : (struct slice){0};
    if (b) {
        b->bytes += b->ready.bytes - before;
        h->bytes += b->ready.bytes - before;
    }
    return event;
}
