/* See writer.h. */
#include "server/store/writer.h"

#include "common/base/base.h"
#include "server/store/machine.h"

#include <pthread.h>

#define LOOK_MS          1000  /* between two looks for other processes' commits */
#define WRITER_BUSY_MS   10000 /* an import may hold the store for a while */
#define WRITER_CACHE_KIB 16384

struct writer {
    struct writer_options options;
    struct db *db;
    struct store store;
    bool has_store, has_thread;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    struct writer_job *first, *last;
    size_t count;
    bool closing;
    int64_t data_version; /* the writer's thread alone */
    int64_t looked_ms;
};

/* Whoever isn't let in has written nothing; any other failure may have left half of its work. */
static bool loses_the_group(enum err_code code)
{
    return code != ERR_OK && code != ERR_AUTH && code != ERR_REFUSED;
}

/* One transaction over `first`…; the jobs' own errors are kept in them. `*began`: false where none
 * of them ran. */
static struct err run_group(struct writer *w, struct writer_job *first, int attempt, bool *began)
{
    struct err err = db_begin(w->db, DB_LOCK_WRITE);
    *began = err.code == ERR_OK;
    if (!*began) {
        return err;
    }
    for (struct writer_job *job = first; job != NULL && err.code == ERR_OK; job = job->next) {
        job->err = job->run(job, &w->store, attempt);
        if (loses_the_group(job->err.code)) {
            err = job->err;
        }
    }
    return db_end(w->db, err);
}

static void finish(struct writer_job *job)
{
    job->done(job, job->err); /* may free it */
}

static void finish_all(struct writer_job *first)
{
    for (struct writer_job *job = first, *next; job != NULL; job = next) {
        next = job->next;
        finish(job);
    }
}

/* Somebody else holds the store: who waits behind has waited as long, and would wait once more for
 * each group before it. Devices are told to come again. */
static void turn_away(struct writer *w, struct writer_job *first, struct err err)
{
    (void)pthread_mutex_lock(&w->mutex);
    struct writer_job *others = w->first;
    w->first = w->last = NULL;
    w->count = 0;
    (void)pthread_mutex_unlock(&w->mutex);
    struct writer_job *const lists[] = {first, others};
    for (size_t i = 0; i < count_of(lists); i++) {
        for (struct writer_job *job = lists[i]; job != NULL; job = job->next) {
            job->err = err;
        }
        finish_all(lists[i]);
    }
}

static void retry_alone(struct writer *w, struct writer_job *first)
{
    for (struct writer_job *job = first, *next; job != NULL; job = next) {
        bool began;
        next = job->next;
        job->next = NULL;
        struct err err = run_group(w, job, 1, &began);
        if (err.code != ERR_OK) {
            job->err = err;
        }
        finish(job);
    }
}

static void do_group(struct writer *w, struct writer_job *first, size_t count)
{
    int64_t began_us = machine_mono_us();
    bool began;
    struct err err = run_group(w, first, 0, &began);
    if (!began) {
        turn_away(w, first, err);
    } else if (err.code == ERR_OK) {
        finish_all(first);
    } else {
        retry_alone(w, first);
    }
    w->options.grouped(w->options.context, count, err, machine_mono_us() - began_us);
}

/* SQLite's data_version moves only when somebody else committed. */
static void look_for_others(struct writer *w)
{
    int64_t now_ms = machine_mono_ms();
    if (now_ms - w->looked_ms < LOOK_MS) {
        return;
    }
    w->looked_ms = now_ms;
    int64_t version = db_data_version(w->db);
    if (version != w->data_version && version >= 0) {
        w->data_version = version;
        w->options.changed(w->options.context);
    }
    if (w->options.looked != NULL) {
        w->options.looked(w->options.context, w);
    }
}

/* Under the mutex: waits for jobs, at most LOOK_MS, and takes a group of them. */
static struct writer_job *take_group(struct writer *w, size_t *count)
{
    if (w->first == NULL && !w->closing) {
        struct timespec at = machine_deadline(LOOK_MS);
        (void)pthread_cond_timedwait(&w->news, &w->mutex, &at);
    }
    struct writer_job *first = w->first, *last = NULL;
    *count = 0;
    for (struct writer_job *job = first; job != NULL && *count < w->options.group_max;
         job = job->next) {
        last = job;
        (*count)++;
    }
    if (last != NULL) {
        w->first = last->next;
        w->last = w->first == NULL ? NULL : w->last;
        last->next = NULL;
        w->count -= *count;
    }
    return first;
}

static void *write_on(void *context)
{
    struct writer *w = context;
    for (;;) {
        size_t count;
        (void)pthread_mutex_lock(&w->mutex);
        struct writer_job *first = take_group(w, &count);
        bool over = first == NULL && w->closing;
        (void)pthread_mutex_unlock(&w->mutex);
        if (over) {
            return NULL;
        }
        if (first != NULL) {
            do_group(w, first, count);
        }
        look_for_others(w);
    }
}

static struct err start(struct writer *w)
{
    const struct db_options options = {
        .mode = DB_WRITE, .busy_timeout_ms = WRITER_BUSY_MS, .cache_kib = WRITER_CACHE_KIB};
    struct err err = db_open(&w->db, w->options.path, &options);
    if (err.code == ERR_OK) {
        struct host host = machine_host();
        err = store_open(&w->store, w->db, &host, true);
        w->has_store = err.code == ERR_OK;
        store_use_ledger(&w->store, w->options.ledger);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    w->data_version = db_data_version(w->db);
    int rc = pthread_create(&w->thread, NULL, write_on, w);
    w->has_thread = rc == 0;
    return rc == 0 ? err_ok() : err_make(ERR_NOMEM, rc, "pthread_create");
}

struct err writer_open(struct writer **out, const struct writer_options *options)
{
    *out = NULL;
    struct writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return err_make(ERR_NOMEM, 0, "writer_open");
    }
    w->options = *options;
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->news, NULL);
    struct err err = start(w);
    if (err.code != ERR_OK) {
        writer_close(w);
        return err;
    }
    *out = w;
    return err_ok();
}

void writer_end(struct writer *w)
{
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->mutex);
    w->closing = true;
    (void)pthread_cond_signal(&w->news);
    (void)pthread_mutex_unlock(&w->mutex);
    if (w->has_thread) {
        (void)pthread_join(w->thread, NULL);
        w->has_thread = false;
    }
}

void writer_close(struct writer *w)
{
    if (w == NULL) {
        return;
    }
    writer_end(w);
    if (w->has_store) {
        store_close(&w->store);
    }
    db_close(w->db);
    (void)pthread_cond_destroy(&w->news);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

bool writer_put(struct writer *w, struct writer_job *job)
{
    (void)pthread_mutex_lock(&w->mutex);
    bool room = w->count < w->options.queue_max && !w->closing;
    if (room) {
        job->next = NULL;
        job->err = err_ok();
        if (w->last != NULL) {
            w->last->next = job;
        } else {
            w->first = job;
        }
        w->last = job;
        w->count++;
        (void)pthread_cond_signal(&w->news);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return room;
}

size_t writer_waiting(struct writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    size_t count = w->count;
    (void)pthread_mutex_unlock(&w->mutex);
    return count;
}
