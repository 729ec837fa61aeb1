/* What waits for the journal: each source has a queue of its own, and batches are filled from all
 * of them in turn (deficit round robin, Shreedhar and Varghese 1995), so that one that floods
 * delays itself and not the others. A source with a rate limit is passed over until its tokens are
 * there. Order within a source is kept. */
#ifndef BROKER_JOURNAL_QUEUE_H
#define BROKER_JOURNAL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;
struct submission;

struct queue {
    struct source *turn; /* a ring of those that have something waiting; NULL: nobody */
    size_t events, bytes;
};

/* The submission belongs to the queue until it is taken. */
void queue_put(struct queue *queue, struct submission *submission);

/* The next one whose events and bytes are within what is left, which is reduced; an empty batch
 * takes one that is larger. NULL: none may go now. now_us is monotonic. */
struct submission *queue_take(struct queue *queue, size_t *events_left, size_t *bytes_left,
                              bool empty, int64_t now_us);
/* Takes it out: true; false if it does not wait here. */
bool queue_remove(struct queue *queue, struct submission *submission);
/* Any, in order, for when all are given back. */
struct submission *queue_drain(struct queue *queue);

/* When the first of those that wait for tokens may go; INT64_MAX if nobody waits for them. */
int64_t queue_due_us(const struct queue *queue, int64_t now_us);

#endif
