/* See service.h. */
#include "server/net/service.h"

#include "common/base/base.h"
#include "common/base/log.h"
#include "common/changelog/server/media.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#include <sodium.h>

#define FULL_RETRY_S 60 /* a full disk isn't emptied within a second */
#define DAY_MS       INT64_C(86400000)

static void on_grouped(void *context, size_t jobs, struct err err, int64_t took_us)
{
    struct service *s = context;
    struct counters *c = s->counters;
    count(&c->writer_groups);
    count_more(&c->writer_jobs, jobs);
    count_set(&c->writer_group_last, jobs);
    count_more(&c->writer_commit_us, (uint64_t)took_us);
    bool failed = err.code != ERR_OK;
    if (failed || atomic_load(&c->store_failing) != 0) {
        struct log_line line;
        log_begin(&line, machine_wall_ms(), failed ? "group_failed" : "store_recovered");
        log_int(&line, "jobs", (int64_t)jobs);
        log_err(&line, err);
        log_end(&line, stderr);
    }
    atomic_store(&c->store_failing, failed);
    if (err.code == ERR_IO || err.code == ERR_CORRUPT) {
        s->broken(s->context);
    }
}

/* A bucket's key is the number of a device. */
static int64_t photo_tokens(uint32_t device_number, size_t size, uint8_t key[16])
{
    memset(key, 0, 16);
    memcpy(key, &device_number, sizeof device_number);
    return (int64_t)((size + PHOTO_TOKEN_BYTES - 1) / PHOTO_TOKEN_BYTES);
}

struct replay {
    struct service *service;
    int64_t wall_to_mono_ms;
};

/* One that is too many (the quota was larger then) leaves the bucket as empty as it is. */
static void count_again(void *context, uint32_t device_number, int64_t size, int64_t whole_ms)
{
    const struct replay *r = context;
    uint8_t key[16];
    int64_t tokens = photo_tokens(device_number, (size_t)size, key);
    if (tokens > 0 && tokens <= r->service->photo_quota.burst) {
        (void)pthread_mutex_lock(&r->service->rates);
        (void)rate_take_many(&r->service->photo_quota, key, tokens, whole_ms + r->wall_to_mono_ms,
                             NULL);
        (void)pthread_mutex_unlock(&r->service->rates);
    }
}

/* The day's share of pictures lives in memory, and a restart must not give it anew. What came in
 * pieces and isn't whole yet isn't counted: it is less than one picture each. */
static void on_quota(struct pool_job *job, struct store *reader)
{
    struct service *s = container_of(job, struct service, quota);
    int64_t now_ms = machine_wall_ms();
    struct replay replay = {.service = s, .wall_to_mono_ms = machine_mono_ms() - now_ms};
    struct err err = media_came_since(reader, now_ms - DAY_MS, count_again, &replay);
    if (err.code != ERR_OK) {
        struct log_line line;
        log_begin(&line, now_ms, "quota_unknown");
        log_err(&line, err);
        log_end(&line, stderr);
    }
}

static void on_changed(void *context)
{
    struct service *s = context;
    live_changed(s->live);
}

/* The writer's thread may be faster than writer_open's caller. */
static void on_looked(void *context, struct writer *w)
{
    struct service *s = context;
    purging_look(&s->purging, w);
    if (atomic_load(&s->has_pool)) {
        blob_sweeping_look(&s->sweeping, w);
    }
}

static bool open_rates(struct service *s, int64_t photo_quota_mib)
{
    uint8_t key[16];
    int64_t tokens = photo_quota_mib * 1024 * 1024 / (int64_t)PHOTO_TOKEN_BYTES;
    randombytes_buf(key, sizeof key);
    (void)pthread_mutex_init(&s->rates, NULL);
    return rate_init(&s->device_rate, DEVICE_RATE_PER_S * 60, DEVICE_RATE_BURST, key) &&
           rate_init(&s->enrol_failures, ENROL_FAILURES_PER_MIN, ENROL_FAILURES_PER_MIN, key) &&
           rate_init_ms(&s->photo_quota, DAY_MS / tokens, tokens, key);
}

