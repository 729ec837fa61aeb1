#include "broker/journal/opening.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/database.h"
#include "broker/journal/schema.h"
#include "broker/journal/source.h"
#include "broker/journal/statements.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define SERVER_VERSION_OLDEST 150000

#define SILENCE_US INT64_C(5000000) /* of a writer that holds the lock; it beats every second */

enum step {
    CHECK,
    LEASE,
    EVICT,
    SCHEMA_VERSION,
    MIGRATE,
    TAKE_OVER,
    LEASE_TAKE,
    LEAVES,
    CODE_KEY,
    CODE_KEY_READ,
    SOURCES
};

struct opening {
    struct database *database;
    struct sources *sources;
    opening_done *done;
    void *arg;
    enum step step;
    bool locked; /* the writer's lock is ours */
    int second;  /* the process behind the other connection */
    struct sign {
        long long epoch, beat, head;
    } sign;          /* of the life of the one that writes, as seen last */
    int64_t sign_us; /* since when; monotonic, 0: not seen yet */
    int schema;      /* the version that the database has */
    struct opened opened;
    struct buffer sql;
    enum opening_outcome outcome; /* of the step that is under way */
    struct wb_error err;
};

static void on_result(void *arg, const PGresult *result);

static void migrate(struct opening *o) {
    const struct schema_step *step = schema_step(o->schema + 1);
    log_info("journal", "applying schema step %d, %s", step->version, step->name);
    buffer_clear(&o->sql);
    buffer_text(&o->sql, "BEGIN;");
    buffer_text(&o->sql, step->sql);
    buffer_printf(&o->sql, ";" SQL_SCHEMA_APPLIED ";COMMIT", step->version, step->name);
    database_query(o->database, buffer_string(&o->sql), on_result, o);
}

static void begin_step(struct opening *o, enum step step) {
    char sql[200];
    o->step = step;
    switch (step) {
    case CHECK:
        database_query(o->database, SQL_CHECK, on_result, o);
        break;
    case LEASE:
        database_query(o->database, SQL_LEASE, on_result, o);
        break;
    case EVICT:
        database_query(o->database, SQL_EVICT, on_result, o);
        break;
    case LEASE_TAKE:
        snprintf(sql, sizeof sql, SQL_LEASE_TAKE, (long long)o->opened.epoch,
                 database_process(o->database), o->second);
        database_query(o->database, sql, on_result, o);
        break;
    case SCHEMA_VERSION:
        database_query(o->database, SQL_SCHEMA_VERSION, on_result, o);
        break;
    case MIGRATE:
        migrate(o);
        break;
    case TAKE_OVER:
        database_query(o->database, SQL_TAKE_OVER, on_result, o);
        break;
    case LEAVES:
        database_query(o->database, SQL_LEAVES, on_result, o);
        break;
    case CODE_KEY: {
        unsigned char key[CODE_KEY_BYTES];
        randombytes_buf(key, sizeof key);
        struct database_param param = {.data = key, .bytes = sizeof key, .type = BYTEA_OID};
        database_query_params(o->database, SQL_CODE_KEY, &param, 1, on_result, o);
        sodium_memzero(key, sizeof key);
        break;
    }
    case CODE_KEY_READ:
        database_query_params(o->database, SQL_CODE_KEY_READ, NULL, 0, on_result, o);
        break;
    case SOURCES:
        database_query(o->database, SQL_SOURCES, on_result, o);
        break;
    }
}

static void refuse(struct opening *o, enum opening_outcome outcome, const char *detail,
                   const char *hint) {
    problem(&o->err, WB_E_DATABASE, "%s", detail);
    problem_hint(&o->err, "%s", hint);
    o->outcome = outcome;
}

static long long number(const PGresult *r, int column) {
    return strtoll(PQgetvalue(r, 0, column), NULL, 10);
}

