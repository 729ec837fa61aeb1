/* Answers libzmq when it asks whether a key may connect (ZeroMQ RFC 27), on the loop. One a
 * context, made before the first endpoint with keys and closed after the last: libzmq admits
 * everybody who comes while there is no handler.
 *
 * Who is admitted has the text of its key as User-Id on every message. A key that nobody holds, or
 * holds for another door, gets status 400: libzmq tells the client, whose socket then gives up. One
 * that is merely disabled is admitted on ingest and streams, where Hello is refused in words, and
 * gets 300 on live, which has no words: libzmq closes the connection, and the client tries again by
 * itself, as it does while the broker has not read its keys. */
#ifndef BROKER_ACCESS_ZAP_H
#define BROKER_ACCESS_ZAP_H

#include <uv.h>
#include <waybill/error.h>

struct access;
struct zap;

/* NULL and err. access outlives it. */
struct zap *zap_new(uv_loop_t *loop, void *context, struct access *access, struct wb_error *err);
void zap_close(struct zap *zap); /* NULL is allowed */

#endif
