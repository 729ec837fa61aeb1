/* Looks into a publisher's spool (wb_publisher_options.spool), and brings dead letters back or
 * throws them away; also while the publisher runs, which sends what came back within a second.
 *
 * Nothing here blocks a publisher for more than a moment. Functions return 0, or -1 and err. */
#ifndef WAYBILL_SPOOL_H
#define WAYBILL_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wb_spool wb_spool;

/* The file has to be there. NULL and err. */
WB_EXPORT wb_spool *wb_spool_open(const char *path, struct wb_error *err);
WB_EXPORT void wb_spool_close(wb_spool *spool); /* NULL is allowed */

struct wb_spool_status {
    char source[68];
    bool in_use;           /* a publisher has it open */
    long pid;              /* which process; 0: cannot be told */
    uint64_t events;       /* that wait for the broker */
    uint64_t dead_letters; /* that it refused */
    uint64_t bytes;        /* of the files on the disk */
    int64_t oldest_us;     /* when the oldest that waits was stored, since 1970; 0: none waits */
    int64_t created_us;
};

WB_EXPORT int wb_spool_status(wb_spool *spool, struct wb_spool_status *status,
                              struct wb_error *err);

struct wb_spool_entry {
    uint64_t seq;         /* its place in the spool */
    const uint8_t *event; /* encoded as waybill.v1.Event */
    size_t bytes;
    int64_t stored_us;
    /* of a dead letter; else 0 and NULL */
    int64_t refused_us;
    const struct wb_error *refusal;
};

/* False to end the list. What the entry points to lasts until it returns. */
typedef bool wb_spool_fn(void *arg, const struct wb_spool_entry *entry);

/* What waits or what was refused, the oldest first, at most `limit` entries (0: all). */
WB_EXPORT int wb_spool_list(wb_spool *spool, bool dead, uint64_t limit, wb_spool_fn *fn, void *arg,
                            struct wb_error *err);

/* Dead letters go back to the end of the queue, or are gone for good: those with this event id, all
 * of them if it is NULL. *count is how many it were. */
WB_EXPORT int wb_spool_retry(wb_spool *spool, const char *event_id, uint64_t *count,
                             struct wb_error *err);
WB_EXPORT int wb_spool_discard(wb_spool *spool, const char *event_id, uint64_t *count,
                               struct wb_error *err);

/* Copies what can be read of a damaged spool, in its order, into a new one at a path where no file
 * is. The damaged one stays as it is. */
WB_EXPORT int wb_spool_salvage(const char *damaged, const char *path, uint64_t *events,
                               uint64_t *dead_letters, struct wb_error *err);

#ifdef __cplusplus
}
#endif

#endif
