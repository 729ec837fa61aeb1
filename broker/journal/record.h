/* An event as the log holds it, in memory. */
#ifndef BROKER_JOURNAL_RECORD_H
#define BROKER_JOURNAL_RECORD_H

#include <stdint.h>

#include "proto/frame.h"

struct log_record {
    uint64_t offset;
    const char *source; /* lives as long as the broker */
    int64_t recorded_at_us;
    struct slice event;           /* the publisher's own bytes */
    uint32_t case_at, case_bytes; /* where its case number lies in it; 0 bytes: not looked up */
    /* In a hub that knows its records' cases (fanout/trail.h); else 0. */
    uint64_t case_hash;
    uint64_t before; /* the offset of the record before it whose case has this hash; 0: none */
};

#endif
