#include "broker/journal/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/timestamp.h"

#define PAUSE_FIRST_MS     100
#define PAUSE_MAX_MS       2000
#define CONNECT_TIMEOUT_MS 10000
#define PARAMS_MAX         16

enum database_state { WAITING, CONNECTING, IDLE, BUSY };

struct database {
    uv_loop_t *loop;
    char *conninfo;
    const char *name;
    struct database_events events;
    void *arg;

    enum database_state state;
    PGconn *pg;
    uv_poll_t *poll;  /* of the socket that pg has now */
    int watched;      /* the events that it waits for */
    uv_timer_t timer; /* pause before connecting, and the limit for it */
    int64_t pause_ms;
    bool warned;
    bool dispatching; /* a result function runs: it may drop the connection */
    char drop[256];   /* the reason, while a drop waits for the result function to return */

    database_result *result;
    PGresult *current; /* that the result function is given; NULL: it took it */
    void *result_arg;
    database_piece *piece; /* of a COPY that is under way */
    void *piece_arg;
};

static void connect_now(struct database *c);
static void on_poll(uv_poll_t *poll, int status, int events);

static void free_poll(uv_handle_t *handle) {
    free(handle);
}

static void stop_poll(struct database *c) {
    if (!c->poll)
        return;
    c->poll->data = NULL;
    c->watched = 0;
    uv_close((uv_handle_t *)c->poll, free_poll);
    c->poll = NULL;
}

static void on_timer(uv_timer_t *timer);

static void lose(struct database *c, const char *reason) {
    bool told = c->state == IDLE || c->state == BUSY;
    char words[256];
    snprintf(words, sizeof words, "%s", reason);
    words[strcspn(words, "\n")] = '\0';

    stop_poll(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = WAITING;
    c->result = NULL;
    c->piece = NULL;
    c->drop[0] = '\0';
    uv_timer_start(&c->timer, on_timer, (uint64_t)c->pause_ms, 0);
    log_warn("database", "%s: %s; trying again in %lld ms", c->name, words, (long long)c->pause_ms);
    c->pause_ms = c->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : c->pause_ms * 2;
    if (told)
        c->events.down(c->arg, words);
}

static void on_timer(uv_timer_t *timer) {
    struct database *c = timer->data;
    if (c->state == WAITING)
        connect_now(c);
    else if (c->drop[0])
        lose(c, c->drop);
    else if (c->state == CONNECTING)
        lose(c, "the server did not answer in time");
}

/* Starting it anew costs a system call, also where nothing changes. */
static void watch(struct database *c, int events) {
    if (c->watched == events)
        return;
    c->watched = events;
    uv_poll_start(c->poll, events, on_poll);
}

/* libpq may change its socket while it tries one address after another. */
static bool poll_socket(struct database *c, int events) {
    stop_poll(c);
    c->poll = calloc(1, sizeof *c->poll);
    if (!c->poll || uv_poll_init(c->loop, c->poll, PQsocket(c->pg)) != 0) {
        free(c->poll);
        c->poll = NULL;
        return false;
    }
    c->poll->data = c;
    watch(c, events);
    return true;
}

/* Puts pieces until the socket takes no more. False: the connection cannot be used. */
static bool feed(struct database *c) {
    const void *data;
    size_t bytes = 0;
    int more = PQflush(c->pg);
    while (more == 0 && c->piece) {
        bool last = !c->piece(c->piece_arg, &data, &bytes);
        if (last)
            c->piece = NULL;
        if (last ? PQputCopyEnd(c->pg, NULL) != 1
                 : bytes == 0 || PQputCopyData(c->pg, data, (int)bytes) != 1)
            return false;
        more = PQflush(c->pg);
    }
    if (more >= 0)
        watch(c, more ? UV_READABLE | UV_WRITABLE : UV_READABLE);
    return more >= 0;
}

static void flush(struct database *c) {
    if (!feed(c))
        lose(c, PQerrorMessage(c->pg));
}

/* A commit that was not replicated is told by a warning (src/backend/replication/syncrep.c), so
 * every warning puts it in doubt but those that come with each transaction while numbers run out.
 */
static bool harmless(const char *function) {
    return function && (strcmp(function, "GetNewTransactionId") == 0 ||
                        strcmp(function, "GetNewMultiXactId") == 0);
}

static void on_notice(void *arg, const PGresult *result) {
    struct database *c = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (severity && strcmp(severity, "WARNING") == 0) {
        c->warned = c->warned || !harmless(PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION));
        log_warn("database", "%s: the server warns: %s", c->name, text ? text : "");
    }
}

