/* See pool.h. */
#include "server/store/pool.h"

#include "common/base/base.h"
#include "server/store/machine.h"

#include <pthread.h>

#define POOL_WORKERS_MAX 64
#define POOL_CACHE_KIB   1024
#define POOL_BUSY_MS     5000
#define POOL_STACK_BYTES ((size_t)1024 * 1024)

struct worker {
    struct pool *pool;
    pthread_t thread;
    struct db *db;
    struct store store;
    bool has_store, has_thread;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t news;
    struct pool_job *first, *last;
    size_t count, max;
    int idle;
    bool closing;
    _Atomic int pressed;
    int worker_count;
    struct worker workers[POOL_WORKERS_MAX];
};

/* Under the mutex. */
static void press(struct pool *p)
{
    atomic_store(&p->pressed, p->count > 0 && p->idle == 0);
}

/* Under the mutex; waits for a job. NULL: the pool closes and nothing is left. */
static struct pool_job *take(struct pool *p)
{
    p->idle++;
    press(p);
    while (p->first == NULL && !p->closing) {
        (void)pthread_cond_wait(&p->news, &p->mutex);
    }
    p->idle--;
    struct pool_job *job = p->first;
    if (job != NULL) {
        p->first = job->next;
        p->last = p->first == NULL ? NULL : p->last;
        p->count--;
    }
    press(p);
    return job;
}

static void *work(void *context)
{
    struct worker *w = context;
    struct pool *p = w->pool;
    for (;;) {
        (void)pthread_mutex_lock(&p->mutex);
        struct pool_job *job = take(p);
        (void)pthread_mutex_unlock(&p->mutex);
        if (job == NULL) {
            return NULL;
        }
        job->run(job, &w->store);
    }
}

static struct err worker_start(struct worker *w, const char *path,
                               const struct store_ledger *ledger)
{
    const struct db_options options = {
        .mode = DB_READ, .busy_timeout_ms = POOL_BUSY_MS, .cache_kib = POOL_CACHE_KIB};
    struct err err = db_open(&w->db, path, &options);
    if (err.code == ERR_OK) {
        struct host host = machine_host();
        err = store_open(&w->store, w->db, &host, false);
        w->has_store = err.code == ERR_OK;
        store_use_ledger(&w->store, ledger);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc == 0) {
        rc = pthread_attr_setstacksize(&attr, POOL_STACK_BYTES);
        rc = rc != 0 ? rc : pthread_create(&w->thread, &attr, work, w);
        (void)pthread_attr_destroy(&attr);
    }
    w->has_thread = rc == 0;
    return rc == 0 ? err_ok() : err_make(ERR_NOMEM, rc, "pthread_create");
}

struct err pool_open(struct pool **out, const char *path, const struct store_ledger *ledger,
                     int workers, size_t queue_max)
{
    assert(workers > 0 && workers <= POOL_WORKERS_MAX);
    *out = NULL;
    struct pool *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return err_make(ERR_NOMEM, 0, "pool_open");
    }
    (void)pthread_mutex_init(&p->mutex, NULL);
    (void)pthread_cond_init(&p->news, NULL);
    p->max = queue_max;
    struct err err = err_ok();
    for (int i = 0; i < workers && err.code == ERR_OK; i++) {
        p->worker_count++;
        p->workers[i].pool = p;
        err = worker_start(&p->workers[i], path, ledger);
    }
    if (err.code != ERR_OK) {
        pool_close(p);
        return err;
    }
    *out = p;
    return err_ok();
}

void pool_close(struct pool *p)
{
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->mutex);
    p->closing = true;
    (void)pthread_cond_broadcast(&p->news);
    (void)pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->worker_count; i++) {
        struct worker *w = &p->workers[i];
        if (w->has_thread) {
            (void)pthread_join(w->thread, NULL);
        }
        if (w->has_store) {
            store_close(&w->store);
        }
        db_close(w->db);
    }
    (void)pthread_cond_destroy(&p->news);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

bool pool_put(struct pool *p, struct pool_job *job)
{
    (void)pthread_mutex_lock(&p->mutex);
    bool room = p->count < p->max && !p->closing;
    if (room) {
        job->next = NULL;
        if (p->last != NULL) {
            p->last->next = job;
        } else {
            p->first = job;
        }
        p->last = job;
        p->count++;
        press(p);
        (void)pthread_cond_signal(&p->news);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return room;
}

void pool_put_ahead(struct pool *p, struct pool_job *job)
{
    (void)pthread_mutex_lock(&p->mutex);
    job->next = p->first;
    p->first = job;
    p->last = p->last == NULL ? job : p->last;
    p->count++;
    press(p);
    (void)pthread_cond_signal(&p->news);
    (void)pthread_mutex_unlock(&p->mutex);
}

size_t pool_waiting(struct pool *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    size_t count = p->count;
    (void)pthread_mutex_unlock(&p->mutex);
    return count;
}

const _Atomic int *pool_pressed(const struct pool *p)
{
    return &p->pressed;
}
