#include "common/http_connection.h"

#include "common/log.h"
#include "common/timestamp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void list_append(struct http_connection *connection, enum http_phase phase) {
    struct http_list *list = &connection->server->lists[phase];
    connection->previous = list->last;
    connection->next = NULL;
    if (list->last)
        list->last->next = connection;
    else
        list->first = connection;
    list->last = connection;
    connection->phase = phase;
    connection->since_ms = uv_now(connection->server->loop);
}

static void list_remove(struct http_connection *connection) {
    struct http_list *list = &connection->server->lists[connection->phase];
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    else
        list->last = connection->previous;
}

void connection_move(struct http_connection *connection, enum http_phase phase) {
    list_remove(connection);
    list_append(connection, phase);
}

static void connection_free(struct http_connection *connection) {
    http_request_free(connection->request);
    buffer_free(&connection->stash);
    free(connection);
}

static void uncount(struct http_output *output, size_t bytes) {
    output->counted -= bytes;
    output->connection->server->output_bytes -= bytes;
}

static void drop_output(struct http_connection *connection) {
    if (!connection->output)
        return;
    uncount(connection->output, connection->output->counted);
    buffer_free(&connection->output->flying);
    buffer_free(&connection->output->waiting);
    free(connection->output);
    connection->output = NULL;
}

static void on_closed(uv_handle_t *handle) {
    struct http_connection *connection = (struct http_connection *)handle;
    struct http_server *server = connection->server;
    struct http_exchange *exchange = &connection->exchange;
    drop_output(connection);
    list_remove(connection);
    connection->server = NULL;
    if (exchange->open && exchange->gone) {
        exchange->open = false;
        exchange->gone(exchange->arg, exchange);
    }
    if (!exchange->open)
        connection_free(connection);
    server->open--;
    server_released(server);
}

void connection_close(struct http_connection *connection, const char *reason) {
    if (connection->phase == HTTP_CLOSING)
        return;
    struct http_server *server = connection->server;
    connection_move(connection, HTTP_CLOSING);
    if (connection->block)
        http_blocks_leave(&server->blocks, connection->block);
    if (connection->output) /* the memory itself goes at the end of the loop's turn */
        uncount(connection->output, connection->output->counted);
    if (server->observer)
        server->observer(server->arg, 0, 0, connection->reason ? connection->reason : reason);
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *in);

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out) {
    (void)hint;
    struct http_server *server = ((struct http_connection *)handle)->server;
    *out = uv_buf_init(server->read_buffer, sizeof server->read_buffer);
}

static void read_on(struct http_connection *connection) {
    connection->paused = false;
    if (!connection->half_closed &&
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read))
        connection_close(connection, "client left");
}

void connection_forget_input(struct http_connection *connection) {
    http_request_free(connection->request);
    connection->request = NULL;
    buffer_free(&connection->stash);
    if (connection->paused)
        read_on(connection);
}

/* Everything is out: says so to the client and waits for it to close. To close at once would make
 * the system answer what the client is still sending with a reset, and that may overtake the
 * answer. */
static void linger(struct http_connection *connection) {
    uv_os_fd_t fd;
    if (connection->half_closed || uv_fileno((uv_handle_t *)&connection->tcp, &fd) ||
        shutdown(fd, SHUT_WR)) {
        connection_close(connection, "answered");
        return;
    }
    connection_move(connection, HTTP_LINGERING);
    connection_forget_input(connection);
    if (!connection->reason)
        connection->reason = "answered";
}

/* The output is empty. */
static void drained(struct http_connection *connection) {
    if (connection->phase == HTTP_STALLED) {
        connection_move(connection, HTTP_STREAMING);
        return;
    }
    if (connection->phase != HTTP_WRITING)
        return;
    http_request_free(connection->request);
    connection->request = NULL;
    bool more = connection->stash.length && !connection->in_input;
    if (!connection->keep_alive || (connection->server->stopping && !more)) {
        linger(connection);
    } else if (more) {
        connection_move(connection, HTTP_READY);
        server_has_ready(connection->server);
    } else {
        connection_move(connection, HTTP_IDLE);
        if (connection->half_closed && !connection->in_input)
            connection_close(connection, "client left");
    }
}

static void write_waiting(struct http_output *output);

static void on_written(uv_write_t *write, int status) {
    struct http_output *output = write->data;
    struct http_connection *connection = output->connection;
    if (connection->phase == HTTP_CLOSING)
        return; /* on_closed frees the output */
    if (status < 0) {
        connection_close(connection, "client left");
        return;
    }
    uncount(output, output->flying.length);
    buffer_free(&output->flying);
    if (output->waiting.length) {
        connection_move(connection, connection->phase);
        write_waiting(output);
        return;
    }
    drop_output(connection);
    drained(connection);
}

