#include "broker/fanout/stream.h"

#include <stdlib.h>

#include "broker/audience/audience.h"
#include "broker/fanout/follow.h"
#include "broker/fanout/hub.h"
#include "broker/fanout/outstanding.h"
#include "broker/fanout/places.h"
#include "broker/fanout/readers.h"
#include "broker/fanout/sight.h"
#include "broker/journal/reader.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "broker/session/endpoint.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define DELIVER_EVENTS 512
#define DELIVER_BYTES  (64 * 1024)

struct stream {
    struct session *session;
    const struct stream_rooms *rooms;
    struct sight *sight;
    struct places *places; /* by case: nothing but these; else NULL */
    uint64_t number;
    uint64_t cursor; /* all up to here was delivered or does not match */
    uint64_t told;   /* the cursor that the peer knows of */
    uint64_t credit;
    struct outstanding outstanding;
    struct read *read; /* under way, of the range */
    struct read_range {
        uint64_t after, through;
        size_t limit; /* rows */
    } range;
    struct hold *hold; /* of a durable reader; NULL: it is none */
    bool waiting;      /* for the hold to be opened */
    bool over;
};

static void send_subscribed(struct stream *s) {
    Waybill__V1__Subscribed subscribed = WAYBILL__V1__SUBSCRIBED__INIT;
    broker_message message = WAYBILL__V1__BROKER_MESSAGE__INIT;
    struct buffer out;
    subscribed.subscription = s->number;
    subscribed.after_offset = s->cursor;
    subscribed.first_offset = hub_first(s->rooms->hub);
    subscribed.head_offset = hub_head(s->rooms->hub);
    subscribed.audience = sight_audience(s->sight);
    message.body_case = WAYBILL__V1__BROKER_MESSAGE__BODY_SUBSCRIBED;
    message.subscribed = &subscribed;
    buffer_init(&out, 0);
    frame_put_broker(&out, &message);
    session_answer(s->session, &out);
    buffer_free(&out);
}

static int check_cursor(const struct stream *s, struct wb_error *err) {
    uint64_t first = hub_first(s->rooms->hub), head = hub_head(s->rooms->hub);
    if (s->cursor > head)
        return problem(err, WB_E_CURSOR_UNKNOWN, "cursor %llu, the log ends at %llu",
                       (unsigned long long)s->cursor, (unsigned long long)head);
    if (s->cursor + 1 < first)
        return problem(err, WB_E_CURSOR_EXPIRED, "cursor %llu, the log starts at %llu",
                       (unsigned long long)s->cursor, (unsigned long long)first);
    return 0;
}

/* By case: what comes before a case is named is passed over, so who has named some before asks for
 * no credit until it has named them again. */
static int follow_cases(struct stream *s, const Waybill__V1__Subscribe *request,
                        struct wb_error *err) {
    if (!request->by_case)
        return 0;
    if (request->filter || request->reader[0])
        return problem(err, WB_E_SUBSCRIPTION, "%llu is by case and has a filter or a reader",
                       (unsigned long long)s->number);
    s->places = hub_index(s->rooms->hub) ? places_new(FOLLOW_CASES_MAX) : NULL;
    return s->places ? 0 : problem(err, WB_E_BUSY, "out of memory");
}

static void end(struct stream *s, const struct wb_error *err) {
    if (!s->over && err->code == WB_E_NOT_READY)
        session_end(s->session, err);
    else if (!s->over)
        session_refuse(s->session, err, s->number, 0);
    s->over = true;
}

static void begin(struct stream *s, uint64_t cursor) {
    s->cursor = s->told = cursor;
    send_subscribed(s);
}

/* A durable reader's subscription begins where it acknowledged last, if that is still there. */
static void on_opened(void *arg, uint64_t cursor) {
    struct stream *s = arg;
    struct wb_error err;
    s->cursor = cursor;
    s->waiting = false;
    if (check_cursor(s, &err) != 0) {
        problem_hint(&err, "subscribe with restart, or tail --restart, to begin anew");
        end(s, &err);
        return;
    }
    begin(s, cursor);
    stream_pump(s);
}

