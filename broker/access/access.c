#include "broker/access/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/access/audit.h"
#include "broker/access/grant.h"
#include "broker/access/roster.h"
#include "broker/access/statements.h"
#include "broker/access/token.h"
#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "broker/meter.h"
#include "common/buffer.h"
#include "common/log.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define TICK_MS     250 /* how often the tables' revision is looked at */
#define BEAT_US     INT64_C(1000000)
#define SILENCE_US  INT64_C(3500000) /* less than what ends a writer: it has given up by then */
#define AUDIT_US    INT64_C(1000000)
#define PURGE_US    INT64_C(3600000000)
#define PURGED_ROWS 10000 /* in one go: statements.h */

/* What the connection is sent for: one at a time, the most urgent first. */
enum errand { BEGIN, BEAT, LOOK, READ, WRITE_AUDIT, PURGE, ERRANDS };

static const char *const errand_words[ERRANDS] = {
    "looking for the tables of sources and keys",
    "beating for the lease",
    "looking for changes of sources and keys",
    "reading sources and keys",
    "writing the audit",
    "removing old rows of the audit",
};

struct access {
    struct database *database;
    struct access_events events;
    void *arg;
    uv_timer_t tick;
    int64_t retention_ms;
    enum disclosure disclosure;

    struct roster *roster; /* NULL: not yet read */
    struct audit *audit;
    struct buffer subjects, counts, details; /* of the audit's rows under way */

    enum errand errand; /* under way */
    bool failed;        /* it did */
    bool usable;        /* the tables are there, the connection is set up */
    bool look, read;    /* due */
    bool troubled[ERRANDS];
    int64_t epoch; /* to beat for; 0: none */
    uint8_t epoch_bytes[8], retention_bytes[8];
    int64_t beaten_us;                   /* when a beat was answered last, monotonic */
    int64_t beat_us, audit_us, purge_us; /* next, monotonic */
};

static const struct {
    const char *name;
    Waybill__V1__Audience audience;
} domains[ACCESS_DOMAINS] = {
    [ACCESS_INGEST] = {"ingest", WAYBILL__V1__AUDIENCE__AUDIENCE_UNSPECIFIED},
    [ACCESS_STREAMS] = {"streams", WAYBILL__V1__AUDIENCE__AUDIENCE_UNSPECIFIED},
    [ACCESS_LIVE] = {"live", WAYBILL__V1__AUDIENCE__AUDIENCE_FULL},
    [ACCESS_LIVE_STAFF] = {"live.staff", WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF},
    [ACCESS_LIVE_APPLICANT] = {"live.applicant", WAYBILL__V1__AUDIENCE__AUDIENCE_APPLICANT},
    [ACCESS_LIVE_PUBLIC] = {"live.public", WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC},
};

const char *access_domain_name(enum access_domain domain) {
    return domains[domain].name;
}

Waybill__V1__Audience access_domain_audience(enum access_domain domain) {
    return domains[domain].audience;
}

bool access_domain_find(const void *name, size_t bytes, enum access_domain *domain) {
    for (int i = 0; i < ACCESS_DOMAINS; i++)
        if (strlen(domains[i].name) == bytes && memcmp(domains[i].name, name, bytes) == 0) {
            *domain = (enum access_domain)i;
            return true;
        }
    return false;
}

/* Asking. */

static bool may_enter(const struct holder *h, enum access_domain domain) {
    switch (domain) {
    case ACCESS_INGEST:
        return h->source;
    case ACCESS_STREAMS:
        return !h->source && h->party->streams;
    default:
        return !h->source && h->party->live &&
               audiences_cover(h->party->audiences, access_domain_audience(domain));
    }
}

const char *access_name(const struct access *a, enum access_domain domain,
                        const uint8_t key[CURVE_KEY_BYTES], struct wb_error *err) {
    char text[CURVE_KEY_TEXT];
    const char *where = access_domain_name(domain);
    if (!a->roster) {
        problem(err, WB_E_NOT_READY, "the broker has not read its keys yet");
        return NULL;
    }
    const struct holder *h = roster_holder(a->roster, key);
    if (!h) {
        curve_to_text(key, text);
        problem(err, WB_E_KEY_UNKNOWN, "%s", text);
        return NULL;
    }
    const struct party *party = h->party;
    if (!may_enter(h, domain)) {
        problem(err, WB_E_KEY_UNKNOWN, "it is %s %s's, which is not admitted to %s",
                h->source ? "source" : "follower", party->name, where);
        return NULL;
    }
    if (!party->enabled) {
        problem(err, WB_E_DISABLED, "%s", party->name);
        return NULL;
    }
    return party->name;
}

