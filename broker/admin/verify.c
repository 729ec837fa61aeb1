#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/verification.h"
#include "broker/admin/verify_statements.h"
#include "proto/problem.h"

#define WORDS_BYTES    512
#define PROGRESS_EVERY 16384

static const struct {
    const char *name, *proves;
} checks[CHECK_COUNT] = {
    [CHECK_LEAVES] = {"leaves", "the leaves are those that waybill.partition names, bound and "
                                "indexed as they should be"},
    [CHECK_OFFSETS] = {"offsets", "every offset is there once, in its leaf, without a gap"},
    [CHECK_HEAD] = {"head", "the log ends where waybill.head says"},
    [CHECK_TIMES] = {"times", "recorded_at never goes back, and lies in its leaf"},
    [CHECK_SOURCES] = {"sources", "every event's source is known"},
    [CHECK_PAYLOADS] = {"payloads", "every payload is a valid event, and its row says the same"},
    [CHECK_KEPT] = {"kept", "waybill.event_kept holds only what is older than all leaves"},
    [CHECK_IDENTITIES] = {"identities", "no source's event_id is there twice"},
    [CHECK_CASES] = {"cases", "every case's state is what its events say, computed in two ways"},
};

/* Each reads the log once; the checks up to `through` are decided after it. */
static const struct {
    const char *name;
    int (*run)(struct verification *v, struct wb_error *err);
    enum check through;
} passes[] = {
    {"leaves", verify_leaves, CHECK_LEAVES},
    {"rows", verify_walk, CHECK_KEPT},
    {"identities", verify_identities, CHECK_IDENTITIES},
    {"cases", verify_cases, CHECK_CASES},
};

static void tell(struct verification *v, enum check check, const char *format, va_list arguments) {
    char words[WORDS_BYTES];
    vsnprintf(words, sizeof words, format, arguments);
    v->how->finding(v->how->arg, checks[check].name, words);
}

void verification_find(struct verification *v, enum check check, const char *format, ...) {
    va_list arguments;
    verification_count(v, check, 1);
    if (v->findings[check] > v->how->findings_max || !v->how->finding)
        return;
    va_start(arguments, format);
    tell(v, check, format, arguments);
    va_end(arguments);
}

void verification_count(struct verification *v, enum check check, uint64_t more) {
    v->findings[check] += more;
    v->verified->findings += more;
}

void verification_progress(const struct verification *v, uint64_t done, uint64_t of) {
    if (v->how->progress && done % PROGRESS_EVERY == 0)
        v->how->progress(v->how->arg, done, of);
}

static int by_id(const void *key, const void *row) {
    int32_t id = *(const int32_t *)key, other = ((const struct source_row *)row)->id;
    return id < other ? -1 : id > other;
}

const char *verification_source(const struct verification *v, int32_t id) {
    const struct source_row *row =
        v->source_count ? bsearch(&id, v->sources, v->source_count, sizeof *v->sources, by_id)
                        : NULL;
    return row ? row->name : NULL;
}

static int read_sources(struct verification *v, struct wb_error *err) {
    PGresult *r = connection_query(v->admin, SQL_VERIFY_SOURCES, 0, NULL, err);
    if (!r)
        return -1;
    size_t count = (size_t)PQntuples(r);
    v->sources = calloc(count + 1, sizeof *v->sources);
    int status = v->sources ? 0 : -1;
    for (size_t i = 0; status == 0 && i < count; i++) {
        v->sources[i].id = (int32_t)connection_number(r, (int)i, 0);
        v->sources[i].name = strdup(PQgetvalue(r, (int)i, 1));
        v->source_count++;
        if (!v->sources[i].name)
            status = -1;
    }
    PQclear(r);
    return status == 0 ? 0 : problem(err, WB_E_SYSTEM, "out of memory");
}

static int read_head(struct verification *v, struct wb_error *err) {
    PGresult *r = connection_query(v->admin, SQL_VERIFY_HEAD, 0, NULL, err);
    if (!r)
        return -1;
    if (PQntuples(r) != 1) {
        verification_find(v, CHECK_HEAD, "waybill.head has %d rows instead of one", PQntuples(r));
    } else {
        v->verified->last_offset = (uint64_t)connection_number(r, 0, 0);
        if (connection_number(r, 0, 1) < connection_number(r, 0, 2))
            verification_find(v, CHECK_HEAD,
                              "the head has the epoch %s, which is older than the lease's, %s: a "
                              "broker that lost its place could write again",
                              PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2));
    }
    PQclear(r);
    return 0;
}

static int run(struct verification *v, struct wb_error *err) {
    enum check next = 0;
    if (read_sources(v, err) != 0 || read_head(v, err) != 0)
        return -1;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        if (v->how->begin)
            v->how->begin(v->how->arg, passes[i].name);
        if (passes[i].run(v, err) != 0)
            return -1;
        for (; next <= passes[i].through; next++)
            if (v->how->end)
                v->how->end(v->how->arg, checks[next].name, checks[next].proves, v->findings[next]);
    }
    return 0;
}

static void release(struct verification *v) {
    for (size_t i = 0; i < v->source_count; i++)
        free(v->sources[i].name);
    free(v->sources);
    free(v->leaves);
}

int wb_admin_verify(wb_admin *admin, const struct wb_admin_verify *how,
                    struct wb_admin_verified *verified, struct wb_error *err) {
    struct verification v = {.admin = admin, .how = how, .verified = verified};
    *verified = (struct wb_admin_verified){0};
    int status = connection_run(admin, SQL_VERIFY_BEGIN, err);
    if (status == 0)
        status = run(&v, err);
    connection_run(admin, SQL_ROLLBACK, NULL);
    release(&v);
    return status;
}
