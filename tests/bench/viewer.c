#include "tests/bench/viewer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "tests/bench/pace.h"

#define EVENTS_MAX  1024
#define READ_BYTES  ((size_t)64 * 1024)
#define HEAD_BYTES  4096
#define MARK_BYTES  (sizeof PACE_MARK - 1 + PACE_DIGITS)
#define OWN_FILES   64                /* open beside the followers' sockets */
#define WAITING_MAX 100               /* connected, but without an answer: the server's backlog */
#define BLOCK       50                /* followers of one /24 */
#define OPEN_US     INT64_C(60000000) /* in which all streams have to be open */
#define ANY_LINE    UINT8_MAX         /* matched: this line begins with something else */

static const char data_line[] = "data:";

static int system_problem(struct wb_error *err, const char *call) {
    return problem(err, WB_E_SYSTEM, "%s: %s", call, strerror(errno));
}

static int raise_limit(size_t count, struct wb_error *err) {
    struct rlimit files;
    rlim_t needed = count + OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files))
        return system_problem(err, "getrlimit");
    if (files.rlim_cur >= needed)
        return 0;
    files.rlim_cur = needed;
    if (files.rlim_max < needed)
        files.rlim_max = needed; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &files))
        return problem(err, WB_E_SYSTEM, "%zu followers need %ju open files: %s", count,
                       (uintmax_t)needed, strerror(errno));
    return 0;
}

static int take_server(struct viewers *viewers, const char *name, struct wb_error *err) {
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strrchr(name, ':');
    char *end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
    if (colon && (size_t)(colon - name) < sizeof host)
        snprintf(host, sizeof host, "%.*s", (int)(colon - name), name);
    viewers->name = name;
    viewers->server =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!port || port > UINT16_MAX || *end ||
        inet_pton(AF_INET, host, &viewers->server.sin_addr) != 1)
        return problem(err, WB_E_USAGE, "'%.80s': write it like 127.0.0.1:7400", name);
    return 0;
}

int viewers_open(struct viewers *viewers, const char *name, size_t count, struct wb_error *err) {
    viewers->epoll = -1;
    if (take_server(viewers, name, err) || raise_limit(count, err))
        return -1;
    viewers->all = calloc(count, sizeof *viewers->all);
    if (!viewers->all)
        return problem(err, WB_E_SYSTEM, "out of memory");
    viewers->count = count;
    for (size_t i = 0; i < count; i++)
        viewers->all[i].fd = -1;
    viewers->epoll = epoll_create1(EPOLL_CLOEXEC);
    return viewers->epoll < 0 ? system_problem(err, "epoll_create1") : 0;
}

void viewers_close(struct viewers *viewers) {
    for (size_t i = 0; i < viewers->count; i++) {
        free(viewers->all[i].head);
        if (viewers->all[i].fd >= 0)
            close(viewers->all[i].fd);
    }
    if (viewers->all && viewers->epoll >= 0)
        close(viewers->epoll);
    free(viewers->all);
}

/* From an address of its own block where the server is on the loopback network, all of which is
 * this machine's: 127.16.0.1 and on. */
static int leave_from(int fd, const struct viewers *viewers, size_t index) {
    static const int late = 1; /* the port is chosen with the server's address in view */
    uint32_t block = UINT32_C(0x7F100000) + ((uint32_t)(index / BLOCK) << 8);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(block + 1)};
    if (ntohl(viewers->server.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
        return 0;
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late) ||
           bind(fd, (const struct sockaddr *)&own, sizeof own);
}

static int connect_from(const struct viewers *viewers, size_t index, struct wb_error *err) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return system_problem(err, "socket");
    if (leave_from(fd, viewers, index) ||
        connect(fd, (const struct sockaddr *)&viewers->server, sizeof viewers->server)) {
        system_problem(err, "connect");
        close(fd);
        return -1;
    }
    return fd;
}

int viewers_connect(const struct viewers *viewers, struct wb_error *err) {
    return connect_from(viewers, 0, err);
}

static int request(const struct viewers *viewers, int fd, const char *path, struct wb_error *err) {
    char text[1024];
    int bytes = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", path,
                         viewers->name);
    if (bytes < 0 || (size_t)bytes >= sizeof text)
        return problem(err, WB_E_USAGE, "the path is too long: %.80s", path);
    return send(fd, text, (size_t)bytes, MSG_NOSIGNAL) == bytes ? 0 : system_problem(err, "send");
}

static int follow(struct viewers *viewers, size_t index, const char *path, struct wb_error *err) {
    struct viewer *viewer = &viewers->all[index];
    viewer->head = malloc(HEAD_BYTES);
    if (!viewer->head)
        return problem(err, WB_E_SYSTEM, "out of memory");
    viewer->fd = connect_from(viewers, index, err);
    if (viewer->fd < 0)
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (epoll_ctl(viewers->epoll, EPOLL_CTL_ADD, viewer->fd, &event))
        return system_problem(err, "epoll_ctl");
    viewers->connected++;
    return request(viewers, viewer->fd, path, err);
}

