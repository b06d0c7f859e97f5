/* See purging.h. */
#include "server/store/purging.h"

#include "common/base/base.h"
#include "common/base/log.h"
#include "server/store/machine.h"

#define PURGE_EACH_MS INT64_C(3600000)

static struct err run(struct writer_job *job, struct store *writer, int attempt)
{
    struct purging *p = container_of(job, struct purging, job);
    (void)attempt; /* an earlier one was undone */
    p->step = (struct purge_tally){.tombstones = 0};
    return store_purge(writer, machine_wall_ms(), &p->step, &p->more);
}

static void tell(const struct purge_tally *total, struct err err)
{
    struct log_line line;
    if (err.code == ERR_OK && total->tombstones + total->departures == 0) {
        return;
    }
    log_begin(&line, machine_wall_ms(), err.code == ERR_OK ? "purged" : "purge_failed");
    log_int(&line, "tombstones", total->tombstones);
    log_int(&line, "departures", total->departures);
    if (err.code != ERR_OK) {
        log_err(&line, err);
    }
    log_end(&line, stderr);
}

/* Where nothing is left, or it failed, the next hour begins anew. */
static void done(struct writer_job *job, struct err err)
{
    struct purging *p = container_of(job, struct purging, job);
    p->queued = false;
    if (err.code == ERR_OK) {
        p->total.tombstones += p->step.tombstones;
        p->total.departures += p->step.departures;
    }
    if (err.code != ERR_OK || !p->more) {
        tell(&p->total, err);
        p->total = (struct purge_tally){.tombstones = 0};
        p->due_ms = machine_mono_ms() + PURGE_EACH_MS;
    }
}

void purging_look(struct purging *p, struct writer *w)
{
    if (p->queued || machine_mono_ms() < p->due_ms) {
        return;
    }
    p->job = (struct writer_job){.run = run, .done = done};
    p->queued = writer_put(w, &p->job);
}
