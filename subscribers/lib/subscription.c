#include "subscribers/lib/subscription.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/bounds.h"
#include "proto/problem.h"
#include "proto/wire.h"
#include "subscribers/lib/following.h"
#include "subscribers/lib/subscriber.h"

#define ARENA_BYTES ((size_t)32 * 1024 * 1024) /* a decoded message of LIMIT_MESSAGE_BYTES */

#define DISORDER "the broker sent a Deliver that breaks the order of the log"

typedef Waybill__V1__Deliver deliver;

/* A Deliver that waits to be handed out. */
struct parcel {
    struct parcel *next;
    uint64_t through; /* the cursor once it has been */
    zmq_msg_t message;
};

struct wb_subscription {
    wb_subscriber *subscriber;
    uint64_t number; /* in the session; 0 before the first */
    wb_filter *filter;
    struct following *following;         /* by case; else NULL */
    struct wb_subscribe_options options; /* its texts are the subscription's own */
    wb_audience audience;                /* that the broker said */
    wb_record_fn *record;                /* NULL: read by wb_subscription_next */
    void *arg;
    bool calling, closed; /* inside record(); to be freed behind it */

    uint64_t cursor; /* handed out through here; WB_FROM_NOW until the broker has said where */
    uint64_t head;   /* of the log when the subscription began */
    bool begun;      /* head is known */
    bool admitted;   /* under the number that it has now */
    /* Of a durable reader: what is acknowledged, and whether the broker is to be told. What it
     * delivers again of what was handed out is passed over: all up to `looked` has been looked at.
     */
    uint64_t acknowledged, looked;
    bool acknowledge;

    uint64_t window, credit, used; /* events: granted at first, not yet used, handed out since */
    uint64_t through;              /* of the last Deliver that came */
    struct parcel *first, *newest; /* those that wait */

    struct arena arena;     /* of the Deliver that wb_subscription_next reads */
    const deliver *current; /* NULL: none is being read */
    size_t position;        /* in it */

    int64_t retry_us; /* when to begin again after a refusal; 0: nothing to do */
    unsigned failures;
    struct wb_error error; /* why it was refused for good */
};

/* The list */