/* Until at most so many wait for the beginning of their stream. */
static int catch_up(struct viewers *viewers, size_t waiting_max, int64_t end_us,
                    struct wb_error *err) {
    while (viewers->connected - viewers->up > waiting_max) {
        if (monotonic_us() > end_us)
            return problem(err, WB_E_TIMEOUT, "%zu of %zu streams opened", viewers->up,
                           viewers->count);
        if (viewers_turn(viewers, 100, err))
            return -1;
    }
    return 0;
}

int viewers_follow(struct viewers *viewers, viewer_path_fn *path, const void *arg,
                   struct wb_error *err) {
    int64_t end_us = monotonic_us() + OPEN_US;
    for (size_t i = 0; i < viewers->count; i++) {
        char text[256];
        path(arg, i, text, sizeof text);
        if (follow(viewers, i, text, err) || catch_up(viewers, WAITING_MAX, end_us, err))
            return -1;
    }
    return catch_up(viewers, 0, end_us, err);
}

static bool number_at(const char *text, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < PACE_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static void find_marks(const struct viewers *viewers, const char *text, size_t bytes,
                       int64_t now_us) {
    const char *end = text + bytes;
    for (const char *at = text; (size_t)(end - at) >= MARK_BYTES; at++) {
        uint64_t number;
        at = memmem(at, (size_t)(end - at), PACE_MARK, sizeof PACE_MARK - 1);
        if (!at || (size_t)(end - at) < MARK_BYTES)
            return;
        if (number_at(at + sizeof PACE_MARK - 1, &number))
            viewers->arrived(viewers->arg, number, now_us);
    }
}

/* Looks at the first bytes of each line, and for its end. */
static void count_events(struct viewer *viewer, const char *at, size_t bytes) {
    const char *end = at + bytes;
    while (at < end) {
        if (viewer->matched < sizeof data_line - 1) {
            bool same = *at == data_line[viewer->matched];
            viewer->matched = same ? viewer->matched + 1 : ANY_LINE;
            viewer->events += viewer->matched == sizeof data_line - 1;
            at += same;
        } else {
            at = memchr(at, '\n', (size_t)(end - at));
            if (!at)
                return;
            viewer->matched = 0;
            at++;
        }
    }
}

/* Bytes from before the head's end are not looked into: no event stands there. */
static int take_head(struct viewers *viewers, struct viewer *viewer, const char *text, size_t bytes,
                     struct wb_error *err) {
    static const char ok[] = "HTTP/1.1 200";
    size_t room = HEAD_BYTES - 1U - viewer->head_bytes, taken = bytes < room ? bytes : room;
    memcpy(viewer->head + viewer->head_bytes, text, taken);
    viewer->head_bytes += (uint16_t)taken;
    viewer->head[viewer->head_bytes] = '\0';
    if (viewer->head_bytes >= sizeof ok - 1 && memcmp(viewer->head, ok, sizeof ok - 1) != 0)
        return problem(err, WB_E_FORMAT, "the server answered: %.*s",
                       (int)strcspn(viewer->head, "\r\n"), viewer->head);
    if (!strstr(viewer->head, "\r\n\r\n"))
        return viewer->head_bytes < HEAD_BYTES - 1
                   ? 0
                   : problem(err, WB_E_FORMAT, "the answer's head is longer than %d bytes",
                             HEAD_BYTES);
    free(viewer->head);
    viewer->head = NULL;
    viewer->up = true;
    viewers->up++;
    return 0;
}

/* buffer holds what was carried over and, behind it, got bytes that were read. */
static void take_body(struct viewers *viewers, struct viewer *viewer, const char *buffer,
                      size_t got, int64_t now_us) {
    uint32_t before = viewer->events;
    count_events(viewer, buffer + viewer->carry_bytes, got);
    viewers->events += viewer->events - before;
    viewers->bytes += got;
    if (!viewers->arrived)
        return;
    size_t bytes = viewer->carry_bytes + got;
    find_marks(viewers, buffer, bytes, now_us);
    size_t carried = bytes < MARK_BYTES - 1 ? bytes : MARK_BYTES - 1;
    memcpy(viewer->carry, buffer + bytes - carried, carried);
    viewer->carry_bytes = (uint8_t)carried;
}

static int read_from(struct viewers *viewers, struct viewer *viewer, struct wb_error *err) {
    char buffer[VIEWER_CARRY + READ_BYTES];
    memcpy(buffer, viewer->carry, viewer->carry_bytes);
    ssize_t got = recv(viewer->fd, buffer + viewer->carry_bytes, READ_BYTES, MSG_DONTWAIT);
    int64_t now_us = viewers->arrived ? monotonic_us() : 0;
    if (got < 0)
        return errno == EAGAIN ? 0 : system_problem(err, "recv");
    if (got == 0)
        return problem(err, WB_E_SYSTEM, "the server closed a stream");
    if (!viewer->up)
        return take_head(viewers, viewer, buffer, (size_t)got, err);
    take_body(viewers, viewer, buffer, (size_t)got, now_us);
    return 0;
}

int viewers_turn(struct viewers *viewers, int timeout_ms, struct wb_error *err) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(viewers->epoll, events, EVENTS_MAX, timeout_ms);
    if (count < 0)
        return errno == EINTR ? 0 : system_problem(err, "epoll_wait");
    for (int i = 0; i < count; i++)
        if (read_from(viewers, &viewers->all[events[i].data.u64], err))
            return -1;
    return 0;
}
