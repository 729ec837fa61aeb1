/* Followers of event streams (SSE) over plain sockets, of any server: many on one epoll.
 *
 * They come from many address blocks of the loopback network, as citizens do. An event is a line
 * that begins with 'data:'. */
#ifndef TESTS_BENCH_VIEWER_H
#define TESTS_BENCH_VIEWER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define VIEWER_CARRY 64 /* bytes of a mark that a read may have cut */
#define VIEWERS_MAX  50000

struct viewer {
    int fd;
    bool up;         /* the stream's head has come */
    uint8_t matched; /* of 'data:', at the beginning of a line */
    uint8_t carry_bytes;
    uint16_t head_bytes;
    uint32_t events;
    char *head; /* until it is complete */
    char carry[VIEWER_CARRY];
};

struct viewers {
    int epoll;
    const char *name; /* of the server, as it was given */
    struct sockaddr_in server;
    struct viewer *all;
    size_t count, connected, up;
    uint64_t events, bytes; /* since the streams' heads */
    /* Called for each of pace.h's marks, unless it is NULL: number is what stands behind it, now_us
     * when its bytes were read. */
    void (*arrived)(void *arg, uint64_t number, int64_t now_us);
    void *arg;
};

/* name: of the server, like 127.0.0.1:7400; it lasts as long as the viewers. -1 and err, also when
 * fewer files may be open than are needed. To be closed in either case. */
int viewers_open(struct viewers *viewers, const char *name, size_t count, struct wb_error *err);
void viewers_close(struct viewers *viewers);

/* Writes the path that this follower asks for. */
typedef void viewer_path_fn(const void *arg, size_t index, char *path, size_t size);

/* Connects all of them and waits until every stream has its head. -1 and err. */
int viewers_follow(struct viewers *viewers, viewer_path_fn *path, const void *arg,
                   struct wb_error *err);

/* A further connection to the server, for the caller to use and close. -1 and err. */
int viewers_connect(const struct viewers *viewers, struct wb_error *err);

/* Reads what has come, waiting up to timeout_ms. -1 and err when a stream was refused or ended. */
int viewers_turn(struct viewers *viewers, int timeout_ms, struct wb_error *err);

#endif
