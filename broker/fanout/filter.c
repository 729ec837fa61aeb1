#include "broker/fanout/filter.h"

#include <stdlib.h>
#include <string.h>

#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "proto/bounds.h"
#include "proto/problem.h"

struct values {
    size_t count;
    char **texts;
};

struct filter {
    struct values case_nos, parent_case_nos, sources, item_codes, region_codes, agencies;
    uint64_t stages, kinds, lights; /* bit n: the number n is wanted; 0: all are */
};

static void free_values(struct values *v) {
    for (size_t i = 0; i < v->count; i++)
        free(v->texts[i]);
    free(v->texts);
}

static int copy_values(struct values *to, char **texts, size_t count, const char *field,
                       struct wb_error *err) {
    if (count > LIMIT_FILTER_VALUES)
        return problem(err, WB_E_FILTER, "%s has %zu values", field, count);
    to->texts = count ? calloc(count, sizeof *to->texts) : NULL;
    if (count && !to->texts)
        return problem(err, WB_E_BUSY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (strlen(texts[i]) > LIMIT_FILTER_BYTES || texts[i][0] == '\0')
            return problem(err, WB_E_FILTER, "a value of %s has %zu bytes", field,
                           strlen(texts[i]));
        to->texts[i] = strdup(texts[i]);
        if (!to->texts[i])
            return problem(err, WB_E_BUSY, "out of memory");
        to->count++;
    }
    return 0;
}

static int copy_numbers(uint64_t *bits, const int *numbers, size_t count, const char *field,
                        struct wb_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] < 0 || numbers[i] > 63)
            return problem(err, WB_E_FILTER, "%s has the value %d", field, numbers[i]);
        *bits |= UINT64_C(1) << numbers[i];
    }
    return 0;
}

static int copy_filter(struct filter *f, const Waybill__V1__Filter *w, struct wb_error *err) {
    int failed =
        copy_values(&f->case_nos, w->case_nos, w->n_case_nos, "case_nos", err) ||
        copy_values(&f->parent_case_nos, w->parent_case_nos, w->n_parent_case_nos,
                    "parent_case_nos", err) ||
        copy_values(&f->sources, w->sources, w->n_sources, "sources", err) ||
        copy_values(&f->item_codes, w->item_codes, w->n_item_codes, "item_codes", err) ||
        copy_values(&f->region_codes, w->region_codes, w->n_region_codes, "region_codes", err) ||
        copy_values(&f->agencies, w->agencies, w->n_agencies, "agencies", err) ||
        copy_numbers(&f->stages, (const int *)w->stages, w->n_stages, "stages", err) ||
        copy_numbers(&f->kinds, (const int *)w->kinds, w->n_kinds, "kinds", err) ||
        copy_numbers(&f->lights, (const int *)w->lights, w->n_lights, "lights", err);
    return failed ? -1 : 0;
}

int filter_new(const Waybill__V1__Filter *w, struct filter **filter, struct wb_error *err) {
    *filter = NULL;
    if (!w || w->n_case_nos + w->n_parent_case_nos + w->n_sources + w->n_item_codes +
                      w->n_region_codes + w->n_agencies + w->n_stages + w->n_kinds + w->n_lights ==
                  0)
        return 0;
    struct filter *f = calloc(1, sizeof *f);
    if (!f)
        return problem(err, WB_E_BUSY, "out of memory");
    if (copy_filter(f, w, err) != 0) {
        filter_free(f);
        return -1;
    }
    *filter = f;
    return 0;
}

void filter_free(struct filter *f) {
    if (!f)
        return;
    free_values(&f->case_nos);
    free_values(&f->parent_case_nos);
    free_values(&f->sources);
    free_values(&f->item_codes);
    free_values(&f->region_codes);
    free_values(&f->agencies);
    free(f);
}

static bool any(const struct values *v, struct slice text, bool prefix) {
    for (size_t i = 0; i < v->count; i++) {
        size_t length = strlen(v->texts[i]);
        if ((prefix ? text.length >= length : text.length == length) &&
            memcmp(text.data, v->texts[i], length) == 0)
            return true;
    }
    return v->count == 0;
}

static bool wanted(uint64_t bits, uint8_t number) {
    return bits == 0 || (number < 64 && (bits >> number & 1));
}

bool filter_matches(const struct filter *f, const struct log_record *r) {
    struct header h;
    if (!f)
        return true;
    struct slice source = {.data = (const uint8_t *)r->source, .length = strlen(r->source)};
    return any(&f->sources, source, false) && header_read(r->event.data, r->event.length, &h) &&
           any(&f->case_nos, h.case_no, false) &&
           any(&f->parent_case_nos, h.parent_case_no, false) &&
           any(&f->item_codes, h.item_code, true) && any(&f->region_codes, h.region_code, true) &&
           any(&f->agencies, h.agency, true) && wanted(f->stages, h.stage) &&
           wanted(f->kinds, h.kind) && wanted(f->lights, h.light);
}

size_t filter_cases(const struct filter *f, const char *const **case_nos) {
    if (!f)
        return 0;
    *case_nos = (const char *const *)f->case_nos.texts;
    return f->case_nos.count;
}
