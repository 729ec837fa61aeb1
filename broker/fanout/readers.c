#include "broker/fanout/readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fanout/statements.h"
#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/log.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define TICK_MS     200 /* how often acknowledgements are written */
#define LOOK_TICKS  5
#define NAMES_BYTES (LIMIT_SOURCE_BYTES + 1)

/* What the connection is sent for: one at a time. */
enum errand { BEGIN, CLAIM, WRITE, OPEN, LOOK };

static const char *const errand_words[] = {"setting the connection up", "taking the readers over",
                                           "writing cursors", "opening a reader",
                                           "looking how far readers are behind"};

enum hold_state { WAITING, OPENING, HELD };

struct hold {
    struct readers *readers;
    struct reader *reader; /* NULL: lost */
    struct hold *next;     /* that waits behind it */
    enum hold_state state;
    struct hold_events events;
    void *arg;
    char follower[NAMES_BYTES], *client, *audience;
    struct buffer filter;
    uint64_t from, acknowledged; /* acknowledged: before it was opened */
    bool restart, stand_by, usable;
    struct wb_error unusable; /* why `from` is, if not usable */
};

/* One that somebody holds or waits for, or whose cursor is still to be written. */
struct reader {
    struct reader *next;
    char name[NAMES_BYTES], follower[NAMES_BYTES]; /* the follower: once it was opened */
    uint64_t cursor;
    bool dirty;         /* something is to be written */
    bool writing;       /* is being written */
    bool seen;          /* in the rows that are being looked at */
    struct hold *holds; /* the first has it, or is to have it */
};

struct readers {
    struct database *database;
    uv_timer_t tick;
    int64_t retention_us;
    int64_t epoch, epoch_before, epoch_sent; /* before: the newest so far; sent: with the errand */
    unsigned ticks;
    size_t hold_count;
    struct reader *first;

    enum errand errand;
    bool usable;          /* the connection is set up */
    bool claimed;         /* in this epoch */
    bool write, look;     /* due */
    bool failed;          /* the errand did */
    bool troubled;        /* and that was said */
    bool confirmed;       /* the write was, by the epoch that it found */
    struct reader *open;  /* being opened */
    struct hold *opening; /* for whom; NULL: who asked has left */
    uint8_t numbers[4][8], flags[2];
    struct buffer names, cursors, clients;
};

static void go_on(struct readers *rs);
static void on_result(void *arg, const PGresult *result);

/* Holds. */

static void lose(struct hold *h, const struct wb_error *err) {
    h->reader = NULL;
    if (h->readers->opening == h)
        h->readers->opening = NULL;
    h->events.lost(h->arg, err);
}

static void refuse_first(struct reader *r, const struct wb_error *err) {
    struct hold *h = r->holds;
    r->holds = h->next;
    lose(h, err);
}

static bool is_owner(const struct reader *r, const struct hold *h) {
    return !r->follower[0] || strcmp(r->follower, h->follower) == 0;
}

static int foreign(const struct reader *r, struct wb_error *err) {
    problem(err, WB_E_READER, "%s is %s's", r->name,
            r->follower[0] ? r->follower : "another follower");
    return problem_hint(err, "choose another name, or have the operator remove it: waybill admin "
                             "reader remove");
}

static void refuse_strangers(struct reader *r) {
    struct wb_error err;
    for (struct hold **link = &r->holds->next; *link;) {
        struct hold *h = *link;
        if (is_owner(r, h)) {
            link = &h->next;
            continue;
        }
        *link = h->next;
        foreign(r, &err);
        lose(h, &err);
    }
}

/* The newest of those who do not want to wait takes it over from all the others of them. */
static void take_over(struct reader *r) {
    struct wb_error err;
    struct hold **newest = NULL;
    for (struct hold **at = &r->holds->next; *at; at = &(*at)->next)
        if (!(*at)->stand_by)
            newest = at;
    if (!newest)
        return;
    struct hold *taker = *newest;
    *newest = taker->next;
    problem(&err, WB_E_READER_TAKEN, "%s, by %s", r->name, taker->client);
    refuse_first(r, &err);
    for (struct hold **link = &r->holds; *link;) {
        struct hold *h = *link;
        if (h->stand_by) {
            link = &h->next;
            continue;
        }
        *link = h->next;
        lose(h, &err);
    }
    taker->next = r->holds;
    r->holds = taker;
}

