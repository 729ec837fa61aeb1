#include "play.h"

#include "common/log.h"
#include "common/timestamp.h"
#include "history.h"
#include "hours.h"
#include "proto/problem.h"
#include "sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <waybill/publisher.h>

#define ACTIVE_MAX    64 /* cases that move; those of the history beyond it stand still */
#define ACTIVE_USUAL  24 /* more are not taken in, but for one now and then */
#define ACTIVE_LEAST  12 /* fewer are filled up first */
#define PENDING_MAX   32 /* events without a receipt: the district rests while the broker is away */
#define ARENA_BYTES   ((size_t)1 << 20) /* one event */
#define SAMPLE_US     INT64_C(20000000) /* between two steps of the sample */
#define SAMPLE_DAYS   9                 /* since it was handed in; five of them were working days */
#define SAMPLE_SECOND (20 * 3600 + 13 * 60 + 27) /* of that day */

struct play {
    const struct play_options *options;
    const volatile sig_atomic_t *stop;
    uint64_t world;
    wb_publisher *publisher;
    struct arena arena;
    size_t published, known;

    struct course *active[ACTIVE_MAX];
    size_t active_count;
    uint64_t turn;   /* counts the steps, for chance */
    long serial_day; /* of the last case that was submitted live */
    unsigned serial; /* its second of the day, with its parts */
    int64_t next_us; /* when the next case moves; monotonic, as sample_us */
    int64_t sample_us;

    struct course *sample;
    long sample_day;
    unsigned sample_number; /* of that day */
    bool sample_told;       /* the file speaks of it */
};

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct play *p = arg;
    struct course *course = receipt->tag;
    course->pending--;
    course->repeated = receipt->repeat;
    if (receipt->refusal) {
        char words[600];
        course->dropped = true;
        log_error("demo", "case %s: %s", course->case_no,
                  problem_line(receipt->refusal, words, sizeof words));
        return;
    }
    p->published += !receipt->repeat;
    p->known += receipt->repeat;
    course->fresh += !receipt->repeat;
    snprintf(course->code, sizeof course->code, "%s", receipt->code);
}

static void on_session(void *arg, bool up, const char *words) {
    (void)arg;
    if (up)
        log_info("demo", "%s", words);
    else
        log_warn("demo", "%s", words);
}

static int publish(struct play *p, struct course *course, struct wb_error *err) {
    arena_reset(&p->arena);
    wb_event *event = course_event(course, course->next, &p->arena);
    if (!event)
        return problem(err, WB_E_SYSTEM, "no memory for an event");
    course->next++;
    course->pending++;
    course->repeated = false;
    if (wb_publisher_send(p->publisher, event, course, err)) {
        course->pending--;
        return -1;
    }
    return 0;
}

/* The next step, now. */
static int move(struct play *p, struct course *course, struct wb_error *err) {
    course_move(course, timestamp_now_us());
    return publish(p, course, err);
}

static void tell_sample(struct play *p) {
    struct course *sample = p->sample;
    char link[1024] = "";
    struct wb_error err;
    p->sample_told = true;
    wb_publisher_link(p->publisher, sample->case_no, sample->code, link, sizeof link);
    log_info("demo", "the sample is case %s, step %zu of %zu", sample->case_no, sample->next,
             sample->length);
    if (p->options->sample && sample_write(p->options->sample, sample->case_no, sample->code, link,
                                           sample->item->name, &err)) {
        char words[600];
        log_error("demo", "%s", problem_line(&err, words, sizeof words));
    }
}