const char *access_holder(const struct access *a, const uint8_t key[CURVE_KEY_BYTES]) {
    const struct holder *h = a->roster ? roster_holder(a->roster, key) : NULL;
    return h ? h->party->name : NULL;
}

int access_check(const struct access *a, enum access_domain domain, const char *name,
                 const uint8_t *key, struct wb_error *err) {
    if (key) {
        const char *now = access_name(a, domain, key, err);
        if (now && strcmp(now, name) != 0)
            return problem(err, WB_E_KEY_UNKNOWN, "it is no longer %s's but %s's", name, now);
        return now ? 0 : -1;
    }
    const struct party *party = NULL;
    if (a->roster)
        party = domain == ACCESS_INGEST ? roster_source(a->roster, name)
                                        : roster_follower(a->roster, name);
    return party && !party->enabled ? problem(err, WB_E_DISABLED, "%s", name) : 0;
}

void access_on_live(struct access *a, enum access_domain domain,
                    const uint8_t key[CURVE_KEY_BYTES]) {
    struct holder *h = a->roster ? roster_holder(a->roster, key) : NULL;
    if (h)
        h->on_live |= audiences_of(access_domain_audience(domain));
}

bool access_known(const struct access *a) {
    return a->roster != NULL;
}

audiences access_audiences(const struct access *a, const char *name, bool keyed) {
    const struct party *party = a->roster ? roster_follower(a->roster, name) : NULL;
    if (party)
        return party->audiences;
    return a->roster && !keyed ? audiences_of(WAYBILL__V1__AUDIENCE__AUDIENCE_FULL)
                               : AUDIENCES_NONE;
}

static const struct token *find_token(const struct access *a, const uint8_t digest[DIGEST_SHA256],
                                      struct wb_error *err) {
    if (!a->roster) {
        problem(err, WB_E_NOT_READY, "the broker has not read its tokens yet");
        return NULL;
    }
    const struct token *token = roster_token(a->roster, digest);
    if (!token)
        problem(err, WB_E_TOKEN, "there is no such token");
    return token && token_check(token, timestamp_now_us(), err) == 0 ? token : NULL;
}

/* Where a digest stands among others says nothing about the text that it is of, so that it may be
 * searched for in time that depends on it. */
const struct token *access_token(const struct access *a, const char *text, struct wb_error *err) {
    uint8_t digest[DIGEST_SHA256];
    size_t length = strnlen(text, TOKEN_BYTES + 1);
    if (length > TOKEN_BYTES) {
        problem(err, WB_E_TOKEN, "it is longer than %d bytes", TOKEN_BYTES);
        return NULL;
    }
    digest_sha256(text, length, digest);
    return find_token(a, digest, err);
}

const struct token *access_token_again(const struct access *a, const struct token *held,
                                       struct wb_error *err) {
    return find_token(a, held->digest, err);
}

enum disclosure access_disclosure(const struct access *a, struct slice item_code) {
    if (!a || !a->roster)
        return DISCLOSURE_OFFICE;
    enum disclosure disclosure = a->disclosure;
    roster_disclosure(a->roster, item_code, &disclosure);
    return disclosure;
}

const struct grant *access_grant(const struct access *a, const char *source) {
    static const struct grant anything;
    const struct party *party = a->roster ? roster_source(a->roster, source) : NULL;
    return party ? &party->grant : &anything;
}

/* What only says that the broker cannot just now concerns no operator of sources. */
static bool is_audited(int code) {
    return code != WB_E_NOT_READY && code != WB_E_SHUTTING_DOWN && code != WB_E_NO_SESSION;
}