/* Whose turn it is, after something changed. */
static void arrange(struct readers *rs, struct reader *r) {
    if (r->holds && r->holds->state == HELD && r->holds->next) {
        refuse_strangers(r);
        take_over(r);
    }
    if (r->holds && r->holds->state == WAITING)
        r->holds->state = OPENING;
    go_on(rs);
}

static struct reader *find(const struct readers *rs, const char *name) {
    struct reader *r = rs->first;
    while (r && strcmp(r->name, name) != 0)
        r = r->next;
    return r;
}

static struct reader *find_or_make(struct readers *rs, const char *name) {
    struct reader *r = find(rs, name);
    if (r || !(r = calloc(1, sizeof *r)))
        return r;
    snprintf(r->name, sizeof r->name, "%s", name);
    r->next = rs->first;
    rs->first = r;
    return r;
}

/* Those that nobody holds and that are written. */
static void sweep(struct readers *rs) {
    for (struct reader **link = &rs->first; *link;) {
        struct reader *r = *link;
        if (r->holds || r->dirty || r->writing || r == rs->open) {
            link = &r->next;
            continue;
        }
        *link = r->next;
        free(r);
    }
}

static void free_hold(struct hold *h) {
    free(h->client);
    free(h->audience);
    buffer_free(&h->filter);
    free(h);
}

static bool copy_wish(struct hold *h, const struct reader_wish *wish) {
    snprintf(h->follower, sizeof h->follower, "%s", wish->follower);
    h->client = strdup(wish->client[0] ? wish->client : "?");
    h->audience = strdup(audience_name((int)wish->audience));
    h->from = wish->from;
    h->restart = wish->restart;
    h->stand_by = wish->stand_by;
    h->usable = !wish->unusable;
    if (wish->unusable)
        h->unusable = *wish->unusable;
    buffer_init(&h->filter, 0);
    size_t bytes = wish->filter ? protobuf_c_message_get_packed_size(&wish->filter->base) : 0;
    uint8_t *at = buffer_reserve(&h->filter, bytes ? bytes : 1);
    if (at && bytes)
        h->filter.length = protobuf_c_message_pack(&wish->filter->base, at);
    return h->client && h->audience && at;
}

static void append(struct reader *r, struct hold *h) {
    struct hold **link = &r->holds;
    while (*link)
        link = &(*link)->next;
    *link = h;
}

struct hold *readers_hold(struct readers *rs, const struct reader_wish *wish,
                          const struct hold_events *events, void *arg, struct wb_error *err) {
    struct wb_error name;
    if (source_validate(wish->name, &name) != 0) { /* the same form */
        problem(err, WB_E_READER, "%s", name.detail);
        problem_hint(err, "%s", name.hint);
        return NULL;
    }
    if (rs->hold_count >= HOLDS_MAX) {
        problem(err, WB_E_BUSY, "%zu subscriptions of durable readers", rs->hold_count);
        return NULL;
    }
    struct hold *h = calloc(1, sizeof *h);
    struct reader *r = h && copy_wish(h, wish) ? find_or_make(rs, wish->name) : NULL;
    if (r && r->holds && r->holds->state == HELD && !is_owner(r, h)) {
        foreign(r, err);
        free_hold(h);
        return NULL;
    }
    if (!r) {
        if (h)
            free_hold(h);
        problem(err, WB_E_BUSY, "out of memory");
        return NULL;
    }
    h->readers = rs;
    h->reader = r;
    h->events = *events;
    h->arg = arg;
    rs->hold_count++;
    append(r, h);
    arrange(rs, r);
    return h;
}

