#include "broker/access/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/binary.h"
#include "broker/journal/database.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define PAUSE_MAX_US  INT64_C(60000000)
#define SUBJECT_BYTES 80
#define DETAIL_BYTES  256

struct heap {
    char subject[SUBJECT_BYTES]; /* "": free */
    char detail[DETAIL_BYTES];   /* of the newest */
    int code;
    bool stranger;
    uint32_t count;   /* not yet taken */
    uint32_t taken;   /* and not yet settled */
    int64_t pause_us; /* after due_us */
    int64_t due_us;   /* not before; 0: at once */
};

struct audit {
    size_t strangers;
    struct heap others;
    struct heap heaps[AUDIT_SUBJECTS];
};

struct audit *audit_new(void) {
    struct audit *a = calloc(1, sizeof *a);
    if (a)
        snprintf(a->others.subject, sizeof a->others.subject, "(others)");
    return a;
}

void audit_free(struct audit *a) {
    free(a);
}

/* Quiet since its last pause: it begins anew, or makes room for another. */
static bool is_over(const struct heap *h, int64_t now_us) {
    return h->count == 0 && h->taken == 0 && now_us >= h->due_us;
}

static struct heap *find(struct audit *a, const char *subject, bool stranger, int code,
                         int64_t now_us) {
    struct heap *place = NULL;
    for (size_t i = 0; i < AUDIT_SUBJECTS; i++) {
        struct heap *h = &a->heaps[i];
        if (h->code == code && strcmp(h->subject, subject) == 0)
            return h;
        /* A stranger takes a stranger's place where there is one. */
        if (is_over(h, now_us) && (!place || (stranger && h->stranger && !place->stranger)))
            place = h;
    }
    if (!place || (stranger && !place->stranger && a->strangers >= AUDIT_SUBJECTS / 2))
        return &a->others;
    a->strangers += (size_t)stranger - (size_t)place->stranger;
    memset(place, 0, sizeof *place);
    snprintf(place->subject, sizeof place->subject, "%s", subject);
    place->code = code;
    place->stranger = stranger;
    return place;
}

void audit_add(struct audit *a, const char *subject, bool stranger, const struct wb_error *err,
               const char *words, int64_t now_us) {
    struct heap *h = find(a, subject, stranger, err->code, now_us);
    struct wb_error said;
    problem(&said, err->code, "%s%s%s%s%s", err->field, err->field[0] ? ": " : "", err->detail,
            words[0] ? ", " : "", words);
    snprintf(h->detail, sizeof h->detail, "%s: %.200s", problem_name(err->code), said.detail);
    if (is_over(h, now_us))
        h->pause_us = 0;
    if (h->count < INT32_MAX)
        h->count++;
}

static bool take(struct heap *h, struct buffer *subjects, struct buffer *counts,
                 struct buffer *details, int64_t now_us) {
    if (h->count == 0 || now_us < h->due_us)
        return false;
    binary_bytes(subjects, h->subject, strlen(h->subject));
    binary_int4(counts, (int32_t)h->count);
    binary_bytes(details, h->detail, strlen(h->detail));
    h->taken = h->count;
    h->count = 0;
    h->pause_us = h->pause_us == 0 ? 1000000 : h->pause_us * 2;
    if (h->pause_us > PAUSE_MAX_US)
        h->pause_us = PAUSE_MAX_US;
    h->due_us = now_us + h->pause_us;
    return true;
}

size_t audit_take(struct audit *a, struct buffer *subjects, struct buffer *counts,
                  struct buffer *details, int64_t now_us) {
    size_t rows = 0;
    binary_array(subjects, TEXT_OID, 0);
    binary_array(counts, INT4_OID, 0);
    binary_array(details, TEXT_OID, 0);
    for (size_t i = 0; i < AUDIT_SUBJECTS; i++)
        rows += take(&a->heaps[i], subjects, counts, details, now_us);
    rows += take(&a->others, subjects, counts, details, now_us);
    binary_array_count(subjects, rows);
    binary_array_count(counts, rows);
    binary_array_count(details, rows);
    if (subjects->failed || counts->failed || details->failed) {
        audit_settle(a, false);
        return 0;
    }
    return rows;
}

static void settle(struct heap *h, bool written) {
    if (!written)
        h->count += h->taken;
    h->taken = 0;
}

void audit_settle(struct audit *a, bool written) {
    for (size_t i = 0; i < AUDIT_SUBJECTS; i++)
        settle(&a->heaps[i], written);
    settle(&a->others, written);
}