static void connected(struct database *c) {
    uv_timer_stop(&c->timer);
    c->state = IDLE;
    c->pause_ms = PAUSE_FIRST_MS;
    PQsetnonblocking(c->pg, 1);
    PQsetNoticeReceiver(c->pg, on_notice, c);
    log_info("database", "%s: connected to %s:%s/%s", c->name, PQhost(c->pg), PQport(c->pg),
             PQdb(c->pg));
    if (!poll_socket(c, UV_READABLE)) {
        lose(c, "the socket cannot be watched");
        return;
    }
    c->events.up(c->arg);
}

static void go_on_connecting(struct database *c) {
    switch (PQconnectPoll(c->pg)) {
    case PGRES_POLLING_OK:
        connected(c);
        break;
    case PGRES_POLLING_READING:
        if (!poll_socket(c, UV_READABLE))
            lose(c, "the socket cannot be watched");
        break;
    case PGRES_POLLING_WRITING:
        if (!poll_socket(c, UV_WRITABLE))
            lose(c, "the socket cannot be watched");
        break;
    default:
        lose(c, PQerrorMessage(c->pg));
    }
}

static void connect_now(struct database *c) {
    /* A server that vanished without a word is noticed within seconds; the operator's own settings,
     * which come after these, win. */
    const char *keys[] = {
        "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
        "dbname",          "application_name",    "client_encoding",  NULL};
    const char *values[] = {"5", "2", "3", "10000", c->conninfo, c->name, "UTF8", NULL};
    c->state = CONNECTING;
    c->pg = PQconnectStartParams(keys, values, 1);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD) {
        lose(c, c->pg ? PQerrorMessage(c->pg) : "out of memory");
        return;
    }
    uv_timer_start(&c->timer, on_timer, CONNECT_TIMEOUT_MS, 0);
    if (!poll_socket(c, UV_WRITABLE))
        lose(c, "the socket cannot be watched");
}

/* Hands the results that have arrived to the query's owner. */
static void dispatch(struct database *c) {
    c->dispatching = true;
    while (c->state == BUSY && !c->drop[0] && !c->piece && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        database_result *fn = c->result;
        if (!result)
            c->state = IDLE;
        c->current = result;
        fn(c->result_arg, result);
        PQclear(c->current);
        c->current = NULL;
    }
    c->dispatching = false;
    if (c->drop[0])
        lose(c, c->drop);
}

PGresult *database_take(struct database *c) {
    PGresult *result = c->current;
    c->current = NULL;
    return result;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct database *c = poll->data;
    if (!c)
        return;
    if (c->state == CONNECTING) {
        go_on_connecting(c);
        return;
    }
    if (status < 0) {
        lose(c, uv_strerror(status));
        return;
    }
    if ((events & UV_READABLE) && !PQconsumeInput(c->pg)) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    dispatch(c);
    if (c->pg && (events & UV_WRITABLE))
        flush(c);
    else if (c->pg && c->state == IDLE && PQstatus(c->pg) == CONNECTION_BAD)
        lose(c, PQerrorMessage(c->pg));
}