struct err service_open(struct service *s, const struct service_options *options)
{
    memset(s, 0, sizeof *s);
    s->counters = options->counters;
    s->broken = options->broken;
    s->replaced = options->replaced;
    s->context = options->context;
    s->blobs.dir = -1;
    buf_init(&s->ca, MESSAGE_BYTES_MAX);
    struct err err =
        open_rates(s, options->photo_quota_mib) ? err_ok() : err_make(ERR_NOMEM, 0, "service_open");
    if (err.code == ERR_OK) {
        err = blob_store_open(&s->blobs, options->blob_path);
    }
    if (err.code == ERR_OK) { /* before the writer, who reports to it */
        const struct live_options live = {.store_path = options->store_path,
                                          .counters = s->counters,
                                          .streams_max = options->live_streams_max,
                                          .keepalive_ms = options->live_keepalive_ms};
        err = live_open(&s->live, &live);
    }
    if (err.code == ERR_OK) {
        const struct writer_options writer = {.path = options->store_path,
                                              .ledger = options->ledger,
                                              .queue_max = WRITER_QUEUE_MAX,
                                              .group_max = WRITER_GROUP_MAX,
                                              .context = s,
                                              .grouped = on_grouped,
                                              .changed = on_changed,
                                              .looked = on_looked};
        err = writer_open(&s->writer, &writer);
    }
    if (err.code == ERR_OK) {
        err = pool_open(&s->pool, options->store_path, options->ledger, WORKERS, WORK_QUEUE_MAX);
    }
    if (err.code == ERR_OK) {
        s->sweeping.blobs = &s->blobs;
        s->sweeping.pool = s->pool;
        atomic_store(&s->has_pool, true);
        s->quota.run = on_quota;
        pool_put_ahead(s->pool, &s->quota);
    }
    return err;
}

/* The writer hands its jobs back to the pool, so it ends first; what the pool would still give to
 * it is told 503. */
void service_close(struct service *s)
{
    writer_end(s->writer);
    pool_close(s->pool);
    writer_close(s->writer);
    live_close(s->live);
    rate_release(&s->device_rate);
    rate_release(&s->enrol_failures);
    rate_release(&s->photo_quota);
    blob_store_close(&s->blobs);
    (void)pthread_mutex_destroy(&s->rates);
    buf_release(&s->ca);
}

static void ca_route(struct service *s, struct exchange *x)
{
    static const struct answer_head head = {.status = 200, .type = "application/x-pem-file"};
    struct err err = exchange_start(x, &head);
    if (err.code == ERR_OK) { /* a PEM is small: this doesn't wait */
        err = exchange_write(x, buf_bytes(&s->ca));
    }
    (void)err; /* gone again */
    exchange_end(x);
}

void service_serve(void *service, struct exchange *x)
{
    struct service *s = service;
    switch (x->request.route) {
    case ROUTE_CA:
        ca_route(s, x);
        return;
    case ROUTE_ENROL:
        enrol_route(s, x);
        return;
    case ROUTE_SYNC:
        sync_route(s, x);
        return;
    case ROUTE_LIVE:
        live_route(s, x);
        return;
    case ROUTE_BLOB_PUT:
    case ROUTE_BLOB_GET:
        blob_route(s, x);
        return;
    case ROUTE_NONE:
    case ROUTE_COUNT:
        break;
    }
    exchange_fail(x, 404, "not_found", 0);
}

void service_stopping(void *service)
{
    struct service *s = service;
    live_end_all(s->live);
}

bool service_admit(struct service *s, struct exchange *x, uint32_t device_number)
{
    uint8_t key[16] = {0};
    int64_t wait_s;
    memcpy(key, &device_number, sizeof device_number);
    (void)pthread_mutex_lock(&s->rates);
    bool admitted = rate_take(&s->device_rate, key, machine_mono_ms(), &wait_s);
    (void)pthread_mutex_unlock(&s->rates);
    if (!admitted) {
        exchange_fail(x, 429, "rate", wait_s > 0 ? wait_s : 1);
    }
    return admitted;
}

bool service_admit_bytes(struct service *s, struct exchange *x, uint32_t device_number, size_t size)
{
    uint8_t key[16];
    int64_t wait_s;
    int64_t tokens = photo_tokens(device_number, size, key);
    (void)pthread_mutex_lock(&s->rates);
    bool admitted = rate_take_many(&s->photo_quota, key, tokens, machine_mono_ms(), &wait_s);
    (void)pthread_mutex_unlock(&s->rates);
    if (!admitted) {
        exchange_fail(x, 429, "quota", wait_s > 0 ? wait_s : 1);
    }
    return admitted;
}

void service_busy(struct exchange *x)
{
    exchange_fail(x, 503, "busy", BUSY_RETRY_S);
}

void service_fail(struct exchange *x, struct err err)
{
    struct log_line line;
    log_begin(&line, machine_wall_ms(), "request_failed");
    log_text(&line, "route", route_entry(x->request.route)->name);
    log_err(&line, err);
    log_end(&line, stderr);
    if (err.code == ERR_FULL) {
        exchange_fail(x, 507, "busy", FULL_RETRY_S);
    } else if (err_is_retryable(err.code)) {
        exchange_fail(x, 503, "busy", BUSY_RETRY_S);
    } else {
        exchange_fail(x, 500, "internal", 0);
    }
}
