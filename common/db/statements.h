/* The statements that a connection keeps, for drivers: found by the text's address first (a literal
 * keeps its own) and by content next.
 *
 *   near[address] ──► kept[index] ◄── buckets[hash of text] ──► kept[].next …
 *
 * Content is compared in both cases, since composed SQL reuses its buffer. When all places are
 * taken, the one unused for longest goes: a statement that was just given out stays valid while
 * STATEMENTS_MAX - 1 other texts are used. */
#ifndef COMMON_DB_STATEMENTS_H
#define COMMON_DB_STATEMENTS_H

#include "common/base/base.h"

#define STATEMENTS_MAX    256 /* kept by a connection; about 1 MiB at the worst */
#define STATEMENT_BUCKETS 512
#define STATEMENT_NEAR    256 /* slots of the table by address, each for the last two */

/* A kept statement. `text` is our own copy: callers compose SQL in buffers of their own. */
struct kept {
    void *handle; /* the driver's; NULL: a free place */
    char *text;
    uint64_t hash;
    uint64_t last_use;
    int next; /* in its bucket; -1: the last */
};

struct near {
    const char *address;
    int index;
};

struct statements {
    struct kept kept[STATEMENTS_MAX];
    int kept_count;
    int buckets[STATEMENT_BUCKETS];
    struct near near[STATEMENT_NEAR][2]; /* the later one first */
    uint64_t uses;
    bool (*busy)(const void *handle); /* being stepped: stays */
    void (*drop)(void *handle);
};

void statements_init(struct statements *s, bool (*busy)(const void *handle),
                     void (*drop)(void *handle));
void statements_release(struct statements *s); /* drops all; empty and usable afterwards */

/* NULL: not kept; then `*hash` is for statements_put. What was found is the last used. */
void *statements_find(struct statements *s, const char *sql, uint64_t *hash);
/* Keeps `handle` under a copy of the text. False without memory or place: `handle` is dropped. */
MUST_USE bool statements_put(struct statements *s, const char *sql, uint64_t hash, void *handle);

#endif
