#include "broker/journal/few.h"

#include "broker/journal/batch.h"
#include "broker/journal/binary.h"
#include "broker/journal/source.h"
#include "broker/journal/submission.h"

enum column { OFFSET, SOURCE, EVENT_ID, CASE_NO, KIND, STAGE, OCCURRED_AT, UTC_OFFSET, PAYLOAD };

/* Of the elements. */
static const uint32_t types[FEW_COLUMNS] = {
    [OFFSET] = INT8_OID,
    [SOURCE] = INT4_OID,
    [EVENT_ID] = TEXT_OID,
    [CASE_NO] = TEXT_OID,
    [KIND] = INT2_OID,
    [STAGE] = INT2_OID,
    [OCCURRED_AT] = TIMESTAMPTZ_OID,
    [UTC_OFFSET] = INT2_OID,
    [PAYLOAD] = BYTEA_OID,
};

void few_init(struct few *f) {
    for (size_t i = 0; i < FEW_COLUMNS; i++)
        buffer_init(&f->columns[i], 0);
}

void few_free(struct few *f) {
    for (size_t i = 0; i < FEW_COLUMNS; i++)
        buffer_free(&f->columns[i]);
}

static void put_slice(struct buffer *out, struct slice bytes) {
    binary_bytes(out, bytes.data, bytes.length);
}

static void put_entry(struct few *f, const struct entry *e, int32_t source) {
    const struct header *h = &e->header;
    binary_int8(&f->columns[OFFSET], (int64_t)e->offset);
    binary_int4(&f->columns[SOURCE], source);
    put_slice(&f->columns[EVENT_ID], h->event_id);
    put_slice(&f->columns[CASE_NO], h->case_no);
    binary_int2(&f->columns[KIND], h->kind);
    binary_int2(&f->columns[STAGE], h->stage);
    binary_int8(&f->columns[OCCURRED_AT], h->occurred_at_us - POSTGRES_EPOCH_US);
    binary_int2(&f->columns[UTC_OFFSET], h->utc_offset_minutes);
    put_slice(&f->columns[PAYLOAD], e->event);
}

static void put_number(struct few *f, size_t index, int64_t value) {
    binary_put8(f->numbers[index], value);
    f->params[index] = (struct database_param){.data = f->numbers[index], .bytes = 8};
}

bool few_fill(struct few *f, const struct batch *b, int64_t epoch) {
    put_number(f, 0, epoch);
    put_number(f, 1, (int64_t)b->first_offset - 1);
    put_number(f, 2, (int64_t)b->last_offset);
    put_number(f, 3, b->recorded_at_us - POSTGRES_EPOCH_US);
    for (size_t i = 0; i < FEW_COLUMNS; i++)
        binary_array(&f->columns[i], types[i], b->last_offset - b->first_offset + 1);
    for (const struct submission *s = b->first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++)
            if (entry_is_new(&s->entries[i]))
                put_entry(f, &s->entries[i], s->source->id);
    bool complete = true;
    for (size_t i = 0; i < FEW_COLUMNS; i++) {
        const struct buffer *column = &f->columns[i];
        complete = complete && !column->failed;
        f->params[FEW_PARAMS - FEW_COLUMNS + i] =
            (struct database_param){.data = column->data, .bytes = (int)column->length};
    }
    return complete;
}
