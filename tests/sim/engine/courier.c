/* Courier files: what waits on a device goes into a file, which somebody carries to the server:
 * late, twice, in another order than they were made, in part, or from a device that is revoked
 * meanwhile. The server has its effect once, whatever came by sync before or after. */
#include "common/sync/courier_export.h"
#include "common/sync/courier_import.h"
#include "common/sync/courier_quarantine.h"
#include "tests/sim/engine/sim.h"

static void drop_file(struct sim_file *file)
{
    if (file->used) {
        buf_release(&file->bytes);
    }
    file->used = false;
}

void courier_release_files(struct sim *s)
{
    for (size_t i = 0; i < count_of(s->files); i++) {
        drop_file(&s->files[i]);
    }
}

/* Nobody syncs it meanwhile, as the program's lock has it. */
static void export_file(struct sim *s)
{
    struct sim_device *d = &s->devices[sim_below(s, SIM_DEVICES)];
    struct sim_file *file = &s->files[sim_below(s, count_of(s->files))];
    int64_t count = 0;
    if (d->db == NULL || d->session != NULL) {
        return;
    }
    drop_file(file);
    buf_init(&file->bytes, COURIER_BYTES_MAX);
    struct err err =
        courier_export(&d->replica, s->firm->secret_keys[d->index], &file->bytes, &count);
    sim_trace(s, "device %d writes %d into a file: %s", d->index, (int)count, err_name(err.code));
    file->used = err.code == ERR_OK && count > 0;
    file->device = d->index;
    if (!file->used) {
        buf_release(&file->bytes);
    }
    if (!device_is_gone(d) && err.code != ERR_OK) {
        device_failed(d, err);
    }
}

/* What it holds, for the oracle: its requests, opened as the server opens them. */
static void read_file(struct sim *s, const struct sim_file *file, int64_t now_ms)
{
    const struct sim_device *d = &s->devices[file->device];
    struct courier_file read;
    struct buf requests;
    struct bytes request;
    buf_init(&requests, COURIER_BYTES_MAX);
    if (courier_read(buf_bytes(&file->bytes), &read) == COURIER_OK &&
        courier_open(&read, s->server.writer.courier_secret, &requests) == COURIER_OK) {
        struct bytes left = buf_bytes(&requests);
        while (courier_next(&left, &request)) {
            const struct feed_request r = {.request = request,
                                           .number = d->number,
                                           .who = d->who,
                                           .asked_ms = read.head.made_ms,
                                           .received_ms = now_ms,
                                           .by_courier = true};
            feed_request(s, &r);
        }
    } else {
        sim_break(s, INV_COURIER, "a whole file doesn't open");
    }
    buf_release(&requests);
}

static void check_refusal(struct sim *s, const struct sim_file *file, bool whole,
                          const struct courier_report *report)
{
    const struct sim_device *d = &s->devices[file->device];
    bool set_back = d->was_rolled_back && report->refusal == COURIER_SET_BACK;
    if (whole && !set_back) {
        sim_break(s, INV_COURIER, "a good file of device %d isn't taken: %d", d->index,
                  (int)report->refusal);
    }
}

static void check_taken(struct sim *s, const struct sim_file *file, bool whole, bool revoked,
                        const struct courier_report *report)
{
    uint64_t judged = 0;
    for (size_t i = 0; i < count_of(report->outcomes); i++) {
        judged += report->outcomes[i];
    }
    if (!whole) {
        sim_break(s, INV_COURIER, "a part of a file is taken");
    }
    if (revoked && judged > 0) {
        sim_break(s, INV_REVOKED, "a file of device %d, which is revoked, is judged", file->device);
    }
}

/* A part of it, or all with one bit turned: as files are after a bad copy. */
static bool spoil(struct sim *s, struct buf *bytes)
{
    uint64_t how = sim_below(s, 8);
    if (how == 6) {
        bytes->size = (size_t)sim_below(s, bytes->size);
    } else if (how == 7) {
        size_t at = (size_t)sim_below(s, bytes->size); /* one draw a statement */
        bytes->at[at] ^= (uint8_t)(1u << sim_below(s, 8));
    }
    return how >= 6;
}

static void import_file(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct sim_file *file = &s->files[sim_below(s, count_of(s->files))];
    struct courier_report report;
    struct clocks now;
    struct buf bytes;
    if (!file->used || !v->up) {
        return;
    }
    bool revoked = s->devices[file->device].revoked;
    host_now(&v->host, &now);
    read_file(s, file, now.wall_ms);
    buf_init(&bytes, COURIER_BYTES_MAX);
    buf_put(&bytes, buf_bytes(&file->bytes));
    bool whole = !spoil(s, &bytes);
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = courier_import(&v->writer, buf_bytes(&bytes), now.wall_ms, &report);
        if (err.code == ERR_REFUSED) {
            check_refusal(s, file, whole, &report);
        } else if (err.code == ERR_OK) {
            check_taken(s, file, whole, revoked, &report);
        }
        err = db_end(v->writer_db, err);
    }
    buf_release(&bytes);
    sim_trace(s, "a file of device %d%s: %s", file->device, whole ? "" : ", spoilt",
              err_name(err.code));
    if (!server_is_gone(s)) {
        feed_oracle(s);
    }
    if (sim_below(s, 3) == 2) { /* else it comes again */
        drop_file(file);
    }
}

/* ---- what waits for an admin's word ---- */

static bool find_waiting(struct sim *s, int64_t *no, uint8_t identity[32])
{
    static const char sql[] = "SELECT no, hash FROM quarantine WHERE kind = 'revoked' AND"
                              " state = 'waiting' ORDER BY no LIMIT 1 OFFSET ?1";
    int64_t count = 0;
    struct stmt q;
    struct err err = db_one_int(s->server.writer_db,
                                "SELECT count(*) FROM quarantine WHERE kind = 'revoked'"
                                " AND state = 'waiting'",
                                &count);
    if (err.code != ERR_OK || count == 0 || db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_int(&q, 1, (int64_t)sim_below(s, (uint64_t)count));
    bool found = db_step_row(&q);
    if (found) {
        *no = col_int(&q, 0);
        memcpy(identity, col_bytes(&q, 1).at, 32);
    }
    stmt_reset(&q);
    return found;
}

static void decide(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct complaint why;
    struct clocks now;
    int64_t no = 0;
    uint8_t identity[32];
    if (!v->up || !find_waiting(s, &no, identity)) {
        return;
    }
    bool releases = sim_below(s, 4) != 3;
    host_now(&v->host, &now);
    feed_released(s, s->devices[SIM_LOST_DEVICE].number, identity, now.wall_ms);
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = releases ? courier_release(&v->writer, no, NULL, "boss", now.wall_ms, &why)
                       : courier_discard(&v->writer, no, "boss", now.wall_ms);
        err = db_end(v->writer_db, err);
    }
    sim_trace(s, "entry %d is %s: %s", (int)no, releases ? "released" : "discarded",
              err_name(err.code));
    if (!server_is_gone(s)) {
        feed_oracle(s);
    }
}

void feature_courier(struct sim *s)
{
    switch (sim_below(s, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        export_file(s);
        break;
    case 10:
        operate_revoke(s);
        break;
    case 11:
        decide(s);
        break;
    default:
        import_file(s);
        break;
    }
}
