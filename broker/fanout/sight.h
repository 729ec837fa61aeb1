/* What a subscription sees of the log: the audience that it is made ready for, the agencies,
 * regions and items that a token is good for, and the filter that its reader asked for. */
#ifndef BROKER_FANOUT_SIGHT_H
#define BROKER_FANOUT_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "proto/frame.h"

struct access;
struct log_record;
struct query_right;
struct session;
struct sight;

/* -1 and AUDIENCE, TOKEN or FILTER if the session may not have it so. */
int sight_new(const struct access *access, const struct session *session,
              const Waybill__V1__Subscribe *request, struct sight **sight, struct wb_error *err);
void sight_free(struct sight *sight); /* NULL is allowed */

Waybill__V1__Audience sight_audience(const struct sight *sight);
bool sight_matches(const struct sight *sight, const struct log_record *record);
/* One that matches does so also by what its audience is shown of it: else a filter would be a way
 * to guess, prefix by prefix, a number that is masked. */
bool sight_shows(const struct sight *sight, const struct log_record *record, struct slice ready);
/* Every event is seen: nothing needs to be looked at. */
bool sight_is_all(const struct sight *sight);
/* The case numbers outside of which nothing matches; 0: any case may. They last as long as it. */
size_t sight_cases(const struct sight *sight, const char *const **case_nos);
/* Keys, followers or tokens changed, or it lapsed: -1 and err if it may not see that any more (the
 * token expired or was revoked, the audience was taken from its follower). */
int sight_check(struct sight *sight, const struct access *access, const struct session *session,
                struct wb_error *err);
/* Its token has expired by then: sight_check will refuse it. */
bool sight_lapsed(const struct sight *sight, int64_t now_us);

/* As whom the session may ask that about a case: with a code as the applicant, else as staff or for
 * all there is. -1 and AUDIENCE or TOKEN if it may not. The right's token is not held. */
int sight_query(const struct access *access, const struct session *session,
                const Waybill__V1__CaseQuery *asked, struct query_right *right,
                struct wb_error *err);

#endif
