/* One transaction's worth of submissions: which of their events are new, at which offsets, and the
 * bytes that COPY wants. */
#ifndef BROKER_JOURNAL_BATCH_H
#define BROKER_JOURNAL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

struct repeat;
struct submission;
struct log_record;

struct batch {
    struct submission *first, **last; /* in the order in which they came */
    size_t events, bytes;
    uint64_t first_offset, last_offset; /* of the new events; last < first if there are none */
    int64_t recorded_at_us;
    struct repeat *seen;
    /* The rows, while they are being sent: binary COPY, a piece at a time. */
    struct batch_at {
        struct submission *submission;
        size_t entry;
    } sent;
    bool begun, ended; /* COPY's head and its trailer were in a piece */
    struct buffer piece;
};

/* For at most max_events. False without memory. */
bool batch_init(struct batch *batch, size_t max_events);
void batch_free(struct batch *batch);

void batch_add(struct batch *batch, struct submission *submission);
bool batch_empty(const struct batch *batch);

/* Gives each event that is neither refused nor a repeat the next offset from first; one that is
 * also in this batch or in `ahead`, which is being committed (NULL: none is), gets that one's. Can
 * be called again, with more entries marked or with other batches ahead. */
void batch_number(struct batch *batch, const struct batch *ahead, uint64_t first,
                  int64_t recorded_at_us);

/* Which of the events that batch_number takes for new are to be looked up in the log first. Those
 * that are newer than all that the log has of their source are new for certain. */
enum batch_doubt {
    DOUBT_SUSPECTS, /* of senders that probably repeat: the log's unique index finds the others */
    DOUBT_OLDER,    /* all that are not new for certain: no unique index spans the log */
    DOUBT_ALL       /* the unique index found one */
};
/* Marks them. False: there are none. */
bool batch_doubt(struct batch *batch, enum batch_doubt doubt);

/* The doubtful entries' identities as PostgreSQL arrays int[] and text[] in binary form: at most
 * max of them from the place on, which is moved on. Returns how many. */
size_t batch_identities(struct batch_at *at, size_t max, struct buffer *sources,
                        struct buffer *ids);

/* The log has that identity already. */
void batch_mark_repeat(struct batch *batch, int32_t source, const void *id, size_t bytes,
                       uint64_t offset);

/* The rows of the new events from the first on, as COPY wants them. */
void batch_rewind(struct batch *batch);
/* The next piece of them, in batch->piece; false after the last one. The buffer's `failed` says
 * that memory is out. */
bool batch_next_piece(struct batch *batch);

/* It is committed: remembers the newest ids of its sources. */
void batch_note_ids(const struct batch *batch);
/* Tells every submission what became of it. */
void batch_settle(struct batch *batch, bool committed);
/* Gives every submission back, after which the batch is empty. */
void batch_release(struct batch *batch);

#endif
