#include "subscribers/gateway/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/http.h"
#include "common/log.h"
#include "proto/problem.h"
#include "subscribers/gateway/api.h"
#include "subscribers/gateway/inquiry.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/sse.h"
#include "subscribers/gateway/throttle.h"
#include "subscribers/gateway/topic.h"
#include "subscribers/gateway/view.h"

struct follower {
    struct followers *all;
    struct topic *topic;
    struct follower *previous, *next; /* of the topic */
    struct follower *older, *newer;   /* by the time of the last write */
    struct http_exchange *exchange;
    struct inquiry *inquiry;
    wb_place *place;         /* whose answer is awaited */
    struct attempt *attempt; /* to be told to the throttle before the stream begins; then NULL */
    uint64_t cursor;         /* written through here */
    uint64_t events;         /* that the case has up to there; 0: not known */
    uint64_t sent_ms;        /* the last write */
    const char *reset;       /* why it has to begin anew, to be told with the next answer */
    bool has_cursor;
    bool streaming; /* the answer's head is out */
    bool settled;   /* served by what is delivered; else an answer of the broker is wanted */
    bool refused;   /* its place was: the broker is asked all the same, and will say so */
    char code[];
};

struct followers {
    struct inquirer *inquirer;
    struct throttle *throttle;
    wb_subscriber *subscriber;
    wb_subscription *cases; /* NULL: there is none at the moment */
    uint64_t through;       /* what was delivered up to here has been written */
    uint64_t keepalive_ms, retry_ms;
    struct topics topics;
    struct follower *oldest, *newest;
    size_t count;
    bool someone_lost; /* unsettled, and the broker has not been asked */
    uint64_t now_ms;
};

struct followers *followers_new(struct inquirer *inquirer, struct throttle *throttle,
                                int64_t keepalive_ms, int64_t retry_ms) {
    struct followers *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->inquirer = inquirer;
    all->throttle = throttle;
    all->keepalive_ms = (uint64_t)keepalive_ms;
    all->retry_ms = (uint64_t)retry_ms;
    if (topics_open(&all->topics) == 0)
        return all;
    free(all);
    return NULL;
}

void followers_free(struct followers *followers) {
    if (!followers)
        return;
    topics_close(&followers->topics);
    free(followers);
}

/* The list by the time of the last write, the newest at its end */

static void unlink_by_time(struct follower *follower) {
    struct followers *all = follower->all;
    if (follower->older)
        follower->older->newer = follower->newer;
    else
        all->oldest = follower->newer;
    if (follower->newer)
        follower->newer->older = follower->older;
    else
        all->newest = follower->older;
}

static void link_by_time(struct follower *follower) {
    struct followers *all = follower->all;
    follower->sent_ms = all->now_ms;
    follower->newer = NULL;
    follower->older = all->newest;
    if (all->newest)
        all->newest->newer = follower;
    else
        all->oldest = follower;
    all->newest = follower;
}

static void write_to(struct follower *follower, const void *data, size_t bytes) {
    http_stream_write(follower->exchange, data, bytes);
    unlink_by_time(follower);
    link_by_time(follower);
}

/* Coming and going */

static void count_all(const struct followers *all) {
    meter_set(METER_FOLLOWERS, (int64_t)all->count);
    meter_set(METER_CASES, (int64_t)all->topics.count);
}

static void drop_topic(struct followers *all, struct topic *topic) {
    wb_unfollow(topic->place);
    topic_drop(&all->topics, topic);
}

/* A topic for which something is gathered is dropped when that is flushed. */
static void follower_free(struct follower *follower) {
    struct followers *all = follower->all;
    struct topic *topic = follower->topic;
    inquiry_cancel(follower->inquiry);
    wb_unfollow(follower->place);
    unlink_by_time(follower);
    if (follower->previous)
        follower->previous->next = follower->next;
    else
        topic->first = follower->next;
    if (follower->next)
        follower->next->previous = follower->previous;
    if (!topic->first && !topic->gathering)
        drop_topic(all, topic);
    free(follower->attempt);
    free(follower);
    all->count--;
    count_all(all);
}

