#include "tests/bench/viewer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/timestamp.h"
#include "proto/problem.h"
#include "tests/bench/pace.h"

#define EVENTS_MAX 256
#define READ_BYTES ((size_t)64 * 1024)
#define MARK_BYTES (sizeof PACE_MARK - 1 + PACE_DIGITS)

static int system_problem(struct wb_error *err, const char *call) {
    return problem(err, WB_E_SYSTEM, "%s: %s", call, strerror(errno));
}

int viewers_open(struct viewers *viewers, size_t count, struct wb_error *err) {
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
    for (size_t i = 0; i < viewers->count; i++)
        if (viewers->all[i].fd >= 0)
            close(viewers->all[i].fd);
    if (viewers->all && viewers->epoll >= 0)
        close(viewers->epoll);
    free(viewers->all);
}

static int request(int fd, const char *host, int port, const char *path, struct wb_error *err) {
    char text[1024];
    int bytes = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\n\r\n",
                         path, host, port);
    if (bytes < 0 || (size_t)bytes >= sizeof text)
        return problem(err, WB_E_USAGE, "the path is too long: %.80s", path);
    return send(fd, text, (size_t)bytes, MSG_NOSIGNAL) == bytes ? 0 : system_problem(err, "send");
}

int viewer_connect(struct viewers *viewers, size_t index, const char *host, int port,
                   const char *path, struct wb_error *err) {
    struct viewer *viewer = &viewers->all[index];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return problem(err, WB_E_USAGE, "'%.80s' is no IPv4 address", host);
    viewer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (viewer->fd < 0)
        return system_problem(err, "socket");
    if (connect(viewer->fd, (const struct sockaddr *)&address, sizeof address))
        return system_problem(err, "connect");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = index};
    if (epoll_ctl(viewers->epoll, EPOLL_CTL_ADD, viewer->fd, &event))
        return system_problem(err, "epoll_ctl");
    return request(viewer->fd, host, port, path, err);
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

/* Bytes from before the head's end are not looked into: no event stands there. */
static int take_head(struct viewers *viewers, struct viewer *viewer, const char *text, size_t bytes,
                     struct wb_error *err) {
    static const char ok[] = "HTTP/1.1 200";
    size_t room = sizeof viewer->head - 1 - viewer->head_bytes;
    size_t taken = bytes < room ? bytes : room;
    memcpy(viewer->head + viewer->head_bytes, text, taken);
    viewer->head_bytes += taken;
    if (viewer->head_bytes >= sizeof ok - 1 && memcmp(viewer->head, ok, sizeof ok - 1) != 0)
        return problem(err, WB_E_FORMAT, "the gateway answered: %.*s",
                       (int)strcspn(viewer->head, "\r\n"), viewer->head);
    if (!memmem(viewer->head, viewer->head_bytes, "\r\n\r\n", 4))
        return viewer->head_bytes < sizeof viewer->head - 1
                   ? 0
                   : problem(err, WB_E_FORMAT, "the answer's head is longer than %zu bytes",
                             viewer->head_bytes);
    viewer->up = true;
    viewers->up++;
    return 0;
}

/* buffer holds what was carried over and, behind it, what was read. */
static void take_body(const struct viewers *viewers, struct viewer *viewer, const char *buffer,
                      size_t bytes, int64_t now_us) {
    find_marks(viewers, buffer, bytes, now_us);
    size_t carried = bytes < MARK_BYTES - 1 ? bytes : MARK_BYTES - 1;
    memcpy(viewer->carry, buffer + bytes - carried, carried);
    viewer->carry_bytes = carried;
}

static int read_from(struct viewers *viewers, struct viewer *viewer, struct wb_error *err) {
    char buffer[VIEWER_CARRY + READ_BYTES];
    memcpy(buffer, viewer->carry, viewer->carry_bytes);
    ssize_t got = recv(viewer->fd, buffer + viewer->carry_bytes, READ_BYTES, MSG_DONTWAIT);
    int64_t now_us = monotonic_us();
    if (got < 0)
        return errno == EAGAIN ? 0 : system_problem(err, "recv");
    if (got == 0)
        return problem(err, WB_E_SYSTEM, "the gateway closed a stream");
    if (!viewer->up)
        return take_head(viewers, viewer, buffer, (size_t)got, err);
    take_body(viewers, viewer, buffer, viewer->carry_bytes + (size_t)got, now_us);
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