static void on_lost(void *arg, const struct wb_error *err) {
    end(arg, err);
}

static bool hold(struct stream *s, const Waybill__V1__Subscribe *request,
                 const struct wb_error *unusable, struct wb_error *err) {
    static const struct hold_events events = {.opened = on_opened, .lost = on_lost};
    const struct reader_wish wish = {.name = request->reader,
                                     .follower = s->session->source,
                                     .client = s->session->client,
                                     .audience = sight_audience(s->sight),
                                     .filter = request->filter,
                                     .from = s->cursor,
                                     .unusable = unusable,
                                     .restart = request->restart,
                                     .stand_by = request->stand_by};
    s->waiting = true;
    s->hold = readers_hold(s->rooms->readers, &wish, &events, s, err);
    return s->hold != NULL;
}

static void add_credit(struct stream *s, uint64_t events) {
    uint64_t room = s->rooms->credit_max - s->credit;
    s->credit += events < room ? events : room;
}

/* Where the request says to begin: 0 is all there is; what is kept of the time before belongs to
 * its cases. */
static uint64_t wanted(const struct hub *hub, const Waybill__V1__Subscribe *request) {
    bool now = request->from_case == WAYBILL__V1__SUBSCRIBE__FROM_NOW && request->now;
    if (now || (request->by_case && request->from_case == WAYBILL__V1__SUBSCRIBE__FROM__NOT_SET))
        return hub_head(hub);
    uint64_t after =
        request->from_case == WAYBILL__V1__SUBSCRIBE__FROM_AFTER_OFFSET ? request->after_offset : 0;
    return after ? after : hub_first(hub) - 1;
}

struct stream *stream_new(struct session *session, const struct stream_rooms *rooms,
                          const Waybill__V1__Subscribe *request, struct wb_error *err) {
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        problem(err, WB_E_BUSY, "out of memory");
        return NULL;
    }
    bool durable = request->reader[0] != '\0';
    s->session = session;
    s->rooms = rooms;
    s->outstanding.pool = rooms->outstanding;
    s->number = request->subscription;
    s->cursor = wanted(rooms->hub, request);
    struct wb_error cursor;
    bool usable = check_cursor(s, &cursor) == 0;
    if (!usable && !durable)
        *err = cursor;
    if ((!usable && !durable) || sight_new(rooms->access, session, request, &s->sight, err) != 0 ||
        follow_cases(s, request, err) != 0 ||
        (durable && !hold(s, request, usable ? NULL : &cursor, err))) {
        stream_free(s);
        return NULL;
    }
    add_credit(s, request->credit);
    if (!durable)
        begin(s, s->cursor);
    return s;
}

void stream_free(struct stream *s) {
    if (s->read)
        reader_cancel(s->read);
    if (s->hold)
        readers_release(s->hold);
    outstanding_clear(&s->outstanding);
    sight_free(s->sight);
    places_free(s->places);
    free(s);
}

bool stream_over(const struct stream *s) {
    return s->over;
}

void stream_recheck(struct stream *s) {
    struct wb_error err;
    if (sight_check(s->sight, s->rooms->access, s->session, &err) != 0)
        end(s, &err);
}

void stream_lapse(struct stream *s, int64_t now_us) {
    if (sight_lapsed(s->sight, now_us))
        stream_recheck(s);
}

/* Who acknowledged events in an earlier session goes on behind them. */
static void skip(struct stream *s, uint64_t offset) {
    if (s->read)
        reader_cancel(s->read);
    s->read = NULL;
    s->cursor = s->told = offset;
    stream_pump(s);
}

void stream_acknowledge(struct stream *s, uint64_t offset) {
    struct wb_error err;
    uint64_t head = hub_head(s->rooms->hub);
    if (s->over)
        return;
    if (!s->hold)
        problem(&err, WB_E_READER, "subscription %llu is no durable reader's",
                (unsigned long long)s->number);
    else if (offset > head)
        problem(&err, WB_E_READER, "%llu is acknowledged, the log ends at %llu",
                (unsigned long long)offset, (unsigned long long)head);
    if (!s->hold || offset > head) {
        end(s, &err);
        return;
    }
    readers_acknowledge(s->hold, offset);
    if (!s->waiting && offset > s->cursor)
        skip(s, offset);
}

