/* Blocks in a list, newest first; a request larger than a block gets a block of its own. */
#include "protocol/arena.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 * 1024)
#define FIRST_ROOM  16 /* things of a growing array */

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t room;
    _Alignas(max_align_t) uint8_t at[];
};

void arena_init(struct arena *a, size_t size_max)
{
    *a = (struct arena){.size_max = size_max};
}

static void free_from(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_release(struct arena *a)
{
    free_from(a->blocks);
    *a = (struct arena){.size_max = a->size_max};
}

void arena_clear(struct arena *a)
{
    struct arena_block *keep = a->blocks;
    if (keep != NULL) {
        free_from(keep->next);
        keep->next = NULL;
        keep->used = 0;
        if (keep->room > BLOCK_BYTES) {
            free(keep);
            a->blocks = NULL;
        }
    }
    a->size = a->blocks ? a->blocks->room : 0;
    a->full = false;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t unit = _Alignof(max_align_t);
    if (size > SIZE_MAX - unit) {
        a->full = true;
        return NULL;
    }
    size = (size + unit - 1) / unit * unit;
    struct arena_block *block = a->blocks;
    if (block == NULL || size > block->room - block->used) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        if (room > a->size_max || a->size > a->size_max - room) {
            a->full = true;
            return NULL;
        }
        block = malloc(sizeof *block + room);
        if (block == NULL) {
            return NULL;
        }
        *block = (struct arena_block){.next = a->blocks, .room = room};
        a->blocks = block;
        a->size += room;
    }
    void *at = block->at + block->used;
    block->used += size;
    memset(at, 0, size);
    return at;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        a->full = true;
        return NULL;
    }
    return arena_alloc(a, count * size);
}

void *arena_more(struct arena *a, void *at, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return at;
    }
    size_t more = *room == 0 ? FIRST_ROOM : *room * 2;
    void *to = arena_array(a, more, size);
    if (to == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(to, at, count * size);
    }
    *room = more;
    return to;
}

struct bytes arena_copy(struct arena *a, struct bytes bytes)
{
    if (bytes.size == SIZE_MAX) {
        return (struct bytes){0};
    }
    uint8_t *to = arena_alloc(a, bytes.size + 1);
    if (to == NULL) {
        return (struct bytes){0};
    }
    if (bytes.size > 0) {
        memcpy(to, bytes.at, bytes.size);
    }
    return bytes_of(to, bytes.size);
}
