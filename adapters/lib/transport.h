/* The publisher's connection to a broker, and what it needs to know of it: see common/dealer.h. */
#ifndef LIB_TRANSPORT_H
#define LIB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "common/curve.h"

struct transport;
struct buffer;

enum transport_change {
    TRANSPORT_SAME,
    TRANSPORT_CONNECTED,
    TRANSPORT_DISCONNECTED,
    TRANSPORT_FAILED /* it was not connected, and is not, for a reason that should be told */
};

/* endpoints: of one or several brokers, of which one is connected at a time. Does not wait for it.
 * NULL and err if an endpoint or the keys cannot be used. */
struct transport *transport_open(const char *endpoints, const struct curve_client *keys,
                                 struct wb_error *err);
/* Gives what was sent linger_ms to leave. NULL is allowed. */
void transport_close(struct transport *transport, int linger_ms);

/* Waits until something can be read or the connection changed: 1, 0 after timeout_ms (-1: for ever)
 * or when a signal came. */
int transport_wait(struct transport *transport, int timeout_ms);
/* The next change, TRANSPORT_SAME if there is none. */
enum transport_change transport_change(struct transport *transport);
/* Why the connection ended, or could not be made. */
const char *transport_words(const struct transport *transport);

/* The broker opened a session. */
void transport_works(struct transport *transport);
/* It refuses one for now, or (silent) does not answer: true if another is tried instead, false if
 * there is no other and the connection stays. */
bool transport_leave(struct transport *transport, bool silent);
/* How long an answer to Hello is waited for, INT64_MAX if there is no other broker. */
int64_t transport_patience_us(const struct transport *transport);

/* False if the message cannot be taken now. */
bool transport_send(struct transport *transport, const struct buffer *message);
/* 1: a message, valid until the next call; 0: none; -1: one of several frames, passed over. */
int transport_receive(struct transport *transport, const uint8_t **data, size_t *bytes);

#endif
