/* One subscription: a cursor over the log, a filter or the cases that it follows, and the credit
 * that its reader gave. */
#ifndef BROKER_FANOUT_STREAM_H
#define BROKER_FANOUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "proto/frame.h"

struct access;
struct hub;
struct outstanding_pool;
struct reader;
struct readers;
struct session;
struct stream;

/* What streams are made of; outlives them. */
struct stream_rooms {
    struct hub *hub;
    struct reader *reader;
    struct readers *readers;
    const struct access *access;
    struct outstanding_pool *outstanding;
    uint64_t credit_max;
};

/* Checks the request and answers it with Subscribed: a durable reader's later, when it has been
 * opened. NULL and err if it is not valid. */
struct stream *stream_new(struct session *session, const struct stream_rooms *rooms,
                          const Waybill__V1__Subscribe *request, struct wb_error *err);
void stream_free(struct stream *stream);

/* Its peer was refused it (retention passed the cursor, or it may not see that any more): nothing
 * more will come. */
bool stream_over(const struct stream *stream);
/* Who may see what changed: refuses it if it may not be seen any more. */
void stream_recheck(struct stream *stream);
/* The same as far as time goes by: costs next to nothing. */
void stream_lapse(struct stream *stream, int64_t now_us);
uint64_t stream_number(const struct stream *stream);
/* Refuses the stream if it is not by case. */
void stream_follow(struct stream *stream, const Waybill__V1__Follow *request);
void stream_credit(struct stream *stream, uint64_t events);
/* Of a durable reader: all up to there is done with. */
void stream_acknowledge(struct stream *stream, uint64_t offset);
/* Delivers what there is, as far as credit and the peer's queue allow. How many events in memory
 * were looked at, whether they match or not: with STREAM_SCAN_EVENTS there may be more to do at
 * once. */
#define STREAM_SCAN_EVENTS 8192
size_t stream_pump(struct stream *stream);
/* Tells a reader whose filter matched nothing for a while how far the log was looked at. */
void stream_progress(struct stream *stream);

#endif
