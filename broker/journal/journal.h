/* The journal: submissions in, a durable log with gapless offsets out.
 *
 * One batch is in flight at a time; what is submitted meanwhile forms the next one, so that the
 * cost of a commit is shared and nothing waits for a timer. A submission is settled exactly once:
 * with committed true after the commit's result has arrived, and with false when the outcome is
 * unknown or the database refused. Then the sender has to repeat, and the repeat is recognised. */
#ifndef BROKER_JOURNAL_JOURNAL_H
#define BROKER_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

#include "broker/journal/opening.h"

struct journal;
struct log_record;
struct submission;

struct journal_options {
    const char *database; /* conninfo */
    size_t batch_events;  /* the most in one transaction, about */
    size_t batch_bytes;
    int64_t partition_us; /* how much time a leaf covers */
};

struct journal_events {
    void (*ready)(void *arg, const struct opened *opened);
    void (*lost)(void *arg, const char *reason); /* after ready: no longer */
    /* Not ready yet, for the reason; tried again by itself. */
    void (*waiting)(void *arg, const struct wb_error *err);
    void (*fatal)(void *arg, const struct wb_error *err);
    /* New events, in order and without a gap, after their submissions were settled. The records and
     * their bytes last until the function returns. */
    void (*recorded)(void *arg, const struct log_record *records, size_t count);
};

struct journal *journal_new(uv_loop_t *loop, const struct journal_options *options,
                            struct sources *sources, const struct journal_events *events, void *arg,
                            struct wb_error *err);
/* Settles what is left as not committed. NULL is allowed. */
void journal_close(struct journal *journal);

/* The database has given no sign of life since then (monotonic): a broker that stands by may take
 * over any moment. Unless something was committed since, the journal gives its connections up. */
void journal_silent(struct journal *journal, int64_t since_us);

/* Only while ready. The submission belongs to the journal until it is settled. */
void journal_submit(struct journal *journal, struct submission *submission);
/* Takes back one that waits: true, and it is the caller's again without having been settled. False
 * if it is in a batch already. */
bool journal_withdraw(struct journal *journal, struct submission *submission);
/* Memory of submissions that are not settled. */
size_t journal_pending_bytes(const struct journal *journal);
bool journal_idle(const struct journal *journal); /* nothing is queued or in flight */

#endif
