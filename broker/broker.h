/* Builds, starts and stops the broker: the only room that knows all the others. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include <uv.h>
#include <waybill/error.h>

struct broker;
struct options;

/* Binds all endpoints and begins to connect to the database; it becomes ready when it may write.
 * NULL and err if an endpoint cannot be bound. */
struct broker *broker_new(uv_loop_t *loop, const struct options *options, struct wb_error *err);

/* Takes nothing more in, lets what is in flight be committed and acknowledged (for at most
 * options->stop_grace), tells the peers and closes everything; then the loop has nothing left. */
void broker_stop(struct broker *broker);

/* After the loop has ended: 0, or 1 if the broker had to give up. */
int broker_free(struct broker *broker);

#endif
