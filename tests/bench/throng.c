/* bench-throng: many sources that publish at once, each as fast as it is acknowledged. */
#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <waybill/publisher.h>

#include "common/timestamp.h"
#include "tests/bench/office.h"
#include "tests/support/setting.h"

#define SOURCES_MAX 1000
#define NAME_BYTES  32
#define STACK_BYTES (256 * 1024)

struct throng {
    const char *ingest;
    uint64_t sources, events, seconds; /* events: of each source; seconds: 0 for no limit */
    int64_t end_us;
};

/* One source, in a thread of its own. */
struct member {
    const struct throng *throng;
    char name[NAME_BYTES];
    struct office office;
    uint64_t sent, acknowledged;
    pthread_t thread;
    int failed;
    struct wb_error err;
};

static const struct setting settings[] = {
    {"ingest", 'i', "ENDPOINT", "the broker's ingest endpoint", SETTING_TEXT,
     .at = offsetof(struct throng, ingest)},
    {"sources", 's', "N", "how many (100)", SETTING_NUMBER, .at = offsetof(struct throng, sources),
     1, SOURCES_MAX},
    {"events", 'n', "N", "how many of each at most (10000)", SETTING_NUMBER,
     .at = offsetof(struct throng, events), .least = 1, .most = UINT32_MAX},
    {"seconds", 't', "N", "end after that time at the latest (without: with the events)",
     SETTING_NUMBER, .at = offsetof(struct throng, seconds), .least = 1, .most = 3600},
    {0},
};

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct member *member = arg;
    if (receipt->refusal)
        member->err = *receipt->refusal;
    else
        member->acknowledged++;
}

static int publish(struct member *member, wb_publisher *publisher) {
    const struct throng *throng = member->throng;
    while (member->sent < throng->events) {
        if (throng->end_us && monotonic_us() > throng->end_us)
            break;
        const wb_event *event = office_event(&member->office, member->sent);
        if (wb_publisher_send(publisher, event, NULL, &member->err))
            return -1;
        member->sent++;
    }
    return wb_publisher_flush(publisher, -1, &member->err);
}

static void *run(void *arg) {
    struct member *member = arg;
    struct wb_publisher_options how = {
        .client = "bench-throng", .receipt = on_receipt, .arg = member};
    wb_publisher *publisher =
        wb_publisher_open(member->throng->ingest, member->name, &how, &member->err);
    member->failed = publisher ? publish(member, publisher) : -1;
    wb_publisher_close(publisher);
    return NULL;
}

/* How many were started; the rest found no thread. */
static size_t start(struct member *members, const struct throng *throng) {
    size_t started = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    for (; started < throng->sources; started++) {
        struct member *member = &members[started];
        member->throng = throng;
        snprintf(member->name, sizeof member->name, "throng-%zu", started);
        office_init(&member->office, false);
        if (pthread_create(&member->thread, &small, run, member))
            break;
    }
    pthread_attr_destroy(&small);
    return started;
}

/* Waits for all, and prints what came of it. */
static int finish(struct member *members, size_t started, const struct throng *throng,
                  int64_t began_us) {
    uint64_t acknowledged = 0, least = UINT64_MAX, most = 0;
    int failed = started < throng->sources;
    for (size_t i = 0; i < started; i++) {
        struct member *member = &members[i];
        pthread_join(member->thread, NULL);
        if (member->failed || member->acknowledged < member->sent) {
            fprintf(stderr, "bench-throng: %s: %s: %s\n", member->name, member->err.message,
                    member->err.detail);
            failed = -1;
        }
        acknowledged += member->acknowledged;
        least = member->acknowledged < least ? member->acknowledged : least;
        most = member->acknowledged > most ? member->acknowledged : most;
    }
    printf("{\"sources\": %zu, \"acknowledged\": %" PRIu64 ", \"least\": %" PRIu64
           ", \"most\": %" PRIu64 ", \"seconds\": %.6f}\n",
           started, acknowledged, least, most, (double)(monotonic_us() - began_us) / 1e6);
    return failed;
}

int main(int argc, char **argv) {
    static const char doc[] = "Publishes made-up events in the names of many sources at once, each "
                              "with a full window, and prints as one JSON object what was "
                              "acknowledged: in all, and of the source that got least and most.";
    struct throng throng = {.ingest = "tcp://127.0.0.1:7411", .sources = 100, .events = 10000};
    settings_read(settings, doc, argc, argv, &throng);
    struct member *members = calloc(throng.sources, sizeof *members);
    if (!members) {
        fprintf(stderr, "bench-throng: out of memory\n");
        return 1;
    }
    int64_t began_us = monotonic_us();
    throng.end_us = throng.seconds ? began_us + (int64_t)throng.seconds * 1000000 : 0;
    int failed = finish(members, start(members, &throng), &throng, began_us);
    free(members);
    return failed != 0;
}