void readers_acknowledge(struct hold *h, uint64_t offset) {
    if (!h->reader)
        return;
    uint64_t *cursor = h->state == HELD ? &h->reader->cursor : &h->acknowledged;
    if (offset <= *cursor)
        return;
    *cursor = offset;
    h->reader->dirty = h->reader->dirty || h->state == HELD;
}

void readers_release(struct hold *h) {
    struct readers *rs = h->readers;
    struct reader *r = h->reader;
    if (r) {
        struct hold **link = &r->holds;
        while (*link != h)
            link = &(*link)->next;
        *link = h->next;
        if (h->state == HELD)
            r->dirty = true; /* nobody is connected any more */
        if (rs->opening == h)
            rs->opening = NULL;
        arrange(rs, r);
    }
    rs->hold_count--;
    free_hold(h);
}

/* Opening. */

static bool is_true(const PGresult *r, int column) {
    return !PQgetisnull(r, 0, column) && PQgetvalue(r, 0, column)[0] != 0;
}

/* Why nothing was opened, where this is the writer. */
static void explain(const struct reader *r, const struct hold *h, const PGresult *result,
                    struct wb_error *err) {
    bool there = !PQgetisnull(result, 0, 1);
    const char *owner = there ? PQgetvalue(result, 0, 1) : "";
    if (there && owner[0] && strcmp(owner, h->follower) != 0) {
        struct reader named = *r;
        snprintf(named.follower, sizeof named.follower, "%.*s", PQgetlength(result, 0, 1), owner);
        foreign(&named, err);
    } else if (!h->usable && (!there || h->restart)) {
        *err = h->unusable;
    } else if (!there) {
        problem(err, WB_E_READER, "there are %d readers, the most there may be", READERS_MAX);
        problem_hint(err, "remove one that is not used: waybill admin reader list");
    } else {
        problem(err, WB_E_BUSY, "%s was changed at the same moment", r->name);
    }
}

static void on_opened(struct readers *rs, const PGresult *result) {
    struct reader *r = rs->open;
    struct hold *h = rs->opening;
    struct wb_error err;
    if (!is_true(result, 0)) {
        rs->failed = true; /* not the writer any more: that will be told */
        return;
    }
    if (PQgetisnull(result, 0, 2)) {
        if (h) {
            explain(r, h, result, &err);
            refuse_first(r, &err);
        }
        return;
    }
    r->cursor = (uint64_t)database_int8(result, 0, 2);
    r->dirty = !h; /* nobody is connected */
    if (!h)
        return;
    snprintf(r->follower, sizeof r->follower, "%s", h->follower);
    h->state = HELD;
    if (h->acknowledged > r->cursor) {
        r->cursor = h->acknowledged;
        r->dirty = true;
    }
    h->events.opened(h->arg, r->cursor);
}

static void send_errand(struct readers *rs, enum errand errand, const char *sql,
                        const struct database_param *params, size_t count) {
    rs->errand = errand;
    rs->failed = false;
    rs->epoch_sent = rs->epoch;
    if (count)
        database_query_params(rs->database, sql, params, count, on_result, rs);
    else
        database_query(rs->database, sql, on_result, rs);
}

static void send_open(struct readers *rs, struct reader *r) {
    struct hold *h = r->holds;
    rs->open = r;
    rs->opening = h;
    binary_put8(rs->numbers[0], rs->epoch);
    binary_put8(rs->numbers[1], (int64_t)h->from);
    binary_put8(rs->numbers[2], READERS_MAX);
    rs->flags[0] = h->usable;
    rs->flags[1] = h->restart;
    const struct database_param params[] = {
        {.data = rs->numbers[0], .bytes = 8, .type = INT8_OID},
        {.data = r->name, .bytes = (int)strlen(r->name), .type = TEXT_OID},
        {.data = h->follower, .bytes = (int)strlen(h->follower), .type = TEXT_OID},
        {.data = h->audience, .bytes = (int)strlen(h->audience), .type = TEXT_OID},
        {.data = h->filter.data, .bytes = (int)h->filter.length, .type = BYTEA_OID},
        {.data = rs->numbers[1], .bytes = 8, .type = INT8_OID},
        {.data = &rs->flags[0], .bytes = 1, .type = BOOL_OID},
        {.data = &rs->flags[1], .bytes = 1, .type = BOOL_OID},
        {.data = h->client, .bytes = (int)strlen(h->client), .type = TEXT_OID},
        {.data = rs->numbers[2], .bytes = 8, .type = INT8_OID}};
    send_errand(rs, OPEN, SQL_READERS_OPEN, params, 10);
}

