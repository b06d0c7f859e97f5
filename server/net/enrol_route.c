/* POST /v1/enroll: an invitation's secret becomes a device. Wrong, used and expired secrets get one
 * and the same answer, and an address that sent five of them within a minute waits. */
#include "server/net/service.h"

#include "common/base/base.h"
#include "common/base/log.h"
#include "protocol/codec.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#define ENROL_ARENA_BYTES_MAX ((size_t)64 * 1024)

struct enrol_job {
    struct pool_job read;
    struct writer_job write;
    struct service *service;
    struct exchange *exchange;
    struct arena arena; /* request and answer */
    struct enrol request;
    struct enrolled enrolled;
};

static void job_free(struct enrol_job *job)
{
    arena_release(&job->arena);
    exchange_drop(job->exchange);
    free(job);
}

static void log_enrolment(const struct enrol_job *job, struct err err)
{
    struct log_line line;
    log_begin(&line, machine_wall_ms(), err.code == ERR_OK ? "enrolled" : "enrol_refused");
    log_bytes(&line, "login", job->enrolled.login);
    log_int(&line, "device", job->enrolled.device_number);
    log_err(&line, err);
    log_end(&line, stderr);
}

static void answer(struct enrol_job *job)
{
    static const struct answer_head head = {.status = 200, .type = "application/cbor-seq"};
    struct message m = {.kind = MESSAGE_ENROLLED, .enrolled = job->enrolled};
    struct buf out;
    buf_init(&out, ROW_BYTES_MAX);
    if (message_encode(&m, &out) != WIRE_OK) {
        service_fail(job->exchange, err_make(ERR_INTERNAL, 0, "enrolled"));
    } else {
        struct err err = exchange_start(job->exchange, &head);
        if (err.code == ERR_OK) {
            err = exchange_write(job->exchange, buf_bytes(&out));
        }
        (void)err; /* it left; its secret is used, a person invites it again */
        exchange_end(job->exchange);
    }
    buf_release(&out);
}

static struct err on_enrol(struct writer_job *write, struct store *writer, int attempt)
{
    (void)attempt;
    struct enrol_job *job = container_of(write, struct enrol_job, write);
    struct err err = db_savepoint(writer->db);
    if (err.code != ERR_OK) {
        return err;
    }
    err = store_enrol(writer, &job->request, machine_wall_ms(), &job->arena, &job->enrolled);
    struct err end = db_savepoint_end(writer->db, err.code == ERR_OK);
    return err.code != ERR_OK ? err : end;
}

static void on_enrolled(struct writer_job *write, struct err err)
{
    struct enrol_job *job = container_of(write, struct enrol_job, write);
    struct service *s = job->service;
    struct exchange *x = job->exchange;
    if (err.code != ERR_OK) {
        job->enrolled = (struct enrolled){0};
    }
    log_enrolment(job, err);
    if (err.code == ERR_OK) {
        x->device_number = job->enrolled.device_number;
        answer(job);
        live_changed(s->live); /* a new row of the person's */
    } else if (err.code == ERR_AUTH) {
        (void)pthread_mutex_lock(&s->rates);
        (void)rate_take(&s->enrol_failures, x->request.address, machine_mono_ms(), NULL);
        (void)pthread_mutex_unlock(&s->rates);
        exchange_fail(x, 401, "enrol", 0);
    } else if (err.code == ERR_REFUSED) {
        exchange_fail(x, 409, "other_person", 0);
    } else {
        service_fail(x, err);
    }
    job_free(job);
}

static bool decode(struct enrol_job *job)
{
    struct message m;
    size_t used;
    struct bytes body = buf_bytes(&job->exchange->request.body);
    bool fits = message_decode(body, &job->arena, &m, &used) == WIRE_OK && used == body.size &&
                m.kind == MESSAGE_ENROL;
    if (fits) {
        job->request = m.enrol;
    }
    return fits;
}

static bool may_try(struct enrol_job *job)
{
    struct service *s = job->service;
    int64_t wait_s;
    (void)pthread_mutex_lock(&s->rates);
    bool may =
        rate_has(&s->enrol_failures, job->exchange->request.address, machine_mono_ms(), &wait_s);
    (void)pthread_mutex_unlock(&s->rates);
    if (!may) {
        exchange_fail(job->exchange, 429, "rate", wait_s);
    }
    return may;
}

static void on_request(struct pool_job *read, struct store *reader)
{
    (void)reader;
    struct enrol_job *job = container_of(read, struct enrol_job, read);
    job->write.run = on_enrol;
    job->write.done = on_enrolled;
    if (!may_try(job)) {
        job_free(job);
    } else if (!decode(job)) {
        exchange_fail(job->exchange, 400, "malformed", 0);
        job_free(job);
    } else if (!writer_put(job->service->writer, &job->write)) {
        service_busy(job->exchange);
        job_free(job);
    }
}

void enrol_route(struct service *s, struct exchange *x)
{
    struct enrol_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        service_busy(x);
        return;
    }
    job->service = s;
    job->exchange = exchange_hold(x);
    job->read.run = on_request;
    arena_init(&job->arena, ENROL_ARENA_BYTES_MAX);
    if (!pool_put(s->pool, &job->read)) {
        service_busy(x);
        job_free(job);
    }
}
