/* The gateway: a subscription to the cases that are followed and the questions about cases on one
 * side, the HTTP server on the other, on one loop. It holds no secret and no data: it asks the
 * broker. */
#ifndef SUBSCRIBERS_GATEWAY_GATEWAY_H
#define SUBSCRIBERS_GATEWAY_GATEWAY_H

#include <uv.h>
#include <waybill/error.h>

struct gateway;
struct options;

/* Does not wait for the broker. NULL and err, for example where an address is taken. */
struct gateway *gateway_new(uv_loop_t *loop, const struct options *options, struct wb_error *err);
/* Stops listening, ends streams, finishes what is under way for at most options->drain, then closes
 * its handles, so that the loop ends. */
void gateway_stop(struct gateway *gateway);
/* After the loop has ended. */
void gateway_free(struct gateway *gateway);

#endif
