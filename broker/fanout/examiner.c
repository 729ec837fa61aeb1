#include "broker/fanout/examiner.h"

#include <stdlib.h>
#include <string.h>

#include "broker/cases/anomaly.h"
#include "broker/cases/state.h"
#include "broker/fanout/hub.h"
#include "broker/journal/header.h"
#include "broker/journal/reader.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "common/arena.h"
#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/field.h"

#define MOMENT_MS   50 /* from the first event of a window, so that a batch's others are in it */
#define BUSY_MS     20
#define RESTS       9 /* for so many times the duration of a read: a tenth of the time at most */
#define LONG_CASES  64
#define ARENA_BYTES ((size_t)16 << 20)

struct wanted {
    char case_no[LIMIT_CASE_NO_BYTES + 1];
    int64_t events; /* of it in the window */
};

struct examiner {
    const struct hub *hub;
    struct reader *reader;
    examiner_may *may;
    void *arg;
    uv_timer_t timer;
    uint64_t after, through; /* the window */
    struct wanted wanted[EXAMINER_WINDOW];
    size_t count, next;
    struct read *read; /* of the wanted one before `next` */
    int64_t asked_us;
    char long_cases[LONG_CASES][LIMIT_CASE_NO_BYTES + 1]; /* the latest that were too long */
    size_t long_next;
};

static void pass_over(int64_t events) {
    meter_add(METER_UNEXAMINED, NULL, events);
}

static int by_case(const void *a, const void *b) {
    return strcmp(((const struct wanted *)a)->case_no, ((const struct wanted *)b)->case_no);
}

static void want(struct examiner *x, const struct log_record *record) {
    struct header h;
    if (!header_read(record->event.data, record->event.length, &h) ||
        h.case_no.length > LIMIT_CASE_NO_BYTES) {
        pass_over(1);
        return;
    }
    struct wanted *wanted = &x->wanted[x->count++];
    memcpy(wanted->case_no, h.case_no.data, h.case_no.length);
    wanted->case_no[h.case_no.length] = '\0';
    wanted->events = 1;
}

/* Each case once. */
static void merge(struct examiner *x) {
    size_t kept = 0;
    qsort(x->wanted, x->count, sizeof *x->wanted, by_case);
    for (size_t i = 0; i < x->count; i++) {
        if (kept && by_case(&x->wanted[kept - 1], &x->wanted[i]) == 0)
            x->wanted[kept - 1].events++;
        else
            x->wanted[kept++] = x->wanted[i];
    }
    x->count = kept;
}

/* Goes to the oldest event that the hub still holds. It holds an unbroken run up to its head. */
static void catch_up(struct examiner *x) {
    uint64_t gone = x->through, head = hub_head(x->hub), held = head + 1;
    while (held - gone > 1) {
        uint64_t middle = gone + (held - gone) / 2;
        if (hub_record(x->hub, middle))
            held = middle;
        else
            gone = middle;
    }
    pass_over((int64_t)(gone - x->through));
    x->through = gone;
}

/* False if everything has been looked at. */
static bool next_window(struct examiner *x) {
    x->count = x->next = 0;
    if (x->through < hub_head(x->hub))
        catch_up(x);
    x->after = x->through;
    while (x->through < hub_head(x->hub) && x->through - x->after < EXAMINER_WINDOW) {
        const struct log_record *record = hub_record(x->hub, x->through + 1);
        if (!record)
            break; /* the hub had no memory for it: next time */
        want(x, record);
        x->through++;
    }
    merge(x);
    return x->through > x->after;
}

static bool is_long(const struct examiner *x, const char *case_no) {
    for (size_t i = 0; i < LONG_CASES; i++)
        if (strcmp(x->long_cases[i], case_no) == 0)
            return true;
    return false;
}

static void remember_long(struct examiner *x, const char *case_no) {
    memcpy(x->long_cases[x->long_next++ % LONG_CASES], case_no, strlen(case_no) + 1);
}

