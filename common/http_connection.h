/* One client's connection: reading requests, handing them over, writing what answers them, closing
 * for a reason. Private to the HTTP server.
 *
 * Its state is the list that it is in, and connection_move alone moves it. The lists are ordered by
 * the time of entry, so that the server's one timer finds those that are due at their heads.
 *
 *   IDLE -> READING -> ANSWERING -> WRITING -> IDLE (or READY where the next request came already)
 *                          |           \-> LINGERING: the last answer is out, waiting for the
 *                          |                          client to close, lest a reset eats it
 *                          \-> STREAMING <-> STALLED, then as after WRITING; if the server ends
 *                                                it, by way of ENDING, where the exchange goes
 *   any -> CLOSING, and freed when libuv lets go of the handle
 *
 * While idle or streaming it has no buffers: reading goes through one buffer of the server, the
 * request and the output exist while they are needed. */
#ifndef COMMON_HTTP_CONNECTION_H
#define COMMON_HTTP_CONNECTION_H

#include "common/address.h"
#include "common/buffer.h"
#include "common/http.h"
#include "common/http_blocks.h"
#include "common/http_client.h"
#include "common/http_request.h"

enum http_phase {
    HTTP_IDLE,
    HTTP_READY,
    HTTP_READING,
    HTTP_ANSWERING,
    HTTP_WRITING,
    HTTP_STREAMING,
    HTTP_STALLED, /* a stream with something queued */
    HTTP_ENDING,  /* the server has ended the stream; `gone` is about to be called */
    HTTP_LINGERING,
    HTTP_CLOSING,
    HTTP_PHASES
};

struct http_connection;

struct http_exchange {
    bool open; /* the handler has it: an answer or the end of its stream is still to come */
    bool head; /* the method is HEAD */
    http_gone *gone;
    void *arg;
    int64_t began_us;
};

/* What the client has not taken yet. */
struct http_output {
    uv_write_t write;
    struct http_connection *connection;
    struct buffer flying;  /* with libuv */
    struct buffer waiting; /* goes next, in one write */
    size_t counted;        /* of both, in the server's output_bytes */
};

struct http_connection {
    uv_tcp_t tcp;
    struct http_server *server; /* NULL: closed, kept only for its open exchange */
    struct http_connection *previous, *next;
    uint64_t since_ms; /* in this phase, by the loop's clock */
    uint64_t block;    /* that it is counted under; 0: under none */
    enum http_phase phase;
    bool keep_alive;
    bool half_closed;             /* the client sends nothing more */
    bool in_input;                /* connection_input is running */
    bool paused;                  /* reading has stopped because the stash is full */
    struct http_request *request; /* NULL while there is none, and while streaming */
    struct http_output *output;   /* NULL when the client has taken everything */
    uint64_t queued_bytes;        /* ever */
    uint64_t taken_seen;          /* of them, when the timer last looked */
    struct buffer stash;          /* came while an answer was under way */
    const char *reason;           /* for closing, once it is known */
    struct http_exchange exchange;
};

struct http_list {
    struct http_connection *first, *last;
};

#define HTTP_ADDRESSES_MAX 8
#define HTTP_LISTENERS_MAX (2 * HTTP_ADDRESSES_MAX) /* a port may need a second try */
#define HTTP_READ_BYTES    (64 * 1024)
#define HTTP_LINGER_MS     2000
#define HTTP_OVERFLOW                                                                              \
    64 /* connections beyond the limit that are told 503; more are just closed                     \
        */
#define HTTP_BLOCK_OVERFLOW 8 /* beyond the limit of a block that are told 429 */
#define HTTP_TICK_MS        200
#define HTTP_REST_MS        200 /* idle for so long, a connection may be given up */

struct http_server {
    uv_loop_t *loop;
    struct http_limits limits;
    char *headers; /* lines for every answer */
    http_handler *handler;
    http_observer *observer;
    http_farewell *farewell;
    void *arg;
    struct http_proxies proxies;
    struct http_blocks blocks; /* of the connections that are open */
    uv_tcp_t listeners[HTTP_LISTENERS_MAX];
    int listener_count;
    char address[64]; /* of the first listener that could be had */
    int port;         /* its */
    uv_timer_t tick;
    uv_idle_t ready; /* runs while HTTP_READY or HTTP_ENDING is not empty */
    struct http_list lists[HTTP_PHASES];
    int open;            /* connections whose handle is not closed */
    int handles;         /* listeners, tick and ready that are not closed */
    size_t output_bytes; /* held for clients; a write's until all of it is taken */
    bool stopping;
    uint64_t stop_at_ms;
    void (*closed)(void *arg);
    void *closed_arg;
    int64_t date_s; /* of the text in date */
    char date[40];
    char read_buffer[HTTP_READ_BYTES];
};

/* Who has connected; false if the connection is broken. */
bool connection_peer(const struct http_connection *connection, struct address *out);
/* Accepts from the listener. */
void connection_accept(struct http_server *server, uv_stream_t *listener);
void connection_move(struct http_connection *connection, enum http_phase phase);
/* Takes up requests that came while an answer was under way. */
void connection_resume(struct http_connection *connection);
/* Closes at once. The first reason given stays. */
void connection_close(struct http_connection *connection, const char *reason);
/* Answers with the status and a line of text, then closes. */
void connection_refuse(struct http_connection *connection, int status, const char *reason);
/* Sends or queues; NULL and 0 for what is not there. */
void connection_send(struct http_connection *connection, const void *head, size_t head_bytes,
                     const void *body, size_t body_bytes);
size_t connection_queued(const struct http_connection *connection);
/* True if the client has not taken a byte since the last call, or since the output began. */
bool connection_has_stalled(struct http_connection *connection);
/* After the last bytes of an answer or stream were sent or queued. */
void connection_answered(struct http_connection *connection);
/* Frees the request and what came after it, and reads on, to notice when the client leaves. */
void connection_forget_input(struct http_connection *connection);
/* The server ends the stream for the reason, with the farewell. keep: what is queued comes before
 * it; else only what is with the system. */
void connection_end_stream(struct http_connection *connection, const char *reason, bool keep);
/* The stream that was ended so: calls its `gone`. */
void connection_ended(struct http_connection *connection);
/* Called when a connection became HTTP_READY or HTTP_ENDING. */
void server_has_ready(struct http_server *server);
/* Called when a connection's handle is closed. */
void server_released(struct http_server *server);

/* The status line and headers of an answer. type NULL: none; bytes SIZE_MAX: no length. */
void connection_head(struct http_connection *connection, struct buffer *out, int status,
                     const char *type, size_t bytes, const char *const *headers);

#endif
