/* Followers of case pages: event streams (SSE) over plain sockets, many on one epoll. */
#ifndef TESTS_BENCH_VIEWER_H
#define TESTS_BENCH_VIEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define VIEWER_CARRY 64 /* bytes of a mark that a read may have cut */

struct viewer {
    int fd;
    bool up; /* the stream's head has come */
    char head[4096];
    size_t head_bytes;
    char carry[VIEWER_CARRY];
    size_t carry_bytes;
};

struct viewers {
    int epoll;
    struct viewer *all;
    size_t count, up;
    /* Called for each mark: number is what stands behind it, now_us when its bytes were read. */
    void (*arrived)(void *arg, uint64_t number, int64_t now_us);
    void *arg;
};

/* -1 and err. To be closed in either case. */
int viewers_open(struct viewers *viewers, size_t count, struct wb_error *err);
void viewers_close(struct viewers *viewers);

/* Connects one and sends its request; host is an IPv4 address. -1 and err. */
int viewer_connect(struct viewers *viewers, size_t index, const char *host, int port,
                   const char *path, struct wb_error *err);

/* Reads what has come, waiting up to timeout_ms. -1 and err when a stream was refused or ended. */
int viewers_turn(struct viewers *viewers, int timeout_ms, struct wb_error *err);

#endif
