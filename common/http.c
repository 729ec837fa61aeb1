#include "common/http.h"

#include "common/http_connection.h"
#include "common/log.h"
#include "proto/problem.h"

#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)

const struct http_limits http_limits_default = {
    .connections = 10000,
    .head_bytes = 16 * KIB,
    .body_bytes = 64 * KIB,
    .request_ms = 15000,
    .idle_ms = 60000,
    .stall_ms = 30000,
    .queued_bytes = 256 * KIB,
    .output_bytes = 64 * KIB * KIB,
};

#define LISTEN_BACKLOG 65535 /* the system allows fewer (somaxconn) */

static void on_ready(uv_idle_t *handle) {
    struct http_server *server = handle->data;
    while (server->lists[HTTP_ENDING].first)
        connection_ended(server->lists[HTTP_ENDING].first);
    struct http_list *list = &server->lists[HTTP_READY];
    /* Those that are ready again behind this one wait for the next turn. */
    struct http_connection *last = list->last;
    for (bool more = last; more && list->first;) {
        more = list->first != last;
        connection_resume(list->first);
    }
    if (!list->first && !server->lists[HTTP_ENDING].first)
        uv_idle_stop(handle);
}

void server_has_ready(struct http_server *server) {
    uv_idle_start(&server->ready, on_ready);
}

static void overdue(struct http_connection *connection) {
    switch (connection->phase) {
    case HTTP_READING:
        connection_refuse(connection, 408, "request timed out");
        break;
    case HTTP_WRITING:
    case HTTP_STALLED:
        if (connection_has_stalled(connection))
            connection_close(connection, "slow client");
        else
            connection_move(connection, connection->phase);
        break;
    default:
        connection_close(connection, "idle");
    }
}

static void close_all(struct http_server *server) {
    for (int phase = 0; phase < HTTP_CLOSING; phase++)
        while (server->lists[phase].first)
            connection_close(server->lists[phase].first, "server stopped");
}

static void on_tick(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    const struct {
        enum http_phase phase;
        int64_t after_ms;
    } rules[] = {
        {HTTP_IDLE, server->limits.idle_ms},     {HTTP_READING, server->limits.request_ms},
        {HTTP_WRITING, server->limits.stall_ms}, {HTTP_STALLED, server->limits.stall_ms},
        {HTTP_LINGERING, HTTP_LINGER_MS},
    };
    uint64_t now = uv_now(server->loop);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct http_list *list = &server->lists[rules[i].phase];
        while (list->first && now - list->first->since_ms >= (uint64_t)rules[i].after_ms)
            overdue(list->first);
    }
    if (server->stopping && now >= server->stop_at_ms)
        close_all(server);
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0)
        log_warn("http", "cannot accept a connection: %s", uv_strerror(status));
    else
        connection_accept(listener->data, listener);
}

static void server_free(struct http_server *server) {
    if (!server)
        return;
    http_blocks_close(&server->blocks);
    free(server->headers);
    free(server);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->handles)
        return;
    void (*closed)(void *) = server->closed;
    void *arg = server->closed_arg;
    server_free(server);
    if (closed)
        closed(arg);
}

void server_released(struct http_server *server) {
    if (!server->stopping || server->open)
        return;
    uv_close((uv_handle_t *)&server->tick, on_handle_closed);
    uv_close((uv_handle_t *)&server->ready, on_handle_closed);
}

/* "[::1]:80" or "127.0.0.1:80" */
static int parse_address(const char *text, struct sockaddr_storage *out) {
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
        return -1;
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || port < 0 || port > 65535)
        return -1;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    if (*host != '[')
        return uv_ip4_addr(host, (int)port, (struct sockaddr_in *)out);
    char *bracket = strchr(host, ']');
    if (!bracket || bracket[1])
        return -1;
    *bracket = 0;
    return uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)out);
}

static void set_port(struct sockaddr_storage *address, int port) {
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
}

static int get_port(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)address)->sin6_port)
                                          : ntohs(((const struct sockaddr_in *)address)->sin_port);
}

static int bind_and_listen(struct http_server *server, const struct sockaddr_storage *address,
                           bool v6only) {
    uv_tcp_t *listener = &server->listeners[server->listener_count];
    int status = uv_tcp_init(server->loop, listener);
    if (status)
        return status;
    listener->data = server;
    server->listener_count++;
    server->handles++;
    unsigned flags = address->ss_family == AF_INET6 && v6only ? UV_TCP_IPV6ONLY : 0;
    status = uv_tcp_bind(listener, (const struct sockaddr *)address, flags);
    if (!status)
        status = uv_listen((uv_stream_t *)listener, LISTEN_BACKLOG, on_connection);
    if (status) /* its place stays taken, so that it can close in its own time */
        uv_close((uv_handle_t *)listener, on_handle_closed);
    return status;
}

static void name_address(struct http_server *server) {
    struct sockaddr_storage bound;
    int bytes = sizeof bound;
    char host[ADDRESS_TEXT] = "";
    uv_tcp_getsockname(&server->listeners[server->listener_count - 1], (struct sockaddr *)&bound,
                       &bytes);
    uv_ip_name((struct sockaddr *)&bound, host, sizeof host);
    bool v6 = bound.ss_family == AF_INET6;
    server->port = get_port(&bound);
    snprintf(server->address, sizeof server->address, v6 ? "[%s]:%d" : "%s:%d", host, server->port);
}

