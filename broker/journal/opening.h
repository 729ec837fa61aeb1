/* What lies between a fresh connection and a log that may be written to: the settings that the
 * promises rest on, the writer's lock, the schema, the epoch, the sources, the key of the codes.
 *
 * Who does not get the lock stands by. A writer that died has lost the lock; one that is frozen or
 * cut off still has it, but its sign of life (waybill.lease, or the log's head) stops. Then its
 * server processes are ended, which frees the lock. Should it ever wake up, its epoch is over. */
#ifndef BROKER_JOURNAL_OPENING_H
#define BROKER_JOURNAL_OPENING_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>

#define CODE_KEY_BYTES 32

struct database;
struct sources;

/* A leaf of the log, waybill.event_NUMBER. Times are of recorded_at. */
struct leaf {
    int32_t number;
    int64_t from_us, to_us; /* [from, to) */
    uint64_t first_offset;  /* of the first event that it may hold */
};

struct opened {
    int64_t epoch;
    uint64_t first_offset, head_offset; /* first: 1 in an empty log */
    int64_t head_recorded_at_us;
    struct leaf leaf;  /* the newest; number 0: there is none yet */
    bool spans_leaves; /* there are others */
    unsigned char code_key[CODE_KEY_BYTES];
};

enum opening_outcome {
    OPENING_DONE,
    OPENING_STANDBY, /* another broker writes to this log: try again later */
    OPENING_FATAL,   /* trying again will not help: err says why */
    OPENING_FAILED   /* the database refused a step: try again later */
};

/* Called once, from the connection's result function, with the connection idle. */
typedef void opening_done(void *arg, enum opening_outcome outcome, const struct opened *opened,
                          const struct wb_error *err);

struct opening;

struct opening *opening_new(struct database *database, struct sources *sources, opening_done *done,
                            void *arg);
void opening_free(struct opening *opening);
/* On an idle connection. If the connection goes down, begin again on the next one. second is the
 * server process behind the writer's other connection. */
void opening_begin(struct opening *opening, int second);

/* The connection was lost: a sign of life may have been missed. NULL is allowed. */
void opening_forget(struct opening *opening);

#endif
