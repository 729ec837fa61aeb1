#include "broker/broker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "broker/access/access.h"
#include "broker/access/zap.h"
#include "broker/admit/admit.h"
#include "broker/cases/code.h"
#include "broker/cases/opened.h"
#include "broker/fanout/desk.h"
#include "broker/fanout/examiner.h"
#include "broker/fanout/feed.h"
#include "broker/fanout/hub.h"
#include "broker/fanout/readers.h"
#include "broker/journal/journal.h"
#include "broker/journal/reader.h"
#include "broker/journal/record.h"
#include "broker/journal/source.h"
#include "broker/meter.h"
#include "broker/ops.h"
#include "broker/options.h"
#include "broker/session/endpoint.h"
#include "broker/upkeep/upkeep.h"
#include "common/curve.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "common/zsock.h"
#include "proto/field.h"
#include "proto/problem.h"

#define FILES_MAX        65536
#define STOP_TICK_MS     10
#define UPKEEP_MS        60000
#define UPKEEP_LEAST_MS  200
#define ACKNOWLEDGEMENTS 65536 /* more than the largest window: acknowledgements never block */
#define EXAMINE_PENDING  65536 /* bytes that wait for their commit: a few hundred events */
#define DELIVERIES       1024  /* at 64 KiB, 64 MiB for a peer that does not read */

static const enum access_domain live_domains[] = {ACCESS_LIVE, ACCESS_LIVE_STAFF,
                                                  ACCESS_LIVE_APPLICANT, ACCESS_LIVE_PUBLIC};
#define LIVE_FEEDS (sizeof live_domains / sizeof *live_domains)

struct broker {
    const struct options *options;
    void *zmq;
    struct access *access;
    struct zap *zap;
    struct sources *sources;
    struct hub *hub;
    struct reader *reader;
    struct readers *readers;
    struct journal *journal;
    struct upkeep *upkeep;
    struct admit *admit;
    struct desk *desk;
    struct feed *feeds[LIVE_FEEDS]; /* NULL: the operator set no endpoint for the audience */
    struct examiner *examiner;
    struct ops *ops;
    uv_timer_t stop;
    int64_t stop_by_us;
    bool writing; /* the log is open */
    bool known;   /* who may do what was read */
    bool stopping, failed;
};

/* Who is registered may be held to less than who is not: so nobody is let in before both are there.
 */
static void open_up(struct broker *b) {
    struct wb_error err;
    if (!b->writing || b->stopping)
        return;
    if (!b->known) {
        problem(&err, WB_E_NOT_READY, "the broker has not read its sources and followers yet");
        ops_ready(b->ops, &err);
        return;
    }
    admit_open(b->admit);
    desk_open(b->desk);
    ops_ready(b->ops, NULL);
    log_info("broker", "ready: ingest %s, live %s, streams %s, http %s", admit_address(b->admit),
             feed_address(b->feeds[0]), desk_address(b->desk), ops_address(b->ops));
}

static void on_ready(void *arg, const struct opened *opened) {
    struct broker *b = arg;
    struct wb_error err;
    code_key(opened->code_key);
    if (opened->head_offset < hub_head(b->hub)) {
        problem(&err, WB_E_NOT_READY, "the log was restored and ends at %llu",
                (unsigned long long)opened->head_offset);
        desk_shut(b->desk, &err); /* their cursors are looked at anew */
        opened_clear();
    }
    examiner_start(b->examiner, opened->head_offset);
    hub_reset(b->hub, opened->first_offset, opened->head_offset);
    admit_log(b->admit, opened->first_offset, opened->head_offset);
    access_beat(b->access, opened->epoch);
    upkeep_run(b->upkeep, opened->epoch);
    readers_run(b->readers, opened->epoch);
    meter_set(METER_READY, NULL, 1);
    meter_set(METER_HEAD_OFFSET, NULL, (int64_t)opened->head_offset);
    b->writing = true;
    open_up(b);
}

