#include "broker/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/database.h"
#include "broker/journal/lane.h"
#include "broker/journal/queue.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/journal/submission.h"
#include "broker/meter.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define RETRY_MS         500
#define PULSE_MS         500
#define PAUSE_US         INT64_C(3000000) /* less than the silence that ends a writer */
#define LANES            2
#define WAKE_MAX_US      INT64_C(1000000) /* a limit may be lifted while its source waits */
#define OVERLAP_EVENTS   256 /* fewer wait for the batch ahead: a commit of their own costs more */
#define UNIQUE_VIOLATION "23505"
#define FENCED           "WB001"

enum journal_state { DOWN, OPENING, READY };

struct journal {
    struct journal_options options;
    struct journal_events events;
    void *arg;
    struct sources *sources;
    struct opening *opening;
    uv_timer_t retry; /* of the opening */
    uv_timer_t pulse; /* tells whether the process stood still */
    int open_timers;
    uv_timer_t wake; /* when the first of those that wait for tokens may go on */

    enum journal_state state;
    int64_t pulse_us;     /* of the last pulse; monotonic */
    int64_t committed_us; /* when the last result of a commit came; monotonic */
    int64_t epoch;
    uint64_t head;
    struct leaf leaf;       /* the newest of the log */
    bool spans_leaves;      /* there are others */
    int64_t recorded_at_us; /* of the newest event: the log's time never goes back */
    char told[512];         /* what keeps it closed, as logged */

    struct queue queue;
    struct lane *lanes[LANES]; /* a ring: those in flight from `front` on, in the log's order */
    size_t front, in_flight;
    bool running, again;        /* a turn is under way; something moved meanwhile */
    struct log_record *records; /* of the batch that is finished: room for the largest */
};

static void turn(struct journal *j);

static struct lane *lane_at(const struct journal *j, size_t place) {
    return j->lanes[(j->front + place) % LANES];
}

/* Giving up: nobody is told that anything was committed. */

static void give_back(struct submission *s) {
    s->settled(s, false);
    s->release(s);
}

static void settle_all(struct journal *j) {
    struct submission *s;
    for (; j->in_flight; j->in_flight--, j->front = (j->front + 1) % LANES) {
        struct lane *lane = lane_at(j, 0);
        batch_settle(lane_batch(lane), false);
        batch_release(lane_batch(lane));
        lane_release(lane);
    }
    while ((s = queue_drain(&j->queue)))
        give_back(s);
}

static void note_unknown(const struct journal *j, const char *reason) {
    for (size_t i = 0; i < j->in_flight; i++) {
        enum lane_state state = lane_state(lane_at(j, i));
        if (state != LANE_COMMITTING && state != LANE_WRITING)
            continue;
        log_error("journal", "a batch's outcome is unknown: %s", reason);
        meter_add(METER_BATCHES, "unknown", 1);
        return;
    }
}

/* The two connections stand and fall together: without one of them the outcome of what the other
 * does cannot be put in order. */
static void on_down(void *arg, struct lane *down, const char *reason) {
    struct journal *j = arg;
    bool was_ready = j->state == READY;
    note_unknown(j, reason);
    j->state = DOWN;
    opening_forget(j->opening);
    meter_add(METER_DATABASE_LOST, "writer", 1);
    settle_all(j);
    for (size_t i = 0; i < LANES; i++)
        if (j->lanes[i] && j->lanes[i] != down)
            lane_drop(j->lanes[i], "the writer's other connection was lost");
    if (was_ready)
        j->events.lost(j->arg, reason);
}

static void doubt(struct journal *j, const char *reason) {
    struct wb_error err;
    log_warn("journal", "%s", reason);
    problem(&err, WB_E_NOT_READY, "%s", reason);
    note_unknown(j, reason);
    j->state = DOWN;
    settle_all(j);
    j->events.lost(j->arg, reason);
    j->events.waiting(j->arg, &err);
    for (size_t i = 0; i < LANES; i++)
        lane_drop(j->lanes[i], reason);
}

/* A process that stood still (stopped, swapped out, a machine that slept) may have a successor. It
 * believes nothing that it remembers, and shows it to nobody, until it has asked. Timers come
 * before sockets in a turn of the loop, so no peer is answered in between. */
static void on_pulse(uv_timer_t *timer) {
    struct journal *j = timer->data;
    int64_t now_us = monotonic_us(), before_us = j->pulse_us;
    j->pulse_us = now_us;
    if (j->state == READY && now_us - before_us >= PAUSE_US)
        doubt(j, "the broker stood still for a while and looks who writes now");
}

void journal_silent(struct journal *j, int64_t since_us) {
    if (j->state == READY && j->committed_us < since_us)
        doubt(j, "the database gives no answer; another broker may have taken over");
}

