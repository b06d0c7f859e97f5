/* See simheap.h. Sizes are rounded up to steps; each step has a list of what was given back, and
 * what none has is cut off the current chunk. A word before each block says its step. */
#include "tests/support/simheap.h"

#include <sqlite3.h>

#define UNIT        16 /* bytes; a block's address is a multiple of half of it */
#define SMALL_MAX   1024
#define SMALL_STEPS (SMALL_MAX / UNIT)
#define STEPS       (SMALL_STEPS + 32) /* above SMALL_MAX: doubling */
#define CHUNK_BYTES ((size_t)1 << 20)

struct block {
    uint64_t step;
    struct block *next; /* while it is free; else the user's first bytes */
};

static struct { /* SQLite's allocator is the process's own */
    struct block *free[STEPS];
    uint8_t *at, *end;
} heap; /* NOLINT(cppcoreguidelines-avoid-non-const-global-variables) */

static size_t step_of(size_t size)
{
    if (size <= SMALL_MAX) {
        return (size + UNIT - 1) / UNIT - 1;
    }
    size_t step = SMALL_STEPS;
    for (size_t bytes = (size_t)SMALL_MAX * 2; bytes < size; bytes *= 2) {
        step++;
    }
    return step;
}

static size_t bytes_of_step(size_t step)
{
    return step < SMALL_STEPS ? (step + 1) * UNIT : (size_t)SMALL_MAX << (step - SMALL_STEPS + 1);
}

static struct block *cut(size_t bytes)
{
    if (bytes > (size_t)(heap.end - heap.at)) {
        size_t chunk = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        heap.at = malloc(chunk);
        heap.end = heap.at == NULL ? NULL : heap.at + chunk;
    }
    struct block *b = (struct block *)(void *)heap.at;
    heap.at += heap.at == NULL ? 0 : bytes;
    return b;
}

static void *on_malloc(int size)
{
    size_t step = step_of(size > 0 ? (size_t)size : 1);
    struct block *b = heap.free[step];
    if (b != NULL) {
        heap.free[step] = b->next;
        return &b->next;
    }
    b = cut(sizeof b->step + bytes_of_step(step));
    if (b == NULL) {
        return NULL;
    }
    b->step = step;
    return &b->next;
}

static struct block *block_of(void *memory)
{
    return (struct block *)(void *)((uint8_t *)memory - offsetof(struct block, next));
}

static void on_free(void *memory)
{
    if (memory != NULL) {
        struct block *b = block_of(memory);
        b->next = heap.free[b->step];
        heap.free[b->step] = b;
    }
}

static int on_size(void *memory)
{
    return memory == NULL ? 0 : (int)bytes_of_step(block_of(memory)->step);
}

static void *on_realloc(void *memory, int size)
{
    if (size <= on_size(memory)) {
        return memory;
    }
    void *to = on_malloc(size);
    if (to != NULL) {
        memcpy(to, memory, (size_t)on_size(memory));
        on_free(memory);
    }
    return to;
}

static int on_round_up(int size)
{
    return (int)bytes_of_step(step_of(size > 0 ? (size_t)size : 1));
}

static int on_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void on_shutdown(void *context)
{
    (void)context;
}

void simheap_use(void)
{
    static const sqlite3_mem_methods methods = {.xMalloc = on_malloc,
                                                .xFree = on_free,
                                                .xRealloc = on_realloc,
                                                .xSize = on_size,
                                                .xRoundup = on_round_up,
                                                .xInit = on_init,
                                                .xShutdown = on_shutdown};
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