/* Writing. */

static bool is_dirty(const struct readers *rs) {
    for (const struct reader *r = rs->first; r; r = r->next)
        if (r->dirty)
            return true;
    return false;
}

static void send_write(struct readers *rs) {
    size_t count = 0;
    binary_array(&rs->names, TEXT_OID, 0);
    binary_array(&rs->cursors, INT8_OID, 0);
    binary_array(&rs->clients, TEXT_OID, 0);
    for (struct reader *r = rs->first; r; r = r->next) {
        if (!r->dirty)
            continue;
        const char *client = r->holds && r->holds->state == HELD ? r->holds->client : "";
        binary_bytes(&rs->names, r->name, strlen(r->name));
        binary_int8(&rs->cursors, (int64_t)r->cursor);
        binary_bytes(&rs->clients, client, strlen(client));
        r->dirty = false;
        r->writing = true;
        count++;
    }
    binary_array_count(&rs->names, count);
    binary_array_count(&rs->cursors, count);
    binary_array_count(&rs->clients, count);
    binary_put8(rs->numbers[0], rs->epoch);
    const struct database_param params[] = {
        {.data = rs->numbers[0], .bytes = 8, .type = INT8_OID},
        {.data = rs->names.data, .bytes = (int)rs->names.length, .type = TEXT_ARRAY_OID},
        {.data = rs->cursors.data, .bytes = (int)rs->cursors.length, .type = INT8_ARRAY_OID},
        {.data = rs->clients.data, .bytes = (int)rs->clients.length, .type = TEXT_ARRAY_OID}};
    rs->confirmed = false;
    send_errand(rs, WRITE, SQL_READERS_WRITE, params, 4);
}

/* Not written: once more. */
static void give_back(struct readers *rs) {
    for (struct reader *r = rs->first; r; r = r->next) {
        r->dirty = r->dirty || r->writing;
        r->writing = false;
    }
}

/* The operator removed it. */
static void forget(struct reader *r) {
    struct wb_error err;
    problem(&err, WB_E_READER, "%s was removed", r->name);
    problem_hint(&err, "the operator did that; subscribe again to make a new one");
    r->dirty = false;
    while (r->holds)
        refuse_first(r, &err);
}

static void on_written(struct readers *rs, const PGresult *result) {
    for (int i = 0; i < PQntuples(result); i++) {
        char name[NAMES_BYTES];
        int64_t epoch = database_int8(result, i, 0);
        rs->confirmed = epoch == rs->epoch_sent && epoch == rs->epoch;
        snprintf(name, sizeof name, "%.*s", PQgetlength(result, i, 1), PQgetvalue(result, i, 1));
        struct reader *r = find(rs, name);
        if (r)
            r->writing = false;
    }
    rs->failed = !rs->confirmed; /* another broker's: that will be told */
    for (struct reader *r = rs->first; r && rs->confirmed; r = r->next)
        if (r->writing) {
            r->writing = false;
            forget(r);
        }
}

/* Looking. */

static void tell_alarm(const char *name, const char *alarm, int64_t lag) {
    if (strcmp(alarm, "expired") == 0)
        log_error("readers",
                  "%s has missed events: retention removed some of the %lld that it has "
                  "not acknowledged; it is refused until it begins anew",
                  name, (long long)lag);
    else if (alarm[0])
        log_warn("readers",
                 "%s is about to miss events: less than a tenth of the retention is "
                 "left for the oldest of the %lld that it has not acknowledged",
                 name, (long long)lag);
    else
        log_info("readers", "%s is out of danger, %lld events behind", name, (long long)lag);
}

