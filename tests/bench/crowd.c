/* bench-crowd: many followers of event streams, of the gateway or of Nchan: how many deliveries a
 * second they get, or only that they are there. */
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "tests/bench/nchan.h"
#include "tests/bench/pace.h"
#include "tests/bench/viewer.h"
#include "tests/support/setting.h"

#define QUIET_US INT64_C(500000)   /* before the first event */
#define STALL_US INT64_C(15000000) /* without a delivery: the rest will not come */

struct crowd {
    const char *gateway, *nchan_at, *ingest, *path;
    uint64_t followers, cases, events, window, bytes;
    bool hold;
    struct viewers viewers;
    struct pace pace;
    struct nchan nchan;
    uint64_t each; /* followers that an event reaches */
    uint64_t delivery_bytes;
    int64_t took_us;
};

static volatile sig_atomic_t ending;

static const struct setting settings[] = {
    {"gateway", 'g', "ADDRESS:PORT", "follow cases here, which --ingest opens", SETTING_TEXT,
     .at = offsetof(struct crowd, gateway)},
    {"ingest", 'i', "ENDPOINT", "the broker's ingest endpoint", SETTING_TEXT,
     .at = offsetof(struct crowd, ingest)},
    {"nchan", 0, "ADDRESS:PORT", "follow channels of Nchan here instead", SETTING_TEXT,
     .at = offsetof(struct crowd, nchan_at)},
    {"path", 'p', "PATH", "follow this stream of the gateway instead of cases", SETTING_TEXT,
     .at = offsetof(struct crowd, path)},
    {"followers", 'f', "N", "how many, spread evenly over the cases (2000)", SETTING_NUMBER,
     .at = offsetof(struct crowd, followers), .least = 1, .most = VIEWERS_MAX},
    {"cases", 'c', "N", "how many cases or channels (1)", SETTING_NUMBER,
     .at = offsetof(struct crowd, cases), .least = 1, .most = VIEWERS_MAX},
    {"events", 'n', "N", "how many to publish, case by case (1000)", SETTING_NUMBER,
     .at = offsetof(struct crowd, events), .least = 1},
    {"window", 'w', "N", "published ahead of what was delivered (64)", SETTING_NUMBER,
     .at = offsetof(struct crowd, window), .least = 1},
    {"bytes", 'b', "N", "the size of a message to Nchan (300)", SETTING_NUMBER,
     .at = offsetof(struct crowd, bytes), .least = 1, .most = 65536},
    {"hold", 0, NULL, "publish nothing, and stay until SIGTERM", SETTING_FLAG,
     .at = offsetof(struct crowd, hold)},
    {0},
};

static void on_signal(int signal) {
    (void)signal;
    ending = 1;
}

static void write_path(const void *arg, size_t index, char *path, size_t size) {
    const struct crowd *crowd = arg;
    if (crowd->nchan_at)
        nchan_path(&crowd->nchan, index, path, size);
    else if (crowd->path)
        snprintf(path, size, "%s", crowd->path);
    else
        pace_path(&crowd->pace, index, path, size);
}

static int open_all(struct crowd *crowd, struct wb_error *err) {
    const char *server = crowd->nchan_at ? crowd->nchan_at : crowd->gateway;
    crowd->pace = (struct pace){
        .ingest = crowd->ingest, .source = "bench", .cases = crowd->cases, .events = crowd->events};
    if (crowd->followers % crowd->cases || (!crowd->hold && crowd->events % crowd->cases))
        return problem(err, WB_E_USAGE,
                       "followers and events have to be spread evenly over %" PRIu64 " cases",
                       crowd->cases);
    crowd->each = crowd->path ? crowd->followers : crowd->followers / crowd->cases;
    if (viewers_open(&crowd->viewers, server, crowd->followers, err))
        return -1;
    if (crowd->nchan_at
            ? nchan_open(&crowd->nchan, &crowd->viewers, crowd->cases, crowd->bytes, err)
            : pace_open(&crowd->pace, err))
        return -1;
    return viewers_follow(&crowd->viewers, write_path, crowd, err);
}

static int send_one(struct crowd *crowd, uint64_t number, struct wb_error *err) {
    if (crowd->nchan_at)
        return nchan_send(&crowd->nchan, number, err);
    if (pace_send(&crowd->pace, number) == 0)
        return 0;
    *err = crowd->pace.err;
    return -1;
}

