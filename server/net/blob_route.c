/* PUT and GET /v1/blob/SHA256/OFFSET: the bytes of pictures, a piece a request, so that no worker
 * ever waits for a slow line. A PUT is answered with how much is here; one without a body, or with
 * another offset than that, changes nothing and asks just this:
 *
 *   pool: check ─┬► GET: a piece from the file
 *                └► PUT: append, and the last one: hash, look, name ─► writer: note that it came
 *
 * Whoever may not see a row that names the picture is told what is said of any that doesn't exist.
 */
#include "server/net/service.h"

#include "common/base/base.h"
#include "common/changelog/server/media.h"
#include "server/net/auth.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#define PATH_HEAD_SIZE    (sizeof "/v1/blob/" - 1)
#define OFFSET_DIGITS_MAX 9

struct blob_job {
    struct pool_job read;
    struct writer_job write;
    struct service *service;
    struct exchange *exchange;
    struct store_device device;
    struct media_claim claim;
    bool proven; /* PUT: this person brought it once; GET: the row's author did */
    char name[BLOB_NAME_SIZE];
    int64_t offset;
};

static void job_free(struct blob_job *job)
{
    exchange_drop(job->exchange);
    free(job);
}

/* SHA256/OFFSET, in the one form that there is. */
static bool read_path(struct blob_job *job)
{
    const char *at = job->exchange->request.path + PATH_HEAD_SIZE;
    if (strlen(at) < BLOB_NAME_SIZE + 1 || at[BLOB_NAME_SIZE - 1] != '/') {
        return false;
    }
    memcpy(job->name, at, BLOB_NAME_SIZE - 1);
    job->name[BLOB_NAME_SIZE - 1] = 0;
    const char *digits = at + BLOB_NAME_SIZE;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > OFFSET_DIGITS_MAX || digits[count] != 0 ||
        (digits[0] == '0' && count > 1)) {
        return false;
    }
    job->offset = strtoll(digits, NULL, 10);
    return blob_name_is_good(job->name);
}

/* False: answered. */
static bool check(struct blob_job *job, struct store *reader)
{
    struct exchange *x = job->exchange;
    struct refusal refusal;
    struct err err = auth_check(&x->request, reader, &job->device, &refusal);
    if (err.code == ERR_AUTH) {
        exchange_fail(x, refusal.status, refusal.code, 0);
        return false;
    }
    if (err.code == ERR_OK) {
        x->device_number = job->device.number;
        if (!service_admit(job->service, x, job->device.number)) {
            return false;
        }
        bool bringing = x->request.route == ROUTE_BLOB_PUT;
        err = read_path(job) ? media_find(reader, job->device.person, job->name, bringing,
                                          &job->claim, &job->proven)
                             : err_make(ERR_NOT_FOUND, 0, "blob path");
    }
    if (err.code == ERR_NOT_FOUND) {
        exchange_fail(x, 404, "not_found", 0);
    } else if (err.code != ERR_OK) {
        service_fail(x, err);
    }
    return err.code == ERR_OK;
}

/* ---- PUT ---- */

static void tell_offset(struct exchange *x, int64_t offset)
{
    const struct answer_head head = {.status = 200, .has_offset = true, .offset = offset};
    struct err err = exchange_start(x, &head);
    (void)err; /* the client left: nobody to tell */
    exchange_end(x);
}

static struct err on_note(struct writer_job *write, struct store *writer, int attempt)
{
    struct blob_job *job = container_of(write, struct blob_job, write);
    (void)attempt;
    return media_came(writer, job->name, job->claim.size, job->exchange->request.received_ms,
                      &job->device);
}

static void on_noted(struct writer_job *write, struct err err)
{
    struct blob_job *job = container_of(write, struct blob_job, write);
    if (err.code == ERR_OK) {
        tell_offset(job->exchange, job->claim.size);
    } else {
        service_fail(job->exchange, err);
    }
    job_free(job);
}

/* The whole is here under its name. A crash before it is noted leaves a file of which nobody knows
 * who brought it: it comes once more. */
static void note_whole(struct blob_job *job, struct store *reader)
{
    bool noted = false;
    struct err err = job->proven ? media_has_come(reader, job->name, &noted) : err_ok();
    job->write.run = on_note;
    job->write.done = on_noted;
    if (err.code == ERR_OK && !noted) {
        if (writer_put(job->service->writer, &job->write)) {
            return;
        }
        service_busy(job->exchange);
    } else if (err.code == ERR_OK) {
        tell_offset(job->exchange, job->claim.size);
    } else {
        service_fail(job->exchange, err);
    }
    job_free(job);
}

