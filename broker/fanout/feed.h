/* The live feed of one audience: every event as it is committed, on an XPUB, by the topics of
 * topics.h: one by one to those who follow a case, an item, a region or an agency, and many in a
 * message to those who take the log. Lossy: a slow subscriber misses messages, sees it by the
 * offsets, and reads the gap on the streams endpoint. */
#ifndef BROKER_FANOUT_FEED_H
#define BROKER_FANOUT_FEED_H

#include <stddef.h>
#include <uv.h>
#include <waybill/error.h>

#include "broker/access/access.h"

struct curve_keys;
struct feed;
struct hub;
struct log_record;

struct feed_options {
    const char *address;
    enum access_domain domain;     /* one of the live ones: it says for which audience */
    const struct curve_keys *keys; /* the broker's, NULL if nobody is asked for one */
    struct hub *hub;               /* makes events ready; outlives the feed */
};

/* NULL and err. The options are only needed for the call. */
struct feed *feed_new(uv_loop_t *loop, void *context, const struct feed_options *options,
                      struct wb_error *err);
void feed_close(struct feed *feed);                /* NULL is allowed */
const char *feed_address(const struct feed *feed); /* "none" of NULL */
/* Cuts all subscribers, and takes back who may be here. libzmq cannot part with one of them alone;
 * the others connect again by themselves, miss what was published meanwhile, and see it by the
 * offsets. NULL is allowed. */
void feed_cut(struct feed *feed);
/* Records that the hub has got already. NULL is allowed. */
void feed_publish(struct feed *feed, const struct log_record *records, size_t count);

#endif
