/* One batch on its way through one connection. The journal has two lanes: while the batch ahead
 * commits, the next one is copied into the log's table beside it, and its offsets follow on. Which
 * commits first is the journal's business: a lane that is not alone stops before the commit.
 *
 *                      ┌──────────────┐ (a new source; events in doubt)
 *   IDLE ─lane_begin─▶ │ PREPARING    │─▶ WRITING ─alone──────────────────────────▶ DONE
 *    ▲                 └──────────────┘    │  └─▶ COPIED ─lane_commit─▶ COMMITTING ─▶│
 *    │                                     │                              │          │
 *    │                                     └──▶ ROLLING_BACK ─▶ FAILED ◀──┘          │
 *    └─lane_release──────────────────────────────────────────────┴───────────────────┘
 *
 * A lane that FAILED keeps its batch: lane_begin tries it again, lane_release gives it up. */
#ifndef BROKER_JOURNAL_LANE_H
#define BROKER_JOURNAL_LANE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "broker/journal/batch.h"
#include "broker/journal/opening.h"

struct lane;
struct database;
struct sources;

enum lane_state {
    LANE_DOWN, /* no connection */
    LANE_IDLE,
    LANE_PREPARING,
    LANE_WRITING,
    LANE_COPIED,
    LANE_COMMITTING,
    LANE_DONE,
    LANE_ROLLING_BACK,
    LANE_FAILED
};

struct lane_events {
    void (*up)(void *arg);
    void (*down)(void *arg, struct lane *lane, const char *reason);
    void (*moved)(void *arg); /* to WRITING, COPIED, DONE or FAILED */
};

struct lane *lane_new(uv_loop_t *loop, const char *database, const char *name, size_t events_max,
                      struct sources *sources, const struct lane_events *events, void *arg);
void lane_close(struct lane *lane); /* the batch has to be empty; NULL is allowed */

enum lane_state lane_state(const struct lane *lane);
struct database *lane_database(struct lane *lane); /* for the opening, while IDLE */
struct batch *lane_batch(struct lane *lane);       /* to be filled while IDLE */

struct lane_plan {
    int64_t epoch;
    uint64_t head; /* of the log in front of this batch */
    int64_t recorded_at_us;
    const struct batch *ahead; /* being committed; NULL: alone */
    struct leaf leaf;          /* where it goes; first_offset is filled in */
    bool new_leaf;             /* to be made by its transaction: only alone */
    bool spans_leaves;         /* the log has other leaves: its unique index does not see all */
    bool look_up_all;
};

void lane_begin(struct lane *lane, const struct lane_plan *plan);
const struct lane_plan *lane_plan(const struct lane *lane);
void lane_commit(struct lane *lane);    /* COPIED, with nothing ahead any more */
void lane_roll_back(struct lane *lane); /* COPIED or DONE without rows: FAILED, without an error */
void lane_release(struct lane *lane);   /* DONE or FAILED, the batch is empty: IDLE */
void lane_drop(struct lane *lane, const char *reason); /* the connection */

/* Of a lane that FAILED: "" if it was rolled back because of the one ahead. */
const char *lane_sqlstate(const struct lane *lane);
const char *lane_error(const struct lane *lane);
int64_t lane_sent_us(const struct lane *lane); /* when its rows were sent; monotonic */

#endif
