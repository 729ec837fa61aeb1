/* The peer of the gateway: an nginx with Nchan that takes messages at /pub?id=C by POST and streams
 * them from /sub?id=C. Messages go over one connection, one request behind the other, without
 * waiting for the answers. */
#ifndef TESTS_BENCH_NCHAN_H
#define TESTS_BENCH_NCHAN_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

struct viewers;

struct nchan {
    size_t channels;
    int fd;
    char *body; /* size bytes */
    size_t size;
};

/* Connects to the viewers' server. -1 and err. To be closed in either case. */
int nchan_open(struct nchan *nchan, const struct viewers *viewers, size_t channels, size_t size,
               struct wb_error *err);
void nchan_close(struct nchan *nchan);
/* Writes where the messages of channel index % channels are streamed: a viewer_path_fn. */
void nchan_path(const void *nchan, size_t index, char *path, size_t size);
/* Sends message number to its channel. -1 and err. */
int nchan_send(struct nchan *nchan, uint64_t number, struct wb_error *err);
/* Reads the answers that have come. -1 and err if one is a refusal. */
int nchan_poll(struct nchan *nchan, struct wb_error *err);

#endif