static bool too_long(const struct log_record *records, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += records[i].event.length;
    return count > EXAMINER_CASE_EVENTS || bytes > EXAMINER_CASE_BYTES;
}

static void count_node(const struct examiner *x, const Waybill__V1__Node *node) {
    if (node->record->offset <= x->after || node->record->offset > x->through)
        return;
    for (size_t i = 0; i < node->n_anomalies; i++)
        meter_add2(METER_ANOMALIES, node->record->source, anomaly_name((int)node->anomalies[i]), 1);
}

static bool examine(const struct examiner *x, const struct log_record *records, size_t count) {
    struct arena arena;
    struct history history;
    arena_init(&arena, ARENA_BYTES);
    bool done =
        history_build(records, count, &arena, &history) && anomaly_mark(&history, true, &arena);
    for (size_t i = 0; done && i < history.count; i++)
        count_node(x, &history.nodes[i]);
    arena_free(&arena);
    return done;
}

static void on_timer(uv_timer_t *timer);

static void on_read(void *arg, const struct log_record *records, size_t count,
                    const struct wb_error *failure) {
    struct examiner *x = arg;
    const struct wanted *wanted = &x->wanted[x->next - 1];
    x->read = NULL;
    bool longer = !failure && too_long(records, count);
    if (longer)
        remember_long(x, wanted->case_no);
    if (failure || longer || count == 0 || !examine(x, records, count))
        pass_over(wanted->events);
    uint64_t took_us = (uint64_t)(monotonic_us() - x->asked_us);
    uv_timer_start(&x->timer, on_timer, took_us * RESTS / 1000 + 1, 0);
}

static void ask(struct examiner *x) {
    x->asked_us = monotonic_us();
    x->read = reader_case(x->reader, x->wanted[x->next].case_no, x->through, on_read, x);
    if (x->read)
        x->next++;
    else
        uv_timer_start(&x->timer, on_timer, BUSY_MS, 0);
}

/* At most a window a turn. Sleeps, without a timer, when there is nothing to look at. */
static void on_timer(uv_timer_t *timer) {
    struct examiner *x = timer->data;
    if (!x->may(x->arg)) {
        uv_timer_start(timer, on_timer, BUSY_MS, 0);
        return;
    }
    if (x->next == x->count && !next_window(x))
        return;
    while (x->next < x->count && is_long(x, x->wanted[x->next].case_no))
        pass_over(x->wanted[x->next++].events);
    if (x->next < x->count)
        ask(x);
    else
        uv_timer_start(timer, on_timer, 1, 0);
}

struct examiner *examiner_new(uv_loop_t *loop, const struct hub *hub, struct reader *reader,
                              examiner_may *may, void *arg) {
    struct examiner *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    x->hub = hub;
    x->reader = reader;
    x->may = may;
    x->arg = arg;
    uv_timer_init(loop, &x->timer);
    x->timer.data = x;
    return x;
}

static void free_examiner(uv_handle_t *handle) {
    free(handle->data);
}

static void stop(struct examiner *x) {
    uv_timer_stop(&x->timer);
    if (x->read) {
        reader_cancel(x->read);
        x->read = NULL;
        x->next--;
    }
    for (; x->next < x->count; x->next++)
        pass_over(x->wanted[x->next].events);
}

void examiner_close(struct examiner *x) {
    if (!x)
        return;
    stop(x);
    uv_close((uv_handle_t *)&x->timer, free_examiner);
}

void examiner_start(struct examiner *x, uint64_t head_offset) {
    stop(x);
    pass_over((int64_t)(hub_head(x->hub) - x->through));
    x->after = x->through = head_offset;
}

void examiner_wake(struct examiner *x) {
    if (!x->read && !uv_is_active((uv_handle_t *)&x->timer))
        uv_timer_start(&x->timer, on_timer, MOMENT_MS, 0);
}
