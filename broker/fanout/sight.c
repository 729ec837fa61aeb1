#include "broker/fanout/sight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/access/access.h"
#include "broker/access/token.h"
#include "broker/cases/query.h"
#include "broker/fanout/filter.h"
#include "broker/journal/header.h"
#include "broker/journal/record.h"
#include "broker/session/endpoint.h"
#include "proto/field.h"
#include "proto/problem.h"

#define FULL      WAYBILL__V1__AUDIENCE__AUDIENCE_FULL
#define STAFF     WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF
#define APPLICANT WAYBILL__V1__AUDIENCE__AUDIENCE_APPLICANT
#define PUBLIC    WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC

struct sight {
    struct filter *filter;
    const struct token *token; /* held; NULL: the session speaks for itself */
    Waybill__V1__Audience audience;
};

/* "staff is asked for, and the session may have public". */
static int deny(audiences held, Waybill__V1__Audience wanted, const char *whose,
                struct wb_error *err) {
    Waybill__V1__Audience list[AUDIENCES_MAX];
    char names[64] = "";
    size_t count = audiences_list(held, list);
    for (size_t i = 0, at = 0; i < count; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "",
                               audience_name((int)list[i]));
    return problem(err, WB_E_AUDIENCE, "%s is asked for, and %s may have %s",
                   audience_name((int)wanted), whose, count ? names : "nothing");
}

static int check(audiences held, Waybill__V1__Audience wanted, const char *whose,
                 struct wb_error *err) {
    return audiences_cover(held, wanted) ? 0 : deny(held, wanted, whose, err);
}

static audiences rights_of(const struct access *access, const struct session *session) {
    return access_audiences(access, session->source, session->keyed);
}

/* What a token makes of the session's rights. Who passes a token on sees what is seen with it, and
 * so needs its audience too. */
static int check_token(const struct access *access, const struct session *session,
                       const struct token *token, audiences *rights, struct wb_error *err) {
    if (check(rights_of(access, session), token->audience, "the session that passes the token on",
              err) != 0)
        return -1;
    *rights = audiences_of(token->audience);
    return 0;
}

/* The session's rights, or the token's, if there is one. */
static int find_rights(const struct access *access, const struct session *session, const char *text,
                       const struct token **token, audiences *rights, struct wb_error *err) {
    *token = NULL;
    *rights = rights_of(access, session);
    if (!text[0])
        return 0;
    const struct token *found = access_token(access, text, err);
    if (!found || check_token(access, session, found, rights, err) != 0)
        return -1;
    *token = found;
    return 0;
}

/* Whether an event is one of a case that the asker names tells who may not see case numbers which
 * case it is of. */
static int check_public(const Waybill__V1__Subscribe *request, struct wb_error *err) {
    const Waybill__V1__Filter *filter = request->filter;
    if (request->by_case || (filter && filter->n_case_nos + filter->n_parent_case_nos > 0))
        return problem(err, WB_E_AUDIENCE, "public has no case numbers, and asks for none");
    return 0;
}

static int read_request(struct sight *s, const struct access *access, const struct session *session,
                        const Waybill__V1__Subscribe *request, struct wb_error *err) {
    const struct token *token;
    audiences rights;
    if (find_rights(access, session, request->token, &token, &rights, err) != 0)
        return -1;
    s->token = token_hold(token);
    s->audience = request->audience ? request->audience : audiences_widest(rights);
    if (check(rights, s->audience, token ? "the token" : "the session", err) != 0 ||
        (s->audience == PUBLIC && check_public(request, err) != 0))
        return -1;
    return filter_new(request->filter, &s->filter, err);
}

int sight_new(const struct access *access, const struct session *session,
              const Waybill__V1__Subscribe *request, struct sight **sight, struct wb_error *err) {
    struct sight *s = calloc(1, sizeof *s);
    if (!s)
        return problem(err, WB_E_BUSY, "out of memory");
    if (read_request(s, access, session, request, err) != 0) {
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
    token_release(s->token);
    free(s);
}

Waybill__V1__Audience sight_audience(const struct sight *s) {
    return s->audience;
}

static bool token_sees(const struct token *token, const struct log_record *r) {
    struct header h;
    return grant_is_all(&token->grant) ||
           (header_read(r->event.data, r->event.length, &h) && grant_covers(&token->grant, &h));
}

bool sight_matches(const struct sight *s, const struct log_record *record) {
    return filter_matches(s->filter, record) && (!s->token || token_sees(s->token, record));
}

bool sight_shows(const struct sight *s, const struct log_record *record, struct slice ready) {
    struct log_record shown = *record;
    shown.event = ready;
    return s->audience == FULL || filter_matches(s->filter, &shown);
}

bool sight_is_all(const struct sight *s) {
    return !s->filter && (!s->token || grant_is_all(&s->token->grant));
}

size_t sight_cases(const struct sight *s, const char *const **case_nos) {
    return filter_cases(s->filter, case_nos);
}

int sight_check(struct sight *s, const struct access *access, const struct session *session,
                struct wb_error *err) {
    audiences rights = rights_of(access, session);
    if (s->token) {
        const struct token *now = access_token_again(access, s->token, err);
        if (!now || check_token(access, session, now, &rights, err) != 0)
            return -1;
        token_hold(now);
        token_release(s->token);
        s->token = now;
    }
    return check(rights, s->audience, s->token ? "the token" : "the session", err);
}

bool sight_lapsed(const struct sight *s, int64_t now_us) {
    return s->token && now_us >= s->token->expires_us;
}

/* Questions about a case. */

/* A code opens the case as the applicant sees it; for who may see all cases, as far as they may. */
static Waybill__V1__Audience widest_of_case(const Waybill__V1__CaseQuery *asked, audiences rights) {
    if (asked->code[0])
        return APPLICANT;
    return audiences_cover(rights, FULL) ? FULL : STAFF;
}

int sight_query(const struct access *access, const struct session *session,
                const Waybill__V1__CaseQuery *asked, struct query_right *right,
                struct wb_error *err) {
    audiences rights;
    if (asked->code[0] && asked->token[0])
        return problem(err, WB_E_TOKEN, "a case is asked for by code or by token, not by both");
    if (find_rights(access, session, asked->token, &right->token, &rights, err) != 0)
        return -1;
    Waybill__V1__Audience widest = widest_of_case(asked, rights);
    right->audience = asked->audience ? asked->audience : widest;
    if (right->audience == PUBLIC)
        return problem(err, WB_E_AUDIENCE, "public has no cases");
    if (!audiences_cover(audiences_of(widest), right->audience))
        return problem(err, WB_E_AUDIENCE, "%s is asked for %s",
                       audience_name((int)right->audience),
                       asked->code[0] ? "with a code" : "without the case's code");
    return check(rights, right->audience, right->token ? "the token" : "the session", err);
}
