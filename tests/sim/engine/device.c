/* A device's machine: its clocks, its process, its sync. */
#include "tests/sim/engine/sim.h"

#define SYNC_REQUESTS_MAX 200

/* ---- clocks and chance ---- */

void host_now(void *context, struct clocks *out)
{
    const struct sim_host *h = context;
    int64_t run_ms = h->sim->now_ms - h->sim->began_ms;
    out->wall_ms = h->sim->now_ms + h->wall_error_ms + run_ms * h->drift_ppm / 1000000;
    out->mono_ms = h->sim->now_ms - h->boot_ms;
    memset(out->boot, 0, sizeof out->boot);
    memcpy(out->boot, &(int64_t){h->boot_ms + 1}, sizeof(int64_t));
    memcpy(out->boot + 8, h->chance.boot, 8);
}

static void host_random(void *context, uint8_t *to, size_t size)
{
    struct sim_host *h = context;
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)fake_host_next(&h->chance);
    }
}

struct host host_of(struct sim_host *h)
{
    return (struct host){.context = h, .now = host_now, .random = host_random};
}

/* ---- the process ---- */

static struct err try_open(struct sim_device *d)
{
    const struct db_options options = {.mode = DB_WRITE, .vfs = simdisk_name(d->disk)};
    struct host host = host_of(&d->host);
    struct err err = db_open(&d->db, SIM_DEVICE_PATH, &options);
    if (err.code != ERR_OK) {
        return err;
    }
    err = replica_open(&d->replica, d->db, &host);
    if (err.code != ERR_OK) {
        db_close(d->db);
        d->db = NULL;
    }
    return err;
}

void device_open(struct sim_device *d)
{
    struct sim *s = d->sim;
    if (d->db != NULL) {
        return;
    }
    struct err err = try_open(d);
    d->life++;
    d->sync_planned = false;
    if (simdisk_is_dead(d->disk)) {
        simdisk_restart(d->disk, true);
        sim_plan(s, EVENT_DEVICE_UP, 1000, d->index, d->life);
        return;
    }
    if (err.code != ERR_OK && s->phase == PHASE_CHAOS && err.code != ERR_CORRUPT) {
        simdisk_heal(d->disk); /* a person frees room, and tries again */
        sim_plan(s, EVENT_DEVICE_UP, 1000, d->index, d->life);
        return;
    }
    if (err.code != ERR_OK) {
        sim_break(s, INV_SOUND, "device %d doesn't open: %s %d in %s", d->index, err_name(err.code),
                  err.cause, err.where);
        return;
    }
    work_count(d);
    audit_device_saved(d);
    audit_device_cursor(d);
}

void device_close(struct sim_device *d)
{
    if (d->db != NULL) {
        replica_close(&d->replica);
        db_close(d->db);
        d->db = NULL;
    }
}

void device_sync_abort(struct sim_device *d)
{
    if (d->conn >= 0) {
        struct sim_conn *c = &d->sim->conns[d->conn];
        c->device = -1;
        if (c->session == NULL && c->fault != CONN_LOST) {
            c->at = 0; /* whatever still comes is for nobody */
        }
        d->conn = -1;
    }
    client_session_free(d->session);
    d->session = NULL;
}

void device_dies(struct sim_device *d, bool power, int64_t back_in_ms)
{
    struct sim *s = d->sim;
    if (d->db == NULL) {
        return;
    }
    sim_trace(s, "device %d dies%s", d->index, power ? " of power" : "");
    s->counts.crashes++;
    s->counts.power_cuts += power;
    simdisk_die(d->disk);
    device_sync_abort(d);
    if (SIM_LEAVES_THE_DEAD) {
        simdisk_abandon(d->disk);
        d->db = NULL;
    } else {
        device_close(d);
    }
    simdisk_restart(d->disk, power);
    d->life++;
    if (power) {
        d->host.boot_ms = s->now_ms;
    }
    sim_plan(s, EVENT_DEVICE_UP, back_in_ms, d->index, d->life);
}

