/* What a publisher was given and has no receipt for: in the window, from which the session sends,
 * and where there is a spool, all of it on the disk. The window then holds what is under way and a
 * little more, however much waits, and is filled from the spool in its order. */
#ifndef LIB_OUTBOX_H
#define LIB_OUTBOX_H

#include "common/buffer.h"
#include "window.h"

#include <waybill/error.h>

struct spool;
struct spool_event;
struct spool_refusal;

struct outbox {
    struct window window;
    struct spool *spool; /* NULL: in memory alone */

    bool holding;
    struct buffer held;            /* the bytes of events that wait for outbox_release */
    struct spool_event *held_list; /* in `held`, data being an offset until then */
    size_t held_count, held_room;

    uint64_t last, read;           /* the newest in the spool; the newest that reached the window */
    uint64_t answered;             /* the newest that the broker answered for */
    uint64_t settled;              /* the newest that is gone from the spool */
    struct spool_refusal *refused; /* of those answered and not settled */
    size_t refused_count, refused_room;
    int64_t answered_us;                    /* when the oldest of those was answered */
    int64_t looked_us;                      /* when others' changes were looked for */
    int64_t settle_retry_us, fill_retry_us; /* after an error, it is not tried before */
    bool shrinking;

    struct wb_error damage;  /* code 0, or that nothing can be read or stored any more */
    struct wb_error broken;  /* code 0, or why the spool cannot be gone on with */
    struct wb_error trouble; /* what went wrong last and may pass; code 0: nothing does */
};

/* spool: a path, or NULL. On failure -1 and err, and nothing to free. */
int outbox_open(struct outbox *outbox, const char *spool, const char *source, uint64_t spool_bytes,
                size_t window_events, struct wb_error *err);
void outbox_close(struct outbox *outbox);

/* 1: the event is kept, on the disk if there is a spool and nothing is held; 0: the window is full
 * (never with a spool); -1 and err, and it is not kept. */
int outbox_put(struct outbox *outbox, const void *event, size_t bytes, void *tag,
               struct wb_error *err);

/* From outbox_hold on events wait in memory, and outbox_release puts them on the disk at once: 0;
 * or -1 and err, and none of them is kept. Without a spool they do nothing. */
void outbox_hold(struct outbox *outbox);
int outbox_release(struct outbox *outbox, struct wb_error *err);

/* The broker answered for the event: before it leaves the window. refusal may be NULL. */
void outbox_answered(struct outbox *outbox, uint64_t seq, const struct wb_error *refusal,
                     int64_t now_us);

/* Fills the window and settles what was answered, as far as it is time to (all of it: at once).
 * Trouble that may pass is kept in `trouble`, and it is tried again later. -1 if the spool is
 * broken. */
int outbox_tend(struct outbox *outbox, int64_t now_us, bool all);
int64_t outbox_due_us(const struct outbox *outbox); /* when it is to be called; INT64_MAX: never */

uint64_t outbox_count(const struct outbox *outbox); /* without a receipt */

#endif
