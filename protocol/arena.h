/* Memory for one piece of work (a request, a chunk of rows), freed at once. `size_max` is the
 * ceiling for all that the work may ask for; beyond it arena_alloc gives NULL and `full` stays
 * set, so that "too large" can be told from "no memory". One thread at a time. */
#ifndef PROTOCOL_ARENA_H
#define PROTOCOL_ARENA_H

#include "protocol/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t size;
    size_t size_max;
    bool full;
};

void arena_init(struct arena *a, size_t size_max);
void arena_release(struct arena *a);
void arena_clear(struct arena *a); /* all that was given out is gone; one block is kept */
/* Zeroed, aligned for any type; NULL beyond the ceiling. */
MUST_USE void *arena_alloc(struct arena *a, size_t size);
/* `count` things of `size` bytes; NULL also where the product overflows. */
MUST_USE void *arena_array(struct arena *a, size_t count, size_t size);
/* An array with a place for one more than `count` things: `at` itself where there is room, else
 * twice the room and the things moved there. NULL, and `at` as it was, without memory. */
MUST_USE void *arena_more(struct arena *a, void *at, size_t count, size_t *room, size_t size);
/* A copy that lives in the arena, ended by a zero not counted; {NULL, 0} without memory. */
struct bytes arena_copy(struct arena *a, struct bytes bytes);

#endif
