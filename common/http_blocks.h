/* How many connections each block of addresses has open, so that none takes them all. Private to
 * the HTTP server. */
#ifndef COMMON_HTTP_BLOCKS_H
#define COMMON_HTTP_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

struct http_blocks {
    struct http_block *slots;
    size_t mask, used;
    uint64_t seed; /* strangers choose their blocks */
};

/* For as many blocks as there are connections. -1 without memory. */
int http_blocks_open(struct http_blocks *blocks, size_t connections);
void http_blocks_close(struct http_blocks *blocks);

/* Counts one in; how many the block has with it, 0 (and not counted) where the table is full. */
uint32_t http_blocks_enter(struct http_blocks *blocks, uint64_t block);
/* One that was counted in. */
void http_blocks_leave(struct http_blocks *blocks, uint64_t block);

#endif