static wb_subscription *find(wb_subscriber *subscriber, uint64_t number) {
    size_t low = 0, high = subscriber->subscription_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        wb_subscription *subscription = subscriber->subscriptions[middle];
        if (subscription->number == number)
            return subscription;
        if (subscription->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int append(wb_subscriber *subscriber, wb_subscription *subscription) {
    if (subscriber->subscription_count == subscriber->subscription_capacity) {
        size_t capacity = subscriber->subscription_capacity * 2 + 8;
        wb_subscription **list =
            realloc(subscriber->subscriptions, capacity * sizeof(wb_subscription *));
        if (!list)
            return -1;
        subscriber->subscriptions = list;
        subscriber->subscription_capacity = capacity;
    }
    subscriber->subscriptions[subscriber->subscription_count++] = subscription;
    return 0;
}

static void take_out(wb_subscriber *subscriber, const wb_subscription *subscription) {
    size_t at = 0;
    while (subscriber->subscriptions[at] != subscription)
        at++;
    subscriber->subscription_count--;
    memmove(subscriber->subscriptions + at, subscriber->subscriptions + at + 1,
            (subscriber->subscription_count - at) * sizeof(wb_subscription *));
}

/* What waits */

static void drop_first(wb_subscription *subscription) {
    struct parcel *parcel = subscription->first;
    subscription->first = parcel->next;
    if (!subscription->first)
        subscription->newest = NULL;
    zmq_msg_close(&parcel->message);
    free(parcel);
}

static void drop_all(wb_subscription *subscription) {
    while (subscription->first)
        drop_first(subscription);
    subscription->current = NULL;
}

static void release(wb_subscription *subscription) {
    drop_all(subscription);
    arena_free(&subscription->arena);
    if (subscription->filter)
        protobuf_c_message_free_unpacked(&subscription->filter->base, NULL);
    free((char *)subscription->options.token);
    free((char *)subscription->options.reader);
    following_free(subscription->following);
    free(subscription);
}

/* What is sent */

static uint64_t window_of(const wb_subscription *subscription) {
    uint64_t allowed = session_credit_max(subscription->subscriber->session);
    uint64_t wanted = subscription->options.credit_events;
    if (!wanted || wanted > CREDIT_EVENTS)
        wanted = CREDIT_EVENTS;
    return allowed < wanted ? allowed : wanted;
}

/* Where to begin: for a durable reader that has begun before only if it was removed meanwhile. */
static uint64_t from(const wb_subscription *subscription) {
    bool resumed = subscription->options.reader && subscription->begun;
    return resumed ? subscription->acknowledged : subscription->cursor;
}

static void subscribe(wb_subscription *subscription) {
    wb_subscriber *subscriber = subscription->subscriber;
    drop_all(subscription);
    subscription->number = ++subscriber->numbers;
    subscription->window = window_of(subscription);
    subscription->credit = subscription->following ? 0 : subscription->window;
    subscription->used = subscription->window - subscription->credit;
    subscription->through = subscription->looked = subscription->cursor;
    subscription->retry_us = 0;
    subscription->admitted = false;

    Waybill__V1__Subscribe body = WAYBILL__V1__SUBSCRIBE__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_SUBSCRIBE;
    message.subscribe = &body;
    body.subscription = subscription->number;
    body.filter = subscription->filter;
    body.credit = subscription->credit;
    body.audience = subscription->options.audience;
    body.by_case = subscription->following != NULL;
    if (subscription->following)
        following_ended(subscription->following);
    if (subscription->options.token)
        body.token = (char *)subscription->options.token;
    if (subscription->options.reader) {
        body.reader = (char *)subscription->options.reader;
        body.restart = subscription->options.restart && !subscription->begun;
        body.stand_by = subscription->options.stand_by;
    }
    if (subscription->cursor == WB_FROM_NOW) {
        body.from_case = WAYBILL__V1__SUBSCRIBE__FROM_NOW;
        body.now = true;
    } else {
        body.from_case = WAYBILL__V1__SUBSCRIBE__FROM_AFTER_OFFSET;
        body.after_offset = from(subscription);
    }
    session_send(subscriber->session, &message);
}

static void send_acknowledgement(wb_subscription *subscription) {
    if (!subscription->acknowledge || !subscription->admitted ||
        !session_is_open(subscription->subscriber->session))
        return;
    Waybill__V1__Acknowledge body = WAYBILL__V1__ACKNOWLEDGE__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_ACKNOWLEDGE;
    message.acknowledge = &body;
    body.subscription = subscription->number;
    body.offset = subscription->acknowledged;
    subscription->acknowledge = false;
    session_send(subscription->subscriber->session, &message);
}

static void unsubscribe(wb_subscription *subscription) {
    Waybill__V1__Unsubscribe body = WAYBILL__V1__UNSUBSCRIBE__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_UNSUBSCRIBE;
    message.unsubscribe = &body;
    body.subscription = subscription->number;
    session_send(subscription->subscriber->session, &message);
}

static void give_credit(wb_subscription *subscription) {
    if (subscription->following && !following_complete(subscription->following))
        return;
    if (subscription->used * 2 < subscription->window || !subscription->used)
        return;
    Waybill__V1__Credit body = WAYBILL__V1__CREDIT__INIT;
    client_message message = WAYBILL__V1__CLIENT_MESSAGE__INIT;
    message.body_case = WAYBILL__V1__CLIENT_MESSAGE__BODY_CREDIT;
    message.credit = &body;
    body.subscription = subscription->number;
    body.events = subscription->used;
    subscription->credit += subscription->used;
    subscription->used = 0;
    session_send(subscription->subscriber->session, &message);
}

static void fail(wb_subscription *subscription, const char *words) {
    drop_all(subscription);
    session_fail(subscription->subscriber->session, words);
}

/* What comes */

struct heading {
    uint64_t subscription, through, records;
};

static int read_heading(zmq_msg_t *message, struct heading *heading) {
    const uint8_t *data = zmq_msg_data(message);
    struct wire wire = {data, data + zmq_msg_size(message)};
    struct wire_field field;
    *heading = (struct heading){0};
    if (wire_next(&wire, &field) != 1 || field.type != WIRE_BYTES)
        return -1;
    wire = (struct wire){field.data, field.data + field.length};
    int more;
    while ((more = wire_next(&wire, &field)) == 1) {
        if (field.number == 1)
            heading->subscription = field.value;
        else if (field.number == 2)
            heading->through = field.value;
        else if (field.number == 3)
            heading->records++;
    }
    return more;
}

/* Decodes into the arena. NULL if it is not well-formed or breaks the order of the log. */
static const deliver *decode(const wb_subscription *subscription, zmq_msg_t *message,
                             uint64_t through, struct arena *arena) {
    broker_message *decoded;
    arena_reset(arena);
    if (frame_broker(zmq_msg_data(message), zmq_msg_size(message), arena, &decoded, NULL) ||
        decoded->body_case != WAYBILL__V1__BROKER_MESSAGE__BODY_DELIVER)
        return NULL;
    uint64_t last = subscription->looked;
    for (size_t i = 0; i < decoded->deliver->n_records; i++) {
        const wb_record *record = decoded->deliver->records[i];
        if (record->offset <= last || record->offset > through || !record->event)
            return NULL;
        last = record->offset;
    }
    return decoded->deliver;
}

static void look_through(wb_subscription *subscription, uint64_t through) {
    subscription->looked = through;
    if (through > subscription->cursor)
        subscription->cursor = through;
}

/* The next record of a Deliver: from here on it counts as handed out. NULL: it was already. */
static const wb_record *advance(wb_subscription *subscription, const deliver *body,
                                uint64_t through) {
    const wb_record *record = body->records[subscription->position++];
    bool last = subscription->position == body->n_records;
    bool again = record->offset <= subscription->cursor;
    look_through(subscription, last ? through : record->offset);
    subscription->used++;
    return again ? NULL : record;
}

static void call(wb_subscription *subscription, zmq_msg_t *message, uint64_t through) {
    struct arena *arena = &subscription->subscriber->records;
    const deliver *body = decode(subscription, message, through, arena);
    if (!body) {
        fail(subscription, DISORDER);
        return;
    }
    subscription->position = 0;
    subscription->calling = true;
    while (!subscription->closed && subscription->position < body->n_records) {
        const wb_record *record = advance(subscription, body, through);
        if (record)
            subscription->record(subscription->arg, record);
    }
    subscription->calling = false;
    if (subscription->closed)
        release(subscription);
}

static void keep(wb_subscription *subscription, zmq_msg_t *message, uint64_t through) {
    struct parcel *parcel = malloc(sizeof *parcel);
    if (!parcel) {
        fail(subscription, "out of memory");
        return;
    }
    *parcel = (struct parcel){.through = through};
    zmq_msg_init(&parcel->message);
    zmq_msg_move(&parcel->message, message);
    if (subscription->newest)
        subscription->newest->next = parcel;
    else
        subscription->first = parcel;
    subscription->newest = parcel;
}

/* Nothing to hand out, but the cursor goes on: behind what waits, if anything does. */
static void pass_over(wb_subscription *subscription, uint64_t through) {
    if (subscription->newest)
        subscription->newest->through = through;
    else
        look_through(subscription, through);
}

void subscriptions_deliver(wb_subscriber *subscriber, zmq_msg_t *message) {
    struct heading heading;
    if (read_heading(message, &heading)) {
        session_fail(subscriber->session, "the broker sent a Deliver that cannot be decoded");
        return;
    }
    wb_subscription *subscription = find(subscriber, heading.subscription);
    if (!subscription || subscription->error.code)
        return;
    if (!subscription->begun || heading.through < subscription->through ||
        heading.records > subscription->credit) {
        fail(subscription, "the broker sent a Deliver that was not its turn");
        return;
    }
    subscription->through = heading.through;
    subscription->credit -= heading.records;
    subscription->failures = 0;
    if (!heading.records) {
        pass_over(subscription, heading.through);
    } else if (subscription->record) {
        call(subscription, message, heading.through);
    } else {
        keep(subscription, message, heading.through);
    }
}

void subscriptions_subscribed(wb_subscriber *subscriber,
                              const Waybill__V1__Subscribed *subscribed) {
    wb_subscription *subscription = find(subscriber, subscribed->subscription);
    if (!subscription || subscription->error.code)
        return;
    bool durable = subscription->options.reader != NULL;
    /* From the start is from the oldest event that is left. Where a durable reader goes on is the
     * broker's to say; another instance may have been further. */
    if (subscription->cursor == WB_FROM_NOW || subscription->cursor == 0 ||
        (durable && (!subscription->begun || subscribed->after_offset > subscription->cursor)))
        subscription->cursor = subscribed->after_offset;
    subscription->looked = subscription->through =
        durable ? subscribed->after_offset : subscription->cursor;
    subscription->admitted = true;
    if (subscription->acknowledged < subscribed->after_offset)
        subscription->acknowledged = subscribed->after_offset;
    subscription->acknowledge = durable && subscription->acknowledged > subscribed->after_offset;
    subscription->audience = subscribed->audience;
    if (!subscription->begun)
        subscription->head = subscribed->head_offset;
    subscription->begun = true;
    if (subscription->following)
        following_begun(subscription->following, subscription->number, subscription->cursor);
}

void subscriptions_followed(wb_subscriber *subscriber, const Waybill__V1__Followed *followed) {
    wb_subscription *subscription = find(subscriber, followed->subscription);
    if (!subscription || subscription->error.code)
        return;
    subscription->calling = true;
    if (!subscription->following || !following_answer(subscription->following, followed))
        fail(subscription, "the broker answered for a case that it was not asked for");
    subscription->calling = false;
    if (subscription->closed)
        release(subscription);
}

void subscriptions_refuse(wb_subscriber *subscriber, const Waybill__V1__Refusal *refusal) {
    wb_subscription *subscription = find(subscriber, refusal->subscription);
    if (!subscription || subscription->error.code)
        return;
    struct wb_error err;
    frame_refusal_error(refusal, &err);
    bool taken = err.code == WB_E_READER_TAKEN;
    if (taken) /* the other instance has them now */
        drop_all(subscription);
    if (err.retriable && (!taken || subscription->options.stand_by))
        subscription->retry_us = monotonic_us() + session_retry_us(subscription->failures++);
    else
        subscription->error = err;
}

void subscriptions_opened(wb_subscriber *subscriber) {
    for (size_t i = 0; i < subscriber->subscription_count; i++) {
        wb_subscription *subscription = subscriber->subscriptions[i];
        if (subscription->error.code)
            subscription->number = ++subscriber->numbers; /* keeps the list in order */
        else
            subscribe(subscription);
    }
}

static void begin_again(wb_subscriber *subscriber, wb_subscription *subscription) {
    take_out(subscriber, subscription);
    subscriber->subscriptions[subscriber->subscription_count++] = subscription;
    subscribe(subscription);
}

void subscriptions_tend(wb_subscriber *subscriber, int64_t now_us) {
    if (!session_is_open(subscriber->session))
        return;
    for (size_t i = 0; i < subscriber->subscription_count; i++) {
        if (subscriber->subscriptions[i]->following)
            following_tend(subscriber->subscriptions[i]->following);
        send_acknowledgement(subscriber->subscriptions[i]);
        give_credit(subscriber->subscriptions[i]);
    }
    for (size_t i = 0; i < subscriber->subscription_count; i++) {
        wb_subscription *subscription = subscriber->subscriptions[i];
        if (subscription->retry_us && subscription->retry_us <= now_us) {
            begin_again(subscriber, subscription);
            return; /* the list has moved; the others come with the next call */
        }
    }
}

void subscriptions_closing(wb_subscriber *subscriber) {
    for (size_t i = 0; i < subscriber->subscription_count; i++)
        send_acknowledgement(subscriber->subscriptions[i]);
}

void subscriptions_free(wb_subscriber *subscriber) {
    for (size_t i = 0; i < subscriber->subscription_count; i++)
        release(subscriber->subscriptions[i]);
    free(subscriber->subscriptions);
    subscriber->subscriptions = NULL;
    subscriber->subscription_count = subscriber->subscription_capacity = 0;
}

/* What the caller sees */

static int check_values(const char *field, char *const *values, size_t count,
                        struct wb_error *err) {
    if (count > LIMIT_FILTER_VALUES)
        return problem(err, WB_E_FILTER, "%s has %zu values", field, count);
    for (size_t i = 0; i < count; i++)
        if (!values[i] || strlen(values[i]) > LIMIT_FILTER_BYTES)
            return problem(err, WB_E_FILTER, "%s '%.60s…' is too long", field,
                           values[i] ? values[i] : "");
    return 0;
}

static int check_filter(const wb_filter *filter, struct wb_error *err) {
    if (check_values("case_nos", filter->case_nos, filter->n_case_nos, err) ||
        check_values("parent_case_nos", filter->parent_case_nos, filter->n_parent_case_nos, err) ||
        check_values("sources", filter->sources, filter->n_sources, err) ||
        check_values("item_codes", filter->item_codes, filter->n_item_codes, err) ||
        check_values("region_codes", filter->region_codes, filter->n_region_codes, err) ||
        check_values("agencies", filter->agencies, filter->n_agencies, err))
        return -1;
    if (filter->n_stages > LIMIT_FILTER_VALUES || filter->n_kinds > LIMIT_FILTER_VALUES)
        return problem(err, WB_E_FILTER, "%zu stages, %zu kinds", filter->n_stages,
                       filter->n_kinds);
    if (filter->n_lights > LIMIT_FILTER_VALUES)
        return problem(err, WB_E_FILTER, "%zu lights", filter->n_lights);
    return 0;
}

static wb_filter *copy_filter(const wb_filter *filter) {
    size_t bytes = protobuf_c_message_get_packed_size(&filter->base);
    uint8_t *packed = malloc(bytes ? bytes : 1);
    if (!packed)
        return NULL;
    protobuf_c_message_pack(&filter->base, packed);
    wb_filter *twin = waybill__v1__filter__unpack(NULL, bytes, packed);
    free(packed);
    return twin;
}

static int set_up(wb_subscription *subscription, const wb_filter *filter,
                  const struct wb_subscribe_options *options) {
    arena_init(&subscription->arena, ARENA_BYTES);
    if (options)
        subscription->options = *options;
    const char *token = subscription->options.token;
    const char *reader = subscription->options.reader;
    subscription->options.token = token ? strdup(token) : NULL;
    subscription->options.reader = reader ? strdup(reader) : NULL;
    subscription->filter = filter ? copy_filter(filter) : NULL;
    wb_place_fn *answered = subscription->options.answered;
    if (answered)
        subscription->following =
            following_new(subscription->subscriber->session, answered, subscription->arg);
    bool whole = (!token || subscription->options.token) &&
                 (!reader || subscription->options.reader) && (!filter || subscription->filter) &&
                 (!answered || subscription->following);
    return whole ? append(subscription->subscriber, subscription) : -1;
}

wb_subscription *wb_subscribe_with(wb_subscriber *subscriber, uint64_t after_offset,
                                   const wb_filter *filter,
                                   const struct wb_subscribe_options *options, wb_record_fn *record,
                                   void *arg, struct wb_error *err) {
    if (filter && check_filter(filter, err))
        return NULL;
    if (options && options->answered && (filter || !record)) {
        problem(err, WB_E_USAGE, "a subscription by case has a function for records and no filter");
        return NULL;
    }
    wb_subscription *subscription = calloc(1, sizeof *subscription);
    if (subscription) {
        subscription->subscriber = subscriber;
        subscription->arg = arg;
    }
    if (!subscription || set_up(subscription, filter, options)) {
        if (subscription)
            release(subscription);
        problem(err, WB_E_SYSTEM, "%s", strerror(ENOMEM));
        return NULL;
    }
    subscription->record = record;
    subscription->cursor = after_offset;
    if (session_is_open(subscriber->session))
        subscribe(subscription);
    else
        subscription->number = ++subscriber->numbers; /* keeps the list in order */
    if (!subscriber->busy)
        session_rearm(subscriber->session);
    return subscription;
}

wb_subscription *wb_subscribe(wb_subscriber *subscriber, uint64_t after_offset,
                              const wb_filter *filter, wb_record_fn *record, void *arg,
                              struct wb_error *err) {
    return wb_subscribe_with(subscriber, after_offset, filter, NULL, record, arg, err);
}

void wb_subscription_close(wb_subscription *subscription) {
    if (!subscription || subscription->closed)
        return;
    send_acknowledgement(subscription);
    unsubscribe(subscription);
    if (!subscription->subscriber->busy)
        session_rearm(subscription->subscriber->session);
    take_out(subscription->subscriber, subscription);
    subscription->closed = true;
    if (subscription->following)
        following_silence(subscription->following);
    if (!subscription->calling)
        release(subscription);
}

wb_place *wb_follow(wb_subscription *subscription, const char *case_no, const char *code,
                    uint64_t after_offset, void *owner, struct wb_error *err) {
    if (!subscription->following) {
        problem(err, WB_E_USAGE, "the subscription is not by case");
        return NULL;
    }
    if (subscription->error.code) {
        if (err)
            *err = subscription->error;
        return NULL;
    }
    return following_add(subscription->following, case_no, code ? code : "", after_offset, owner,
                         err);
}

/* A record that has come already, or NULL if it is passed over. 1, or 0. */
static int take_one(wb_subscription *subscription, const wb_record **record) {
    struct parcel *parcel = subscription->first;
    *record = NULL;
    if (!parcel)
        return 0;
    if (!subscription->current) {
        subscription->current =
            decode(subscription, &parcel->message, parcel->through, &subscription->arena);
        subscription->position = 0;
    }
    if (!subscription->current) {
        subscription->subscriber->busy = true;
        fail(subscription, DISORDER);
        subscription->subscriber->busy = false;
        return 0;
    }
    *record = advance(subscription, subscription->current, parcel->through);
    if (subscription->position == subscription->current->n_records) {
        subscription->current = NULL;
        drop_first(subscription);
    }
    give_credit(subscription);
    return 1;
}

static int take(wb_subscription *subscription, const wb_record **record) {
    while (take_one(subscription, record))
        if (*record)
            return 1;
    return 0;
}

int wb_subscription_take(wb_subscription *subscription, const wb_record **record) {
    *record = NULL;
    if (subscription->subscriber->busy || subscription->record || subscription->error.code)
        return 0;
    uint64_t credit = subscription->credit;
    int taken = take(subscription, record);
    if (subscription->credit != credit)
        session_rearm(subscription->subscriber->session);
    return taken;
}

int wb_subscription_next(wb_subscription *subscription, int timeout_ms, const wb_record **record,
                         struct wb_error *err) {
    wb_subscriber *subscriber = subscription->subscriber;
    *record = NULL;
    if (subscriber->busy)
        return problem(err, WB_E_USAGE, "wb_subscription_next was called from within a callback");
    if (subscription->record)
        return problem(err, WB_E_USAGE, "the subscription's records go to its function");
    if (subscriber_keep_up(subscriber, err))
        return -1;
    int64_t deadline_us = timeout_ms ? subscriber_deadline(timeout_ms) : 0;
    for (;;) {
        if (take(subscription, record))
            return 1;
        if (subscription->error.code) {
            if (err)
                *err = subscription->error;
            return -1;
        }
        if (wb_subscriber_process(subscriber, err))
            return -1;
        if (take(subscription, record))
            return 1;
        if (monotonic_us() >= deadline_us)
            return 0;
        subscriber_wait(subscriber, deadline_us);
    }
}

int wb_acknowledge(wb_subscription *subscription, uint64_t offset, struct wb_error *err) {
    if (!subscription->options.reader)
        return problem(err, WB_E_USAGE, "the subscription is no durable reader's");
    if (!subscription->begun || offset > subscription->cursor)
        return problem(err, WB_E_USAGE, "offset %llu was not handed out yet",
                       (unsigned long long)offset);
    if (offset > subscription->acknowledged) {
        subscription->acknowledged = offset;
        subscription->acknowledge = true;
    }
    return 0;
}

bool wb_subscription_waits(const wb_subscription *subscription) {
    return subscription->options.reader && !subscription->admitted && !subscription->error.code &&
           session_is_open(subscription->subscriber->session);
}

uint64_t wb_subscription_cursor(const wb_subscription *subscription) {
    return subscription->cursor;
}

bool wb_subscription_live(const wb_subscription *subscription) {
    return subscription->begun && subscription->cursor >= subscription->head;
}

bool wb_subscription_begun(const wb_subscription *subscription) {
    return subscription->begun;
}

wb_audience wb_subscription_audience(const wb_subscription *subscription) {
    return subscription->audience;
}

const struct wb_error *wb_subscription_error(const wb_subscription *subscription) {
    return subscription->error.code ? &subscription->error : NULL;
}
