/* The spool of one publisher: events on the disk, in order, until the broker has them; and those
 * that it refused. Whoever opened it holds it alone (spool_lock.h); `waybill spool` may look into
 * it and move dead letters meanwhile (waybill/spool.h).
 *
 * What was appended survives a power cut. That something was settled may be forgotten in one: the
 * events are then sent again, and the broker recognises them. */
#ifndef LIB_SPOOL_H
#define LIB_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define SPOOL_BYTES ((uint64_t)1 << 30) /* the most that a file takes, unless told otherwise */

struct spool;

struct spool_event {
    uint64_t seq;     /* its place; 1 and up */
    const void *data; /* encoded; of what is read, valid within the call */
    size_t bytes;
    void *tag; /* NULL if another process stored it */
};

struct spool_refusal {
    uint64_t seq;
    struct wb_error error;
};

/* max_bytes: 0 for SPOOL_BYTES. NULL and err; nothing in a file that is there was changed. */
struct spool *spool_open(const char *path, const char *source, uint64_t max_bytes,
                         struct wb_error *err);
void spool_close(struct spool *spool); /* NULL is allowed */

/* The numbers of the oldest and the newest event; an empty spool has first == last + 1. */
int spool_bounds(struct spool *spool, uint64_t *first, uint64_t *last, struct wb_error *err);
/* Whether another process changed something since the last call. */
bool spool_changed(struct spool *spool);

/* All of them or none, and on the disk when it returns 0. Fills in seq. */
int spool_append(struct spool *spool, struct spool_event *events, size_t count,
                 struct wb_error *err);

/* Gives the events behind `after`, in order, until take returns false. */
typedef bool spool_take_fn(void *arg, const struct spool_event *event);
int spool_read(struct spool *spool, uint64_t after, spool_take_fn *take, void *arg,
               struct wb_error *err);

/* The broker has answered for all events up to `through`: they go, those that it refused to the
 * dead letters. All or nothing. */
int spool_settle(struct spool *spool, uint64_t through, const struct spool_refusal *refused,
                 size_t count, struct wb_error *err);

/* Gives room that is no longer needed back to the disk, a little at a time. True if there is more.
 */
bool spool_shrink(struct spool *spool);

#endif