static void need(struct opening *o, const char *setting, const char *value, const char *wanted) {
    char detail[160], hint[160];
    if (o->outcome != OPENING_DONE || strcmp(value, wanted) == 0)
        return;
    snprintf(detail, sizeof detail, "the server has %s = %s", setting, value);
    snprintf(hint, sizeof hint, "acknowledged events could be lost or garbled; it has to be %s",
             wanted);
    refuse(o, OPENING_FAILED, detail, hint);
}

static void check(struct opening *o, const PGresult *r) {
    need(o, "synchronous_commit", PQgetvalue(r, 0, 0), "on");
    need(o, "fsync", PQgetvalue(r, 0, 1), "on");
    need(o, "full_page_writes", PQgetvalue(r, 0, 2), "on");
    need(o, "the encoding", PQgetvalue(r, 0, 5), "UTF8");
    if (o->outcome == OPENING_DONE && number(r, 4) < SERVER_VERSION_OLDEST)
        refuse(o, OPENING_FATAL, "the server is older than PostgreSQL 15",
               "use PostgreSQL 15 or newer");
    if (o->outcome != OPENING_DONE)
        return;
    if (PQgetvalue(r, 0, 3)[0] == 't')
        refuse(o, OPENING_FAILED, "the server is a standby in recovery",
               "connect to the primary; target_session_attrs=read-write finds it");
    o->locked = PQgetvalue(r, 0, 6)[0] == 't';
}

static void schema_version(struct opening *o, const PGresult *r) {
    char detail[160];
    o->schema = (int)number(r, 0);
    if (o->schema <= schema_newest())
        return;
    snprintf(detail, sizeof detail, "the schema has version %d, this program knows %d", o->schema,
             schema_newest());
    refuse(o, OPENING_FATAL, detail,
           "install the newer waybilld that made it; schemas are never taken back");
}

static void take_over(struct opening *o, const PGresult *r) {
    o->opened.epoch = number(r, 0);
    o->opened.head_offset = (uint64_t)number(r, 1);
    o->opened.first_offset = o->opened.head_offset + 1; /* until a leaf says otherwise */
}

static void leaves(struct opening *o, const PGresult *r) {
    o->opened.leaf = (struct leaf){.number = (int32_t)number(r, 0),
                                   .from_us = number(r, 1),
                                   .to_us = number(r, 2),
                                   .first_offset = (uint64_t)number(r, 3)};
    o->opened.first_offset = (uint64_t)number(r, 4);
    o->opened.spans_leaves = PQgetvalue(r, 0, 5)[0] == 't';
    o->opened.head_recorded_at_us = number(r, 6);
}

static void lease(struct opening *o, const PGresult *r) {
    struct sign sign = {.epoch = number(r, 0), .beat = number(r, 1), .head = number(r, 2)};
    if (o->sign_us && memcmp(&sign, &o->sign, sizeof sign) == 0)
        return;
    o->sign = sign;
    o->sign_us = monotonic_us();
}

static void evicted(struct opening *o, const PGresult *r) {
    log_warn("journal",
             "the broker that writes gave no sign of life for %lld s: ended %s of its "
             "connections",
             (long long)(SILENCE_US / 1000000), PQgetvalue(r, 0, 0));
    o->sign_us = 0;
}

static void sources(struct opening *o, const PGresult *r) {
    sources_forget_ids(o->sources);
    for (int i = 0; i < PQntuples(r); i++) {
        struct source *source = sources_add(o->sources, PQgetvalue(r, i, 1));
        if (!source) { /* what is not known here would be taken for new */
            refuse(o, OPENING_FAILED, "there are more sources than a broker can hold",
                   "remove those that never published from waybill.source");
            return;
        }
        sources_register(o->sources, source, (int32_t)strtol(PQgetvalue(r, i, 0), NULL, 10));
        source_note_id(source, PQgetvalue(r, i, 2), (size_t)PQgetlength(r, i, 2));
    }
}