static void on_lost(void *arg, const char *reason) {
    struct broker *b = arg;
    struct wb_error err;
    problem(&err, WB_E_NOT_READY, "%s", reason);
    b->writing = false;
    access_beat(b->access, 0);
    upkeep_run(b->upkeep, 0);
    readers_run(b->readers, 0);
    meter_set(METER_READY, NULL, 0);
    ops_ready(b->ops, &err);
    if (!b->stopping)
        admit_shut(b->admit, &err);
}

/* The log may go on without this broker: those who follow it must not take the end that was seen
 * here for the log's. While the database is merely out of reach they stay. */
static void on_waiting(void *arg, const struct wb_error *err) {
    struct broker *b = arg;
    struct wb_error shut;
    problem(&shut, WB_E_NOT_READY, "%s", err->detail);
    ops_ready(b->ops, err);
    if (!b->stopping)
        desk_shut(b->desk, &shut);
}

static void on_fatal(void *arg, const struct wb_error *err) {
    struct broker *b = arg;
    char words[600];
    log_error("broker", "giving up: %s", problem_line(err, words, sizeof words));
    b->failed = true;
    broker_stop(b);
}

static void on_recorded(void *arg, const struct log_record *records, size_t count) {
    struct broker *b = arg;
    hub_append(b->hub, records, count);
    admit_log(b->admit, hub_first(b->hub), hub_head(b->hub));
    for (size_t i = 0; i < LIVE_FEEDS; i++)
        feed_publish(b->feeds[i], records, count);
    desk_pump(b->desk);
    examiner_wake(b->examiner);
}

/* Cases are examined in the background, for as long as publishers do not notice. */
static bool may_examine(void *arg) {
    const struct broker *b = arg;
    return journal_pending_bytes(b->journal) <= EXAMINE_PENDING;
}

static void on_retiring(void *arg, uint64_t first_offset) {
    struct broker *b = arg;
    hub_retire(b->hub, first_offset);
    admit_log(b->admit, hub_first(b->hub), hub_head(b->hub));
}

/* Often enough for the shortest leaf. */
static int64_t upkeep_ms(const struct options *o) {
    int64_t ms = o->partition / 10;
    return ms < UPKEEP_LEAST_MS ? UPKEEP_LEAST_MS : ms > UPKEEP_MS ? UPKEEP_MS : ms;
}

static bool open_upkeep(struct broker *b, uv_loop_t *loop) {
    static const struct upkeep_events events = {.retiring = on_retiring};
    const struct upkeep_options options = {.database = b->options->database,
                                           .retention_us = b->options->retention * 1000,
                                           .check_ms = upkeep_ms(b->options)};
    b->upkeep = upkeep_new(loop, &options, b->sources, &events, b);
    return b->upkeep != NULL;
}

static void on_silent(void *arg, int64_t since_us) {
    struct broker *b = arg;
    journal_silent(b->journal, since_us);
}

/* Sessions that were open before and may not be any more are ended. */
static void on_access_changed(void *arg, audiences live_lost) {
    struct broker *b = arg;
    zap_open(b->zap);
    hub_remake(b->hub);
    if (b->ops) { /* everything is there */
        admit_recheck(b->admit);
        desk_recheck(b->desk);
    }
    for (size_t i = 0; i < LIVE_FEEDS; i++)
        if (live_lost & audiences_of(access_domain_audience(live_domains[i])))
            feed_cut(b->feeds[i]);
    if (!b->known) {
        b->known = true;
        open_up(b);
    }
}

static bool open_access(struct broker *b, uv_loop_t *loop, struct wb_error *err) {
    static const struct access_events events = {.changed = on_access_changed, .silent = on_silent};
    struct access_options options = {.database = b->options->database,
                                     .retention_ms = b->options->retention};
    disclosure_find(b->options->disclosure, &options.disclosure);
    b->access = access_new(loop, &options, &events, b);
    if (!b->access) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return false;
    }
    b->zap = zap_new(loop, b->zmq, b->access, err);
    return b->zap != NULL;
}

