/* The server runs in a thread of its own; the tests speak to it over real sockets. */
#include "common/buffer.h"
#include "common/http.h"
#include "common/timestamp.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 5000
#define MS      INT64_C(1000) /* in microseconds */

static const struct http_limits limits = {
    .connections = 8,
    .head_bytes = 1024,
    .body_bytes = 2048,
    .request_ms = 500,
    .idle_ms = 700,
    .stall_ms = 700,
    .queued_bytes = 65536,
    .output_bytes = 24000000,
};

struct later {
    uv_timer_t timer;
    struct http_exchange *exchange;
    bool stream;
};

static struct {
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t stop;
    pthread_barrier_t started;
    struct http_server *server;
    int port, port6;
    struct http_exchange *stream;
    int gone, later_gone, closed, loop_status;
    char reasons[4096]; /* why connections were closed, each with a ';' */
} peer;

static void answer_text(struct http_exchange *exchange, int status, const char *text) {
    http_answer(exchange, status, "text/plain", NULL, text, strlen(text));
}

static void on_gone(void *arg, struct http_exchange *exchange) {
    (void)arg;
    peer.gone++;
    if (peer.stream == exchange)
        peer.stream = NULL;
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void on_later(uv_timer_t *timer) {
    struct later *later = timer->data;
    if (later->exchange && later->stream) {
        http_on_gone(later->exchange, on_gone, NULL);
        http_stream_begin(later->exchange, NULL);
    } else if (later->exchange) {
        answer_text(later->exchange, 200, "late");
    }
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void on_later_gone(void *arg, struct http_exchange *exchange) {
    (void)exchange;
    struct later *later = arg;
    later->exchange = NULL;
    peer.later_gone++;
}

static void answer_later(struct http_exchange *exchange) {
    struct later *later = calloc(1, sizeof *later);
    const char *ms = http_query(exchange, "ms");
    later->exchange = exchange;
    later->stream = http_query(exchange, "stream");
    uv_timer_init(&peer.loop, &later->timer);
    later->timer.data = later;
    uv_timer_start(&later->timer, on_later, ms ? strtoul(ms, NULL, 10) : 50, 0);
    if (!http_query(exchange, "deaf"))
        http_on_gone(exchange, on_later_gone, later);
    if (http_query(exchange, "forget"))
        http_forget_request(exchange);
}

static void push(struct http_exchange *exchange) {
    size_t bytes = strtoul(http_query(exchange, "bytes"), NULL, 10);
    char *data = malloc(bytes);
    memset(data, 'x', bytes);
    if (peer.stream)
        http_stream_write(peer.stream, data, bytes);
    answer_text(exchange, 200, peer.stream ? "pushed to stream" : "no stream");
    free(data);
}

static void describe(struct http_exchange *exchange) {
    char text[2048];
    const char *parts[4] = {"", "", "", ""};
    size_t bytes, count = http_parts(exchange, parts, 4);
    const char *body = http_body(exchange, &bytes);
    const char *q = http_query(exchange, "q"), *form = http_form(exchange, "f");
    const char *header = http_header(exchange, "x-test");
    snprintf(text, sizeof text, "%s|%s|%zu:%s,%s,%s|%s|%s|%s|%.*s|%s", http_method(exchange),
             http_path(exchange), count, parts[0], parts[1], parts[2], q ? q : "-",
             header ? header : "-", form ? form : "-", (int)bytes, body ? body : "",
             http_peer(exchange));
    answer_text(exchange, 200, text);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    const char *path = http_path(exchange);
    char text[sizeof peer.reasons + 64];
    if (!strcmp(path, "/later")) {
        answer_later(exchange);
    } else if (!strcmp(path, "/stream")) {
        http_on_gone(exchange, on_gone, NULL);
        http_stream_begin(exchange, NULL);
        peer.stream = exchange;
    } else if (!strcmp(path, "/end")) {
        if (peer.stream)
            http_stream_end(peer.stream);
        peer.stream = NULL;
        answer_text(exchange, 200, "ended");
    } else if (!strcmp(path, "/push")) {
        push(exchange);
    } else if (!strcmp(path, "/facts")) {
        snprintf(text, sizeof text, "output=%zu gone=%d later_gone=%d open=%d reasons=%s",
                 http_output_bytes(peer.server), peer.gone, peer.later_gone,
                 http_connections(peer.server), peer.reasons);
        answer_text(exchange, 200, text);
    } else if (!strcmp(path, "/big")) {
        size_t bytes = strtoul(http_query(exchange, "bytes"), NULL, 10);
        char *data = calloc(1, bytes);
        http_answer(exchange, 200, "application/octet-stream", NULL, data, bytes);
        free(data);
    } else if (!strcmp(path, "/headers")) {
        const char *const headers[] = {"X-Good: yes", "X-Bad: a\r\nSet-Cookie: b", NULL};
        http_answer(exchange, 204, "text/plain", headers, NULL, 0);
    } else {
        describe(exchange);
    }
}

static void on_observed(void *arg, int status, int64_t took_us, const char *reason) {
    (void)arg, (void)status, (void)took_us;
    size_t length = strlen(peer.reasons);
    if (reason)
        snprintf(peer.reasons + length, sizeof peer.reasons - length, "%s;", reason);
}

static void on_farewell(void *arg, const char *reason, struct buffer *out) {
    (void)arg;
    buffer_printf(out, "bye: %s\n", reason);
}

static void on_stopped(void *arg) {
    (void)arg;
    peer.closed++;
    uv_close((uv_handle_t *)&peer.stop, NULL);
}

static void on_stop(uv_async_t *async) {
    (void)async;
    http_stop(peer.server, 400, on_stopped, NULL);
}

static void *run(void *arg) {
    (void)arg;
    static const char *const headers[] = {"X-Fixed: 1", NULL};
    const struct http_options options = {
        .addresses = "127.0.0.1:0 [::1]:0",
        .limits = &limits,
        .headers = headers,
        .handler = on_request,
        .observer = on_observed,
        .farewell = on_farewell,
    };
    struct wb_error err;
    uv_loop_init(&peer.loop);
    uv_async_init(&peer.loop, &peer.stop, on_stop);
    peer.server = http_listen(&peer.loop, &options, &err);
    if (!peer.server)
        fprintf(stderr, "%s: %s\n", err.message, err.detail);
    else
        peer.port = (int)strtol(strrchr(http_address(peer.server), ':') + 1, NULL, 10);
    pthread_barrier_wait(&peer.started);
    uv_run(&peer.loop, UV_RUN_DEFAULT);
    peer.loop_status = uv_loop_close(&peer.loop);
    return NULL;
}

static int setup(void **state) {
    (void)state;
    memset(&peer, 0, sizeof peer);
    pthread_barrier_init(&peer.started, NULL, 2);
    pthread_create(&peer.thread, NULL, run, NULL);
    pthread_barrier_wait(&peer.started);
    return peer.server ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    uv_async_send(&peer.stop);
    pthread_join(peer.thread, NULL);
    pthread_barrier_destroy(&peer.started);
    return peer.closed == 1 && peer.loop_status == 0 ? 0 : -1;
}

static int dial_with(int receive_bytes) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (receive_bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)peer.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int dial(void) {
    return dial_with(0);
}

static void say(int fd, const char *text) {
    size_t bytes = strlen(text);
    assert_int_equal(send(fd, text, bytes, MSG_NOSIGNAL), bytes);
}

/* Reads until the text has come, or to the end if it is NULL. */
static char *hear(int fd, const char *until) {
    static char heard[1 << 20];
    size_t length = 0;
    *heard = 0;
    while (!until || !strstr(heard, until)) {
        ssize_t got = recv(fd, heard + length, sizeof heard - 1 - length, 0);
        if (got <= 0) {
            if (until)
                print_error("waited for '%s', heard '%s'\n", until, heard);
            assert_true(!until && got == 0);
            break;
        }
        length += (size_t)got;
        heard[length] = 0;
    }
    return heard;
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        n++;
    return n;
}

static char *get_facts(void) {
    int fd = dial();
    say(fd, "GET /facts HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char *heard = hear(fd, NULL);
    close(fd);
    return heard;
}

static void wait_for_fact(const char *fact) {
    int64_t until = monotonic_us() + WAIT_MS * MS;
    while (!strstr(get_facts(), fact)) {
        if (monotonic_us() > until)
            fail_msg("no '%s' in: %s", fact, get_facts());
        poll(NULL, 0, 10);
    }
}

/* Sends, expects the status and the end of the connection, and no reset. */
static void expect_refusal(const char *request, size_t bytes, const char *status) {
    int fd = dial();
    for (size_t sent = 0; sent < bytes;) {
        ssize_t n = send(fd, request + sent, bytes - sent, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (size_t)n;
    }
    char *heard = hear(fd, NULL);
    if (strncmp(heard + 9, status, 3) != 0)
        fail_msg("expected %s, heard: %s", status, heard);
    assert_non_null(strstr(heard, "Connection: close\r\n"));
    assert_non_null(strstr(heard, "Content-Type: text/plain"));
    close(fd);
}

static void request_is_taken_apart(void **state) {
    (void)state;
    int fd = dial();
    say(fd,
        "POST /c/A%2F%E4%B8%AD/x%20y?q=a%2Bb+c&z HTTP/1.1\r\nHost: a\r\nX-TEST: v\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nf=%E5%8F7");
    const char *heard = hear(fd, NULL); /* the broken UTF-8 in the form */
    assert_non_null(strstr(heard, "HTTP/1.1 400 Bad Request\r\n"));
    close(fd);
    fd = dial();
    say(fd, "POST /c/A%2F%E4%B8%AD/x%20y?q=a%2Bb+c&z HTTP/1.1\r\nHost: a\r\nX-TEST: v\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\nf=g+h");
    heard = hear(fd, "127.0.0.1");
    assert_non_null(strstr(heard, "POST|/c/A/中/x y|3:c,A/中,x y|a+b c|v|g h|f=g+h|127.0.0.1"));
    assert_non_null(strstr(heard, "X-Fixed: 1\r\n"));
    assert_non_null(strstr(heard, "Date: "));
    assert_null(strstr(heard, "Connection:"));
    close(fd);
}

static void strange_targets_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *target, *heard;
    } cases[] = {
        {"http://evil?q=/healthz", "GET|/|1:,,|/healthz|"},
        {"http://evil:80/a/b?q=1", "GET|/a/b|2:a,b,|1|"},
        {"http://evil", "GET|/|1:,,|-|"},
        {"/a?utm=%zz&q=1&bad=%ff", "GET|/a|1:a,,|1|"},
        {"/a?q=%c0%80", "GET|/a|1:a,,|-|"},
        {"/a?q=http://b/c", "GET|/a|1:a,,|http://b/c|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = dial();
        char request[200];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                 cases[i].target);
        say(fd, request);
        const char *heard = hear(fd, NULL);
        if (!strstr(heard, cases[i].heard))
            fail_msg("%s gave: %s", cases[i].target, heard);
        close(fd);
    }
}

static void every_split_of_a_request_is_the_same(void **state) {
    (void)state;
    const char *request = "POST /a?q=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
    int fd = dial();
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, 1, &one, sizeof one);
    for (const char *c = request; *c; c++) {
        assert_int_equal(send(fd, c, 1, MSG_NOSIGNAL), 1);
        poll(NULL, 0, 1);
    }
    assert_non_null(strstr(hear(fd, "127.0.0.1"), "POST|/a|1:a,,|1|-|-|abcde|"));
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET /later?forget=1 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n"
            "Connection: close\r\n\r\nGET /5 HTTP/1.1\r\nHost: a\r\n\r\n");
    char *heard = hear(fd, NULL);
    assert_int_equal(count(heard, "HTTP/1.1 200 OK"), 4);
    char *first = strstr(heard, "late"), *second = strstr(heard, "GET|/2");
    assert_true(first && second && first < second);
    assert_true(strstr(second, "late") < strstr(second, "GET|/4"));
    assert_null(strstr(heard, "GET|/5"));
    close(fd);
}

