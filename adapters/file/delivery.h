/* Events on their way to the broker, with what is needed to tell of those that it refuses. */
#ifndef FILE_DELIVERY_H
#define FILE_DELIVERY_H

#include <signal.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>

#include "adapters/file/progress.h"
#include "adapters/file/rejects.h"

#define DELIVERY_KEPT_BYTES 33554432 /* of records without a receipt; then sending waits */

struct delivery;

struct delivery_options {
    const char *endpoint, *source;
    const char *server_key, *key_file; /* NULL: none */
    const char *spool;                 /* where events wait for the broker; NULL: in memory */
    bool quiet;                        /* do not tell when the connection comes and goes */
    const volatile sig_atomic_t *stop;
    struct rejects *rejects;
    struct progress *progress;
};

struct delivery_counts {
    uint64_t acknowledged; /* repeats among them */
    uint64_t repeats;
};

struct delivery *delivery_open(const struct delivery_options *options, struct wb_error *err);
void delivery_close(struct delivery *delivery); /* NULL is allowed */

/* Waits a moment for the broker, and tells if it does not answer; it may still come. -1 and err if
 * it refuses for good. */
int delivery_begin(struct delivery *delivery, struct wb_error *err);

/* record: as JSON, kept until the receipt comes, but for a spool, which keeps the event; NULL:
 * none. With a spool the event is on its disk after the next delivery_wait or delivery_finish. -1
 * and err: with a code of 200 to 299 the event is not valid and the next may be sent; else no more
 * can be. */
int delivery_send(struct delivery *delivery, const wb_event *event, uint64_t line,
                  const char *record, struct wb_error *err);

/* Handles acknowledgements for at most so long. */
int delivery_wait(struct delivery *delivery, int ms, struct wb_error *err);
/* Waits until every event has its receipt. */
int delivery_finish(struct delivery *delivery, struct wb_error *err);

struct delivery_counts delivery_counts(const struct delivery *delivery);
uint64_t delivery_pending(const struct delivery *delivery);

#endif
