/* What subscribers of a live feed asked for: only that is sent. Topics are text that ends with LF,
 *
 *   case/NUMBER  item/CODE  region/CODE  agency/NAME  log
 *
 * and a subscription is the beginning of topics. What was asked for once counts for good: XPUB also
 * hands on the unsubscriptions of what nobody had subscribed to, so that one peer could silence the
 * feed for the others. */
#ifndef BROKER_FANOUT_TOPICS_H
#define BROKER_FANOUT_TOPICS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/frame.h"

enum topic_kind { TOPIC_CASE, TOPIC_ITEM, TOPIC_REGION, TOPIC_AGENCY, TOPIC_LOG, TOPIC_KINDS };

#define TOPICS_MAX 4096 /* of one kind; with more of them all of the kind are sent */

struct topics;

/* whole: the kind that a subscription to everything ("") means. NULL without memory. */
struct topics *topics_new(enum topic_kind whole);
void topics_free(struct topics *topics); /* NULL is allowed */

void topics_subscribe(struct topics *topics, const void *text, size_t bytes);
/* Whether anything of the kind is wanted. */
bool topics_any(const struct topics *topics, enum topic_kind kind);
/* Whether that one is; at times also true of one that is not. */
bool topics_wanted(const struct topics *topics, enum topic_kind kind, struct slice value);

const char *topic_prefix(enum topic_kind kind); /* "case/"; "log\n" */

#endif