/* Opening. */

static void begin_opening(struct journal *j) {
    for (size_t i = 0; i < LANES; i++)
        if (lane_state(j->lanes[i]) != LANE_IDLE || !database_idle(lane_database(j->lanes[i])))
            return;
    j->state = OPENING;
    opening_begin(j->opening, database_process(lane_database(j->lanes[1])));
}

static void on_up(void *arg) {
    begin_opening(arg);
}

static void on_retry(uv_timer_t *timer) {
    struct journal *j = timer->data;
    if (j->state == OPENING)
        begin_opening(j);
}

static void take_over(struct journal *j, const struct opened *opened) {
    j->state = READY;
    j->told[0] = '\0';
    j->epoch = opened->epoch;
    j->head = opened->head_offset;
    j->leaf = opened->leaf;
    j->spans_leaves = opened->spans_leaves;
    j->recorded_at_us = opened->head_recorded_at_us;
    log_info("journal", "writing in epoch %lld behind offset %llu", (long long)j->epoch,
             (unsigned long long)j->head);
    j->events.ready(j->arg, opened);
}

/* Says once what keeps the log closed, however often it is tried. */
static void wait_for_log(struct journal *j, const struct wb_error *err) {
    char words[512];
    problem_line(err, words, sizeof words);
    if (strcmp(words, j->told) != 0)
        log_warn("journal", "the log cannot be opened: %s", words);
    snprintf(j->told, sizeof j->told, "%s", words);
    j->events.waiting(j->arg, err);
    uv_timer_start(&j->retry, on_retry, RETRY_MS, 0);
}

static void on_opened(void *arg, enum opening_outcome outcome, const struct opened *opened,
                      const struct wb_error *err) {
    struct journal *j = arg;
    if (outcome == OPENING_DONE)
        take_over(j, opened);
    else if (outcome == OPENING_FATAL)
        j->events.fatal(j->arg, err);
    else
        wait_for_log(j, err);
}

/* Beginning a batch. */

static void fill(struct journal *j, struct batch *batch, int64_t now_us) {
    size_t events = j->options.batch_events, bytes = j->options.batch_bytes;
    struct submission *s;
    while ((s = queue_take(&j->queue, &events, &bytes, batch_empty(batch), now_us)))
        batch_add(batch, s);
}

/* The leaf for a time: the newest, or one that begins on the period's next multiple. */
static bool new_leaf(const struct journal *j, int64_t at_us, struct leaf *leaf) {
    int64_t period_us = j->options.partition_us;
    *leaf = j->leaf;
    if (j->leaf.number && at_us < j->leaf.to_us)
        return false;
    int64_t from_us = at_us - at_us % period_us;
    leaf->from_us = from_us < j->leaf.to_us ? j->leaf.to_us : from_us;
    leaf->to_us = from_us + period_us;
    leaf->number++;
    return true;
}

static struct lane_plan plan_behind(const struct journal *j, const struct lane *ahead) {
    int64_t now_us = timestamp_now_us(), last_us = j->recorded_at_us;
    struct lane_plan plan = {.epoch = j->epoch, .head = j->head, .spans_leaves = j->spans_leaves};
    if (ahead) {
        plan.ahead = lane_batch((struct lane *)ahead);
        plan.head = plan.ahead->last_offset;
        last_us = plan.ahead->recorded_at_us;
    }
    if (last_us < j->leaf.from_us) /* whatever the clocks of two brokers say */
        last_us = j->leaf.from_us;
    plan.recorded_at_us = now_us > last_us ? now_us : last_us;
    plan.new_leaf = new_leaf(j, plan.recorded_at_us, &plan.leaf);
    plan.spans_leaves = plan.spans_leaves || (plan.new_leaf && j->leaf.number);
    return plan;
}

/* A batch may be written beside the one ahead once that one's offsets are settled, if both go to
 * the same leaf and enough is waiting to be worth it. */
static bool may_follow(const struct journal *j, const struct lane *ahead) {
    enum lane_state state = lane_state(ahead);
    return (state == LANE_WRITING || state == LANE_COPIED || state == LANE_COMMITTING) &&
           j->queue.events >= OVERLAP_EVENTS && !lane_plan(ahead)->new_leaf &&
           lane_plan(ahead)->leaf.number == j->leaf.number;
}

static void on_wake(uv_timer_t *timer) {
    turn(timer->data);
}