static void take_row(struct opening *o, const PGresult *r) {
    switch (o->step) {
    case CHECK:
        check(o, r);
        break;
    case SCHEMA_VERSION:
        schema_version(o, r);
        break;
    case TAKE_OVER:
        take_over(o, r);
        break;
    case LEASE:
        lease(o, r);
        break;
    case EVICT:
        evicted(o, r);
        break;
    case LEAVES:
        leaves(o, r);
        break;
    case CODE_KEY_READ:
        if (PQgetlength(r, 0, 0) == CODE_KEY_BYTES)
            memcpy(o->opened.code_key, PQgetvalue(r, 0, 0), CODE_KEY_BYTES);
        break;
    case SOURCES:
        sources(o, r);
        break;
    case MIGRATE:
    case LEASE_TAKE:
    case CODE_KEY:
        break;
    }
}

/* Behind the lock of another one. A schema that has no lease yet keeps it standing by. */
static void stand_by(struct opening *o) {
    if (o->step == LEASE && o->sign_us && monotonic_us() - o->sign_us >= SILENCE_US) {
        begin_step(o, EVICT);
        return;
    }
    refuse(o, OPENING_STANDBY, "another broker writes to this log",
           "this one stands by and takes over when that one is gone");
    o->done(o->arg, o->outcome, NULL, &o->err);
}

static void next_step(struct opening *o) {
    switch (o->step) {
    case CHECK:
        begin_step(o, o->locked ? SCHEMA_VERSION : LEASE);
        break;
    case LEASE:
    case EVICT:
        stand_by(o);
        break;
    case MIGRATE:
        o->schema++;
        __attribute__((fallthrough));
    case SCHEMA_VERSION:
        begin_step(o, o->schema < schema_newest() ? MIGRATE : TAKE_OVER);
        break;
    case SOURCES:
        o->done(o->arg, OPENING_DONE, &o->opened, NULL);
        break;
    default:
        begin_step(o, o->step + 1);
    }
}

static void on_rolled_back(void *arg, const PGresult *r) {
    struct opening *o = arg;
    if (!r)
        o->done(o->arg, o->outcome, NULL, &o->err);
}

/* What was changed here has to be as safe as an event, or a repeat could be acknowledged whose
 * first was never replicated. */
static void step_done(struct opening *o) {
    if (o->outcome == OPENING_DONE && database_warned(o->database))
        refuse(o, OPENING_FAILED,
               "the server warned, see the log: the commit may not be replicated",
               "see to the synchronous standby");
    if (o->outcome == OPENING_DONE)
        next_step(o);
    else if (o->step == MIGRATE && !database_warned(o->database))
        database_query(o->database, SQL_ROLLBACK, on_rolled_back, o);
    else
        o->done(o->arg, o->outcome, NULL, &o->err);
}

static void on_result(void *arg, const PGresult *r) {
    struct opening *o = arg;
    if (!r) {
        step_done(o);
        return;
    }
    switch (PQresultStatus(r)) {
    case PGRES_TUPLES_OK:
        if (o->outcome == OPENING_DONE && (PQntuples(r) > 0 || o->step == SOURCES))
            take_row(o, r);
        break;
    case PGRES_COMMAND_OK:
        break;
    default:
        if (o->step == LEASE) /* an older schema has none */
            break;
        problem(&o->err, WB_E_DATABASE, "%s",
                PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)
                    ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)
                    : PQresultErrorMessage(r));
        o->outcome = OPENING_FAILED;
    }
}

struct opening *opening_new(struct database *database, struct sources *sources, opening_done *done,
                            void *arg) {
    struct opening *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->database = database;
    o->sources = sources;
    o->done = done;
    o->arg = arg;
    buffer_init(&o->sql, 0);
    return o;
}

void opening_free(struct opening *o) {
    if (!o)
        return;
    buffer_free(&o->sql);
    sodium_memzero(o, sizeof *o);
    free(o);
}

void opening_forget(struct opening *o) {
    if (o)
        o->sign_us = 0;
}

void opening_begin(struct opening *o, int second) {
    memset(&o->opened, 0, sizeof o->opened);
    o->second = second;
    o->outcome = OPENING_DONE;
    begin_step(o, CHECK);
}