static bool open_log(struct broker *b, uv_loop_t *loop, struct wb_error *err) {
    static const struct journal_events events = {.ready = on_ready,
                                                 .lost = on_lost,
                                                 .waiting = on_waiting,
                                                 .fatal = on_fatal,
                                                 .recorded = on_recorded};
    const struct journal_options options = {.database = b->options->database,
                                            .batch_events = (size_t)b->options->batch_events,
                                            .batch_bytes = (size_t)b->options->batch_bytes,
                                            .partition_us = b->options->partition * 1000};
    b->sources = sources_new();
    b->hub = hub_new((size_t)b->options->recent_bytes, b->access);
    b->reader = b->sources ? reader_new(loop, options.database, b->sources) : NULL;
    b->examiner = b->reader ? examiner_new(loop, b->hub, b->reader, may_examine, b) : NULL;
    b->readers = readers_new(loop, options.database, b->options->retention * 1000);
    if (!b->hub || !b->examiner || !b->readers || !open_upkeep(b, loop)) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return false;
    }
    b->journal = journal_new(loop, &options, b->sources, &events, b, err);
    return b->journal != NULL;
}

static const struct curve_keys *keys_for(const struct broker *b, const char *endpoint,
                                         const struct curve_keys *keys) {
    return options_keyed(b->options, endpoint) ? keys : NULL;
}

static bool open_feeds(struct broker *b, uv_loop_t *loop, const struct curve_keys *keys,
                       struct wb_error *err) {
    const struct options *o = b->options;
    const char *const addresses[LIVE_FEEDS] = {o->live, o->live_staff, o->live_applicant,
                                               o->live_public};
    for (size_t i = 0; i < LIVE_FEEDS; i++) {
        const struct feed_options feed = {.address = addresses[i],
                                          .domain = live_domains[i],
                                          .keys = keys_for(b, addresses[i], keys),
                                          .hub = b->hub};
        if (!addresses[i][0])
            continue;
        b->feeds[i] = feed_new(loop, b->zmq, &feed, err);
        if (!b->feeds[i])
            return false;
        log_info("live", "%s feed on %s",
                 audience_name((int)access_domain_audience(live_domains[i])),
                 feed_address(b->feeds[i]));
    }
    return true;
}

static bool open_endpoints(struct broker *b, uv_loop_t *loop, const struct curve_keys *keys,
                           struct wb_error *err) {
    const struct options *o = b->options;
    struct endpoint_options endpoint = {.address = o->ingest,
                                        .sessions_max = (size_t)o->max_sessions,
                                        .ping_interval_ms = o->ping_interval,
                                        .send_messages_max = ACKNOWLEDGEMENTS,
                                        .access = b->access,
                                        .domain = ACCESS_INGEST,
                                        .keys = keys_for(b, o->ingest, keys)};
    const struct admit_options admit = {.window_events = (uint32_t)o->window_events,
                                        .window_bytes = (uint32_t)o->window_bytes,
                                        .pending_max = (size_t)o->pending_bytes,
                                        .public_url = o->public_url};
    const struct desk_options desk = {.credit_events = (uint32_t)o->credit_events,
                                      .subscriptions = (uint32_t)o->subscriptions,
                                      .outstanding_bytes = (size_t)o->outstanding_bytes,
                                      .public_url = o->public_url,
                                      .code_life_ms = o->code_life};
    b->admit = admit_new(loop, b->zmq, &endpoint, &admit, b->journal, b->sources, err);
    if (!b->admit)
        return false;
    endpoint.address = o->streams;
    endpoint.send_messages_max = DELIVERIES;
    endpoint.domain = ACCESS_STREAMS;
    endpoint.keys = keys_for(b, o->streams, keys);
    b->desk = desk_new(loop, b->zmq, &endpoint, &desk, b->hub, b->reader, b->readers, err);
    if (b->desk && open_feeds(b, loop, keys, err))
        b->ops = ops_new(loop, o->http, err);
    return b->ops != NULL;
}