static void pipelining_beyond_the_stash_waits_in_the_socket(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /later?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 100; i++)
        say(fd, "GET /x HTTP/1.1\r\nHost: a\r\nX-Test: 0123456789\r\n\r\n");
    say(fd, "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char *heard = hear(fd, NULL);
    assert_int_equal(count(heard, "HTTP/1.1 200 OK"), 102);
    assert_non_null(strstr(heard, "GET|/last"));
    close(fd);
}

static void half_closed_client_gets_its_answer(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    char *heard = hear(fd, NULL);
    assert_non_null(strstr(heard, "late"));
    assert_non_null(strstr(heard, "GET|/2"));
    close(fd);
}

static void head_has_no_body(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    char *heard = hear(fd, "GET|/y");
    assert_null(strstr(heard, "HEAD|"));
    assert_int_equal(count(heard, "Content-Length: "), 2);
    assert_null(strstr(heard, "Content-Length: 0\r\n"));
    close(fd);
}

static void old_client_is_closed_unless_it_asks(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_non_null(strstr(hear(fd, "127.0.0.1"), "Connection: keep-alive\r\n"));
    say(fd, "GET /x HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(hear(fd, NULL), "Connection: close\r\n"));
    close(fd);
}

static void continue_is_said_before_the_body(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    hear(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abc");
    assert_non_null(strstr(hear(fd, "127.0.0.1"), "|abc|"));
    close(fd);
}

static void bad_header_does_not_split_the_answer(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /headers HTTP/1.1\r\nHost: a\r\n\r\n");
    char *heard = hear(fd, "\r\n\r\n");
    assert_non_null(strstr(heard, "HTTP/1.1 204 No Content\r\n"));
    assert_non_null(strstr(heard, "X-Good: yes\r\n"));
    assert_null(strstr(heard, "Set-Cookie"));
    assert_null(strstr(heard, "Content-Length"));
    close(fd);
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"hello\r\n\r\n", "400"},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
        {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"GET x:/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n", "501"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
         "Transfer-Encoding: chunked\r\n\r\n",
         "501"},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", "400"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2049\r\n\r\n", "413"},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2049\r\nExpect: 100-continue\r\n\r\n",
         "413"},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", "417"},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
        {"GET / HTTP/1.1\r\nHost: a\r\nIncomplete", "408"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].request, strlen(cases[i].request), cases[i].status);
}

