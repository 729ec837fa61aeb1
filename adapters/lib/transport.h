/* The connection to the broker: a DEALER, and the monitor that tells when it comes and goes. The
 * one file that knows ZeroMQ. */
#ifndef LIB_TRANSPORT_H
#define LIB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

struct transport;
struct buffer;

enum transport_change { TRANSPORT_SAME, TRANSPORT_CONNECTED, TRANSPORT_DISCONNECTED };

/* Does not wait for the broker. NULL and err if the endpoint is not valid. */
struct transport *transport_open(const char *endpoint, struct wb_error *err);
/* Gives what was sent linger_ms to leave. NULL is allowed. */
void transport_close(struct transport *transport, int linger_ms);

/* Waits until something can be read or the connection changed: 1, 0 after timeout_ms (-1: for ever)
 * or when a signal came. */
int transport_wait(struct transport *transport, int timeout_ms);
/* The next change, TRANSPORT_SAME if there is none. */
enum transport_change transport_change(struct transport *transport);

/* False if the message cannot be taken now. */
bool transport_send(struct transport *transport, const struct buffer *message);
/* 1: a message, valid until the next call; 0: none; -1: one of several frames, passed over. */
int transport_receive(struct transport *transport, const uint8_t **data, size_t *bytes);

#endif