static void on_gone(void *arg, struct http_exchange *exchange) {
    (void)exchange;
    follower_free(arg);
}

static struct follower *follower_new(struct followers *all, struct http_exchange *exchange,
                                     const char *case_no, const char *code,
                                     const struct attempt *attempt) {
    size_t bytes = strlen(code) + 1;
    struct follower *follower = calloc(1, sizeof *follower + bytes);
    struct attempt *copy = malloc(sizeof *copy);
    struct topic *topic = follower && copy ? topic_get(&all->topics, case_no) : NULL;
    if (!topic) {
        free(follower);
        free(copy);
        return NULL;
    }
    *copy = *attempt;
    memcpy(follower->code, code, bytes);
    follower->all = all;
    follower->exchange = exchange;
    follower->attempt = copy;
    follower->topic = topic;
    follower->next = topic->first;
    if (topic->first)
        topic->first->previous = follower;
    topic->first = follower;
    link_by_time(follower);
    all->count++;
    count_all(all);
    return follower;
}

/* "Last-Event-ID: 123" */
static void take_cursor(struct follower *follower, const char *text) {
    char *end;
    if (!text || !*text)
        return;
    errno = 0;
    uint64_t cursor = strtoull(text, &end, 10);
    if (*end || errno || *text < '0' || *text > '9') {
        follower->reset = "cursor_invalid";
        return;
    }
    follower->cursor = cursor;
    follower->has_cursor = true;
}

/* What is written */

static void put_reset(struct buffer *out, const wb_case *answer, const char *reason) {
    json_t *data = view_state(answer);
    if (data)
        json_object_set_new(data, "reason", json_string(reason));
    sse_put(out, "reset", answer->through_offset, data);
    meter_add(METER_RESETS, reason, 1);
}

static int compare_offsets(const void *a, const void *b) {
    const wb_record *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

/* The case's events behind the cursor, in the order of their offsets. */
static void put_replay(struct buffer *out, const wb_case *answer, uint64_t cursor) {
    const wb_record **records = calloc(answer->n_nodes + 1, sizeof(void *));
    size_t count = 0;
    if (!records) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < answer->n_nodes; i++)
        if (answer->nodes[i]->record && answer->nodes[i]->record->offset > cursor)
            records[count++] = answer->nodes[i]->record;
    qsort(records, count, sizeof(void *), compare_offsets);
    for (size_t i = 0; i < count; i++)
        sse_put(out, "node", records[i]->offset, view_record(records[i]));
    meter_add(METER_DELIVERED, "replayed", (int64_t)count);
    free(records);
}

void followers_farewell(const struct followers *followers, const char *reason, struct buffer *out) {
    char word[32];
    snprintf(word, sizeof word, "%s", reason);
    for (char *at = word; *at; at++)
        if (*at == ' ')
            *at = '_';
    buffer_printf(out, "retry: %" PRIu64 "\nevent: end\ndata: {\"reason\":\"%s\"}\n\n",
                  sse_retry_ms(followers->retry_ms), word);
}

/* Whether an answer from which nodes were left out has all the case's events behind the cursor:
 * there are none, or as many as came since the follower's were last counted. Those left out are the
 * oldest by what they tell of, but may have been recorded last. */
static bool holds_all_behind(const struct follower *follower, const wb_case *answer) {
    size_t behind = 0;
    if (answer->state->last_offset <= follower->cursor)
        return true;
    for (size_t i = 0; i < answer->n_nodes; i++)
        behind += answer->nodes[i]->record && answer->nodes[i]->record->offset > follower->cursor;
    return follower->events && follower->events + behind == answer->state->events;
}

/* Why the follower cannot go on from its cursor, or NULL. */
static const char *reason_to_reset(const struct follower *follower, const wb_case *answer) {
    if (follower->reset)
        return follower->reset;
    if (follower->has_cursor && follower->cursor > answer->through_offset)
        return "cursor_unknown";
    bool complete = !answer->truncated || holds_all_behind(follower, answer);
    return follower->has_cursor && !complete ? "too_far_behind" : NULL;
}

