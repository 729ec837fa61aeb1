/* bench-jetstream: the peer. Publishes messages to NATS JetStream, asynchronously, and waits until
 * the server has acknowledged each of them; or, with a rate, notes how long each took from its
 * publication to a subscriber.
 *
 * The stream lies in files, and the server is left to its default, which is not to flush them at
 * every acknowledgement. */
#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/timestamp.h"
#include "tests/bench/spread.h"
#include "tests/support/setting.h"

#define STREAM        "events"
#define SUBJECTS      UINT64_C(100000)
#define SUBJECT_BYTES 32
#define PATIENCE_MS   60000
#define STALL_MS      10000

struct jetstream {
    const char *server;
    uint64_t events, bytes, window, rate;
    bool at_once; /* the client writes every message when it is published, not a little later */
    natsConnection *connection, *followers;
    jsCtx *context;
    natsSubscription *subscription;
    char *message;
    pthread_mutex_t lock;   /* of what follows: messages arrive in a thread of the library's */
    struct spread delivery; /* from publishing to the subscriber */
    int64_t late_us_max, took_us;
    uint64_t refused;
};

static const struct setting settings[] = {
    {"server", 's', "URL", "where the server listens", SETTING_TEXT,
     .at = offsetof(struct jetstream, server)},
    {"events", 'n', "N", "how many messages (1000000)", SETTING_NUMBER,
     .at = offsetof(struct jetstream, events), .least = 1},
    {"bytes", 'b', "N", "the size of each (300)", SETTING_NUMBER,
     .at = offsetof(struct jetstream, bytes), .least = sizeof(int64_t)},
    {"window", 'w', "N", "the most that are not acknowledged (8192)", SETTING_NUMBER,
     .at = offsetof(struct jetstream, window), .least = 1},
    {"rate", 'r', "N", "messages a second, to a subscriber (as many as are taken, to none)",
     SETTING_NUMBER, .at = offsetof(struct jetstream, rate), .least = 1},
    {"at-once", 0, NULL, "no waiting for more to write in one go", SETTING_FLAG,
     .at = offsetof(struct jetstream, at_once)},
    {0},
};

static void on_refused(jsCtx *context, jsPubAckErr *refusal, void *arg) {
    (void)context;
    struct jetstream *js = arg;
    pthread_mutex_lock(&js->lock);
    if (js->refused++ == 0)
        fprintf(stderr, "bench-jetstream: not acknowledged: %s\n", refusal->ErrText);
    pthread_mutex_unlock(&js->lock);
}

/* A message begins with the time at which it was published. */
static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *arg) {
    (void)connection, (void)subscription;
    int64_t now_us = monotonic_us(), sent_us;
    struct jetstream *js = arg;
    memcpy(&sent_us, natsMsg_GetData(message), sizeof sent_us);
    pthread_mutex_lock(&js->lock);
    spread_add(&js->delivery, now_us - sent_us);
    pthread_mutex_unlock(&js->lock);
    natsMsg_Destroy(message);
}

static natsStatus connect_to(const struct jetstream *js, natsConnection **connection) {
    natsOptions *how = NULL;
    natsStatus s = natsOptions_Create(&how);
    if (s == NATS_OK)
        s = natsOptions_SetURL(how, js->server);
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(how, js->at_once);
    if (s == NATS_OK)
        s = natsConnection_Connect(connection, how);
    natsOptions_Destroy(how);
    return s;
}

static natsStatus make_stream(struct jetstream *js) {
    const char *subjects[] = {STREAM ".>"};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = STREAM;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    js_DeleteStream(js->context, STREAM, NULL, NULL);
    return js_AddStream(NULL, js->context, &config, NULL, NULL);
}

/* Whoever subscribes to the subjects gets what is published, as from any NATS server. */
static natsStatus follow(struct jetstream *js) {
    natsStatus s = connect_to(js, &js->followers);
    if (s == NATS_OK)
        s = natsConnection_Subscribe(&js->subscription, js->followers, STREAM ".>", on_message, js);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(js->subscription, -1, -1);
    return s == NATS_OK ? natsConnection_Flush(js->followers) : s;
}

