#include "tests/bench/nchan.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/problem.h"
#include "tests/bench/viewer.h"

#define HEAD_BYTES 128

int nchan_open(struct nchan *nchan, const struct viewers *viewers, size_t channels, size_t size,
               struct wb_error *err) {
    static const int at_once = 1;
    *nchan = (struct nchan){
        .channels = channels, .size = size, .fd = -1, .body = malloc(HEAD_BYTES + size)};
    if (!nchan->body)
        return problem(err, WB_E_SYSTEM, "out of memory");
    nchan->fd = viewers_connect(viewers, err);
    if (nchan->fd < 0)
        return -1;
    setsockopt(nchan->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    return 0;
}

void nchan_close(struct nchan *nchan) {
    if (nchan->body && nchan->fd >= 0)
        close(nchan->fd);
    free(nchan->body);
}

void nchan_path(const void *arg, size_t index, char *path, size_t size) {
    const struct nchan *nchan = arg;
    snprintf(path, size, "/sub?id=%zu", index % nchan->channels);
}

int nchan_send(struct nchan *nchan, uint64_t number, struct wb_error *err) {
    int head = snprintf(nchan->body, HEAD_BYTES,
                        "POST /pub?id=%" PRIu64 " HTTP/1.1\r\nHost: nchan\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        number % nchan->channels, nchan->size);
    size_t length = (size_t)head + nchan->size;
    memset(nchan->body + head, 'x', nchan->size);
    for (size_t sent = 0; sent < length;) {
        ssize_t taken = send(nchan->fd, nchan->body + sent, length - sent, MSG_NOSIGNAL);
        if (taken < 0)
            return problem(err, WB_E_SYSTEM, "send: %s", strerror(errno));
        sent += (size_t)taken;
    }
    return 0;
}

int nchan_poll(struct nchan *nchan, struct wb_error *err) {
    static const char *const refusals[] = {"HTTP/1.1 4", "HTTP/1.1 5"};
    char answers[65536];
    for (ssize_t got; (got = recv(nchan->fd, answers, sizeof answers, MSG_DONTWAIT)) != EOF;) {
        if (got == 0)
            return problem(err, WB_E_SYSTEM, "nginx closed the publisher's connection");
        for (size_t i = 0; i < 2; i++) {
            const char *found = memmem(answers, (size_t)got, refusals[i], strlen(refusals[i]));
            if (found)
                return problem(err, WB_E_FORMAT, "nginx answered: %.*s",
                               (int)(answers + got - found < 40 ? answers + got - found : 40),
                               found);
        }
    }
    return errno == EAGAIN ? 0 : problem(err, WB_E_SYSTEM, "recv: %s", strerror(errno));
}