/* Nobody notices by writing that a reader was removed while it was idle. */
static void forget_unseen(struct readers *rs) {
    for (struct reader *r = rs->first; r; r = r->next) {
        if (!r->seen && r->holds && r->holds->state == HELD)
            forget(r);
        r->seen = false;
    }
}

static void on_look(struct readers *rs, const PGresult *result) {
    meter_clear(METER_READER_LAG_EVENTS);
    meter_clear(METER_READER_LAG_SECONDS);
    meter_clear(METER_READER_ENDANGERED);
    for (int i = 0; i < PQntuples(result); i++) {
        char name[NAMES_BYTES], alarm[16];
        snprintf(name, sizeof name, "%.*s", PQgetlength(result, i, 0), PQgetvalue(result, i, 0));
        snprintf(alarm, sizeof alarm, "%.*s", PQgetlength(result, i, 3), PQgetvalue(result, i, 3));
        int64_t lag = database_int8(result, i, 1);
        int64_t lag_us = PQgetisnull(result, i, 2) ? 0 : database_int8(result, i, 2);
        meter_set(METER_READER_LAG_EVENTS, name, lag);
        meter_set(METER_READER_LAG_SECONDS, name, lag_us / 1000000);
        meter_set(METER_READER_ENDANGERED, name, alarm[0] != '\0');
        if (PQgetvalue(result, i, 4)[0])
            tell_alarm(name, alarm, lag);
        struct reader *r = find(rs, name);
        if (r)
            r->seen = true;
    }
    forget_unseen(rs);
}

static void send_look(struct readers *rs) {
    binary_put8(rs->numbers[0], rs->epoch);
    binary_put8(rs->numbers[1], rs->retention_us);
    const struct database_param params[] = {{.data = rs->numbers[0], .bytes = 8, .type = INT8_OID},
                                            {.data = rs->numbers[1], .bytes = 8, .type = INT8_OID}};
    rs->look = false;
    send_errand(rs, LOOK, SQL_READERS_LOOK, params, 2);
}

/* The connection. */

static void send_claim(struct readers *rs) {
    binary_put8(rs->numbers[0], rs->epoch);
    const struct database_param epoch = {.data = rs->numbers[0], .bytes = 8, .type = INT8_OID};
    send_errand(rs, CLAIM, SQL_READERS_CLAIM, &epoch, 1);
}

/* The rows say of nobody any more that they are connected. */
static void on_claimed(struct readers *rs) {
    rs->claimed = rs->epoch == rs->epoch_sent;
    for (struct reader *r = rs->first; r; r = r->next)
        if (r->holds && r->holds->state == HELD)
            r->dirty = true;
}

/* The next reader that somebody waits for. */
static struct reader *next_open(const struct readers *rs) {
    struct reader *r = rs->first;
    while (r && !(r->holds && r->holds->state == OPENING))
        r = r->next;
    return r;
}

static void go_on(struct readers *rs) {
    if (!rs->epoch || !database_idle(rs->database))
        return;
    struct reader *r = next_open(rs);
    if (!rs->usable)
        send_errand(rs, BEGIN, SQL_READERS_BEGIN, NULL, 0);
    else if (!rs->claimed)
        send_claim(rs);
    else if ((rs->write || r) && is_dirty(rs)) /* what is opened is read from there */
        send_write(rs);
    else if (r)
        send_open(rs, r);
    else if (rs->look)
        send_look(rs);
}

static void on_failure(struct readers *rs, const PGresult *result) {
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    rs->failed = true;
    if (!rs->troubled)
        log_warn("readers", "%s: %s", errand_words[rs->errand],
                 text ? text : PQresultErrorMessage(result));
    rs->troubled = true;
}

