/* Answers libzmq when it asks whether a key may connect (ZeroMQ RFC 27), on the loop. One a
 * context, made before the first endpoint with keys and closed after the last: libzmq admits
 * everybody who comes while there is no handler. Until zap_open it answers nobody: handshakes wait,
 * for as long as ZMQ_HANDSHAKE_IVL lets them.
 *
 * Who is admitted has the text of its key as User-Id on every message. A key that nobody holds, or
 * holds for another door, gets status 400: libzmq tells the client, whose socket then gives up. One
 * that is merely disabled is admitted on ingest and streams, where Hello is refused in words, and
 * gets 300 on live, which has no words: libzmq lets the handshake time out, and the client tries
 * again by itself. */
#ifndef BROKER_ACCESS_ZAP_H
#define BROKER_ACCESS_ZAP_H

#include <uv.h>
#include <waybill/error.h>

struct access;
struct zap;

/* NULL and err. access outlives it. */
struct zap *zap_new(uv_loop_t *loop, void *context, struct access *access, struct wb_error *err);
/* Access knows the keys. */
void zap_open(struct zap *zap);
void zap_close(struct zap *zap); /* NULL is allowed */

#endif