/* A building permit that is in the middle of its course, with a correction round behind it. */
static int start_sample(struct play *p, struct wb_error *err) {
    int64_t now_us = timestamp_now_us();
    long today = hours_day(now_us);
    if (today != p->sample_day) {
        p->sample_day = today;
        p->sample_number = 0;
    }
    if (p->sample_number == COURSE_SERIALS)
        return 0;
    unsigned serial =
        COURSE_SERIAL_SAMPLE + (unsigned)(p->world % 36) * COURSE_SERIALS + p->sample_number++;
    course_init(p->sample, p->world, &plot_sample, district_sample, serial,
                hours_at(today - SAMPLE_DAYS, SAMPLE_SECOND), "");
    p->sample_told = false;
    while (p->sample->next < PLOT_SAMPLE_BEHIND) {
        if (p->sample->next == PLOT_SAMPLE_BEHIND - 1)
            p->sample->due_day = today; /* the appointment that is still to come */
        if (publish(p, p->sample, err))
            return -1;
    }
    return 0;
}

/* Steps that the log has already are passed over at once: a demonstration that was started again
 * goes on where it was. */
static int move_sample(struct play *p, struct wb_error *err) {
    struct course *sample = p->sample;
    if (sample->pending)
        return 0;
    if (sample->fresh && !p->sample_told)
        tell_sample(p);
    if (course_finished(sample))
        return !sample->repeated && monotonic_us() < p->sample_us ? 0 : start_sample(p, err);
    if (!sample->repeated && monotonic_us() < p->sample_us)
        return 0;
    p->sample_us = monotonic_us() + SAMPLE_US;
    return move(p, sample, err);
}

static const struct course *find_active(const struct play *p, const char *case_no) {
    for (size_t i = 0; i < p->active_count; i++)
        if (!strcmp(p->active[i]->case_no, case_no))
            return p->active[i];
    return NULL;
}

static bool has_parts(const struct play *p, const struct course *parent) {
    for (size_t i = 0; i < p->active_count; i++)
        if (!strcmp(p->active[i]->parent, parent->case_no))
            return true;
    return false;
}

/* The parts of a composite begin when it was shared out, and end before it does. */
static bool may_move(const struct play *p, const struct course *course) {
    if (course->pending || course_finished(course))
        return false;
    const struct course *parent = *course->parent ? find_active(p, course->parent) : NULL;
    if (parent && parent->next <= PLOT_SHARED)
        return false;
    bool ending = plot_step(course->plot, course->next)->stage == WB_STAGE(GRANTED);
    return !(course->plot->parts && ending && has_parts(p, course));
}

static void clear_finished(struct play *p) {
    size_t kept = 0;
    for (size_t i = 0; i < p->active_count; i++) {
        struct course *course = p->active[i];
        if (course_finished(course) && !course->pending)
            free(course);
        else
            p->active[kept++] = course;
    }
    p->active_count = kept;
}

static struct course *add_active(struct play *p) {
    struct course *course = p->active_count < ACTIVE_MAX ? malloc(sizeof *course) : NULL;
    if (course)
        p->active[p->active_count++] = course;
    return course;
}

/* Somebody applies, now. The second of the day makes the number, so there is one in a second. */
static int submit(struct play *p, struct wb_error *err) {
    int64_t now_us = timestamp_now_us();
    long day = hours_day(now_us);
    unsigned second = (unsigned)hours_second(now_us);
    if ((day == p->serial_day && second <= p->serial) ||
        p->active_count + 1 + DISTRICT_PARTS > ACTIVE_MAX)
        return 0;
    uint64_t random = course_mix(course_mix(p->world, (uint64_t)day), second);
    const struct plot *plot = plot_turn((unsigned long)(random >> 32));
    struct course *course = add_active(p);
    if (!course)
        return problem(err, WB_E_SYSTEM, "no memory for a case");
    course_init(course, p->world, plot, district_item(plot->class, random),
                COURSE_SERIAL_LIVE + second, now_us, "");
    p->serial_day = day;
    p->serial = second;
    for (unsigned i = 0; plot->parts && i < DISTRICT_PARTS; i++) {
        struct course *part = add_active(p);
        if (!part)
            return problem(err, WB_E_SYSTEM, "no memory for a case");
        course_init(part, p->world, plot_part(), district_parts[i],
                    COURSE_SERIAL_LIVE + ++p->serial, now_us, course->case_no);
    }
    return move(p, course, err);
}

