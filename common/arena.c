#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer what was not handed out is poisoned, and a gap is left behind each piece,
 * so that the fuzzers see a decoder that writes beyond one. */
#if defined(__SANITIZE_ADDRESS__)
#define POISONS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* how clang says it */
#define POISONS
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define GAP 16
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)0)
#define GAP                                    0
#endif

#define ALIGNMENT   16
#define BLOCK_BYTES 4096                 /* the first block; each further one is twice as large */
#define BLOCK_MAX   ((size_t)256 * 1024) /* until here; a larger piece gets a block of its own */

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    alignas(ALIGNMENT) unsigned char data[];
};

static void *protobuf_alloc(void *arena, size_t bytes) {
    return arena_alloc(arena, bytes);
}

static void protobuf_free(void *arena, void *piece) {
    (void)arena, (void)piece;
}

void arena_init(struct arena *arena, size_t max_bytes) {
    *arena = (struct arena){.max = max_bytes < SIZE_MAX / 2 ? max_bytes : SIZE_MAX / 2};
    arena->protobuf = (ProtobufCAllocator){protobuf_alloc, protobuf_free, arena};
}

static void free_blocks(struct arena_block *block) {
    while (block) {
        struct arena_block *next = block->next;
        ASAN_UNPOISON_MEMORY_REGION(block->data, block->size);
        free(block);
        block = next;
    }
}

void arena_free(struct arena *arena) {
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used = 0;
}

void arena_reset(struct arena *arena) {
    arena->used = 0;
    struct arena_block **link = &arena->blocks;
    while (*link && (*link)->size > BLOCK_MAX)
        link = &(*link)->next;
    struct arena_block *kept = *link;
    if (kept) {
        *link = kept->next;
        kept->next = NULL;
        kept->used = 0;
        ASAN_POISON_MEMORY_REGION(kept->data, kept->size);
    }
    free_blocks(arena->blocks);
    arena->blocks = kept;
}

static struct arena_block *add_block(struct arena *arena, size_t bytes) {
    struct arena_block *newest = arena->blocks;
    size_t size = newest ? newest->size * 2 : BLOCK_BYTES;
    if (size > BLOCK_MAX)
        size = BLOCK_MAX;
    bool alone = bytes > size;
    if (alone)
        size = bytes;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->used = 0;
    ASAN_POISON_MEMORY_REGION(block->data, size);
    /* A piece that fills its block must not hide the room that is left in the newest one. */
    if (alone && newest) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    if (bytes > arena->max - arena->used)
        return NULL;
    size_t room = ((bytes ? bytes : 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (room > arena->max - arena->used)
        return NULL;
    struct arena_block *block = arena->blocks;
    if (!block || room + GAP > block->size - block->used) {
        block = add_block(arena, room + GAP);
        if (!block)
            return NULL;
    }
    void *piece = block->data + block->used;
    block->used += room + GAP;
    arena->used += room;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return piece;
}

char *arena_text(struct arena *arena, const char *text, size_t bytes) {
    char *copy = bytes < SIZE_MAX ? arena_alloc(arena, bytes + 1) : NULL;
    if (!copy)
        return NULL;
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    char *text = bytes < 0 ? NULL : arena_alloc(arena, (size_t)bytes + 1);
    if (text)
        vsnprintf(text, (size_t)bytes + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}
