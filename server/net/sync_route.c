/* POST /v1/sync and GET /v1/live: the signed routes. A sync's job goes from thread to thread, never
 * on two at once, and frees itself where it answers:
 *
 *   pool: check ──► writer: judge ──► committed ──► pool: answer ──► freed
 *           └──► refused, freed          └──► failed, freed
 */
#include "server/net/service.h"

#include <sodium.h>

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/sync/server_session.h"
#include "server/net/auth.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

struct sync_job {
    struct pool_job read;
    struct writer_job write;
    struct service *service;
    struct exchange *exchange;
    struct server_session *session;
    struct store_device device;
    bool replaced; /* the store doesn't write any more */
};

static void job_free(struct sync_job *job)
{
    server_session_free(job->session);
    exchange_drop(job->exchange);
    free(job);
}

/* Whose request is it, and may it come in now? False: answered. */
static bool check(struct sync_job *job, struct store *reader)
{
    struct exchange *x = job->exchange;
    struct refusal refusal;
    struct err err = auth_check(&x->request, reader, &job->device, &refusal);
    if (err.code == ERR_AUTH) {
        exchange_fail(x, refusal.status, refusal.code, 0);
        return false;
    }
    if (err.code != ERR_OK) {
        service_fail(x, err);
        return false;
    }
    x->device_number = job->device.number;
    return service_admit(job->service, x, job->device.number);
}

static struct err session_new(struct sync_job *job)
{
    struct request *r = &job->exchange->request;
    struct host host = machine_host();
    server_session_free(job->session);
    job->session = NULL;
    return server_session_new(buf_bytes(&r->body), job->device.number, r->received_ms, &host,
                              &job->session);
}

static void answer_fault(struct sync_job *job)
{
    struct fault fault = {.code = "malformed"};
    int status = job->session == NULL ? 400 : server_session_fault(job->session, &fault);
    exchange_fault(job->exchange, status, &fault);
}

/* Streams what the session has; a device that left ends it. The first piece is read before the
 * status goes out, so that a store that fails at once can still say so. */
static struct err stream(struct sync_job *job, struct store *reader, struct buf *out, bool *started)
{
    static const struct answer_head head = {
        .status = 200, .type = "application/cbor-seq", .encoding = "zstd"};
    struct exchange *x = job->exchange;
    struct err err = err_ok();
    for (bool done = false; err.code == ERR_OK && !done;) {
        buf_clear(out);
        err = server_session_read(job->session, reader, out, &done);
        if (err.code == ERR_OK && !*started) {
            *started = true;
            err = exchange_start(x, &head);
        }
        if (err.code == ERR_OK && out->size > 0) {
            count_more(&job->service->counters->pulled_bytes, out->size);
            err = exchange_write(x, buf_bytes(out));
        }
    }
    return err;
}

static void answer(struct sync_job *job, struct store *reader)
{
    struct buf out;
    bool started = false;
    buf_init(&out, MESSAGE_BYTES_MAX);
    struct err err = stream(job, reader, &out, &started);
    server_session_read_end(job->session, reader);
    struct server_tally tally;
    server_session_tally(job->session, &tally);
    count_more(&job->service->counters->rows_pulled, tally.rows);
    buf_release(&out);
    if (err.code == ERR_OK) {
        exchange_end(job->exchange);
    } else if (started) {
        exchange_abort(job->exchange); /* a cut answer must not look like a whole one */
    } else {
        service_fail(job->exchange, err);
    }
}

static void on_answer(struct pool_job *read, struct store *reader)
{
    struct sync_job *job = container_of(read, struct sync_job, read);
    switch (server_session_next(job->session)) {
    case SERVER_FAULT:
        answer_fault(job);
        break;
    case SERVER_READ:
        live_synced(job->service->live, job->device.number);
        answer(job, reader);
        break;
    case SERVER_JUDGE:
    case SERVER_DONE:
        service_fail(job->exchange, err_make(ERR_INTERNAL, 0, "on_answer"));
        break;
    }
    job_free(job);
}

