#include "common/http_connection.h"
#include "common/log.h"
#include "common/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct http_connection *connection_of(const struct http_exchange *exchange) {
    size_t at = offsetof(struct http_connection, exchange);
    return (struct http_connection *)((char *)exchange - at);
}

static struct http_request *request_of(const struct http_exchange *exchange) {
    struct http_request *request = connection_of(exchange)->request;
    assert(request); /* the texts of a request end with its answer */
    return request;
}

const char *http_method(const struct http_exchange *exchange) {
    return http_method_str(request_of(exchange)->parser.method);
}

const char *http_path(const struct http_exchange *exchange) {
    return request_of(exchange)->path;
}

const char *http_target(const struct http_exchange *exchange) {
    return (const char *)request_of(exchange)->head.data;
}

size_t http_parts(const struct http_exchange *exchange, const char **parts, size_t max) {
    const struct http_request *request = request_of(exchange);
    for (size_t i = 0; i < max && i < request->part_count && i < HTTP_PARTS_MAX; i++)
        parts[i] = request->parts[i];
    return request->part_count;
}

const char *http_query(const struct http_exchange *exchange, const char *name) {
    return http_request_param(&request_of(exchange)->query, name);
}

size_t http_queries(const struct http_exchange *exchange, const struct http_pair **pairs,
                    bool *passed_over) {
    const struct http_params *query = &request_of(exchange)->query;
    *pairs = query->pairs;
    *passed_over = query->passed_over;
    return query->count;
}

const char *http_form(const struct http_exchange *exchange, const char *name) {
    return http_request_param(&request_of(exchange)->form, name);
}

const char *http_header(const struct http_exchange *exchange, const char *name) {
    return http_request_header(request_of(exchange), name);
}

const void *http_body(const struct http_exchange *exchange, size_t *bytes) {
    const struct http_request *request = request_of(exchange);
    *bytes = request->body.length;
    return request->body.data;
}

const char *http_peer(const struct http_exchange *exchange) {
    struct http_connection *connection = connection_of(exchange);
    struct http_request *request = request_of(exchange);
    struct address peer;
    if (!*request->peer && connection_peer(connection, &peer)) {
        peer = http_client(&connection->server->proxies, request, &peer);
        address_format(&peer, request->peer);
    }
    return request->peer;
}

static const char *date_text(struct http_server *server) {
    time_t now = time(NULL);
    if (now != server->date_s) {
        struct tm utc;
        gmtime_r(&now, &utc);
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
        server->date_s = now;
    }
    return server->date;
}

static void put_lines(struct buffer *out, const char *const *lines) {
    for (; lines && *lines; lines++) {
        if (strpbrk(*lines, "\r\n")) {
            log_error("http", "a header with a line break in it was left out");
            continue;
        }
        buffer_text(out, *lines);
        buffer_text(out, "\r\n");
    }
}

/* http_status_str asserts on what it does not know. */
static const char *status_words(int status) {
    switch (status) {
#define STATUS(number, name, words)                                                                \
    case number:                                                                                   \
        return #words;
        HTTP_STATUS_MAP(STATUS)
#undef STATUS
    default:
        return "Answer";
    }
}

void connection_head(struct http_connection *connection, struct buffer *out, int status,
                     const char *type, size_t bytes, const char *const *headers) {
    buffer_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, status_words(status),
                  date_text(connection->server));
    if (type)
        buffer_printf(out, "Content-Type: %s\r\n", type);
    if (bytes != SIZE_MAX)
        buffer_printf(out, "Content-Length: %zu\r\n", bytes);
    if (!connection->keep_alive)
        buffer_text(out, "Connection: close\r\n");
    else if (connection->request && !connection->request->parser.http_minor)
        buffer_text(out, "Connection: keep-alive\r\n");
    buffer_text(out, connection->server->headers);
    put_lines(out, headers);
    buffer_text(out, "\r\n");
}

