#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access/access.h"
#include "broker/access/token.h"
#include "broker/cases/query.h"
#include "broker/fanout/sight.h"
#include "broker/journal/record.h"
#include "broker/session/endpoint.h"
#include "common/buffer.h"
#include "common/timestamp.h"
#include "proto/problem.h"

#define A(name) WAYBILL__V1__AUDIENCE__AUDIENCE_##name

/* What the tables say, which a test sets: linked in the place of access (-Wl,--wrap). */
static audiences held;
static struct token *known; /* its text is "good" */
static bool known_again;

audiences __wrap_access_audiences(const struct access *access, const char *name, bool keyed);
const struct token *__wrap_access_token(const struct access *access, const char *text,
                                        struct wb_error *err);
const struct token *__wrap_access_token_again(const struct access *access,
                                              const struct token *token, struct wb_error *err);

audiences __wrap_access_audiences(const struct access *access, const char *name, bool keyed) {
    (void)access, (void)name, (void)keyed;
    return held;
}

const struct token *__wrap_access_token(const struct access *access, const char *text,
                                        struct wb_error *err) {
    (void)access;
    if (known && strcmp(text, "good") == 0 && token_check(known, 1000, err) == 0)
        return known;
    problem(err, WB_E_TOKEN, "there is no such token");
    return NULL;
}

const struct token *__wrap_access_token_again(const struct access *access,
                                              const struct token *token, struct wb_error *err) {
    (void)token;
    return __wrap_access_token(access, known_again ? "good" : "gone", err);
}

static struct session session;
static struct wb_error err;
static struct sight *sight;
static Waybill__V1__Subscribe request;
static Waybill__V1__Filter filter;

static int setup(void **state) {
    (void)state;
    held = audiences_of(A(FULL));
    known = token_new("desk");
    known->audience = A(STAFF);
    known->enabled = known_again = true;
    known->expires_us = 2000;
    request = (Waybill__V1__Subscribe)WAYBILL__V1__SUBSCRIBE__INIT;
    filter = (Waybill__V1__Filter)WAYBILL__V1__FILTER__INIT;
    sight = NULL;
    memset(&err, 0, sizeof err);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sight_free(sight);
    token_release(known);
    return 0;
}

/* The audience that the request gets; UNSPECIFIED if it is refused. */
static Waybill__V1__Audience seen(void) {
    sight_free(sight);
    sight = NULL;
    if (sight_new(NULL, &session, &request, &sight, &err) == 0)
        return sight_audience(sight);
    assert_null(sight);
    return A(UNSPECIFIED);
}

static void the_widest_is_given_and_no_wider_one(void **state) {
    (void)state;
    assert_int_equal(seen(), A(FULL));
    assert_true(sight_is_all(sight));
    held = audiences_of(A(APPLICANT)) | audiences_of(A(PUBLIC));
    assert_int_equal(seen(), A(APPLICANT));
    request.audience = A(PUBLIC);
    assert_int_equal(seen(), A(PUBLIC));
    request.audience = A(STAFF);
    assert_int_equal(seen(), A(UNSPECIFIED));
    assert_int_equal(err.code, WB_E_AUDIENCE);
    assert_string_equal(err.detail,
                        "staff is asked for, and the session may have applicant, public");
    held = AUDIENCES_NONE;
    assert_int_equal(seen(), A(UNSPECIFIED));
    assert_non_null(strstr(err.detail, "may have nothing"));
}

static void the_public_names_no_cases(void **state) {
    (void)state;
    char *cases[] = {"A-1"};
    request.audience = A(PUBLIC);
    request.filter = &filter;
    assert_int_equal(seen(), A(PUBLIC));
    filter.parent_case_nos = cases;
    filter.n_parent_case_nos = 1;
    assert_int_equal(seen(), A(UNSPECIFIED));
    request.filter = NULL;
    request.by_case = true;
    assert_int_equal(seen(), A(UNSPECIFIED));
    request.audience = A(APPLICANT);
    assert_int_equal(seen(), A(APPLICANT));
}

static void a_token_is_never_wider_than_who_passes_it_on(void **state) {
    (void)state;
    request.token = "good";
    assert_int_equal(seen(), A(STAFF));
    assert_true(sight_is_all(sight)); /* its scope is everything */
    held = audiences_of(A(APPLICANT)) | audiences_of(A(PUBLIC));
    assert_int_equal(seen(), A(UNSPECIFIED));
    assert_int_equal(err.code, WB_E_AUDIENCE);
    known->audience = A(PUBLIC);
    assert_int_equal(seen(), A(PUBLIC));
    request.token = "bad";
    assert_int_equal(seen(), A(UNSPECIFIED));
    assert_int_equal(err.code, WB_E_TOKEN);
}

static bool matches(const char *region, const char *agency) {
    static uint8_t packed[256];
    wb_event event = WB_EVENT_INIT;
    event.event_id = "e-1";
    event.case_no = "A-1";
    event.region_code = (char *)region;
    event.agency = (char *)agency;
    size_t bytes = waybill__v1__event__pack(&event, packed);
    const struct log_record record = {
        .offset = 1, .source = "tests", .event = {.data = packed, .length = bytes}};
    return sight_matches(sight, &record);
}