static void put_answer(struct buffer *out, struct follower *follower, const wb_case *answer) {
    const char *reset = reason_to_reset(follower, answer);
    if (!follower->streaming)
        sse_put_retry(out, follower->all->retry_ms);
    if (reset)
        put_reset(out, answer, reset);
    else if (!follower->has_cursor)
        sse_put(out, "case", answer->through_offset, view_state(answer));
    else
        put_replay(out, answer, follower->cursor);
}

/* What the broker is asked: for the case, and to follow it. */

static void on_answer(void *arg, const wb_case *answer, const struct wb_error *err);

static int ask(struct follower *follower, struct wb_error *err) {
    follower->inquiry = inquiry_ask(follower->all->inquirer, follower->topic->case_no,
                                    follower->code, on_answer, follower, err);
    return follower->inquiry ? 0 : -1;
}

static int place(struct follower *follower, uint64_t after_offset, struct wb_error *err) {
    struct followers *all = follower->all;
    const char *case_no = follower->topic->case_no;
    if (!inquiry_plausible(case_no) || !inquiry_plausible(follower->code))
        return problem(err, WB_E_CASE_NOT_FOUND, "the number or the code cannot be one");
    if (!all->cases || !wb_subscriber_up(all->subscriber))
        return problem(err, WB_E_NOT_READY, "no session with the broker is open");
    follower->place = wb_follow(all->cases, case_no, follower->code, after_offset, follower, err);
    return follower->place ? 0 : -1;
}

/* Goes on where it was, or begins. Whose cursor is of use names its place, which the broker answers
 * from memory; the others ask for the case, once it is followed. Who begins names a place also
 * where the case is followed already: else a wrong code would tell by its time that it is. */
static int seek(struct follower *follower, struct wb_error *err) {
    if (follower->has_cursor && !follower->reset)
        return place(follower, follower->cursor, err);
    bool known = follower->streaming && follower->topic->place;
    return known ? ask(follower, err) : place(follower, WB_FROM_NOW, err);
}

/* Ends the stream of a follower, who will come again. */
static void end(struct follower *follower) {
    http_stream_end(follower->exchange);
    follower_free(follower);
}

static void refuse(struct follower *follower, const struct wb_error *err) {
    if (!follower->streaming) {
        if (err->code == WB_E_CASE_NOT_FOUND)
            throttle_wrong(follower->all->throttle, follower->attempt);
        api_error(follower->exchange, err);
        follower_free(follower);
    } else if (err->code == WB_E_CASE_NOT_FOUND) {
        log_warn("follow", "a followed case is not in the log any more");
        end(follower);
    } else {
        follower->all->someone_lost = true; /* it is asked again, in followers_tick */
    }
}

static void begin_stream(struct follower *follower) {
    static const char *const headers[] = {"Cache-Control: no-store", "X-Accel-Buffering: no", NULL};
    if (follower->streaming)
        return;
    follower->streaming = true;
    throttle_right(follower->all->throttle, follower->attempt);
    free(follower->attempt);
    follower->attempt = NULL;
    http_stream_begin(follower->exchange, headers);
}

/* Writes what came of an answer, which brings it to this cursor. False: it has ended. */
static bool tell(struct follower *follower, const struct buffer *out, uint64_t cursor) {
    begin_stream(follower);
    if (out->failed) {
        end(follower);
        return false;
    }
    if (out->length)
        write_to(follower, out->data, out->length);
    follower->cursor = cursor;
    follower->has_cursor = true;
    follower->reset = NULL;
    return true;
}

static void on_answer(void *arg, const wb_case *answer, const struct wb_error *err) {
    struct follower *follower = arg;
    struct wb_error doubt;
    follower->inquiry = NULL;
    if (answer && follower->refused) {
        problem(&doubt, WB_E_NOT_READY, "the case can be asked for and not followed");
        err = &doubt;
    }
    if (!answer || follower->refused) {
        follower->refused = false;
        refuse(follower, err);
        return;
    }
    struct buffer out;
    buffer_init(&out, 0);
    put_answer(&out, follower, answer);
    if (tell(follower, &out, answer->through_offset)) {
        const struct topic *topic = follower->topic;
        follower->events = answer->state->events;
        follower->settled = topic->place && topic->last <= follower->cursor;
        if (!follower->settled && seek(follower, NULL))
            follower->all->someone_lost = true;
    }
    buffer_free(&out);
}

