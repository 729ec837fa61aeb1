/* Memory that is freed all at once, with a cap: the allocator of everything that a decoder builds
 * from a peer's bytes. */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct arena {
    ProtobufCAllocator protobuf; /* allocates here; its free does nothing */
    struct arena_block *blocks;  /* the newest first */
    size_t used, max;            /* bytes handed out since the last reset, and the most */
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_free(struct arena *arena);  /* gives all memory back; the arena may be used again */
void arena_reset(struct arena *arena); /* forgets the contents, keeps one block */

/* 16-byte aligned, not cleared. NULL when the cap is reached or memory is out. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* With a NUL behind it. NULL as above. */
char *arena_text(struct arena *arena, const char *text, size_t bytes);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
