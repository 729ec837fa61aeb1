/* What one Publish asks of the journal: events of one source, in their order. */
#ifndef BROKER_JOURNAL_SUBMISSION_H
#define BROKER_JOURNAL_SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/journal/header.h"

struct source;
struct wb_error;

struct entry {
    struct slice event; /* the publisher's own bytes, in the submission's memory */
    struct header header;
    struct wb_error *refusal; /* not NULL: not for the log; the submission's */
    /* Filled by the journal. */
    uint64_t offset;
    bool repeat;   /* the log has it already, at that offset */
    bool doubled;  /* an event ahead of it, not committed yet, is the same one */
    bool doubtful; /* the log may have it: to be looked up */
};

/* What its receipt says. */
static inline bool entry_is_repeat(const struct entry *entry) {
    return entry->repeat || entry->doubled;
}
/* It goes into the log. */
static inline bool entry_is_new(const struct entry *entry) {
    return !entry->refusal && !entry_is_repeat(entry);
}

struct submission {
    struct submission *next; /* the journal's, while it is queued */
    struct source *source;
    bool suspect; /* repeats are likely: the sender has just connected, or repeated just before */
    size_t bytes; /* memory that it stands for, about */
    size_t count;
    struct entry *entries;
    /* The owner's, each called once and in this order: when the outcome is known, to tell the
     * sender; and when nobody needs the events' bytes any more, to free them. */
    void (*settled)(struct submission *submission, bool committed);
    void (*release)(struct submission *submission);
};

#endif