static void write_waiting(struct http_output *output) {
    struct buffer empty;
    buffer_init(&empty, 0);
    output->flying = output->waiting;
    output->waiting = empty;
    uv_buf_t bytes = uv_buf_init((char *)output->flying.data, (unsigned)output->flying.length);
    output->write.data = output;
    if (uv_write(&output->write, (uv_stream_t *)&output->connection->tcp, &bytes, 1, on_written))
        connection_close(output->connection, "client left");
    else
        connection_has_stalled(output->connection); /* what is taken from here on counts */
}

size_t connection_queued(const struct http_connection *connection) {
    if (!connection->output)
        return 0;
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->tcp) +
           connection->output->waiting.length;
}

bool connection_has_stalled(struct http_connection *connection) {
    uint64_t taken = connection->queued_bytes - connection_queued(connection);
    bool stalled = taken == connection->taken_seen;
    connection->taken_seen = taken;
    return stalled;
}

/* The connection whose output has been waiting for longest; NULL if none waits. */
static struct http_connection *find_slowest(const struct http_server *server) {
    struct http_connection *writing = server->lists[HTTP_WRITING].first;
    struct http_connection *stalled = server->lists[HTTP_STALLED].first;
    if (!writing || !stalled)
        return writing ? writing : stalled;
    return writing->since_ms <= stalled->since_ms ? writing : stalled;
}

/* Closes those who take nothing, the longest so first, until so many bytes more can be held for
 * this connection. One that took something since it was last looked at goes behind the others. */
static void make_room(struct http_connection *connection, size_t bytes) {
    struct http_server *server = connection->server;
    size_t most = server->limits.output_bytes;
    struct http_connection *slowest;
    while ((bytes > most || server->output_bytes > most - bytes) &&
           connection->phase != HTTP_CLOSING) {
        slowest = bytes > most ? connection : find_slowest(server);
        if (slowest && slowest->output && !connection_has_stalled(slowest))
            connection_move(slowest, slowest->phase);
        else
            connection_close(slowest ? slowest : connection, "no room for output");
    }
}

static void queue(struct http_connection *connection, uv_buf_t *parts, size_t sent) {
    size_t bytes = parts[0].len + parts[1].len - sent;
    make_room(connection, bytes);
    if (connection->phase == HTTP_CLOSING)
        return;
    struct http_output *output = connection->output;
    bool flying = output;
    if (!output && (output = calloc(1, sizeof *output))) {
        output->connection = connection;
        buffer_init(&output->flying, 0);
        buffer_init(&output->waiting, 0);
        connection->output = output;
    }
    for (int i = 0; output && i < 2; i++) {
        size_t skip = sent < parts[i].len ? sent : parts[i].len;
        buffer_append(&output->waiting, parts[i].base + skip, parts[i].len - skip);
        sent -= skip;
    }
    if (!output || output->waiting.failed) {
        connection_close(connection, "out of memory");
        return;
    }
    connection->queued_bytes += parts[0].len + parts[1].len;
    connection->server->output_bytes += bytes;
    output->counted += bytes;
    if (!flying)
        write_waiting(output);
}

void connection_send(struct http_connection *connection, const void *head, size_t head_bytes,
                     const void *body, size_t body_bytes) {
    if (connection->phase == HTTP_CLOSING)
        return;
    uv_buf_t parts[] = {uv_buf_init((char *)head, (unsigned)head_bytes),
                        uv_buf_init((char *)body, (unsigned)body_bytes)};
    if (connection->output) {
        queue(connection, parts, 0);
        return;
    }
    int sent = uv_try_write((uv_stream_t *)&connection->tcp, parts, 2);
    if (sent < 0 && sent != UV_EAGAIN) {
        connection_close(connection, "client left");
        return;
    }
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < head_bytes + body_bytes)
        queue(connection, parts, (size_t)sent);
}

void connection_answered(struct http_connection *connection) {
    if (connection->phase == HTTP_CLOSING)
        return;
    connection_move(connection, HTTP_WRITING);
    if (!connection->output)
        drained(connection);
}

/* What is with the system stays; it ends with an event's end, as every write does. */
static void drop_waiting(struct http_connection *connection) {
    struct http_output *output = connection->output;
    if (!output)
        return;
    uncount(output, output->waiting.length);
    connection->queued_bytes -= output->waiting.length;
    buffer_clear(&output->waiting);
}

