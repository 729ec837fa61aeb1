#include "common/zsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/curve.h"
#include "common/log.h"
#include "proto/problem.h"

/* Who looks when. The descriptor tells of commands to the socket, not of messages, and every call
 * on the socket may take these commands off: it only wakes the loop. What counts is ZMQ_EVENTS,
 * read twice a turn: by the check handle behind the poll, which calls the user, and by the prepare
 * handle in front of it. If there is still something to do then (a quota was used up, or a send
 * from another callback took the edge of a message that arrived), the idle handle makes the poll
 * return at once. */
struct zsock {
    void *socket;
    zsock_readable *readable;
    zsock_writable *writable;
    void *arg;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    int open_handles;
    bool reading, want_write, closed;
};

enum { LOCALHOST_BYTES = sizeof "tcp://localhost:" - 1 };

/* What the user waits for and the socket has: ZMQ_POLLIN, ZMQ_POLLOUT. */
static int due(const struct zsock *zsock) {
    int events = 0;
    size_t size = sizeof events;
    if (zsock->closed || zmq_getsockopt(zsock->socket, ZMQ_EVENTS, &events, &size))
        return 0;
    return events & ((zsock->reading ? ZMQ_POLLIN : 0) | (zsock->want_write ? ZMQ_POLLOUT : 0));
}

static void on_idle(uv_idle_t *idle) {
    (void)idle;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)poll, (void)events;
    if (status < 0)
        log_error("zsock", "polling failed: %s", uv_strerror(status));
}

static void on_prepare(uv_prepare_t *prepare) {
    struct zsock *zsock = prepare->data;
    if (due(zsock))
        uv_idle_start(&zsock->idle, on_idle);
    else
        uv_idle_stop(&zsock->idle);
}

static void on_check(uv_check_t *check) {
    struct zsock *zsock = check->data;
    int events = due(zsock);
    if (events & ZMQ_POLLIN)
        zsock->readable(zsock->arg);
    if (events & ZMQ_POLLOUT && zsock->writable && !zsock->closed)
        zsock->writable(zsock->arg);
}

static int init_handles(struct zsock *zsock, uv_loop_t *loop, int fd) {
    int failure = uv_poll_init(loop, &zsock->poll, fd);
    if (failure)
        return failure;
    uv_prepare_init(loop, &zsock->prepare);
    uv_check_init(loop, &zsock->check);
    uv_idle_init(loop, &zsock->idle);
    zsock->open_handles = 4;
    zsock->poll.data = zsock->prepare.data = zsock->check.data = zsock->idle.data = zsock;
    uv_prepare_start(&zsock->prepare, on_prepare);
    uv_check_start(&zsock->check, on_check);
    return uv_poll_start(&zsock->poll, UV_READABLE, on_poll);
}

struct zsock *zsock_new(uv_loop_t *loop, void *socket, zsock_readable *readable,
                        zsock_writable *writable, void *arg, struct wb_error *err) {
    struct zsock *zsock = calloc(1, sizeof *zsock);
    int fd = -1, failure = UV_ENOMEM;
    size_t size = sizeof fd;
    if (zsock) {
        zsock->socket = socket;
        zsock->readable = readable;
        zsock->writable = writable;
        zsock->arg = arg;
        zsock->reading = true;
        failure = zmq_getsockopt(socket, ZMQ_FD, &fd, &size) ? uv_translate_sys_error(errno)
                                                             : init_handles(zsock, loop, fd);
    }
    if (!failure)
        return zsock;
    if (zsock && zsock->open_handles) {
        zsock_close(zsock);
    } else {
        free(zsock);
        zmq_close(socket);
    }
    problem(err, WB_E_SYSTEM, "cannot watch a ZeroMQ socket: %s", uv_strerror(failure));
    return NULL;
}

void *zsock_socket(struct zsock *zsock) {
    return zsock->socket;
}

void zsock_want_write(struct zsock *zsock, bool want) {
    zsock->want_write = want;
}

void zsock_read(struct zsock *zsock, bool on) {
    zsock->reading = on;
}

static void on_closed(uv_handle_t *handle) {
    struct zsock *zsock = handle->data;
    if (!--zsock->open_handles)
        free(zsock);
}

void zsock_close(struct zsock *zsock) {
    if (!zsock || zsock->closed)
        return;
    zsock->closed = true;
    uv_close((uv_handle_t *)&zsock->poll, on_closed); /* before its descriptor goes */
    uv_close((uv_handle_t *)&zsock->prepare, on_closed);
    uv_close((uv_handle_t *)&zsock->check, on_closed);
    uv_close((uv_handle_t *)&zsock->idle, on_closed);
    zmq_close(zsock->socket);
    zsock->socket = NULL;
}

static int set_options(void *socket, const int *options) {
    int on = 1;
    if (zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof on))
        return -1;
    for (; options && *options != -1; options += 2) {
        int64_t large = options[1];
        int failure = options[0] == ZMQ_MAXMSGSIZE
                          ? zmq_setsockopt(socket, options[0], &large, sizeof large)
                          : zmq_setsockopt(socket, options[0], &options[1], sizeof options[1]);
        if (failure)
            return -1;
    }
    return 0;
}