static int poll_receipts(struct crowd *crowd, struct wb_error *err) {
    if (crowd->nchan_at)
        return nchan_poll(&crowd->nchan, err);
    if (pace_poll(&crowd->pace, 0) == 0)
        return 0;
    *err = crowd->pace.err;
    return -1;
}

/* Publishes as fast as the followers take it: at most a window ahead of them. */
static int deliver(struct crowd *crowd, struct wb_error *err) {
    struct viewers *viewers = &crowd->viewers;
    uint64_t sent = 0, expected = crowd->events * crowd->each;
    int64_t began_us = monotonic_us(), progress_us = began_us;
    while (viewers->events < expected) {
        uint64_t before = viewers->events;
        for (; sent < crowd->events && sent * crowd->each < before + crowd->window * crowd->each;
             sent++)
            if (send_one(crowd, sent, err))
                return -1;
        if (poll_receipts(crowd, err) || viewers_turn(viewers, 1, err))
            return -1;
        int64_t now_us = monotonic_us();
        if (viewers->events != before)
            progress_us = now_us;
        else if (now_us - progress_us > STALL_US)
            return problem(err, WB_E_TIMEOUT, "%" PRIu64 " of %" PRIu64 " deliveries came",
                           viewers->events, expected);
    }
    crowd->took_us = monotonic_us() - began_us;
    crowd->delivery_bytes = viewers->events ? viewers->bytes / viewers->events : 0;
    return 0;
}

/* What came before an event was published does not count: the stream's own beginning. */
static int settle(struct crowd *crowd, struct wb_error *err) {
    for (int64_t end_us = monotonic_us() + QUIET_US; monotonic_us() < end_us;)
        if (viewers_turn(&crowd->viewers, 100, err))
            return -1;
    crowd->viewers.events = crowd->viewers.bytes = 0;
    for (size_t i = 0; i < crowd->viewers.count; i++)
        crowd->viewers.all[i].events = 0;
    return 0;
}

/* Nobody got another's share. */
static int check(const struct crowd *crowd, struct wb_error *err) {
    uint64_t share = crowd->events * crowd->each / crowd->followers;
    for (size_t i = 0; i < crowd->viewers.count; i++)
        if (crowd->viewers.all[i].events != share)
            return problem(err, WB_E_FORMAT, "follower %zu got %" PRIu32 " events, not %" PRIu64, i,
                           crowd->viewers.all[i].events, share);
    return 0;
}

static int stay(struct crowd *crowd, struct wb_error *err) {
    printf("{\"followers\": %zu}\n", crowd->viewers.up);
    fflush(stdout);
    while (!ending)
        if (viewers_turn(&crowd->viewers, 1000, err))
            return -1;
    return 0;
}

static void print(const struct crowd *crowd) {
    printf("{\"followers\": %" PRIu64 ", \"events\": %" PRIu64 ", \"deliveries\": %" PRIu64
           ", \"delivery_bytes\": %" PRIu64 ", \"seconds\": %.6f}\n",
           crowd->followers, crowd->events, crowd->viewers.events, crowd->delivery_bytes,
           (double)crowd->took_us / 1e6);
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Opens event streams and publishes to them, as fast as all of them take it, and prints how "
        "long it took from the first event to its last delivery, as one JSON object. The log must "
        "not hold its events yet. With --hold the object is printed once all streams are open.";
    struct crowd crowd = {.ingest = "tcp://127.0.0.1:7411",
                          .gateway = "127.0.0.1:7400",
                          .followers = 2000,
                          .cases = 1,
                          .events = 1000,
                          .window = 64,
                          .bytes = 300};
    struct wb_error err = {0};
    settings_read(settings, doc, argc, argv, &crowd);
    signal(SIGTERM, on_signal);
    int failed = open_all(&crowd, &err);
    if (!failed && crowd.hold)
        failed = stay(&crowd, &err);
    else if (!failed)
        failed = settle(&crowd, &err) || deliver(&crowd, &err) || check(&crowd, &err);
    if (failed)
        fprintf(stderr, "bench-crowd: %s: %s\n", err.message, err.detail);
    else if (!crowd.hold)
        print(&crowd);
    viewers_close(&crowd.viewers);
    nchan_close(&crowd.nchan);
    pace_free(&crowd.pace);
    return failed != 0;
}