/* Then a's. */
static void begin_with(char *request, size_t bytes, const char *start) {
    for (size_t i = 0; i < bytes; i++)
        request[i] = *start ? *start++ : 'a';
}

static void oversized_requests(void **state) {
    (void)state;
    static const struct {
        const char *start, *status;
    } cases[] = {
        {"GET /", "414"},
        {"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", "431"},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n80000\r\n", "413"},
        {"", "400"},
    };
    size_t bytes = 1 << 20;
    char *request = malloc(bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_with(request, bytes, cases[i].start);
        expect_refusal(request, bytes, cases[i].status);
    }
    size_t at = (size_t)snprintf(request, bytes, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 70; i++)
        at += (size_t)snprintf(request + at, bytes - at, "x: y\r\n");
    expect_refusal(request, at, "431");
    free(request);
    wait_for_fact("request too large");
}

static void slow_request_is_closed_in_time(void **state) {
    (void)state;
    int fd = dial();
    int64_t began = monotonic_us();
    say(fd, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < 40; i++) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        if (poll(&readable, 1, 50) || send(fd, "a", 1, MSG_NOSIGNAL) < 0)
            break;
    }
    assert_true(monotonic_us() - began < 1500 * MS);
    assert_non_null(strstr(hear(fd, NULL), "HTTP/1.1 408"));
    close(fd);
}