/* Takes from the queue what the next transaction holds, and begins it. False: nothing may go. */
static bool begin_batch(struct journal *j) {
    if (!j->in_flight)
        j->front = 0; /* while little is to be done, one server process does it, and stays warm */
    const struct lane *ahead = j->in_flight ? lane_at(j, j->in_flight - 1) : NULL;
    struct lane *lane = lane_at(j, j->in_flight);
    int64_t now_us = monotonic_us();
    if (!j->queue.events || j->in_flight == LANES || lane_state(lane) != LANE_IDLE ||
        (ahead && !may_follow(j, ahead)))
        return false;
    struct lane_plan plan = plan_behind(j, ahead);
    if (ahead && plan.new_leaf)
        return false;
    fill(j, lane_batch(lane), now_us);
    if (batch_empty(lane_batch(lane))) {
        int64_t due_us = queue_due_us(&j->queue, now_us);
        if (due_us > now_us + WAKE_MAX_US)
            due_us = now_us + WAKE_MAX_US;
        uv_timer_start(&j->wake, on_wake, (uint64_t)((due_us - now_us) / 1000 + 1), 0);
        return false;
    }
    meter_set(METER_BATCH_EVENTS, NULL, (int64_t)lane_batch(lane)->events);
    j->in_flight++;
    lane_begin(lane, &plan);
    return true;
}

/* The outcome of the batch in front. */

static uint32_t case_at(const struct entry *e) {
    return e->header.case_no.length ? (uint32_t)(e->header.case_no.data - e->event.data) : 0;
}

static size_t collect_records(const struct journal *j, const struct batch *batch) {
    size_t count = 0;
    for (struct submission *s = batch->first; s; s = s->next)
        for (size_t i = 0; i < s->count; i++) {
            const struct entry *e = &s->entries[i];
            if (entry_is_new(e))
                j->records[count++] =
                    (struct log_record){.offset = e->offset,
                                        .source = s->source->name,
                                        .recorded_at_us = batch->recorded_at_us,
                                        .event = e->event,
                                        .case_at = case_at(e),
                                        .case_bytes = (uint32_t)e->header.case_no.length};
        }
    return count;
}

static void note_outcome(const struct batch *b) {
    for (const struct submission *s = b->first; s; s = s->next) {
        int64_t recorded = 0, repeats = 0, refused = 0;
        for (size_t i = 0; i < s->count; i++) {
            const struct entry *e = &s->entries[i];
            refused += e->refusal != NULL;
            repeats += !e->refusal && entry_is_repeat(e);
            recorded += entry_is_new(e);
        }
        meter_add(METER_EVENTS, "recorded", recorded);
        meter_add(METER_EVENTS, "repeat", repeats);
        meter_add(METER_EVENTS, "refused", refused);
        meter_add(METER_SOURCE_EVENTS, s->source->name, recorded);
    }
}

static void leave_front(struct journal *j, struct lane *lane) {
    batch_release(lane_batch(lane));
    lane_release(lane);
    j->front = (j->front + 1) % LANES;
    j->in_flight--;
}

/* The acknowledgements go first, then those who follow. */
static void finish(struct journal *j, struct lane *lane) {
    const struct batch *batch = lane_batch(lane);
    const struct lane_plan *plan = lane_plan(lane);
    size_t count = collect_records(j, batch);
    bool wrote = batch->last_offset >= batch->first_offset;
    note_outcome(batch);
    batch_note_ids(batch);
    meter_add(METER_BATCHES, wrote ? "committed" : "repeats_only", 1);
    if (wrote) {
        j->committed_us = monotonic_us();
        meter_observe_us(METER_COMMIT_SECONDS, j->committed_us - lane_sent_us(lane));
        j->head = batch->last_offset;
        j->recorded_at_us = batch->recorded_at_us;
        j->spans_leaves = plan->spans_leaves;
        j->leaf = plan->leaf;
    }
    meter_set(METER_HEAD_OFFSET, NULL, (int64_t)j->head);
    batch_settle(lane_batch(lane), true);
    if (count > 0)
        j->events.recorded(j->arg, j->records, count);
    leave_front(j, lane);
}

/* What came behind it goes too: a session's later events must not be recorded before these, which
 * will be repeated. */
static void fail(struct journal *j, const struct lane *lane) {
    log_error("journal", "a batch was not recorded: %s", lane_error(lane));
    meter_add(METER_BATCHES, "failed", 1);
    settle_all(j);
}

/* The batch behind one that failed has offsets that are no longer right. True once it waits. */
static bool hold_back(struct journal *j) {
    if (j->in_flight < LANES)
        return true;
    struct lane *behind = lane_at(j, 1);
    enum lane_state state = lane_state(behind);
    if (state == LANE_COPIED || state == LANE_DONE)
        lane_roll_back(behind);
    return lane_state(behind) == LANE_FAILED;
}

