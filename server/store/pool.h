/* Workers that read: a thread each, with its own connection to the store, taking work from one
 * bounded queue. What a worker's job may take long for (a download that the client reads slowly)
 * holds that worker, so there are several, and `pressed` says when others wait. */
#ifndef SERVER_STORE_POOL_H
#define SERVER_STORE_POOL_H

#include <stdatomic.h>

#include "common/changelog/server/store.h"

struct pool;

struct pool_job {
    struct pool_job *next;
    void (*run)(struct pool_job *job, struct store *reader);
};

/* Opens `workers` connections to the store at `path` and starts their threads. At most
 * `queue_max` jobs wait. `ledger` may be NULL; it outlives the pool. */
MUST_USE struct err pool_open(struct pool **out, const char *path,
                              const struct store_ledger *ledger, int workers, size_t queue_max);
/* Runs what is queued, then ends the threads. NULL is fine. */
void pool_close(struct pool *p);

/* false: the queue is full. */
MUST_USE bool pool_put(struct pool *p, struct pool_job *job);
/* The second half of work that was let in before: always taken, ahead of the queue. */
void pool_put_ahead(struct pool *p, struct pool_job *job);
size_t pool_waiting(struct pool *p);
/* Not 0 while jobs wait and no worker is free; lives as long as the pool. */
const _Atomic int *pool_pressed(const struct pool *p);

#endif