uint64_t stream_number(const struct stream *s) {
    return s->number;
}

void stream_follow(struct stream *s, const Waybill__V1__Follow *request) {
    struct wb_error err;
    if (!s->places) {
        problem(&err, WB_E_SUBSCRIPTION, "%llu is not by case", (unsigned long long)s->number);
        end(s, &err);
    } else if (!s->over) {
        const struct follow f = {.session = s->session,
                                 .hub = s->rooms->hub,
                                 .sight = s->sight,
                                 .places = s->places,
                                 .subscription = s->number,
                                 .cursor = s->cursor};
        /* Who is told of a case up to the cursor goes on from there after a break. */
        stream_progress(s);
        follow(&f, request);
    }
}

void stream_credit(struct stream *s, uint64_t events) {
    outstanding_credit(&s->outstanding, events);
    add_credit(s, events);
}

/* A Deliver that is being put together from records in order. */
struct parcel {
    struct buffer records, record, event;
    size_t events, scanned;
    uint64_t through;
    bool failed; /* an event could not be made ready: nothing is sent */
};

static void parcel_open(struct parcel *p, uint64_t cursor) {
    *p = (struct parcel){.through = cursor};
    buffer_init(&p->records, 0);
    buffer_init(&p->record, 0);
    buffer_init(&p->event, 0);
}

static bool parcel_full(const struct parcel *p, const struct stream *s) {
    return p->events >= DELIVER_EVENTS || p->events >= s->credit ||
           p->records.length >= DELIVER_BYTES || p->scanned >= STREAM_SCAN_EVENTS;
}