void connection_end_stream(struct http_connection *connection, const char *reason, bool keep) {
    struct http_server *server = connection->server;
    struct buffer words;
    buffer_init(&words, 0);
    connection->reason = reason;
    connection_move(connection, HTTP_ENDING);
    server_has_ready(server);
    if (!keep)
        drop_waiting(connection);
    if (server->farewell)
        server->farewell(server->arg, reason, &words);
    if (words.length && !words.failed)
        connection_send(connection, words.data, words.length, NULL, 0);
    buffer_free(&words);
}

void connection_ended(struct http_connection *connection) {
    struct http_exchange *exchange = &connection->exchange;
    if (exchange->open && exchange->gone) {
        exchange->open = false;
        exchange->gone(exchange->arg, exchange);
    }
    connection_answered(connection);
}

static const char *refusal_text(int status) {
    switch (status) {
    case 400:
        return "The request is not valid HTTP.\n";
    case 408:
        return "The request took too long to arrive.\n";
    case 413:
        return "The request's body is too large.\n";
    case 414:
        return "The request's address is too long.\n";
    case 417:
        return "Only 'Expect: 100-continue' is understood.\n";
    case 429:
        return "Too many connections come from your network. Try again in a moment.\n";
    case 431:
        return "The request's headers are too large.\n";
    case 501:
        return "Only 'Transfer-Encoding: chunked' is understood.\n";
    case 505:
        return "Use HTTP/1.1.\n";
    default:
        return "The server is busy. Try again in a moment.\n";
    }
}

void connection_refuse(struct http_connection *connection, int status, const char *reason) {
    struct http_server *server = connection->server;
    struct buffer head;
    buffer_init(&head, 0);
    const char *text = refusal_text(status);
    const char *const retry[] = {"Retry-After: 5", NULL};
    connection->keep_alive = false;
    connection->reason = reason;
    connection_head(connection, &head, status, "text/plain; charset=utf-8", strlen(text),
                    status == 503 || status == 429 ? retry : NULL);
    if (head.failed) {
        connection_close(connection, "out of memory");
    } else {
        connection_send(connection, head.data, head.length, text, strlen(text));
        connection_answered(connection);
    }
    buffer_free(&head);
    if (server->observer)
        server->observer(server->arg, status, 0, NULL);
}

static void hand_over(struct http_connection *connection) {
    struct http_server *server = connection->server;
    struct http_request *request = connection->request;
    connection->keep_alive = request->keep_alive && !server->stopping;
    connection->exchange = (struct http_exchange){
        .open = true,
        .head = request->parser.method == HTTP_HEAD,
        .began_us = monotonic_us(),
    };
    connection_move(connection, HTTP_ANSWERING);
    server->handler(server->arg, &connection->exchange);
}

static bool request_begin(struct http_connection *connection) {
    if (connection->request)
        return true;
    connection->request = http_request_new(&connection->server->limits);
    if (!connection->request) {
        connection_refuse(connection, 503, "out of memory");
        return false;
    }
    connection_move(connection, HTTP_READING);
    return true;
}

static const char *refusal_reason(int status) {
    switch (status) {
    case 413:
    case 414:
    case 431:
        return "request too large";
    case 503:
        return "out of memory";
    default:
        return "malformed request";
    }
}

/* Keeps what came before its turn; stops reading when that is as much as one request's head may
 * be. */
static void stash(struct http_connection *connection, const char *data, size_t bytes) {
    buffer_append(&connection->stash, data, bytes);
    if (connection->stash.failed) {
        connection_close(connection, "out of memory");
    } else if (connection->stash.length >= connection->server->limits.head_bytes) {
        connection->paused = true;
        uv_read_stop((uv_stream_t *)&connection->tcp);
    }
}

static void connection_input(struct http_connection *connection, const char *data, size_t bytes) {
    connection->in_input = true;
    while (bytes && (connection->phase == HTTP_IDLE || connection->phase == HTTP_READING)) {
        size_t used = 0;
        if (!connection->request && (*data == '\r' || *data == '\n')) {
            data++, bytes--; /* a line's end behind the last request begins none */
            continue;
        }
        if (!request_begin(connection))
            break;
        int outcome = http_request_read(connection->request, data, bytes, &used);
        if (outcome > 1) {
            connection_refuse(connection, outcome, refusal_reason(outcome));
            break;
        }
        data += used;
        bytes -= used;
        if (outcome == 1) {
            hand_over(connection);
        } else if (connection->request->continue_wanted) {
            static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
            connection->request->continue_wanted = false;
            connection_send(connection, go_on, sizeof go_on - 1, NULL, 0);
        }
    }
    connection->in_input = false;
    bool answering = connection->phase == HTTP_ANSWERING || connection->phase == HTTP_WRITING;
    if (bytes && answering && (connection->phase == HTTP_ANSWERING || connection->keep_alive))
        stash(connection, data, bytes);
}