void http_forget_request(struct http_exchange *exchange) {
    struct http_connection *connection = connection_of(exchange);
    http_request_free(connection->request);
    connection->request = NULL;
}

/* False if the connection is gone already: then the exchange ends with it. */
static bool begin_answer(struct http_exchange *exchange) {
    struct http_connection *connection = connection_of(exchange);
    assert(exchange->open);
    if (connection->phase == HTTP_CLOSING) {
        exchange->open = false;
        if (!connection->server) {
            http_request_free(connection->request);
            buffer_free(&connection->stash);
            free(connection);
        }
        return false;
    }
    assert(connection->phase == HTTP_ANSWERING);
    return true;
}

static void observe(struct http_exchange *exchange, int status) {
    struct http_server *server = connection_of(exchange)->server;
    if (server->observer)
        server->observer(server->arg, status, monotonic_us() - exchange->began_us, NULL);
}

void http_answer(struct http_exchange *exchange, int status, const char *type,
                 const char *const *headers, const void *body, size_t bytes) {
    struct http_connection *connection = connection_of(exchange);
    if (!begin_answer(exchange))
        return;
    struct buffer head;
    buffer_init(&head, 0);
    bool bare = status == 204 || status == 304;
    connection->keep_alive = connection->keep_alive && !connection->server->stopping;
    connection_head(connection, &head, status, bare ? NULL : type, bare ? SIZE_MAX : bytes,
                    headers);
    observe(exchange, status);
    exchange->open = false;
    if (head.failed) {
        connection_close(connection, "out of memory");
    } else {
        bool alone = bare || exchange->head;
        connection_send(connection, head.data, head.length, alone ? NULL : body, alone ? 0 : bytes);
        connection_answered(connection);
    }
    buffer_free(&head);
}

void http_on_gone(struct http_exchange *exchange, http_gone *gone, void *arg) {
    exchange->gone = gone;
    exchange->arg = arg;
}

void http_stream_begin(struct http_exchange *exchange, const char *const *headers) {
    struct http_connection *connection = connection_of(exchange);
    assert(exchange->open && exchange->gone);
    if (connection->phase == HTTP_CLOSING)
        return; /* `gone` follows */
    assert(connection->phase == HTTP_ANSWERING);
    struct buffer head;
    buffer_init(&head, 0);
    connection->keep_alive = false;
    connection_head(connection, &head, 200, "text/event-stream; charset=utf-8", SIZE_MAX, headers);
    observe(exchange, 200);
    connection_forget_input(connection);
    if (head.failed) {
        connection_close(connection, "out of memory");
    } else {
        connection_move(connection, HTTP_STREAMING);
        connection_send(connection, head.data, head.length, NULL, 0);
        if (connection->output && connection->phase == HTTP_STREAMING)
            connection_move(connection, HTTP_STALLED);
        if (exchange->head || connection->half_closed)
            connection_close(connection, "client left");
        else if (connection->server->stopping)
            connection_end_stream(connection, "server stopped", true);
    }
    buffer_free(&head);
}

void http_stream_write(struct http_exchange *exchange, const void *data, size_t bytes) {
    struct http_connection *connection = connection_of(exchange);
    if (connection->phase != HTTP_STREAMING && connection->phase != HTTP_STALLED)
        return;
    size_t queued = connection_queued(connection);
    if (queued && queued + bytes > connection->server->limits.queued_bytes) {
        connection_end_stream(connection, "slow client", false);
        return;
    }
    connection_send(connection, data, bytes, NULL, 0);
    if (connection->output && connection->phase == HTTP_STREAMING)
        connection_move(connection, HTTP_STALLED);
}

void http_stream_end(struct http_exchange *exchange) {
    struct http_connection *connection = connection_of(exchange);
    assert(exchange->open);
    exchange->open = false;
    if (connection->phase == HTTP_STREAMING || connection->phase == HTTP_STALLED)
        connection_answered(connection);
}

size_t http_stream_queued(const struct http_exchange *exchange) {
    return connection_queued(connection_of(exchange));
}
