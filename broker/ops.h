/* The operator's HTTP: /healthz (the loop turns), /readyz (the log can be written), /metrics. */
#ifndef BROKER_OPS_H
#define BROKER_OPS_H

#include <uv.h>
#include <waybill/error.h>

struct ops;

struct ops *ops_new(uv_loop_t *loop, const char *addresses, struct wb_error *err);
void ops_close(struct ops *ops); /* NULL is allowed */
const char *ops_address(const struct ops *ops);
/* Not ready for the reason; NULL: ready. */
void ops_ready(struct ops *ops, const struct wb_error *why_not);

#endif