/* The client sends nothing more. */
static void on_end(struct http_connection *connection) {
    connection->half_closed = true;
    switch (connection->phase) {
    case HTTP_READY:
        break;
    case HTTP_ANSWERING:
    case HTTP_WRITING:
        connection->keep_alive = connection->keep_alive && connection->stash.length;
        break;
    default:
        connection_close(connection, "client left");
    }
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *in) {
    struct http_connection *connection = (struct http_connection *)stream;
    if (bytes == UV_EOF) {
        on_end(connection);
    } else if (bytes < 0) {
        connection_close(connection, "client left");
    } else if (connection->stash.length) {
        stash(connection, in->base, (size_t)bytes);
    } else if (bytes) {
        connection_input(connection, in->base, (size_t)bytes);
    }
}

void connection_resume(struct http_connection *connection) {
    struct buffer waiting = connection->stash;
    buffer_init(&connection->stash, 0);
    connection_move(connection, HTTP_IDLE);
    connection_input(connection, (const char *)waiting.data, waiting.length);
    buffer_free(&waiting);
    if (connection->phase == HTTP_CLOSING)
        return;
    if (connection->half_closed &&
        (connection->phase == HTTP_IDLE || connection->phase == HTTP_READING)) {
        connection_close(connection, "client left");
    } else if (connection->paused && !connection->stash.length) {
        read_on(connection);
    }
}

static struct http_connection *connection_new(struct http_server *server) {
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->server = server;
    buffer_init(&connection->stash, 0);
    if (uv_tcp_init(server->loop, &connection->tcp)) {
        free(connection);
        return NULL;
    }
    list_append(connection, HTTP_IDLE);
    server->open++;
    return connection;
}

/* The connection to give up for a new one; NULL if there is none. One that has only just come or
 * been answered may have its next request under way. */
static struct http_connection *find_idlest(const struct http_server *server) {
    struct http_connection *idlest = server->lists[HTTP_IDLE].first;
    bool rests = idlest && uv_now(server->loop) - idlest->since_ms >= HTTP_REST_MS;
    return rests ? idlest : NULL;
}

bool connection_peer(const struct http_connection *connection, struct address *out) {
    struct sockaddr_storage peer;
    int bytes = sizeof peer;
    return !uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&peer, &bytes) &&
           address_of_socket((const struct sockaddr *)&peer, out);
}

/* A client that is gone without a word is noticed by what it does not acknowledge, which the system
 * would else wait for a quarter of an hour. */
static void set_up_socket(struct http_connection *connection) {
    unsigned wait_ms = (unsigned)connection->server->limits.stall_ms;
    uv_os_fd_t fd;
    uv_tcp_nodelay(&connection->tcp, 1);
    if (!uv_fileno((uv_handle_t *)&connection->tcp, &fd))
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &wait_ms, sizeof wait_ms);
}

/* How many connections its block has over the limit, with it. */
static int count_block(struct http_connection *connection) {
    struct http_server *server = connection->server;
    struct address peer;
    int most = server->limits.block_connections;
    if (!most || !connection_peer(connection, &peer) || address_is_loopback(&peer) ||
        http_proxies_have(&server->proxies, &peer))
        return 0;
    uint64_t block = address_block(&peer);
    uint32_t count = http_blocks_enter(&server->blocks, block);
    connection->block = count ? block : 0;
    return count > (uint32_t)most ? (int)(count - (uint32_t)most) : 0;
}

void connection_accept(struct http_server *server, uv_stream_t *listener) {
    struct http_connection *idlest = find_idlest(server);
    bool full = server->open >= server->limits.connections;
    if (full && idlest)
        connection_close(idlest, "gave way to a new connection");
    struct http_connection *connection = connection_new(server);
    if (!connection)
        return;
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp)) {
        connection_close(connection, "client left");
        return;
    }
    set_up_socket(connection);
    read_on(connection);
    int over = count_block(connection);
    full = full && !idlest;
    if ((full && server->open > server->limits.connections + HTTP_OVERFLOW) ||
        over > HTTP_BLOCK_OVERFLOW)
        connection_close(connection, full ? "too many connections" : "too many of one network");
    else if (full || over)
        connection_refuse(connection, full ? 503 : 429,
                          full ? "too many connections" : "too many of one network");
}