static natsStatus open_stream(struct jetstream *js) {
    jsOptions how;
    jsOptions_Init(&how);
    how.PublishAsync.MaxPending = (int64_t)js->window;
    how.PublishAsync.StallWait = STALL_MS;
    how.PublishAsync.ErrHandler = on_refused;
    how.PublishAsync.ErrHandlerClosure = js;
    natsStatus s = connect_to(js, &js->connection);
    if (s == NATS_OK)
        s = natsConnection_JetStream(&js->context, js->connection, &how);
    if (s == NATS_OK)
        s = make_stream(js);
    return s == NATS_OK && js->rate ? follow(js) : s;
}

static void wait_until(struct jetstream *js, int64_t due_us) {
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    int64_t late_us = monotonic_us() - due_us;
    if (late_us > js->late_us_max)
        js->late_us_max = late_us;
}

static natsStatus publish(struct jetstream *js) {
    char subject[SUBJECT_BYTES];
    int64_t began_us = monotonic_us();
    natsStatus s = NATS_OK;
    for (uint64_t i = 0; s == NATS_OK && i < js->events; i++) {
        if (js->rate)
            wait_until(js, began_us + (int64_t)(i * 1000000 / js->rate));
        int64_t now_us = monotonic_us();
        memcpy(js->message, &now_us, sizeof now_us);
        snprintf(subject, sizeof subject, STREAM ".%" PRIu64, i % SUBJECTS);
        s = js_PublishAsync(js->context, subject, js->message, (int)js->bytes, NULL);
    }
    jsPubOptions patience;
    jsPubOptions_Init(&patience);
    patience.MaxWait = PATIENCE_MS;
    if (s == NATS_OK)
        s = js_PublishAsyncComplete(js->context, &patience);
    js->took_us = monotonic_us() - began_us;
    return s;
}

static size_t delivered(struct jetstream *js) {
    pthread_mutex_lock(&js->lock);
    size_t count = js->delivery.count;
    pthread_mutex_unlock(&js->lock);
    return count;
}

/* The stream holds every message, and the subscriber has them too. */
static bool complete(struct jetstream *js) {
    jsStreamInfo *info = NULL;
    if (js_GetStreamInfo(&info, js->context, STREAM, NULL, NULL) != NATS_OK)
        return false;
    bool stored = info->State.Msgs == js->events && js->refused == 0;
    jsStreamInfo_Destroy(info);
    int64_t end_us = monotonic_us() + PATIENCE_MS * INT64_C(1000);
    while (js->rate && delivered(js) < js->events && monotonic_us() < end_us)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return stored && (!js->rate || delivered(js) == js->events);
}

static int run(struct jetstream *js) {
    js->message = calloc(1, js->bytes);
    if (!js->message || !spread_init(&js->delivery, js->rate ? js->events : 1)) {
        fprintf(stderr, "bench-jetstream: out of memory\n");
        return -1;
    }
    natsStatus s = open_stream(js);
    if (s == NATS_OK)
        s = publish(js);
    if (s != NATS_OK)
        fprintf(stderr, "bench-jetstream: %s: %s\n", js->server, natsStatus_GetText(s));
    else if (!complete(js))
        fprintf(stderr, "bench-jetstream: messages are missing\n");
    else
        return 0;
    return -1;
}

int main(int argc, char **argv) {
    static const char doc[] =
        "Publishes to NATS JetStream until all is acknowledged and prints how long it took, and "
        "with --rate the microseconds to a subscriber, as one JSON object.";
    struct jetstream js = {.server = NATS_DEFAULT_URL,
                           .events = 1000000,
                           .bytes = 300,
                           .window = 8192,
                           .lock = PTHREAD_MUTEX_INITIALIZER};
    settings_read(settings, doc, argc, argv, &js);
    prctl(PR_SET_TIMERSLACK, 1000); /* ns: sleeping that ends when it should */
    int failed = run(&js);
    natsSubscription_Destroy(js.subscription);
    jsCtx_Destroy(js.context);
    natsConnection_Destroy(js.followers);
    natsConnection_Destroy(js.connection);
    if (!failed) {
        printf("{\"events\": %" PRIu64 ", \"seconds\": %.6f, \"late_us_max\": %" PRId64
               ", \"delivery_us\": ",
               js.events, (double)js.took_us / 1e6, js.late_us_max);
        spread_print(&js.delivery);
        printf("}\n");
    }
    nats_Close();
    spread_free(&js.delivery);
    free(js.message);
    return failed != 0;
}