/* All that the case got behind the cursor; what comes from here on is delivered. */
static void tell_missed(struct follower *follower, const wb_place_answer *answer) {
    struct buffer out;
    size_t count = 0;
    buffer_init(&out, 0);
    if (!follower->streaming)
        sse_put_retry(&out, follower->all->retry_ms);
    for (size_t i = 0; i < answer->n_records; i++)
        if (answer->records[i]->offset > follower->cursor) {
            sse_put(&out, "node", answer->records[i]->offset, view_record(answer->records[i]));
            count++;
        }
    uint64_t through = answer->through_offset;
    if (tell(follower, &out, through > follower->cursor ? through : follower->cursor)) {
        meter_add(METER_DELIVERED, "missed", (int64_t)count);
        follower->events += follower->events ? count : 0;
        follower->settled = true;
    }
    buffer_free(&out);
}

static bool stands(const wb_place_answer *answer) {
    return answer->outcome == WB_OUTCOME(FOLLOWED) || answer->outcome == WB_OUTCOME(BEHIND);
}

static void follower_placed(struct follower *follower, wb_place *place,
                            const wb_place_answer *answer) {
    struct wb_error err;
    int status = 0;
    follower->place = NULL;
    if (stands(answer) && !follower->topic->place) {
        follower->topic->place = place;
        wb_place_own(place, NULL);
    } else {
        wb_unfollow(place); /* it has shown that the code is right, or that it is not */
    }
    if (answer->outcome == WB_OUTCOME(FULL)) {
        status = problem(&err, WB_E_BUSY, "the broker follows no further cases");
    } else if (answer->outcome == WB_OUTCOME(FOLLOWED) && follower->has_cursor &&
               !follower->reset) {
        tell_missed(follower, answer);
    } else { /* a wrong code takes the way of an unknown case */
        follower->refused = !stands(answer);
        status = ask(follower, &err);
    }
    if (status)
        refuse(follower, &err);
}

static const char *outcome_label(const wb_place_answer *answer) {
    switch (answer->outcome) {
    case WB_OUTCOME(FOLLOWED):
        return "followed";
    case WB_OUTCOME(BEHIND):
        return "behind";
    case WB_OUTCOME(FULL):
        return "full";
    default:
        return "refused";
    }
}

void follow(struct followers *followers, struct http_exchange *exchange, const char *case_no,
            const char *code, const char *cursor, const struct attempt *attempt) {
    struct wb_error err;
    struct follower *follower = follower_new(followers, exchange, case_no, code, attempt);
    if (!follower) {
        problem(&err, WB_E_SYSTEM, "out of memory");
        api_error(exchange, &err);
        return;
    }
    take_cursor(follower, cursor);
    http_on_gone(exchange, on_gone, follower);
    http_forget_request(exchange); /* ten thousand may wait at once */
    if (seek(follower, &err))
        refuse(follower, &err);
}

/* What is delivered */

/* Followers who cannot be served by what is delivered are served by asking the broker again. */
static void unsettle(struct followers *all, struct topic *topic) {
    for (struct follower *follower = topic->first; follower; follower = follower->next)
        follower->settled = false;
    all->someone_lost = true;
}

static void flush_topic(struct followers *followers) {
    struct topic *topic = topics_dirty(&followers->topics);
    for (struct follower *follower = topic->first; follower; follower = follower->next) {
        size_t bytes, count;
        const void *text = topic_behind(topic, follower->cursor, &bytes, &count);
        if (!follower->settled || !count)
            continue;
        write_to(follower, text, bytes);
        follower->cursor = topic->last;
        follower->events += count;
        meter_add(METER_DELIVERED, "live", (int64_t)count);
    }
    topic_clear(&followers->topics);
    if (!topic->first)
        drop_topic(followers, topic);
}