static void line_ends_between_requests_begin_none(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    hear(fd, "GET|/a");
    say(fd, "\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    hear(fd, "GET|/b|1:b,,|-|-|-||127.0.0.1");
    assert_string_equal(hear(fd, NULL), ""); /* closed as idle: no 408 */
    close(fd);
}

static void idle_connection_is_closed(void **state) {
    (void)state;
    int fd = dial();
    assert_string_equal(hear(fd, NULL), "");
    close(fd);
    wait_for_fact("idle;");
}

static void connections_are_limited(void **state) {
    (void)state;
    int fds[9];
    for (int i = 0; i < 8; i++) {
        fds[i] = dial();
        say(fds[i], "GET /later?ms=400 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    poll(NULL, 0, 50);
    expect_refusal("", 0, "503");
    for (int i = 0; i < 8; i++)
        assert_non_null(strstr(hear(fds[i], "late"), " 200 OK"));
    /* The eight are idle now; after a while the one that has been so longest gives way. */
    poll(NULL, 0, 300);
    fds[8] = dial();
    say(fds[8], "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(fds[8], "GET|/x");
    for (int i = 0; i < 9; i++)
        close(fds[i]);
    wait_for_fact("gave way to a new connection;");
}

static void stream_delivers_and_ends(void **state) {
    (void)state;
    int fd = dial(), other = dial();
    say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    char *heard = hear(fd, "\r\n\r\n");
    assert_non_null(strstr(heard, "Content-Type: text/event-stream"));
    assert_null(strstr(heard, "Content-Length"));
    say(other, "GET /push?bytes=10 HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(other, "pushed");
    hear(fd, "xxxxxxxxxx");
    say(fd, "a client that goes on talking is not heard");
    say(other, "GET /end HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(other, "ended");
    assert_string_equal(hear(fd, NULL), "");
    close(fd), close(other);
    assert_int_equal(peer.gone, 0);
}

static void stream_notices_that_its_client_left(void **state) {
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        int fd = dial();
        say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
        hear(fd, "\r\n\r\n");
        struct linger hard = {.l_onoff = 1};
        if (reset)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        int64_t began = monotonic_us();
        close(fd);
        wait_for_fact(reset ? "gone=2" : "gone=1");
        assert_true(monotonic_us() - began < 300 * MS);
    }
}

static void slow_stream_is_closed_at_its_bound(void **state) {
    (void)state;
    int fd = dial_with(4096), other = dial();
    say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(fd, "\r\n\r\n");
    const char *heard = "";
    for (int i = 0; i < 500 && !strstr(heard, "no stream"); i++) {
        say(other, "GET /push?bytes=30000 HTTP/1.1\r\nHost: a\r\n\r\n");
        heard = hear(other, " stream");
    }
    assert_non_null(strstr(heard, "no stream"));
    assert_non_null(strstr(get_facts(), "gone=1"));
    /* Whole writes, as many as the system had taken, and the word at their end. */
    static char part[32 * 1024 * 1024];
    size_t length = 0, whole;
    for (ssize_t got; (got = recv(fd, part + length, sizeof part - 1 - length, 0)) > 0;)
        length += (size_t)got;
    part[length] = 0;
    whole = strspn(part, "x");
    assert_true(whole > 0 && whole % 30000 == 0);
    assert_string_equal(part + whole, "bye: slow client\n");
    close(fd), close(other);
    wait_for_fact("slow client;");
    wait_for_fact("output=0 ");
}

static void stalled_answer_is_closed(void **state) {
    (void)state;
    int fd = dial_with(4096);
    int64_t began = monotonic_us();
    say(fd, "GET /big?bytes=20000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for_fact("slow client;");
    assert_in_range(monotonic_us() - began, 700 * MS, 1200 * MS);
    close(fd);
    wait_for_fact("output=0 ");
}

static void output_of_all_clients_is_bounded(void **state) {
    (void)state;
    int fds[6];
    for (int i = 0; i < 6; i++) {
        fds[i] = dial_with(4096);
        say(fds[i], "GET /big?bytes=10000000 HTTP/1.1\r\nHost: a\r\n\r\n");
        size_t held = strtoul(strstr(get_facts(), "output=") + 7, NULL, 10);
        assert_in_range(held, 1, limits.output_bytes);
    }
    wait_for_fact("no room for output;");
    int fd = dial();
    say(fd, "GET /big?bytes=8000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    static char part[200000];
    size_t total = 0;
    for (ssize_t got; (got = recv(fd, part, sizeof part, 0)) > 0;)
        total += (size_t)got;
    assert_true(total > 8000000);
    close(fd);
    fd = dial_with(4096);
    say(fd, "GET /big?bytes=60000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    while (recv(fd, part, sizeof part, 0) > 0)
        continue; /* more than may ever be held, so it ends early */
    close(fd);
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    wait_for_fact("output=0 ");
}

static void slow_but_steady_answer_is_whole(void **state) {
    (void)state;
    int fd = dial_with(65536);
    say(fd, "GET /big?bytes=8000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    static char part[200000];
    size_t total = 0;
    for (ssize_t got; (got = recv(fd, part, sizeof part, 0)) > 0; poll(NULL, 0, 20))
        total += (size_t)got;
    assert_true(total > 8000000);
    close(fd);
}

static void request_notices_that_its_client_reset(void **state) {
    (void)state;
    int fd = dial();
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    say(fd, "GET /later?ms=300 HTTP/1.1\r\nHost: a\r\n\r\n");
    poll(NULL, 0, 50);
    close(fd);
    wait_for_fact("later_gone=1");
    fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    say(fd, "GET /later?ms=200&deaf=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    poll(NULL, 0, 50);
    close(fd);
    poll(NULL, 0, 300); /* the answer goes nowhere, and nothing leaks or breaks */
    wait_for_fact("later_gone=1");
}

static void both_families_are_served(void **state) {
    (void)state;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)peer.port)};
    to.sin6_addr = in6addr_loopback;
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to))
        skip();
    say(fd, "GET /six HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(hear(fd, "|::1"), "GET|/six"));
    close(fd);
}

static void stop_finishes_what_runs(void **state) {
    (void)state;
    int late = dial(), stream = dial(), idle = dial(), never = dial();
    say(stream, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(stream, "\r\n\r\n");
    say(late, "GET /later?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n");
    say(never, "GET /later?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n");
    poll(NULL, 0, 50);
    int64_t began = monotonic_us();
    uv_async_send(&peer.stop);
    assert_string_equal(hear(stream, NULL), "bye: server stopped\n");
    assert_string_equal(hear(idle, NULL), "");
    assert_non_null(strstr(hear(late, NULL), "late"));
    assert_string_equal(hear(never, NULL), "");
    assert_true(monotonic_us() - began < 1200 * MS);
    close(late), close(stream), close(idle), close(never);
    pthread_join(peer.thread, NULL);
    assert_int_equal(peer.gone, 1);
    assert_int_equal(peer.later_gone, 1);
    assert_int_equal(peer.closed, 1);
    setup(NULL); /* for the teardown */
}

static void stream_that_begins_while_stopping_ends(void **state) {
    (void)state;
    int fd = dial();
    say(fd, "GET /later?ms=100&stream=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    poll(NULL, 0, 50);
    int64_t began = monotonic_us();
    uv_async_send(&peer.stop);
    assert_non_null(strstr(hear(fd, NULL), "text/event-stream"));
    assert_true(monotonic_us() - began < 300 * MS); /* before the grace is over */
    close(fd);
    pthread_join(peer.thread, NULL);
    assert_int_equal(peer.gone, 1);
    assert_string_equal(peer.reasons, "server stopped;");
    setup(NULL); /* for the teardown */
}

static void bad_addresses_are_named(void **state) {
    (void)state;
    static const char *const addresses[] = {
        "",        "7400",       "localhost:7400",      "127.0.0.1:70000",
        "[::1:80", "1.2.3.4:80", "127.0.0.1:0 nonsense"};
    uv_loop_t loop;
    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct wb_error err = {0};
        struct http_options options = {.addresses = addresses[i], .handler = on_request};
        assert_null(http_listen(&loop, &options, &err));
        assert_true(err.code && *err.detail);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED(request_is_taken_apart),
        SERVED(strange_targets_are_taken_apart),
        SERVED(every_split_of_a_request_is_the_same),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(pipelining_beyond_the_stash_waits_in_the_socket),
        SERVED(half_closed_client_gets_its_answer),
        SERVED(head_has_no_body),
        SERVED(old_client_is_closed_unless_it_asks),
        SERVED(continue_is_said_before_the_body),
        SERVED(bad_header_does_not_split_the_answer),
        SERVED(refusals),
        SERVED(oversized_requests),
        SERVED(slow_request_is_closed_in_time),
        SERVED(line_ends_between_requests_begin_none),
        SERVED(idle_connection_is_closed),
        SERVED(connections_are_limited),
        SERVED(stream_delivers_and_ends),
        SERVED(stream_notices_that_its_client_left),
        SERVED(slow_stream_is_closed_at_its_bound),
        SERVED(stalled_answer_is_closed),
        SERVED(output_of_all_clients_is_bounded),
        SERVED(slow_but_steady_answer_is_whole),
        SERVED(request_notices_that_its_client_reset),
        SERVED(both_families_are_served),
        SERVED(stop_finishes_what_runs),
        SERVED(stream_that_begins_while_stopping_ends),
        cmocka_unit_test(bad_addresses_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