static int move_one(struct play *p, struct wb_error *err) {
    uint64_t chance = course_mix(p->world + (uint64_t)timestamp_now_us(), p->turn++);
    if (p->active_count < ACTIVE_LEAST || (p->active_count < ACTIVE_USUAL && chance % 6 == 0))
        return submit(p, err);
    for (size_t i = 0; i < p->active_count; i++) {
        struct course *course = p->active[(chance / 6 + i) % p->active_count];
        if (may_move(p, course))
            return move(p, course, err);
    }
    return submit(p, err);
}

/* Of those that the log has already the next step follows at once. */
static int catch_up(struct play *p, struct wb_error *err) {
    for (size_t i = 0; i < p->active_count; i++)
        if (p->active[i]->repeated && may_move(p, p->active[i]) && move(p, p->active[i], err))
            return -1;
    return 0;
}

static int tick(struct play *p, struct wb_error *err) {
    if (wb_publisher_pending(p->publisher) >= PENDING_MAX)
        return 0;
    clear_finished(p);
    if (catch_up(p, err) || move_sample(p, err))
        return -1;
    int64_t now_us = monotonic_us();
    if (now_us < p->next_us)
        return 0;
    p->next_us = now_us + (int64_t)(1e6 / p->options->rate);
    return move_one(p, err);
}

static int run(struct play *p, struct wb_error *err) {
    while (!*p->stop) {
        if (tick(p, err))
            return *p->stop ? 0 : -1;
        int64_t next_us = p->next_us < p->sample_us ? p->next_us : p->sample_us;
        int64_t ms = (next_us - monotonic_us()) / 1000 + 1;
        if (wb_publisher_poll(p->publisher, ms < 1 ? 1 : ms > 1000 ? 1000 : (int)ms, err))
            return -1;
    }
    return 0;
}

/* Those that are under way go on while the demonstration runs. */
static void take_over(struct play *p, struct history *history) {
    for (size_t i = 0; i < history->count; i++) {
        if (p->active_count == ACTIVE_MAX || course_finished(history->courses[i]))
            continue;
        p->active[p->active_count++] = history->courses[i];
        history->courses[i] = NULL;
    }
}

static int publish_history(struct play *p, struct wb_error *err) {
    const struct play_options *o = p->options;
    struct history history;
    int failed = 0;
    if (!history_make(&history, p->world, o->cases, o->days, timestamp_now_us()))
        failed = problem(err, WB_E_SYSTEM, "no memory for the history");
    for (size_t i = 0; !failed && i < history.step_count; i++)
        failed = publish(p, history.steps[i].course, err);
    failed = failed || start_sample(p, err) || wb_publisher_flush(p->publisher, -1, err);
    if (!failed) {
        log_info("demo", "history of %zu cases: %zu events published, %zu were known",
                 history.count, p->published, p->known);
        take_over(p, &history);
    }
    history_free(&history);
    return failed;
}

static int perform(struct play *p, struct wb_error *err) {
    if (publish_history(p, err))
        return *p->stop ? 0 : -1;
    if (!p->options->once)
        return run(p, err);
    tell_sample(p);
    return 0;
}

int play(const struct play_options *options, const volatile sig_atomic_t *stop,
         struct wb_error *err) {
    struct course sample;
    struct play p = {.options = options,
                     .stop = stop,
                     .world = history_world(options->seed, options->cases, options->days),
                     .sample = &sample};
    struct wb_publisher_options with = {.client = "waybill-demo " WAYBILL_VERSION,
                                        .want_codes = true,
                                        .server_key = options->server_key,
                                        .key_file = options->key_file,
                                        .receipt = on_receipt,
                                        .session = on_session,
                                        .arg = &p,
                                        .stop = stop};
    p.publisher = wb_publisher_open(options->ingest, options->source, &with, err);
    if (!p.publisher)
        return -1;
    arena_init(&p.arena, ARENA_BYTES);
    int failed = perform(&p, err);
    wb_publisher_close(p.publisher);
    for (size_t i = 0; i < p.active_count; i++)
        free(p.active[i]);
    arena_free(&p.arena);
    return failed;
}