/* The secret is needed while sockets are bound, and no longer. */
static bool open_doors(struct broker *b, uv_loop_t *loop, struct wb_error *err) {
    struct curve_keys keys;
    bool keyed = b->options->key_file[0] != '\0';
    if (keyed && curve_read(b->options->key_file, true, &keys, err) != 0)
        return false;
    bool open = open_endpoints(b, loop, keyed ? &keys : NULL, err);
    curve_forget(&keys);
    return open;
}

static void close_all(struct broker *b) {
    struct wb_error err;
    problem(&err, WB_E_SHUTTING_DOWN, "the operator stopped it");
    if (b->admit)
        admit_shut(b->admit, &err);
    if (b->desk)
        desk_shut(b->desk, &err);
    journal_close(b->journal);
    admit_close(b->admit);
    desk_close(b->desk);
    examiner_close(b->examiner);
    reader_close(b->reader);
    readers_close(b->readers);
    upkeep_close(b->upkeep);
    for (size_t i = 0; i < LIVE_FEEDS; i++)
        feed_close(b->feeds[i]);
    zap_close(b->zap);
    ops_close(b->ops);
    access_close(b->access);
    uv_close((uv_handle_t *)&b->stop, NULL);
}

/* Every connection is a descriptor, also one that says nothing until its handshake times out. The
 * usual soft limit of 1,024 is less than max_sessions on two endpoints; the hard one is the
 * operator's word. */
static void raise_file_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_MAX)
        return;
    files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0)
        log_warn("broker", "the limit of open files stays where it is");
}

struct broker *broker_new(uv_loop_t *loop, const struct options *options, struct wb_error *err) {
    struct broker *b = calloc(1, sizeof *b);
    if (!b) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    b->options = options;
    raise_file_limit();
    b->zmq = zsock_context_new();
    uv_timer_init(loop, &b->stop);
    b->stop.data = b;
    if (!open_access(b, loop, err) || !open_log(b, loop, err) || !open_doors(b, loop, err)) {
        close_all(b);
        uv_run(loop, UV_RUN_DEFAULT);
        broker_free(b);
        return NULL;
    }
    return b;
}

/* What readers acknowledged is written before the end. */
static void end_following(struct broker *b) {
    struct wb_error err;
    problem(&err, WB_E_SHUTTING_DOWN, "the operator stopped it");
    desk_shut(b->desk, &err);
}

static void on_stop_tick(uv_timer_t *timer) {
    struct broker *b = timer->data;
    if (!journal_idle(b->journal) && monotonic_us() < b->stop_by_us)
        return;
    if (!journal_idle(b->journal))
        log_warn("broker", "stopping with events in flight: their senders will repeat them");
    end_following(b);
    if (!readers_idle(b->readers) && monotonic_us() < b->stop_by_us)
        return;
    uv_timer_stop(timer);
    close_all(b);
}

void broker_stop(struct broker *b) {
    struct wb_error err;
    if (b->stopping)
        return;
    b->stopping = true;
    log_info("broker", "stopping: finishing what is in flight");
    problem(&err, WB_E_SHUTTING_DOWN, "signal or fatal error");
    ops_ready(b->ops, &err);
    admit_pause(b->admit);
    b->stop_by_us = monotonic_us() + b->options->stop_grace * 1000;
    uv_timer_start(&b->stop, on_stop_tick, 0, STOP_TICK_MS);
}

int broker_free(struct broker *b) {
    int status = b->failed ? 1 : 0;
    zsock_context_free(b->zmq);
    hub_free(b->hub);
    sources_free(b->sources);
    free(b);
    return status;
}
