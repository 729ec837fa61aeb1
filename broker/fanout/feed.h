/* The live feed: every event as it is committed, on an XPUB, by the topic of its case. Lossy: a
 * slow subscriber misses messages, sees it by the offsets, and reads the gap on the streams
 * endpoint. */
#ifndef BROKER_FANOUT_FEED_H
#define BROKER_FANOUT_FEED_H

#include <stddef.h>
#include <uv.h>
#include <waybill/error.h>

struct curve_keys;
struct feed;
struct log_record;

/* keys: the broker's, NULL if nobody is asked for one. Only needed for the call. */
struct feed *feed_new(uv_loop_t *loop, void *context, const char *address,
                      const struct curve_keys *keys, struct wb_error *err);
void feed_close(struct feed *feed); /* NULL is allowed */
const char *feed_address(const struct feed *feed);
/* Cuts all subscribers, and takes back who may be here. libzmq cannot part with one of them alone;
 * the others connect again by themselves, miss what was published meanwhile, and see it by the
 * offsets. */
void feed_cut(struct feed *feed);
void feed_publish(struct feed *feed, const struct log_record *records, size_t count);

#endif