/* The event as the stream's audience may see it: from the hub, or made for this one reader. */
static struct slice event_for(struct parcel *p, const struct stream *s, const struct log_record *r,
                              bool from_hub) {
    Waybill__V1__Audience audience = sight_audience(s->sight);
    if (audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
        return r->event;
    if (from_hub)
        return hub_event(s->rooms->hub, r, audience);
    buffer_clear(&p->event);
    if (!audience_put(s->rooms->access, audience, r->event, &p->event))
        return (struct slice){0};
    return (struct slice){.data = p->event.data, .length = p->event.length};
}

static void parcel_add(struct parcel *p, const struct stream *s, const struct log_record *r,
                       bool from_hub) {
    p->scanned++;
    p->through = r->offset;
    if ((s->places && !places_match(s->places, r)) || !sight_matches(s->sight, r))
        return;
    struct slice event = event_for(p, s, r, from_hub);
    if (event.length && !sight_shows(s->sight, r, event))
        return;
    p->failed = p->failed || !event.length;
    buffer_clear(&p->record);
    frame_put_record(&p->record, r->offset, r->source, r->recorded_at_us, event.data, event.length);
    frame_add_record(&p->records, p->record.data, p->record.length);
    p->events++;
}

/* Sends it and moves the cursor on; if the peer's queue is full the cursor stays. */
static bool parcel_send(struct parcel *p, struct stream *s, const char *from) {
    enum endpoint_sent sent = SENT;
    if (p->events > 0) {
        struct buffer out;
        buffer_init(&out, 0);
        frame_put_deliver(&out, s->number, p->through, &p->records);
        sent = p->failed || out.failed || p->records.failed || p->record.failed
                   ? SENT_NOT_NOW
                   : session_send(s->session, out.data, out.length);
        buffer_free(&out);
        if (sent == SENT) {
            s->told = p->through;
            s->credit -= p->events;
            outstanding_add(&s->outstanding, p->events, p->records.length);
            meter_add(METER_DELIVERED, from, (int64_t)p->events);
        }
    }
    if (sent == SENT)
        s->cursor = p->through;
    buffer_free(&p->records);
    buffer_free(&p->record);
    buffer_free(&p->event);
    return sent == SENT;
}

static bool pump_hub(struct stream *s, size_t *scanned) {
    struct parcel p;
    size_t run;
    parcel_open(&p, s->cursor);
    p.scanned = *scanned;
    while (!parcel_full(&p, s)) {
        const struct log_record *r = hub_run(s->rooms->hub, p.through + 1, &run);
        if (!r)
            break;
        for (size_t i = 0; i < run && !parcel_full(&p, s); i++)
            parcel_add(&p, s, &r[i], true);
    }
    *scanned = p.scanned;
    return parcel_send(&p, s, "memory");
}

static bool may_deliver(const struct stream *s) {
    return s->credit > 0 && outstanding_has_room(&s->outstanding);
}

/* As many Delivers as credit and the peer's queue allow. */
static void deliver_rows(struct stream *s, const struct read_range *range,
                         const struct log_record *records, size_t count) {
    size_t i = 0;
    while (may_deliver(s) && i < count) {
        struct parcel p;
        parcel_open(&p, s->cursor);
        for (; i < count && !parcel_full(&p, s); i++)
            parcel_add(&p, s, &records[i], false);
        /* Fewer rows than asked for: there is nothing else up to where was read. */
        if (i == count && count < range->limit)
            p.through = range->through;
        if (!parcel_send(&p, s, "database"))
            return;
    }
}

/* Retention overtook a slow reader: what it has not read is gone, and it has to know. */
static bool fell_behind(struct stream *s) {
    struct wb_error err;
    if (check_cursor(s, &err) == 0)
        return false;
    end(s, &err);
    return true;
}

static void begin_read(struct stream *s, uint64_t after, uint64_t credit);

static void on_read(void *arg, const struct log_record *records, size_t count,
                    const struct wb_error *err) {
    struct stream *s = arg;
    const struct read_range done = s->range;
    s->read = NULL;
    if (err || s->over || fell_behind(s))
        return; /* read again at the next tick */
    if (count == 0)
        s->cursor = done.through;
    /* The next range is read while this one is sent, unless credit will end in between. */
    uint64_t last = count ? records[count - 1].offset : s->cursor;
    if (count == done.limit && s->credit > count && last < done.through &&
        !hub_record(s->rooms->hub, last + 1))
        begin_read(s, last, s->credit - count);
    deliver_rows(s, &done, records, count);
    if (s->read && s->cursor != s->range.after) {
        reader_cancel(s->read);
        s->read = NULL;
    }
    stream_pump(s);
}

static void begin_read(struct stream *s, uint64_t after, uint64_t credit) {
    const char *const *case_nos = NULL;
    size_t cases = sight_cases(s->sight, &case_nos);
    /* Where the filter is looked at here, rows are read whether they will cost credit or not. */
    bool exact = (sight_is_all(s->sight) && !s->places) || cases > 0;
    s->range = (struct read_range){.after = after,
                                   .through = hub_head(s->rooms->hub),
                                   .limit = exact && credit < READ_ROWS_MAX ? (size_t)credit
                                                                            : READ_ROWS_MAX};
    s->read = reader_range(s->rooms->reader, after, s->range.through, s->range.limit, case_nos,
                           cases, on_read, s);
}

static void pump_database(struct stream *s) {
    if (!fell_behind(s))
        begin_read(s, s->cursor, s->credit);
}

size_t stream_pump(struct stream *s) {
    size_t scanned = 0;
    while (may_deliver(s) && !s->over && !s->waiting && !s->read && scanned < STREAM_SCAN_EVENTS &&
           s->cursor < hub_head(s->rooms->hub) && !s->session->blocked_us) {
        if (!hub_record(s->rooms->hub, s->cursor + 1)) {
            pump_database(s); /* without a place in its queue: again at the next tick */
            break;
        }
        if (!pump_hub(s, &scanned))
            break;
    }
    return scanned;
}

void stream_progress(struct stream *s) {
    struct buffer out, none;
    if (s->told == s->cursor || s->waiting || s->over)
        return;
    buffer_init(&out, 0);
    buffer_init(&none, 0);
    frame_put_deliver(&out, s->number, s->cursor, &none);
    if (session_send(s->session, out.data, out.length) == SENT)
        s->told = s->cursor;
    buffer_free(&out);
}