/* The front failed and nothing else is under way: once more if that can help. */
static void mend(struct journal *j, struct lane *lane) {
    const char *sqlstate = lane_sqlstate(lane);
    bool repeats = strcmp(sqlstate, UNIQUE_VIOLATION) == 0;
    if (strcmp(sqlstate, FENCED) == 0) {
        lane_drop(lane, "another broker took the log over");
    } else if (!*sqlstate || (repeats && !lane_plan(lane)->look_up_all)) {
        struct lane_plan plan = plan_behind(j, NULL);
        plan.look_up_all = repeats;
        lane_begin(lane, &plan);
    } else {
        fail(j, lane);
        j->again = true;
    }
}

/* The lane behind still compares its events with those of the front. */
static bool is_needed(const struct journal *j) {
    return j->in_flight == LANES && lane_state(lane_at(j, 1)) == LANE_PREPARING;
}

/* Brings on what is in flight, the front first. */
static void settle_front(struct journal *j) {
    while (j->in_flight && lane_state(lane_at(j, 0)) == LANE_DONE && !is_needed(j))
        finish(j, lane_at(j, 0));
    if (!j->in_flight)
        return;
    struct lane *front = lane_at(j, 0);
    if (lane_state(front) == LANE_COPIED)
        lane_commit(front);
    else if (lane_state(front) == LANE_FAILED && hold_back(j))
        mend(j, front);
}

/* Callbacks of the lanes come back here while a turn is under way: they make it go round again. */
static void turn(struct journal *j) {
    if (j->running) {
        j->again = true;
        return;
    }
    j->running = true;
    do {
        j->again = false;
        if (j->state == READY)
            settle_front(j);
        while (j->state == READY && begin_batch(j))
            ;
    } while (j->again);
    j->running = false;
}

static void on_moved(void *arg) {
    turn(arg);
}

/* The journal's life. */

static bool open_lanes(struct journal *j, uv_loop_t *loop) {
    static const struct lane_events events = {.up = on_up, .down = on_down, .moved = on_moved};
    for (size_t i = 0; i < LANES; i++) {
        j->lanes[i] =
            lane_new(loop, j->options.database, "waybilld writer",
                     j->options.batch_events + LIMIT_BATCH_EVENTS, j->sources, &events, j);
        if (!j->lanes[i])
            return false;
    }
    j->opening = opening_new(lane_database(j->lanes[0]), j->sources, on_opened, j);
    return j->opening != NULL;
}

struct journal *journal_new(uv_loop_t *loop, const struct journal_options *options,
                            struct sources *sources, const struct journal_events *events, void *arg,
                            struct wb_error *err) {
    struct journal *j = calloc(1, sizeof *j);
    if (!j) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    j->options = *options;
    j->events = *events;
    j->arg = arg;
    j->sources = sources;
    uv_timer_init(loop, &j->retry);
    uv_timer_init(loop, &j->wake);
    uv_timer_init(loop, &j->pulse);
    j->retry.data = j->wake.data = j->pulse.data = j;
    j->pulse_us = monotonic_us();
    uv_timer_start(&j->pulse, on_pulse, PULSE_MS, PULSE_MS);
    j->records = calloc(options->batch_events + LIMIT_BATCH_EVENTS, sizeof *j->records);
    if (j->records && open_lanes(j, loop))
        return j;
    problem(err, WB_E_SYSTEM, "out of memory");
    journal_close(j);
    return NULL;
}

/* libuv says nothing of the order in which it lets go of the timers: the last one frees. */
static void on_timer_closed(uv_handle_t *handle) {
    struct journal *j = handle->data;
    if (--j->open_timers == 0)
        free(j);
}

void journal_close(struct journal *j) {
    if (!j)
        return;
    j->state = DOWN;
    settle_all(j);
    for (size_t i = 0; i < LANES; i++)
        lane_close(j->lanes[i]);
    opening_free(j->opening);
    free(j->records);
    j->open_timers = 3;
    uv_close((uv_handle_t *)&j->wake, on_timer_closed);
    uv_close((uv_handle_t *)&j->pulse, on_timer_closed);
    uv_close((uv_handle_t *)&j->retry, on_timer_closed);
}

void journal_submit(struct journal *j, struct submission *s) {
    queue_put(&j->queue, s);
    turn(j);
}

bool journal_withdraw(struct journal *j, struct submission *s) {
    return queue_remove(&j->queue, s);
}

size_t journal_pending_bytes(const struct journal *j) {
    size_t bytes = j->queue.bytes;
    for (size_t i = 0; i < LANES; i++)
        bytes += lane_batch(j->lanes[i])->bytes;
    return bytes;
}

bool journal_idle(const struct journal *j) {
    return !j->queue.events && !j->in_flight;
}
