#include "broker/journal/batch.h"

#include <string.h>

#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "broker/journal/repeat.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "broker/journal/submission.h"

#define PIECE_BYTES (64 * 1024)

bool batch_init(struct batch *b, size_t max_events) {
    memset(b, 0, sizeof *b);
    buffer_init(&b->piece, 0);
    b->last = &b->first;
    b->seen = repeat_new(max_events);
    return b->seen != NULL;
}

void batch_free(struct batch *b) {
    repeat_free(b->seen);
    buffer_free(&b->piece);
}

void batch_add(struct batch *b, struct submission *s) {
    s->next = NULL;
    *b->last = s;
    b->last = &s->next;
    b->events += s->count;
    b->bytes += s->bytes;
}

bool batch_empty(const struct batch *b) {
    return b->first == NULL;
}

static void put_slice(struct buffer *out, struct slice bytes) {
    binary_bytes(out, bytes.data, bytes.length);
}

static void put_row(struct buffer *out, const struct entry *e, int32_t source,
                    int64_t recorded_at_us) {
    const struct header *h = &e->header;
    buffer_be16(out, SQL_COPY_COLUMNS);
    binary_int8(out, (int64_t)e->offset);
    binary_int4(out, source);
    put_slice(out, h->event_id);
    put_slice(out, h->case_no);
    binary_int2(out, h->kind);
    binary_int2(out, h->stage);
    binary_int8(out, h->occurred_at_us - POSTGRES_EPOCH_US);
    binary_int2(out, h->utc_offset_minutes);
    binary_int8(out, recorded_at_us - POSTGRES_EPOCH_US);
    put_slice(out, e->event);
}

/* https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format" */
static const uint8_t copy_head[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";

static struct entry *find_ahead(const struct batch *ahead, const struct entry *e, int32_t source) {
    return ahead ? repeat_find(ahead->seen, source, e->header.event_id) : NULL;
}

static void number_entry(struct batch *b, const struct batch *ahead, const struct submission *s,
                         struct entry *e) {
    e->doubled = false;
    struct entry *same = repeat_add(b->seen, s->source->id, e);
    if (!same && !e->repeat)
        same = find_ahead(ahead, e, s->source->id);
    if (same) {
        e->doubled = true;
        e->offset = same->offset;
    } else if (!e->repeat) {
        e->offset = ++b->last_offset;
    }
}

void batch_number(struct batch *b, const struct batch *ahead, uint64_t first,
                  int64_t recorded_at_us) {
    b->first_offset = first;
    b->last_offset = first - 1;
    b->recorded_at_us = recorded_at_us;
    repeat_clear(b->seen);
    for (struct submission *s = b->first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++)
            if (!s->entries[i].refusal)
                number_entry(b, ahead, s, &s->entries[i]);
}

void batch_rewind(struct batch *b) {
    b->sent = (struct batch_at){.submission = b->first};
    b->begun = b->ended = false;
}

bool batch_next_piece(struct batch *b) {
    buffer_clear(&b->piece);
    if (b->ended)
        return false;
    if (!b->begun)
        buffer_append(&b->piece, copy_head, sizeof copy_head);
    b->begun = true;
    for (struct batch_at *at = &b->sent; at->submission;
         at->submission = at->submission->next, at->entry = 0)
        for (struct submission *s = at->submission; at->entry < s->count; at->entry++) {
            if (b->piece.length >= PIECE_BYTES)
                return true;
            if (entry_is_new(&s->entries[at->entry]))
                put_row(&b->piece, &s->entries[at->entry], s->source->id, b->recorded_at_us);
        }
    buffer_be16(&b->piece, UINT16_MAX);
    b->ended = true;
    return true;
}

static bool in_doubt(const struct submission *s, const struct entry *e, enum batch_doubt doubt) {
    struct slice id = e->header.event_id;
    if (!entry_is_new(e) || doubt == DOUBT_ALL)
        return entry_is_new(e);
    return (doubt == DOUBT_OLDER || s->suspect) && !source_is_newer(s->source, id.data, id.length);
}

bool batch_doubt(struct batch *b, enum batch_doubt doubt) {
    bool any = false;
    for (struct submission *s = b->first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++) {
            s->entries[i].doubtful = in_doubt(s, &s->entries[i], doubt);
            any = any || s->entries[i].doubtful;
        }
    return any;
}

size_t batch_identities(struct batch_at *at, size_t max, struct buffer *sources,
                        struct buffer *ids) {
    size_t count = 0;
    binary_array(sources, INT4_OID, 0);
    binary_array(ids, TEXT_OID, 0);
    for (; at->submission && count < max; at->submission = at->submission->next, at->entry = 0) {
        struct submission *s = at->submission;
        for (; at->entry < s->count && count < max; at->entry++) {
            if (!s->entries[at->entry].doubtful)
                continue;
            binary_int4(sources, s->source->id);
            put_slice(ids, s->entries[at->entry].header.event_id);
            count++;
        }
        if (at->entry < s->count)
            break;
    }
    binary_array_count(sources, count);
    binary_array_count(ids, count);
    return count;
}

void batch_mark_repeat(struct batch *b, int32_t source, const void *id, size_t bytes,
                       uint64_t offset) {
    struct slice event_id = {.data = id, .length = bytes};
    struct entry *e = repeat_find(b->seen, source, event_id);
    if (!e)
        return;
    e->repeat = true;
    e->offset = offset;
}

void batch_note_ids(const struct batch *b) {
    for (const struct submission *s = b->first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++)
            if (entry_is_new(&s->entries[i]))
                source_note_id(s->source, s->entries[i].header.event_id.data,
                               s->entries[i].header.event_id.length);
}

void batch_settle(struct batch *b, bool committed) {
    for (struct submission *s = b->first; s; s = s->next)
        s->settled(s, committed);
}

void batch_release(struct batch *b) {
    struct submission *s = b->first;
    b->first = NULL;
    b->last = &b->first;
    b->events = b->bytes = 0;
    while (s) {
        struct submission *next = s->next;
        s->release(s);
        s = next;
    }
}