static bool fits(void *context, struct bytes content)
{
    return media_fits(context, content);
}

/* True: it has its name now. False: answered. */
static bool finish(struct blob_job *job)
{
    struct err err =
        blob_part_finish(&job->service->blobs, job->name, job->device.number, fits, &job->claim);
    if (err.code == ERR_CORRUPT) {
        exchange_fail(job->exchange, 422, "wrong_hash", 0);
    } else if (err.code == ERR_REFUSED) {
        exchange_fail(job->exchange, 422, "wrong_picture", 0);
    } else if (err.code != ERR_OK) {
        service_fail(job->exchange, err);
    }
    return err.code == ERR_OK;
}

/* Takes the piece in. True: it was the last one and is wanted; false: answered. */
static bool append(struct blob_job *job)
{
    struct exchange *x = job->exchange;
    struct blob_store *s = &job->service->blobs;
    struct bytes piece = buf_bytes(&x->request.body);
    int64_t have;
    struct err err = blob_part_size(s, job->name, job->device.number, &have);
    if (err.code == ERR_OK && have == job->claim.size) {
        return finish(job); /* all came before, but nobody lived to name it */
    }
    if (err.code == ERR_OK && (piece.size == 0 || job->offset != have)) {
        tell_offset(x, have);
        return false;
    }
    if (err.code == ERR_OK && (int64_t)piece.size > job->claim.size - have) {
        exchange_fail(x, 413, "too_large", job->claim.size);
        return false;
    }
    if (err.code == ERR_OK &&
        !service_admit_bytes(job->service, x, job->device.number, piece.size)) {
        return false;
    }
    if (err.code == ERR_OK) {
        err = blob_part_append(s, job->name, job->device.number, have, piece);
    }
    have += (int64_t)piece.size;
    if (err.code != ERR_OK) {
        service_fail(x, err.code == ERR_INVALID ? err_make(ERR_BUSY, 0, "blob: two at once") : err);
    } else if (have < job->claim.size) {
        tell_offset(x, have);
    } else {
        return finish(job);
    }
    return false;
}

static void put(struct blob_job *job, struct store *reader)
{
    int64_t size;
    struct err err = job->proven ? blob_keep(&job->service->blobs, job->name, &size)
                                 : err_make(ERR_NOT_FOUND, 0, "blob: not brought by this person");
    if (err.code == ERR_OK || (err.code == ERR_NOT_FOUND && append(job))) {
        note_whole(job, reader);
        return;
    }
    if (err.code != ERR_NOT_FOUND) {
        service_fail(job->exchange, err);
    }
    job_free(job);
}

/* ---- GET ---- */

static void get(struct blob_job *job)
{
    struct exchange *x = job->exchange;
    struct buf piece;
    buf_init(&piece, BLOB_PIECE_BYTES_MAX);
    struct err err = job->proven ? blob_read(&job->service->blobs, job->name, job->offset,
                                             BLOB_PIECE_BYTES_MAX, &piece)
                                 : err_make(ERR_NOT_FOUND, 0, "blob: its author didn't bring it");
    if (err.code == ERR_NOT_FOUND) {
        exchange_fail(x, 404, "not_yet", 0);
    } else if (err.code != ERR_OK) {
        service_fail(x, err);
    } else {
        const struct answer_head head = {.status = 200,
                                         .type = image_mime(job->claim.format),
                                         .attachment = true,
                                         .has_offset = true,
                                         .offset = job->offset + (int64_t)piece.size};
        err = exchange_start(x, &head);
        if (err.code == ERR_OK && piece.size > 0) {
            err = exchange_write(x, buf_bytes(&piece)); /* fits the queue: doesn't wait */
        }
        (void)err; /* the client left: nobody to tell */
        exchange_end(x);
    }
    buf_release(&piece);
}

static void on_blob(struct pool_job *read, struct store *reader)
{
    struct blob_job *job = container_of(read, struct blob_job, read);
    if (!check(job, reader)) {
        job_free(job);
    } else if (job->exchange->request.route == ROUTE_BLOB_PUT) {
        put(job, reader);
    } else {
        get(job);
        job_free(job);
    }
}

void blob_route(struct service *s, struct exchange *x)
{
    struct blob_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        service_busy(x);
        return;
    }
    job->service = s;
    job->exchange = exchange_hold(x);
    job->read.run = on_blob;
    if (!pool_put(s->pool, &job->read)) {
        service_busy(x);
        job_free(job);
    }
}