/* The place of a case that was followed cannot go on after the session was opened anew. */
static void topic_placed(struct followers *all, wb_place *place, const wb_place_answer *answer) {
    struct topic *topic = topic_find(&all->topics, answer->case_no);
    if (!topic || topic->place != place)
        return;
    if (!stands(answer)) {
        wb_unfollow(place);
        topic->place = NULL;
    }
    unsettle(all, topic);
}

void followers_placed(struct followers *followers, wb_place *place, const wb_place_answer *answer) {
    meter_add(METER_PLACES, outcome_label(answer), 1);
    if (wb_place_owner(place))
        follower_placed(wb_place_owner(place), place, answer);
    else
        topic_placed(followers, place, answer);
}

void followers_use(struct followers *followers, wb_subscriber *subscriber, wb_subscription *cases) {
    followers->subscriber = subscriber;
    followers->cases = cases;
    for (struct follower *follower = followers->oldest; follower; follower = follower->newer) {
        follower->place = follower->topic->place = NULL;
        if (follower->settled && follower->cursor < followers->through)
            follower->cursor = followers->through;
        follower->settled = false;
    }
    followers->someone_lost = true;
}

void followers_away(struct followers *followers) {
    struct wb_error err;
    problem(&err, WB_E_NOT_READY, "the session with the broker was lost");
    for (struct follower *next, *follower = followers->oldest; follower; follower = next) {
        next = follower->newer;
        if (!follower->streaming && !follower->inquiry)
            refuse(follower, &err);
    }
}

void followers_record(struct followers *followers, const wb_record *record) {
    struct topic *topic = topic_find(&followers->topics, record->event->case_no);
    if (!topic)
        return;
    json_t *view = view_record(record);
    char *text = view ? json_dumps(view, JSON_COMPACT) : NULL;
    json_decref(view);
    topic->last = record->offset;
    int outcome = text ? topic_gather(&followers->topics, topic, record->offset, text) : -1;
    if (outcome < 0)
        unsettle(followers, topic);
    else if (outcome > 0)
        followers_flush(followers);
    free(text);
}

void followers_flush(struct followers *followers) {
    while (topics_dirty(&followers->topics))
        flush_topic(followers);
    uint64_t cursor = followers->cases ? wb_subscription_cursor(followers->cases) : WB_FROM_NOW;
    if (cursor != WB_FROM_NOW)
        followers->through = cursor;
}

void followers_reset(struct followers *followers, const char *reason) {
    for (struct follower *follower = followers->oldest; follower; follower = follower->newer) {
        follower->reset = reason;
        follower->settled = false;
        follower->topic->last = 0;
    }
    followers->someone_lost = true;
}

/* Brings the client's cursor up to date too: one that comes again after hours in which nothing
 * happened to its case is served from the broker's memory. */
static void keep_alive(struct follower *follower) {
    char text[40];
    uint64_t through = follower->all->through;
    if (through < follower->cursor)
        through = follower->cursor;
    int bytes = follower->settled ? snprintf(text, sizeof text, ":\nid: %" PRIu64 "\n\n", through)
                                  : snprintf(text, sizeof text, ":\n\n");
    http_stream_write(follower->exchange, text, (size_t)bytes);
}

static void send_keepalives(struct followers *all) {
    struct follower *last = all->newest;
    bool more = last;
    while (more && all->oldest->sent_ms + all->keepalive_ms <= all->now_ms) {
        struct follower *follower = all->oldest;
        more = follower != last;
        if (follower->streaming)
            keep_alive(follower);
        unlink_by_time(follower);
        link_by_time(follower);
    }
}

static void ask_for_the_lost(struct followers *all) {
    for (struct follower *next, *follower = all->oldest; follower; follower = next) {
        next = follower->newer;
        bool lost = !follower->settled && !follower->inquiry && !follower->place;
        if (lost && seek(follower, NULL))
            return; /* the broker is away or has enough to do: at the next tick */
    }
    all->someone_lost = false;
}

void followers_tick(struct followers *followers, uint64_t now_ms) {
    followers->now_ms = now_ms;
    send_keepalives(followers);
    if (followers->someone_lost)
        ask_for_the_lost(followers);
}