static int endpoint_problem(struct wb_error *err, const char *verb, const char *endpoint) {
    int cause = errno;
    problem(err, cause == EINVAL || cause == EPROTONOSUPPORT ? WB_E_USAGE : WB_E_SYSTEM,
            "cannot %s %s: %s", verb, endpoint, zmq_strerror(cause));
    if (cause == EADDRINUSE)
        return problem_hint(err, "stop the program that listens there, or choose another port");
    if (cause == EINVAL || cause == EPROTONOSUPPORT)
        return problem_hint(err, "write it as tcp://ADDRESS:PORT, with a port of 0 to 65535");
    if (cause == ENODEV || cause == EADDRNOTAVAIL)
        return problem_hint(err, "use an address of this machine, as in tcp://127.0.0.1:7411");
    if (cause == EACCES)
        return problem_hint(err, "choose a port above 1023, or a path that may be written");
    return -1;
}

/* libzmq takes any number and binds to its last 16 bits. */
static bool is_port_wrong(const char *endpoint) {
    const char *port = strrchr(endpoint, ':');
    if (strncmp(endpoint, "tcp://", 6) != 0 || !port || !strcmp(port, ":*"))
        return false;
    size_t digits = strspn(port + 1, "0123456789");
    return port[1 + digits] || !digits || digits > 5 || strtol(port + 1, NULL, 10) > UINT16_MAX;
}

typedef int attach_fn(void *socket, const char *endpoint);

/* libzmq binds to numeric addresses only, and connects to `localhost` at ::1 where IPv6 is on,
 * though most programs listen on 127.0.0.1: so localhost means the latter here, for both. */
static int attach_to(void *socket, const char *endpoint, attach_fn *attach) {
    char numeric[64];
    if (strncmp(endpoint, "tcp://localhost:", LOCALHOST_BYTES) != 0)
        return attach(socket, endpoint);
    snprintf(numeric, sizeof numeric, "tcp://127.0.0.1:%s", endpoint + LOCALHOST_BYTES);
    return attach(socket, numeric);
}

static void *make_socket(void *context, int type, const char *endpoint, const int *options,
                         const char *verb, struct wb_error *err) {
    if (is_port_wrong(endpoint)) {
        errno = EINVAL;
        endpoint_problem(err, verb, endpoint);
        return NULL;
    }
    void *socket = zmq_socket(context, type);
    if (!socket) {
        problem(err, WB_E_SYSTEM, "cannot make a socket for %s: %s", endpoint, zmq_strerror(errno));
        return NULL;
    }
    if (set_options(socket, options)) {
        endpoint_problem(err, verb, endpoint);
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

void *zsock_bind_keyed(void *context, int type, const char *endpoint, const int *options,
                       const struct curve_keys *keys, const char *zap_domain,
                       struct wb_error *err) {
    void *socket = make_socket(context, type, endpoint, options, "bind to", err);
    if (!socket)
        return NULL;
    if (keys && curve_server_setup(socket, keys, zap_domain, err) != 0) {
        zmq_close(socket);
        return NULL;
    }
    if (attach_to(socket, endpoint, zmq_bind)) {
        endpoint_problem(err, "bind to", endpoint);
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

void *zsock_bind(void *context, int type, const char *endpoint, const int *options,
                 struct wb_error *err) {
    return zsock_bind_keyed(context, type, endpoint, options, NULL, NULL, err);
}

void *zsock_connect(void *context, int type, const char *endpoint, const int *options,
                    struct wb_error *err) {
    void *socket = make_socket(context, type, endpoint, options, "connect to", err);
    if (socket && attach_to(socket, endpoint, zmq_connect)) {
        endpoint_problem(err, "connect to", endpoint);
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

int zsock_endpoint(void *socket, char *text, size_t size) {
    static const char mapped[] = "tcp://[::ffff:";
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, text, &size) != 0)
        return -1;
    /* An IPv4 address that an IPv6 socket bound: said as people write it. */
    char *end = strncmp(text, mapped, strlen(mapped)) == 0 ? strchr(text, ']') : NULL;
    if (end) {
        memmove(end, end + 1, strlen(end));
        memmove(text + strlen("tcp://"), text + strlen(mapped), strlen(text + strlen(mapped)) + 1);
    }
    return 0;
}

static bool is_loopback_host(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
    return !strcmp(host, "localhost");
}

bool zsock_is_loopback(const char *endpoint) {
    if (!strncmp(endpoint, "ipc://", 6) || !strncmp(endpoint, "inproc://", 9))
        return true;
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return false;
    const char *first = endpoint + 6, *end = strrchr(first, ':');
    if (!end)
        return false;
    if (*first == '[' && end > first + 1 && end[-1] == ']')
        first++, end--;
    char host[INET6_ADDRSTRLEN];
    int bytes = snprintf(host, sizeof host, "%.*s", (int)(end - first), first);
    return bytes < (int)sizeof host && is_loopback_host(host);
}

void *zsock_context_new(void) {
    return zmq_ctx_new();
}

void zsock_context_free(void *context) {
    zmq_ctx_term(context);
}
