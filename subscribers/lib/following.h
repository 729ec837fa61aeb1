/* The places of a subscription by case: named to the broker in Follows, a few at a time, their
 * answers told in order, and named again when the subscription begins again.
 *
 *     WAITING    to be named
 *     NAMED      its answer is awaited
 *     STANDING   followed
 *     IDLE       refused: nothing comes of it, until it is unfollowed
 *
 * A case may have several places, as people follow it with a code each. The broker is told that it
 * is dropped when the last of those that it knows of goes. */
#ifndef SUBSCRIBER_FOLLOWING_H
#define SUBSCRIBER_FOLLOWING_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/subscriber.h>

struct following;
struct session;

/* NULL without memory. The session outlives it. */
struct following *following_new(struct session *session, wb_place_fn *answered, void *arg);
void following_free(struct following *following); /* with its places; NULL is allowed */

/* The subscription began under this number, without credit: all that stood is named again, with the
 * cursor. */
void following_begun(struct following *following, uint64_t number, uint64_t cursor);
/* It has to begin again: nothing is sent until then. */
void following_ended(struct following *following);
/* Everything that stood has been named again: the subscription may have credit. */
bool following_complete(const struct following *following);
/* Sends what there is to say. */
void following_tend(struct following *following);
/* Calls the user's function. False: the broker answered what was not asked. */
bool following_answer(struct following *following, const Waybill__V1__Followed *followed);
/* The subscription is being closed: its function is not called any more. */
void following_silence(struct following *following);

struct wb_place *following_add(struct following *following, const char *case_no, const char *code,
                               uint64_t after_offset, void *owner, struct wb_error *err);

#endif