void access_refused(struct access *a, const char *name, const struct wb_error *err) {
    if (!name[0])
        name = "(nameless)";
    meter_add2(METER_SOURCE_REFUSALS, name, problem_name(err->code), 1);
    if (is_audited(err->code))
        audit_add(a->audit, name, false, err, "", monotonic_us());
}

void access_refused_key(struct access *a, enum access_domain domain,
                        const uint8_t key[CURVE_KEY_BYTES], const char *address,
                        const struct wb_error *err) {
    char subject[CURVE_KEY_TEXT], words[128];
    const char *name = access_holder(a, key);
    curve_to_text(key, subject);
    snprintf(words, sizeof words, "from %.64s on %s", address, access_domain_name(domain));
    meter_add2(METER_SOURCE_REFUSALS, name ? name : "(unknown key)", problem_name(err->code), 1);
    if (is_audited(err->code))
        audit_add(a->audit, name ? name : subject, !name, err, words, monotonic_us());
}

/* Reading the tables. */

static void take_roster(struct access *a, const PGresult *r) {
    struct roster *now = roster_new();
    bool whole = now != NULL;
    for (int i = 0; i < PQntuples(r) && whole; i++) {
        const char *const texts[ROSTER_TEXTS] = {PQgetvalue(r, i, 2), PQgetvalue(r, i, 3),
                                                 PQgetvalue(r, i, 4), PQgetvalue(r, i, 5)};
        whole =
            roster_add(now, (int)strtol(PQgetvalue(r, i, 0), NULL, 10), PQgetvalue(r, i, 1), texts);
        if (!whole)
            log_error("access", "the tables of sources and keys cannot be taken: row %d, %s", i,
                      PQgetvalue(r, i, 1));
    }
    if (!whole) {
        roster_free(now);
        return;
    }
    struct roster *before = a->roster;
    audiences live_lost = before ? roster_carry_live(now, before) : AUDIENCES_NONE;
    a->roster = now;
    roster_free(before);
    log_info("access", "sources and keys read, revision %lld", (long long)roster_revision(now));
    a->events.changed(a->arg, live_lost);
}

static void on_revision(struct access *a, const PGresult *r) {
    if (PQntuples(r) == 1)
        a->read =
            !a->roster || strtoll(PQgetvalue(r, 0, 0), NULL, 10) != roster_revision(a->roster);
}

/* The connection. */

static void go_on(struct access *a);

static void on_failure(struct access *a, const PGresult *r) {
    const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    a->failed = true;
    if (!a->troubled[a->errand])
        log_warn("access", "%s: %s", errand_words[a->errand],
                 text ? text : PQresultErrorMessage(r));
    a->troubled[a->errand] = true;
}

/* The errand is over and the connection idle. */
static void on_over(struct access *a) {
    if (!a->failed && a->troubled[a->errand])
        log_info("access", "%s: works again", errand_words[a->errand]);
    if (!a->failed)
        a->troubled[a->errand] = false;
    if (!a->failed && a->errand == BEAT)
        a->beaten_us = monotonic_us();
    if (a->errand == WRITE_AUDIT)
        audit_settle(a->audit, !a->failed);
    go_on(a);
}

static void on_result(void *arg, const PGresult *r) {
    struct access *a = arg;
    ExecStatusType status = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;
    if (!r)
        on_over(a);
    else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        on_failure(a, r);
    else if (a->errand == BEGIN && status == PGRES_TUPLES_OK)
        a->usable = a->look = PQgetvalue(r, 0, 0)[0] == 't';
    else if (a->errand == LOOK)
        on_revision(a, r);
    else if (a->errand == READ)
        take_roster(a, r);
    else if (a->errand == PURGE && strtol(PQcmdTuples((PGresult *)r), NULL, 10) >= PURGED_ROWS)
        a->purge_us = 0;
}

static void send_for(struct access *a, enum errand errand, const char *sql) {
    a->errand = errand;
    a->failed = false;
    database_query(a->database, sql, on_result, a);
}

static void send_number(struct access *a, enum errand errand, const char *sql, int64_t number,
                        uint8_t bytes[8]) {
    const struct database_param param = {.data = bytes, .bytes = 8, .type = INT8_OID};
    binary_put8(bytes, number);
    a->errand = errand;
    a->failed = false;
    database_query_params(a->database, sql, &param, 1, on_result, a);
}