/* The errand is over, and the connection idle. What failed is tried again with the next tick. */
static void on_over(struct readers *rs) {
    struct reader *opened = rs->open;
    rs->open = NULL;
    rs->opening = NULL;
    if (rs->errand == BEGIN)
        rs->usable = !rs->failed;
    else if (rs->errand == CLAIM && !rs->failed)
        on_claimed(rs);
    else if (rs->errand == WRITE)
        rs->write = false;
    give_back(rs);
    if (!rs->failed)
        rs->troubled = false;
    if (opened && !rs->failed)
        arrange(rs, opened);
    sweep(rs);
    if (!rs->failed)
        go_on(rs);
}

static void on_result(void *arg, const PGresult *result) {
    struct readers *rs = arg;
    ExecStatusType status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
    if (!result)
        on_over(rs);
    else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        on_failure(rs, result);
    else if (rs->errand == OPEN)
        on_opened(rs, result);
    else if (rs->errand == WRITE)
        on_written(rs, result);
    else if (rs->errand == LOOK)
        on_look(rs, result);
}

static void on_up(void *arg) {
    go_on(arg);
}

static void on_down(void *arg, const char *reason) {
    struct readers *rs = arg;
    (void)reason;
    rs->usable = false;
    rs->open = NULL;
    rs->opening = NULL;
    give_back(rs);
    meter_add(METER_DATABASE_LOST, "readers", 1);
}

static void on_tick(uv_timer_t *timer) {
    struct readers *rs = timer->data;
    rs->write = true;
    rs->look = rs->look || ++rs->ticks % LOOK_TICKS == 0;
    go_on(rs);
}

/* Its life. */

struct readers *readers_new(uv_loop_t *loop, const char *database, int64_t retention_us) {
    static const struct database_events events = {.up = on_up, .down = on_down};
    struct readers *rs = calloc(1, sizeof *rs);
    if (!rs)
        return NULL;
    rs->retention_us = retention_us;
    buffer_init(&rs->names, 0);
    buffer_init(&rs->cursors, 0);
    buffer_init(&rs->clients, 0);
    rs->database = database_new(loop, database, "waybilld readers", &events, rs);
    if (!rs->database) {
        free(rs);
        return NULL;
    }
    uv_timer_init(loop, &rs->tick);
    rs->tick.data = rs;
    uv_timer_start(&rs->tick, on_tick, TICK_MS, TICK_MS);
    return rs;
}

static void free_readers(uv_handle_t *handle) {
    struct readers *rs = handle->data;
    buffer_free(&rs->names);
    buffer_free(&rs->cursors);
    buffer_free(&rs->clients);
    free(rs);
}

void readers_close(struct readers *rs) {
    if (!rs)
        return;
    database_close(rs->database);
    rs->open = NULL;
    for (struct reader *r = rs->first; r; r = r->next)
        r->dirty = r->writing = false;
    sweep(rs);
    uv_close((uv_handle_t *)&rs->tick, free_readers);
}

/* Another broker moved the cursors on: what is known here is of the past. */
static void begin_anew(struct readers *rs) {
    struct wb_error err;
    problem(&err, WB_E_NOT_READY, "another broker served the durable readers for a while");
    for (struct reader *r = rs->first; r; r = r->next) {
        r->dirty = r->writing = false;
        while (r->holds && r->holds->state == HELD)
            refuse_first(r, &err);
    }
    sweep(rs);
}

void readers_run(struct readers *rs, int64_t epoch) {
    rs->epoch = epoch;
    rs->claimed = false;
    if (!epoch)
        return;
    if (rs->epoch_before && epoch != rs->epoch_before + 1)
        begin_anew(rs);
    rs->epoch_before = epoch;
    for (struct reader *r = rs->first; r; r = r->next)
        if (r->holds && r->holds->state == WAITING)
            r->holds->state = OPENING;
    go_on(rs);
}

bool readers_idle(const struct readers *rs) {
    for (const struct reader *r = rs->first; r && rs->epoch; r = r->next)
        if (r->dirty || r->writing)
            return false;
    return true;
}
