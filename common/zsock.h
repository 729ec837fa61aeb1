/* A ZeroMQ socket on a libuv loop.
 *
 * ZMQ_FD is edge-triggered and both sending and receiving consume its edges, so the socket's events
 * are looked at again in every turn of the loop: a poll handle wakes the loop, a check handle
 * looks, and while a reader stopped at its quota an idle handle keeps the loop from sleeping. A
 * socket may be used from every callback but those of prepare handles. */
#ifndef COMMON_ZSOCK_H
#define COMMON_ZSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include <waybill/error.h>

struct curve_keys;
struct zsock;

/* Called in the loop while something can be read. It reads with ZMQ_DONTWAIT until EAGAIN or until
 * its own quota is used up, and may send on the socket, but not close it. */
typedef void zsock_readable(void *arg);
/* Called when sending became possible again after zsock_want_write(). May be NULL. */
typedef void zsock_writable(void *arg);

/* Takes over the ZeroMQ socket, also on failure: NULL and err, and the socket is closed. */
struct zsock *zsock_new(uv_loop_t *loop, void *socket, zsock_readable *readable,
                        zsock_writable *writable, void *arg, struct wb_error *err);
void *zsock_socket(struct zsock *zsock);
void zsock_want_write(struct zsock *zsock, bool want);
/* Stops reading (false) and takes it up again (true): what has not been read stays with libzmq up
 * to the high-water mark, then with the peers. */
void zsock_read(struct zsock *zsock, bool on);
/* Closes the ZeroMQ socket at once and frees the rest when libuv lets go of the handles. */
void zsock_close(struct zsock *zsock);

/* One context a process. Freeing it waits until the sockets are closed and what lingers is sent. */
void *zsock_context_new(void);
void zsock_context_free(void *context);

/* Creates and binds or connects: options are pairs of a ZMQ int option and its value, ended by -1.
 * IPv6 is on, linger as given, localhost is 127.0.0.1. NULL and err, naming the endpoint. */
void *zsock_bind(void *context, int type, const char *endpoint, const int *options,
                 struct wb_error *err);
/* The same with CURVE, if there are keys: who connects has to know their public half, and to hold a
 * key that the ZAP handler, which is there already, admits in the domain. */
void *zsock_bind_keyed(void *context, int type, const char *endpoint, const int *options,
                       const struct curve_keys *keys, const char *zap_domain, struct wb_error *err);
void *zsock_connect(void *context, int type, const char *endpoint, const int *options,
                    struct wb_error *err);
/* The endpoint as bound, with the port that the system chose for tcp://…:0. */
int zsock_endpoint(void *socket, char *text, size_t size);
/* True if the endpoint is ipc://, inproc:// or tcp:// on a loopback address. */
bool zsock_is_loopback(const char *endpoint);

#endif