static int listen_on(struct http_server *server, const char *text, struct sockaddr_storage *address,
                     bool v6only, struct wb_error *err) {
    bool any_port = !get_port(address);
    if (any_port)
        set_port(address, server->port);
    int status = bind_and_listen(server, address, v6only);
    if (status == UV_EADDRINUSE && any_port && server->port) {
        set_port(address, 0);
        status = bind_and_listen(server, address, v6only);
    }
    if (!status) {
        if (!*server->address)
            name_address(server);
        return 0;
    }
    if (address->ss_family == AF_INET6 &&
        (status == UV_EADDRNOTAVAIL || status == UV_EAFNOSUPPORT)) {
        log_warn("http", "not listening on %s: this machine has no IPv6", text);
        return 0;
    }
    problem(err, WB_E_SYSTEM, "cannot listen on %s: %s", text, uv_strerror(status));
    return status == UV_EADDRINUSE ? problem_hint(err, "choose another port or end what uses it")
                                   : -1;
}

struct place {
    const char *text;
    struct sockaddr_storage socket;
};

/* Splits the list in place. How many there are, or -1 and err. */
static int parse_addresses(char *list, struct place *out, struct wb_error *err) {
    int count = 0;
    for (char *text; (text = strsep(&list, " ,\t\n"));) {
        if (!*text)
            continue;
        if (count == HTTP_ADDRESSES_MAX)
            return problem(err, WB_E_CONFIG, "more than %d addresses to listen on",
                           HTTP_ADDRESSES_MAX);
        out[count].text = text;
        if (parse_address(text, &out[count++].socket)) {
            problem(err, WB_E_CONFIG, "'%s' is no address to listen on", text);
            return problem_hint(err, "write it as 127.0.0.1:7400 or [::1]:7400");
        }
    }
    return count;
}

static int listen_on_all(struct http_server *server, const char *list, struct wb_error *err) {
    struct place addresses[HTTP_ADDRESSES_MAX];
    memset(addresses, 0, sizeof addresses);
    char *copy = strdup(list);
    if (!copy)
        return problem(err, WB_E_SYSTEM, "out of memory");
    int count = parse_addresses(copy, addresses, err), status = count < 0 ? -1 : 0;
    bool v6only = false;
    for (int i = 0; i < count; i++)
        v6only = v6only || addresses[i].socket.ss_family == AF_INET;
    for (int i = 0; i < count && !status; i++)
        status = listen_on(server, addresses[i].text, &addresses[i].socket, v6only, err);
    free(copy);
    if (!status && !*server->address)
        status = problem(err, WB_E_CONFIG, "there is no address to listen on: '%s'", list);
    return status;
}

static char *join_headers(const char *const *headers) {
    struct buffer text;
    buffer_init(&text, 0);
    buffer_text(&text, "");
    for (; headers && *headers; headers++)
        buffer_printf(&text, "%s\r\n", *headers);
    char *joined = strdup(buffer_string(&text));
    if (text.failed) {
        free(joined);
        joined = NULL;
    }
    buffer_free(&text);
    return joined;
}

static struct http_server *server_new(uv_loop_t *loop, const struct http_options *options,
                                      struct wb_error *err) {
    struct http_server *server = calloc(1, sizeof *server);
    if (!server) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    server->loop = loop;
    server->limits = options->limits ? *options->limits : http_limits_default;
    server->headers = join_headers(options->headers);
    server->handler = options->handler;
    server->observer = options->observer;
    server->farewell = options->farewell;
    server->arg = options->arg;
    server->handles = 2;
    if (http_proxies_parse(&server->proxies, options->trusted_proxies, options->proxy_header,
                           err)) {
        server_free(server);
        return NULL;
    }
    size_t most = (size_t)server->limits.connections + HTTP_OVERFLOW;
    if (server->headers && !http_blocks_open(&server->blocks, most))
        return server;
    problem(err, WB_E_SYSTEM, "out of memory");
    server_free(server);
    return NULL;
}

struct http_server *http_listen(uv_loop_t *loop, const struct http_options *options,
                                struct wb_error *err) {
    struct http_server *server = server_new(loop, options, err);
    if (!server)
        return NULL;
    uv_timer_init(loop, &server->tick);
    uv_idle_init(loop, &server->ready);
    server->tick.data = server->ready.data = server;
    /* The parser's own limit is one for the process; the server's is the stricter one. */
    if (server->limits.head_bytes * 2 > HTTP_MAX_HEADER_SIZE)
        http_parser_set_max_header_size((uint32_t)server->limits.head_bytes * 2);
    if (listen_on_all(server, options->addresses, err)) {
        http_stop(server, 0, NULL, NULL);
        return NULL;
    }
    uv_timer_start(&server->tick, on_tick, HTTP_TICK_MS, HTTP_TICK_MS);
    return server;
}

const char *http_address(const struct http_server *server) {
    return server->address;
}

int http_connections(const struct http_server *server) {
    return server->open;
}

size_t http_output_bytes(const struct http_server *server) {
    return server->output_bytes;
}

static void end_streams(struct http_server *server, enum http_phase phase) {
    while (server->lists[phase].first)
        connection_end_stream(server->lists[phase].first, "server stopped", true);
}

void http_stop(struct http_server *server, int64_t grace_ms, void (*closed)(void *arg), void *arg) {
    if (server->stopping)
        return;
    server->stopping = true;
    server->stop_at_ms = uv_now(server->loop) + (uint64_t)grace_ms;
    server->closed = closed;
    server->closed_arg = arg;
    for (int i = 0; i < server->listener_count; i++)
        if (!uv_is_closing((uv_handle_t *)&server->listeners[i]))
            uv_close((uv_handle_t *)&server->listeners[i], on_handle_closed);
    while (server->lists[HTTP_IDLE].first)
        connection_close(server->lists[HTTP_IDLE].first, "server stopped");
    end_streams(server, HTTP_STREAMING);
    end_streams(server, HTTP_STALLED);
    server_released(server);
}
