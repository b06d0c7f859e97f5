/* The one thread that writes. It takes all that is queued (up to `group_max`), runs each job inside
 * one database transaction, commits once, and then tells each what came of it: one fsync for the
 * whole group. If the group can't be committed, or a job loses it, each is tried once more alone.
 *
 *   put ──► queue ──► [ begin · run · run · run · commit ] ──► done · done · done
 *
 * A job that fails loses the group (but for AUTH, said before anything was written): failures are
 * rare, and savepoints around each job would cost every group. Nobody is told of success before
 * the commit. */
#ifndef SERVER_STORE_WRITER_H
#define SERVER_STORE_WRITER_H

#include "common/changelog/server/store.h"

struct writer;

struct writer_job {
    struct writer_job *next;
    /* On the writer's thread, inside the transaction. `attempt` is 0, then 1 where the group was
     * lost: whatever attempt 0 judged has not happened. */
    struct err (*run)(struct writer_job *job, struct store *writer, int attempt);
    /* On the writer's thread, after the commit (or its failure); hands the work on, quickly. */
    void (*done)(struct writer_job *job, struct err err);
    struct err err;
};

struct writer_options {
    const char *path;
    const struct store_ledger *ledger; /* NULL: none */
    size_t queue_max, group_max;
    void *context;
    /* A group is over: how many jobs, what came of it, how long it took. */
    void (*grouped)(void *context, size_t jobs, struct err err, int64_t took_us);
    /* Another process committed (an admin command); looked at each second. */
    void (*changed)(void *context);
    /* Each second or so, outside of any transaction; may put jobs. NULL: nothing to do then. */
    void (*looked)(void *context, struct writer *w);
};

MUST_USE struct err writer_open(struct writer **out, const struct writer_options *options);
/* Judges what is queued, then ends the thread; writer_put says false from then on. NULL is fine,
 * also for writer_close, which frees what is left. */
void writer_end(struct writer *w);
void writer_close(struct writer *w);
/* From any thread. false: the queue is full. */
MUST_USE bool writer_put(struct writer *w, struct writer_job *job);
size_t writer_waiting(struct writer *w);

#endif