struct database *database_new(uv_loop_t *loop, const char *conninfo, const char *name,
                              const struct database_events *events, void *arg) {
    struct database *c = calloc(1, sizeof *c);
    if (!c || !(c->conninfo = strdup(conninfo))) {
        free(c);
        return NULL;
    }
    c->loop = loop;
    c->name = name;
    c->events = *events;
    c->arg = arg;
    c->pause_ms = PAUSE_FIRST_MS;
    c->state = WAITING;
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    /* From the loop, so that the owner has stored what is returned here. */
    uv_timer_start(&c->timer, on_timer, 0, 0);
    return c;
}

static void free_database(uv_handle_t *handle) {
    struct database *c = handle->data;
    free(c->conninfo);
    free(c);
}

void database_close(struct database *c) {
    if (!c)
        return;
    stop_poll(c);
    PQfinish(c->pg);
    c->pg = NULL;
    c->state = WAITING;
    uv_close((uv_handle_t *)&c->timer, free_database);
}

void database_drop(struct database *c, const char *reason) {
    if (c->state != IDLE && c->state != BUSY)
        return;
    snprintf(c->drop, sizeof c->drop, "%s", reason);
    if (!c->dispatching)
        uv_timer_start(&c->timer, on_timer, 0, 0);
}

int database_process(const struct database *c) {
    return c->pg ? PQbackendPID(c->pg) : 0;
}

bool database_idle(const struct database *c) {
    return c->state == IDLE && !c->drop[0];
}

static void begin(struct database *c, int sent, database_result *result, void *arg) {
    c->result = result;
    c->result_arg = arg;
    c->state = BUSY;
    c->warned = false;
    if (!sent) {
        database_drop(c, PQerrorMessage(c->pg));
        return;
    }
    if (!feed(c))
        database_drop(c, PQerrorMessage(c->pg));
}

void database_query(struct database *c, const char *sql, database_result *result, void *arg) {
    begin(c, PQsendQuery(c->pg, sql), result, arg);
}

void database_query_params(struct database *c, const char *sql, const struct database_param *params,
                           size_t count, database_result *result, void *arg) {
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    Oid types[PARAMS_MAX];
    for (size_t i = 0; i < count && i < PARAMS_MAX; i++) {
        values[i] = params[i].data;
        lengths[i] = params[i].bytes;
        types[i] = params[i].type;
        formats[i] = 1;
    }
    begin(c, PQsendQueryParams(c->pg, sql, (int)count, types, values, lengths, formats, 1), result,
          arg);
}

void database_prepare(struct database *c, const char *name, const char *sql,
                      database_result *result, void *arg) {
    begin(c, PQsendPrepare(c->pg, name, sql, 0, NULL), result, arg);
}

void database_query_prepared(struct database *c, const char *name,
                             const struct database_param *params, size_t count,
                             database_result *result, void *arg) {
    const char *values[PARAMS_MAX];
    int lengths[PARAMS_MAX], formats[PARAMS_MAX];
    for (size_t i = 0; i < count && i < PARAMS_MAX; i++) {
        values[i] = params[i].data;
        lengths[i] = params[i].bytes;
        formats[i] = 1;
    }
    begin(c, PQsendQueryPrepared(c->pg, name, (int)count, values, lengths, formats, 1), result,
          arg);
}

void database_copy(struct database *c, database_piece *next, void *arg) {
    c->piece = next;
    c->piece_arg = arg;
    if (!feed(c))
        database_drop(c, PQerrorMessage(c->pg));
}

bool database_warned(const struct database *c) {
    return c->warned;
}

int32_t database_int4(const PGresult *result, int row, int column) {
    const unsigned char *b = (const unsigned char *)PQgetvalue(result, row, column);
    return (int32_t)((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
}

int64_t database_int8(const PGresult *result, int row, int column) {
    const unsigned char *b = (const unsigned char *)PQgetvalue(result, row, column);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | b[i];
    return (int64_t)value;
}

int64_t database_time_us(const PGresult *result, int row, int column) {
    return database_int8(result, row, column) + POSTGRES_EPOCH_US;
}