static void send_audit(struct access *a) {
    const struct database_param params[] = {
        {.data = a->subjects.data, .bytes = (int)a->subjects.length, .type = TEXT_ARRAY_OID},
        {.data = a->counts.data, .bytes = (int)a->counts.length, .type = INT4_ARRAY_OID},
        {.data = a->details.data, .bytes = (int)a->details.length, .type = TEXT_ARRAY_OID}};
    a->errand = WRITE_AUDIT;
    a->failed = false;
    database_query_params(a->database, SQL_ACCESS_AUDIT, params, 3, on_result, a);
}

static bool due(int64_t *next_us, int64_t now_us, int64_t every_us) {
    if (now_us < *next_us)
        return false;
    *next_us = now_us + every_us;
    return true;
}

static bool look_now(struct access *a) {
    bool look = a->look;
    a->look = false;
    return look;
}

static void go_on(struct access *a) {
    int64_t now = monotonic_us();
    if (!database_idle(a->database))
        return;
    if (!a->usable) {
        if (look_now(a))
            send_for(a, BEGIN, SQL_ACCESS_BEGIN);
    } else if (a->epoch > 0 && due(&a->beat_us, now, BEAT_US)) {
        send_number(a, BEAT, SQL_ACCESS_BEAT, a->epoch, a->epoch_bytes);
    } else if (a->read) {
        a->read = false;
        send_for(a, READ, SQL_ACCESS_ALL);
    } else if (look_now(a)) {
        send_for(a, LOOK, SQL_ACCESS_REVISION);
    } else if (due(&a->audit_us, now, AUDIT_US) &&
               audit_take(a->audit, &a->subjects, &a->counts, &a->details, now) > 0) {
        send_audit(a);
    } else if (a->retention_ms > 0 && due(&a->purge_us, now, PURGE_US)) {
        send_number(a, PURGE, SQL_ACCESS_PURGE, a->retention_ms, a->retention_bytes);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct access *a = timer->data;
    int64_t now = monotonic_us(), since = a->beaten_us;
    a->look = true;
    go_on(a);
    if (a->epoch > 0 && now - since > SILENCE_US) {
        a->beaten_us = now;
        a->events.silent(a->arg, since);
    }
}

static void on_up(void *arg) {
    struct access *a = arg;
    a->look = true;
    go_on(a);
}

static void on_down(void *arg, const char *reason) {
    struct access *a = arg;
    (void)reason;
    a->usable = false;
    a->read = false;
    audit_settle(a->audit, false); /* at worst a row stands there twice */
    meter_add(METER_DATABASE_LOST, "access", 1);
}

void access_beat(struct access *a, int64_t epoch) {
    if (epoch != a->epoch)
        a->beat_us = 0;
    a->beaten_us = monotonic_us();
    a->epoch = epoch;
    a->look = true; /* the log was opened: the tables are there by now */
    go_on(a);
}

static void free_access(uv_handle_t *handle) {
    struct access *a = handle->data;
    roster_free(a->roster);
    audit_free(a->audit);
    buffer_free(&a->subjects);
    buffer_free(&a->counts);
    buffer_free(&a->details);
    free(a);
}

struct access *access_new(uv_loop_t *loop, const struct access_options *options,
                          const struct access_events *events, void *arg) {
    static const struct database_events connection = {.up = on_up, .down = on_down};
    struct access *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->events = *events;
    a->arg = arg;
    a->retention_ms = options->retention_ms;
    a->disclosure = options->disclosure;
    buffer_init(&a->subjects, 0);
    buffer_init(&a->counts, 0);
    buffer_init(&a->details, 0);
    a->audit = audit_new();
    a->database =
        a->audit ? database_new(loop, options->database, "waybilld access", &connection, a) : NULL;
    if (!a->database) {
        audit_free(a->audit);
        free(a);
        return NULL;
    }
    uv_timer_init(loop, &a->tick);
    a->tick.data = a;
    uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS);
    return a;
}

void access_close(struct access *a) {
    if (!a)
        return;
    database_close(a->database);
    uv_close((uv_handle_t *)&a->tick, free_access);
}