static void the_scope_and_the_filter_both_count(void **state) {
    (void)state;
    char *agencies[] = {"tax"};
    assert_true(grant_list_add(&known->grant.regions, "3204"));
    request.token = "good";
    assert_int_equal(seen(), A(STAFF));
    assert_false(sight_is_all(sight));
    assert_true(matches("320411", ""));
    assert_false(matches("320511", ""));
    assert_false(matches("", "tax"));
    filter.agencies = agencies;
    filter.n_agencies = 1;
    request.filter = &filter;
    assert_int_equal(seen(), A(STAFF));
    assert_true(matches("320411", "tax office"));
    assert_false(matches("320411", "fire brigade"));
    assert_false(matches("320511", "tax office"));
}

static void what_was_let_in_is_looked_at_again(void **state) {
    (void)state;
    assert_int_equal(seen(), A(FULL));
    assert_int_equal(sight_check(sight, NULL, &session, &err), 0);
    held = audiences_of(A(STAFF));
    assert_int_equal(sight_check(sight, NULL, &session, &err), -1);
    assert_int_equal(err.code, WB_E_AUDIENCE);

    request.token = "good";
    assert_int_equal(seen(), A(STAFF));
    assert_false(sight_lapsed(sight, 1999));
    assert_true(sight_lapsed(sight, 2000));
    assert_int_equal(sight_check(sight, NULL, &session, &err), 0);
    known->enabled = false;
    assert_int_equal(sight_check(sight, NULL, &session, &err), -1);
    assert_int_equal(err.code, WB_E_TOKEN);
    known->enabled = true;
    known_again = false;
    assert_int_equal(sight_check(sight, NULL, &session, &err), -1);
    known_again = true;
    held = audiences_of(A(PUBLIC));
    assert_int_equal(sight_check(sight, NULL, &session, &err), -1);
    assert_int_equal(err.code, WB_E_AUDIENCE);
}

/* The tables were read again: the token is another object, with another scope. */
static void a_token_that_was_read_again_is_the_one_that_counts(void **state) {
    (void)state;
    request.token = "good";
    assert_int_equal(seen(), A(STAFF));
    assert_true(matches("99", ""));
    struct token *before = known;
    known = token_new("desk");
    *known = (struct token){.name = known->name,
                            .audience = A(STAFF),
                            .enabled = true,
                            .expires_us = 3000,
                            .holders = known->holders};
    assert_true(grant_list_add(&known->grant.regions, "1"));
    token_release(before);
    assert_true(matches("99", "")); /* the old one is held until then */
    assert_int_equal(sight_check(sight, NULL, &session, &err), 0);
    assert_false(matches("99", ""));
    assert_true(matches("11", ""));
    assert_false(sight_lapsed(sight, 2500));
}

/* As whom a question is asked; UNSPECIFIED if it is refused. */
static Waybill__V1__Audience asked_as(audiences rights, const char *code, const char *token,
                                      Waybill__V1__Audience audience) {
    Waybill__V1__CaseQuery query = WAYBILL__V1__CASE_QUERY__INIT;
    struct query_right right;
    held = rights;
    query.case_no = "A-1";
    query.code = (char *)code;
    query.token = (char *)token;
    query.audience = audience;
    if (sight_query(NULL, &session, &query, &right, &err) != 0)
        return A(UNSPECIFIED);
    assert_ptr_equal(right.token, token[0] ? known : NULL);
    return right.audience;
}

static void a_case_is_asked_for_as_somebody(void **state) {
    (void)state;
    const audiences full = audiences_of(A(FULL)), staff = audiences_of(A(STAFF)),
                    applicant = audiences_of(A(APPLICANT)), open = audiences_of(A(PUBLIC));
    assert_int_equal(asked_as(full, "", "", 0), A(FULL));
    assert_int_equal(asked_as(full, "", "", A(STAFF)), A(STAFF));
    assert_int_equal(asked_as(full, "", "", A(APPLICANT)), A(APPLICANT));
    assert_int_equal(asked_as(full, "c", "", 0), A(APPLICANT));
    assert_int_equal(asked_as(full, "c", "", A(FULL)), A(UNSPECIFIED));
    assert_int_equal(asked_as(staff, "", "", 0), A(STAFF));
    assert_int_equal(asked_as(staff, "", "", A(FULL)), A(UNSPECIFIED));
    assert_int_equal(asked_as(staff, "c", "", 0), A(UNSPECIFIED));
    assert_int_equal(asked_as(staff | applicant, "", "", A(APPLICANT)), A(UNSPECIFIED));
    assert_int_equal(asked_as(staff | applicant, "c", "", 0), A(APPLICANT));
    assert_int_equal(asked_as(applicant, "c", "", A(APPLICANT)), A(APPLICANT));
    assert_int_equal(asked_as(applicant, "", "", 0), A(UNSPECIFIED));
    assert_int_equal(asked_as(open, "c", "", 0), A(UNSPECIFIED));
    assert_int_equal(asked_as(full, "", "", A(PUBLIC)), A(UNSPECIFIED));
    assert_int_equal(asked_as(staff, "", "good", 0), A(STAFF));
    assert_int_equal(asked_as(full, "", "good", A(FULL)), A(UNSPECIFIED));
    assert_int_equal(asked_as(applicant, "", "good", 0), A(UNSPECIFIED));
    assert_int_equal(asked_as(full, "c", "good", 0), A(UNSPECIFIED));
    assert_int_equal(err.code, WB_E_TOKEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_widest_is_given_and_no_wider_one),
        TEST(the_public_names_no_cases),
        TEST(a_token_is_never_wider_than_who_passes_it_on),
        TEST(the_scope_and_the_filter_both_count),
        TEST(what_was_let_in_is_looked_at_again),
        TEST(a_token_that_was_read_again_is_the_one_that_counts),
        TEST(a_case_is_asked_for_as_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
