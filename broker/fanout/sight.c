#include "broker/fanout/sight.h"

#include <stdlib.h>

#include "broker/fanout/filter.h"
#include "proto/problem.h"

struct sight {
    struct filter *filter;
    Waybill__V1__Audience audience;
};

int sight_new(const struct access *access, const struct session *session,
              const Waybill__V1__Subscribe *request, struct sight **sight, struct wb_error *err) {
    (void)access, (void)session;
    struct sight *s = calloc(1, sizeof *s);
    if (!s)
        return problem(err, WB_E_BUSY, "out of memory");
    s->audience = WAYBILL__V1__AUDIENCE__AUDIENCE_FULL;
    if (filter_new(request->filter, &s->filter, err) != 0) {
        sight_free(s);
        return -1;
    }
    *sight = s;
    return 0;
}

void sight_free(struct sight *s) {
    if (!s)
        return;
    filter_free(s->filter);
    free(s);
}

Waybill__V1__Audience sight_audience(const struct sight *s) {
    return s->audience;
}

bool sight_matches(const struct sight *s, const struct log_record *record) {
    return filter_matches(s->filter, record);
}

bool sight_is_all(const struct sight *s) {
    return !s->filter;
}

size_t sight_cases(const struct sight *s, const char *const **case_nos) {
    return filter_cases(s->filter, case_nos);
}

int sight_check(const struct sight *s, const struct access *access, const struct session *session,
                struct wb_error *err) {
    (void)s, (void)access, (void)session, (void)err;
    return 0;
}
