/* An HTTP/1.1 server on a libuv loop: requests parsed by http-parser, answers whole or as a stream
 * of server-sent events. TLS and HTTP/2 are the business of the proxy in front.
 *
 * Everything is bounded: connections, the head and body of a request, the time for them, what is
 * queued for a slow client. Every close has a reason, which is counted. */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_limits {
    int connections;     /* the most at once; further ones get 503 and are closed */
    size_t head_bytes;   /* request line and headers; more gets 431, a long target 414 */
    size_t body_bytes;   /* more gets 413 */
    int64_t request_ms;  /* from the first byte to the last; more gets 408 */
    int64_t idle_ms;     /* between two requests on a connection */
    size_t queued_bytes; /* not yet taken by the client; more closes it ("slow client") */
};

extern const struct http_limits http_limits_default;

/* Called with each whole request. It answers before it returns, or keeps the exchange and answers
 * later; the server calls the exchange's `gone` function if the client leaves first. */
typedef void http_handler(void *arg, struct http_exchange *exchange);
typedef void http_gone(void *arg, struct http_exchange *exchange);
/* For the metrics: a request was answered (reason NULL) or a connection closed for the reason. */
typedef void http_observer(void *arg, int status, int64_t took_us, const char *closed_reason);

struct http_options {
    const char *addresses; /* "[::]:8080", "127.0.0.1:0 [::1]:0": by space or comma */
    const struct http_limits *limits;
    const char *const *headers; /* "Name: value", ended by NULL: sent with every answer */
    http_handler *handler;
    http_observer *observer; /* may be NULL */
    void *arg;
};

/* All addresses or none; with port 0 each address after the first gets the first one's port if it
 * is free. NULL and err naming the address. */
struct http_server *http_listen(uv_loop_t *loop, const struct http_options *options,
                                struct wb_error *err);
/* The address of the first listener, as "127.0.0.1:43121". */
const char *http_address(const struct http_server *server);
int http_connections(const struct http_server *server);

/* Stops listening, lets running requests finish for at most grace_ms, ends event streams, then
 * closes the rest and calls `closed`. */
void http_stop(struct http_server *server, int64_t grace_ms, void (*closed)(void *arg), void *arg);

/* The request. Texts last as long as the exchange. */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange); /* decoded, without the query */
const char *http_query(const struct http_exchange *exchange, const char *name);  /* decoded; NULL */
const char *http_header(const struct http_exchange *exchange, const char *name); /* NULL */
const void *http_body(const struct http_exchange *exchange, size_t *bytes);
const char *http_peer(const struct http_exchange *exchange); /* "2001:db8::7" */

/* The answer, once. HEAD gets the headers alone. headers: more "Name: value", ended by NULL, or
 * NULL. The body is copied. */
void http_answer(struct http_exchange *exchange, int status, const char *type,
                 const char *const *headers, const void *body, size_t bytes);
/* Called if the client leaves before the answer, or while a stream is open: then, and not after
 * http_stream_end, the exchange is gone when it returns. */
void http_on_gone(struct http_exchange *exchange, http_gone *gone, void *arg);

/* text/event-stream instead of a body. Written bytes are complete events; what the client does not
 * take is queued up to limits.queued_bytes, then the client is closed and `gone` is called (from
 * the loop, never from within http_stream_write). */
void http_stream_begin(struct http_exchange *exchange, const char *const *headers);
void http_stream_write(struct http_exchange *exchange, const void *data, size_t bytes);
void http_stream_end(struct http_exchange *exchange);

#endif
