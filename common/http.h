/* An HTTP/1.1 server on a libuv loop: requests parsed by http-parser, answers whole or as a stream
 * of server-sent events. TLS and HTTP/2 are the business of the proxy in front.
 *
 * Everything is bounded: connections, the head and body of a request, the time for them, what is
 * queued for a slow client and for all of them. What a limit stops is answered with its status
 * (400, 408, 413, 414, 417, 429, 431, 501, 503, 505) and a line of text, then closed. Every close
 * has a reason, which is counted. The requests of one connection are handled one after the other.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

struct buffer;
struct http_server;
struct http_exchange; /* one request and its answer */

struct http_limits {
    int connections;       /* the most at once; one that idles gives way to a new one, else 503 */
    int block_connections; /* of one block of addresses (address.h), but for loopback and trusted
                              proxies; more get 429; 0: no limit */
    size_t head_bytes;     /* request line and headers; more gets 431, a long target 414 */
    size_t body_bytes;     /* more gets 413 */
    int64_t request_ms;    /* from the first byte to the last; more gets 408 */
    int64_t idle_ms;       /* between two requests on a connection */
    int64_t stall_ms;      /* in which a client takes nothing of what is queued for it */
    size_t queued_bytes;   /* of a stream, not yet taken by the client; more closes it */
    size_t output_bytes;   /* of all clients together; more closes who took nothing for longest */
};

extern const struct http_limits http_limits_default;

/* Called with each whole request, from the loop and never from within another function of this
 * header. It answers before it returns, or keeps the exchange and answers later; the server calls
 * the exchange's `gone` function if the client leaves first. */
typedef void http_handler(void *arg, struct http_exchange *exchange);
typedef void http_gone(void *arg, struct http_exchange *exchange);
/* For the metrics: a request was answered (reason NULL; a stream when it begins, a refusal with
 * took_us 0) or a connection closed for the reason (status 0). Reasons are constants. */
typedef void http_observer(void *arg, int status, int64_t took_us, const char *closed_reason);

/* The last words of a stream that the server ends for the reason ("slow client", "server stopped"),
 * appended to out. May not call the server. */
typedef void http_farewell(void *arg, const char *reason, struct buffer *out);

struct http_options {
    const char *addresses; /* "[::]:8080", "127.0.0.1:0 [::1]:0": by space or comma, at most 8 */
    const struct http_limits *limits; /* copied; NULL: the default */
    const char *const *headers;       /* "Name: value", ended by NULL: sent with every answer */
    http_handler *handler;
    http_observer *observer;     /* may be NULL */
    http_farewell *farewell;     /* may be NULL */
    const char *trusted_proxies; /* ranges of addresses; NULL: nobody is */
    const char *proxy_header;    /* "x-forwarded-for" (also NULL) or "forwarded" */
    void *arg;
};

/* All addresses or none, but an IPv6 address is left out, with a warning, where the machine has no
 * IPv6 and another address remains. "[::]" also takes IPv4 unless an IPv4 address is in the list.
 * With port 0 each address after the first gets the first one's port if it is free. NULL and err
 * naming the address; what it opened closes when the loop runs. */
struct http_server *http_listen(uv_loop_t *loop, const struct http_options *options,
                                struct wb_error *err);
/* The address of the first listener, as "127.0.0.1:43121". */
const char *http_address(const struct http_server *server);
int http_connections(const struct http_server *server);
/* Bytes that wait for their clients to take them, of all connections. */
size_t http_output_bytes(const struct http_server *server);

/* Stops listening, lets running requests finish for at most grace_ms, ends event streams with the
 * farewell (their `gone` is called), then closes the rest, frees the server and calls `closed` from
 * the loop. */
void http_stop(struct http_server *server, int64_t grace_ms, void (*closed)(void *arg), void *arg);

/* The request. Texts last until the exchange is answered, its stream begins or it is forgotten.
 * Path, query and form are UTF-8 without NUL: the server has refused what is not, but of a query
 * passed it over. */
const char *http_method(const struct http_exchange *exchange);
const char *http_path(const struct http_exchange *exchange);   /* decoded, without the query */
const char *http_target(const struct http_exchange *exchange); /* as it came, with the query */
/* The path's parts between its slashes, each decoded, so that an encoded slash stays inside its
 * part: "/c/A%2F1/" is "c", "A/1", "". Returns how many there are, also where that is more than
 * max and only the first max are given. */
size_t http_parts(const struct http_exchange *exchange, const char **parts, size_t max);
const char *http_query(const struct http_exchange *exchange, const char *name); /* decoded; NULL */
/* The query's pairs in their order, decoded, and how many they are. *passed_over: there were
 * others, too many or not to be decoded. */
struct http_pair {
    const char *name, *value;
};
size_t http_queries(const struct http_exchange *exchange, const struct http_pair **pairs,
                    bool *passed_over);
const char *http_header(const struct http_exchange *exchange, const char *name); /* NULL */
const void *http_body(const struct http_exchange *exchange, size_t *bytes);
/* A field of a body of type application/x-www-form-urlencoded, decoded; NULL. */
const char *http_form(const struct http_exchange *exchange, const char *name);
/* "2001:db8::7": who asks, as far as trusted proxies say it, else who has connected. */
const char *http_peer(const struct http_exchange *exchange);

/* Gives the request's memory back before the answer, for those who wait for one for long: its texts
 * end here. */
void http_forget_request(struct http_exchange *exchange);

/* The answer, once. HEAD gets the headers alone. headers: more "Name: value", ended by NULL, or
 * NULL; one with a line break in it is left out. The body is copied. */
void http_answer(struct http_exchange *exchange, int status, const char *type,
                 const char *const *headers, const void *body, size_t bytes);
/* Called if the connection breaks before the answer, or the client leaves an open stream: then, and
 * not after http_stream_end, the exchange is gone when it returns. A client that only closed its
 * sending side still gets a whole answer. */
void http_on_gone(struct http_exchange *exchange, http_gone *gone, void *arg);

/* text/event-stream instead of a body. Written bytes are complete events; what the client does not
 * take is queued. A write that would bring the queue over limits.queued_bytes ends the stream
 * ("slow client"), unless nothing is queued yet: what is with the system already is followed by the
 * farewell, and what the client does not take of that within stall_ms it does not get. `gone` is
 * called from the loop, never from within http_stream_write. After it, until `gone`, writes do
 * nothing. */
void http_stream_begin(struct http_exchange *exchange, const char *const *headers);
void http_stream_write(struct http_exchange *exchange, const void *data, size_t bytes);
void http_stream_end(struct http_exchange *exchange);
/* Bytes of it that the client has not taken yet. */
size_t http_stream_queued(const struct http_exchange *exchange);

#endif