static struct err on_judge(struct writer_job *write, struct store *writer, int attempt)
{
    struct sync_job *job = container_of(write, struct sync_job, write);
    if (attempt > 0) { /* what the first one noted of the lost group must not stay */
        struct err err = session_new(job);
        if (err.code != ERR_OK) {
            return err;
        }
    }
    struct err err = server_session_judge(job->session, writer);
    job->replaced = writer->superseded != 0;
    return err;
}

static void count_judged(struct counters *c, const struct server_session *session)
{
    struct server_tally tally;
    server_session_tally(session, &tally);
    count(&c->sessions);
    count_more(&c->chain_alarms, tally.alarms);
    for (size_t i = 0; i < count_of(tally.outcomes); i++) {
        count_more(&c->outcomes[i], tally.outcomes[i]);
    }
}

/* The change log was cut or replaced: `legworkd verify` names the places. */
static void tell_alarms(const struct sync_job *job)
{
    struct server_tally tally;
    server_session_tally(job->session, &tally);
    if (tally.alarms > 0) {
        struct log_line line;
        log_begin(&line, machine_wall_ms(), "chain_alarm");
        log_int(&line, "device", job->device.number);
        log_int(&line, "heads", (int64_t)tally.alarms);
        log_end(&line, stderr);
    }
}

static void on_judged(struct writer_job *write, struct err err)
{
    struct sync_job *job = container_of(write, struct sync_job, write);
    struct service *s = job->service;
    if (job->session != NULL) {
        server_session_committed(job->session, err);
    }
    if (job->replaced) {
        s->replaced(s->context);
    }
    if (err.code == ERR_OK) {
        const struct scope_id *touched;
        size_t n = server_session_touched(job->session, &touched);
        live_touched(s->live, touched, n, job->device.number);
        count_judged(s->counters, job->session);
        tell_alarms(job);
        job->read.run = on_answer;
        pool_put_ahead(s->pool, &job->read);
        return;
    }
    count(&s->counters->sessions_failed);
    if (err.code == ERR_PROTOCOL || err.code == ERR_LIMIT) {
        answer_fault(job);
    } else {
        service_fail(job->exchange, err);
    }
    job_free(job);
}

static void on_check(struct pool_job *read, struct store *reader)
{
    struct sync_job *job = container_of(read, struct sync_job, read);
    if (!check(job, reader)) {
        job_free(job);
        return;
    }
    count_more(&job->service->counters->pushed_bytes, job->exchange->request.body.size);
    struct err err = session_new(job);
    if (err.code == ERR_PROTOCOL || err.code == ERR_LIMIT) {
        answer_fault(job);
        job_free(job);
    } else if (err.code != ERR_OK) {
        service_fail(job->exchange, err);
        job_free(job);
    } else if (server_session_next(job->session) != SERVER_JUDGE) {
        on_answer(read, reader);
    } else {
        job->write.run = on_judge;
        job->write.done = on_judged;
        if (!writer_put(job->service->writer, &job->write)) {
            service_busy(job->exchange);
            job_free(job);
        }
    }
}

/* One too many polls meanwhile; those that are told at once don't come back together. */
static void on_live(struct pool_job *read, struct store *reader)
{
    struct sync_job *job = container_of(read, struct sync_job, read);
    if (check(job, reader) && !live_add(job->service->live, job->exchange, &job->device)) {
        exchange_fail(job->exchange, 503, "busy", LIVE_RETRY_S + randombytes_uniform(LIVE_RETRY_S));
    }
    job_free(job);
}

static void begin(struct service *s, struct exchange *x,
                  void (*run)(struct pool_job *, struct store *))
{
    struct sync_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        service_busy(x);
        return;
    }
    job->service = s;
    job->exchange = exchange_hold(x);
    job->read.run = run;
    if (!pool_put(s->pool, &job->read)) {
        service_busy(x);
        job_free(job);
    }
}

void sync_route(struct service *s, struct exchange *x)
{
    begin(s, x, on_check);
}

void live_route(struct service *s, struct exchange *x)
{
    begin(s, x, on_live);
}