/* Its disk may have died of what it was just asked. */
bool device_is_gone(struct sim_device *d)
{
    if (d->db != NULL && simdisk_is_dead(d->disk)) {
        device_dies(d, true, 1000 + (int64_t)sim_below(d->sim, 60000));
    }
    return d->db == NULL;
}

/* A program that can't go on ends, and is started again. */
void device_failed(struct sim_device *d, struct err err)
{
    bool ends = err.code == ERR_IO || err.code == ERR_CORRUPT || err.code == ERR_INTERNAL;
    d->found = d->found || (d->rotten && err.code == ERR_CORRUPT);
    if (err.code == ERR_INTERNAL ||
        (err.code == ERR_CORRUPT && simdisk_struck(d->disk) == 0 && !d->rotten)) {
        sim_break(d->sim, INV_SOUND, "device %d: %s %d in %s", d->index, err_name(err.code),
                  err.cause, err.where);
    }
    if (ends && !device_is_gone(d)) {
        device_dies(d, false, 500);
    }
}

/* ---- its sync ---- */

static void finish(struct sim_device *d, bool well)
{
    struct sim *s = d->sim;
    const struct client_tally *t = client_session_tally(d->session);
    sim_trace(s, "device %d ends %s: %" PRId64 " up, %" PRId64 " down, %" PRId64 " repaired%s",
              d->index, well ? "well" : "badly", t->pushed, t->pulled, t->repaired,
              t->gave_up ? ", in vain" : "");
    if (t->patrol_found > 0 && simdisk_struck(d->disk) == 0 && !d->rotten) {
        sim_break(s, INV_EQUAL, "device %d takes rows for damaged that came so", d->index);
    }
    d->settled |= well && t->digest_asked && t->digest_equal;
    d->looked = well && t->contents_asked;
    client_session_free(d->session);
    d->session = NULL;
    s->counts.syncs++;
    if (well) {
        d->finished_ms = s->now_ms;
        audit_device_cursor(d);
    }
}

static void failed(struct sim_device *d, const struct client_action *a)
{
    struct sim *s = d->sim;
    char code[32];
    struct err err = a->err;
    (void)snprintf(code, sizeof code, "%s", a->code == NULL ? "" : a->code);
    sim_trace(s, "device %d: %s, %s", d->index, code, err_name(err.code));
    finish(d, false);
    bool calm = s->phase != PHASE_CHAOS && !d->revoked && !d->was_rolled_back;
    if ((strcmp(code, "protocol") == 0 && !d->misled) || (calm && err.code == ERR_AUTH)) {
        sim_break(s, INV_ALIVE, "device %d: %s %s %d in %s", d->index, code, err_name(err.code),
                  err.cause, err.where);
    }
    device_failed(d, err);
}

static void go_on(struct sim_device *d)
{
    struct sim *s = d->sim;
    struct client_action a = client_session_next(d->session);
    if (device_is_gone(d)) {
        return;
    }
    switch (a.kind) {
    case CLIENT_REQUEST:
        if (++d->requests > SYNC_REQUESTS_MAX) {
            sim_break(s, INV_BOUNDED, "device %d: a sync without end", d->index);
        }
        wire_request(d, a.body);
        break;
    case CLIENT_DONE:
        finish(d, true);
        break;
    case CLIENT_FAILED:
        failed(d, &a);
        break;
    }
}

void device_ended(struct sim_device *d, int status, struct err err, const struct fault *fault)
{
    if (d->session == NULL) {
        return;
    }
    client_session_ended(d->session, status, err, fault);
    if (!device_is_gone(d)) {
        go_on(d);
    }
}

void device_sync_begin(struct sim_device *d)
{
    struct sim *s = d->sim;
    d->sync_planned = false;
    if (d->db == NULL || d->session != NULL || d->away) {
        return;
    }
    struct client_session_options options = {.verify =
                                                 s->phase != PHASE_CHAOS || sim_below(s, 2) == 1};
    options.push_tx_max = (uint32_t)sim_below(s, 3) * 2;
    struct err err = client_session_new(&d->replica, &options, &d->session);
    if (err.code != ERR_OK) {
        device_failed(d, err);
        return;
    }
    d->requests = 0;
    d->misled = false;
    go_on(d);
}
