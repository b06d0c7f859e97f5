/* See blob_sweeping.h. */
#include "server/net/blob_sweeping.h"

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/changelog/server/media.h"
#include "server/store/machine.h"

#define SWEEP_EACH_MS INT64_C(3600000)

static void tell(const struct blob_sweep *sweep, struct err err)
{
    struct log_line line;
    if (err.code == ERR_OK && sweep->removed == 0) {
        return;
    }
    log_begin(&line, machine_wall_ms(), err.code == ERR_OK ? "photos_swept" : "sweep_failed");
    log_int(&line, "files", sweep->removed);
    log_int(&line, "bytes", sweep->removed_bytes);
    if (err.code != ERR_OK) {
        log_err(&line, err);
    }
    log_end(&line, stderr);
}

/* Where it failed the next hour begins anew. */
static void finish(struct blob_sweeping *b, const struct blob_sweep *sweep, struct err err)
{
    tell(sweep, err);
    b->due_ms = machine_mono_ms() + SWEEP_EACH_MS;
    atomic_store(&b->busy, false);
}

static struct err is_needed(void *reader, const char *name, bool *needed)
{
    return media_is_needed(reader, name, needed);
}

static void run_sweep(struct pool_job *job, struct store *reader)
{
    struct blob_sweeping *b = container_of(job, struct blob_sweeping, sweep);
    struct blob_sweep sweep = {.now_ms = machine_wall_ms(),
                               .grace_ms = BLOB_GRACE_MS,
                               .is_needed = is_needed,
                               .context = reader};
    struct err err = blob_sweep(b->blobs, &sweep);
    finish(b, &sweep, err);
}

static struct err run_forget(struct writer_job *job, struct store *writer, int attempt)
{
    (void)job;
    (void)attempt; /* an earlier one was undone */
    return media_forget_unneeded(writer);
}

/* First the record: a file without one is found and noted again. */
static void done_forget(struct writer_job *job, struct err err)
{
    struct blob_sweeping *b = container_of(job, struct blob_sweeping, forget);
    if (err.code == ERR_OK) {
        b->sweep.run = run_sweep;
        pool_put_ahead(b->pool, &b->sweep);
    } else {
        finish(b, &(struct blob_sweep){.removed = 0}, err);
    }
}

void blob_sweeping_look(struct blob_sweeping *b, struct writer *w)
{
    if (atomic_load(&b->busy) || machine_mono_ms() < b->due_ms) {
        return;
    }
    b->forget = (struct writer_job){.run = run_forget, .done = done_forget};
    atomic_store(&b->busy, true);
    if (!writer_put(w, &b->forget)) {
        atomic_store(&b->busy, false);
    }
}
