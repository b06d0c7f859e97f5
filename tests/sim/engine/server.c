/* The server's machine: one writer that commits in groups, readers with snapshots of their own. */
#include "tests/sim/engine/sim.h"

static struct db *open_db(struct sim *s, enum db_mode mode, struct err *err)
{
    const struct db_options options = {.mode = mode, .vfs = simdisk_name(s->server.disk)};
    struct db *db = NULL;
    *err = db_open(&db, SIM_STORE_PATH, &options);
    return db;
}

static struct err open_all(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct host host = host_of(&v->host);
    struct err err;
    v->writer_db = open_db(s, DB_WRITE, &err);
    if (err.code == ERR_OK) {
        err = store_open(&v->writer, v->writer_db, &host, true);
    }
    if (err.code == ERR_OK) {
        store_use_ledger(&v->writer, &s->past.ledger);
    }
    for (int i = 0; i < SIM_READERS; i++) {
        v->reader_conns[i] = -1;
    }
    return err;
}

/* Opened when it is first needed: opening costs more than all that one answer reads. */
static bool open_reader(struct sim *s, int i)
{
    struct sim_server *v = &s->server;
    struct host host = host_of(&v->host);
    struct err err = err_ok();
    if (v->reader_dbs[i] == NULL) {
        v->reader_dbs[i] = open_db(s, DB_READ, &err);
    }
    if (err.code == ERR_OK && v->readers[i].cache == NULL) {
        err = store_open(&v->readers[i], v->reader_dbs[i], &host, false);
        if (err.code == ERR_OK) {
            store_use_ledger(&v->readers[i], &s->past.ledger);
        }
    }
    if (err.code != ERR_OK) {
        v->readers[i].cache = NULL;
        db_close(v->reader_dbs[i]);
        v->reader_dbs[i] = NULL;
    }
    return err.code == ERR_OK;
}

void server_warm(struct sim *s)
{
    for (int i = 0; i < SIM_READERS; i++) {
        (void)open_reader(s, i);
    }
}

void server_stop(struct sim *s)
{
    struct sim_server *v = &s->server;
    for (int i = 0; i < SIM_READERS; i++) {
        if (v->readers[i].cache != NULL) {
            store_close(&v->readers[i]);
        }
        db_close(v->reader_dbs[i]);
        v->reader_dbs[i] = NULL;
        v->readers[i].cache = NULL;
    }
    if (v->writer.cache != NULL) {
        store_close(&v->writer);
    }
    v->writer.cache = NULL;
    db_close(v->writer_db);
    v->writer_db = NULL;
    v->up = false;
}

/* Its process is gone. */
static void leave(struct sim *s)
{
    struct sim_server *v = &s->server;
    for (int i = 0; i < SIM_READERS; i++) {
        v->reader_dbs[i] = NULL;
        v->readers[i].cache = NULL;
    }
    v->writer.cache = NULL;
    v->writer_db = NULL;
    v->up = false;
    simdisk_abandon(v->disk);
}

void server_start(struct sim *s)
{
    struct sim_server *v = &s->server;
    if (v->up) {
        return;
    }
    struct err err = open_all(s);
    v->life++;
    v->group_planned = false;
    if (err.code == ERR_OK) {
        v->up = true;
        feed_oracle(s);
        if (s->features != 0) {
            years_look(s, -1);
            erasure_look(s);
            pictures_look(s);
        }
        return;
    }
    server_stop(s);
    bool dead = simdisk_is_dead(v->disk);
    if (!dead && (s->phase != PHASE_CHAOS || err.code == ERR_CORRUPT)) {
        sim_break(s, INV_SOUND, "the store doesn't open: %s %d in %s", err_name(err.code),
                  err.cause, err.where);
        return;
    }
    simdisk_restart(v->disk, dead);
    simdisk_heal(v->disk);
    sim_plan(s, EVENT_SERVER_UP, 1000, 0, v->life);
}

void server_drop(struct sim *s, struct sim_conn *c)
{
    if (c->session == NULL) {
        return;
    }
    if (c->reader >= 0) {
        server_session_read_end(c->session, &s->server.readers[c->reader]);
        s->server.reader_conns[c->reader] = -1;
        c->reader = -1;
    }
    watch_end(c);
    server_session_free(c->session);
    c->session = NULL;
    c->queued = false;
}

static void lose_connections(struct sim *s)
{
    for (int i = 0; i < SIM_CONNS; i++) {
        struct sim_conn *c = &s->conns[i];
        if (!c->used || c->session == NULL) {
            continue;
        }
        server_drop(s, c);
        if (c->device < 0) {
            wire_drop(c);
        } else { /* what is on its way still arrives, then the line is cut */
            c->at = c->answered ? c->at : c->answer.size < c->at ? c->answer.size : c->at;
            c->fault = c->fault == CONN_STALLED ? CONN_CUT : c->fault;
            wire_plan_chunk(s, i);
        }
    }
}

void server_dies(struct sim *s, bool power, int64_t back_in_ms)
{
    struct sim_server *v = &s->server;
    if (!v->up) {
        return;
    }
    sim_trace(s, "the server dies%s", power ? " of power" : "");
    s->counts.crashes++;
    s->counts.power_cuts += power;
    simdisk_die(v->disk);
    lose_connections(s);
    if (SIM_LEAVES_THE_DEAD) {
        leave(s);
    } else {
        server_stop(s);
    }
    simdisk_restart(v->disk, power);
    v->life++;
    if (power) {
        v->host.boot_ms = s->now_ms;
    }
    sim_plan(s, EVENT_SERVER_UP, back_in_ms, 0, v->life);
}

bool server_is_gone(struct sim *s)
{
    if (s->server.up && simdisk_is_dead(s->server.disk)) {
        server_dies(s, true, 1000 + (int64_t)sim_below(s, 20000));
    }
    return !s->server.up;
}

static void turn_away(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    c->status = server_session_fault(c->session, &c->http_fault);
    c->http_fault.detail = bytes_of(NULL, 0);
    sim_trace(s, "the server answers %d %s", c->status, c->http_fault.code);
    bool expected = c->status == 503 || c->fault == CONN_TRUNCATED ||
                    (c->status == 401 && strcmp(c->http_fault.code, "device_revoked") == 0);
    if (!expected) {
        sim_break(s, INV_ALIVE, "the server answers %d %s", c->status, c->http_fault.code);
    }
    if (c->fault ==
        CONN_TRUNCATED) { /* its head told the length: nobody takes a part for a whole */
        c->status = 0;
        c->at = 0;
    }
    server_drop(s, c);
    if (c->device < 0) {
        wire_drop(c);
    } else {
        wire_plan_chunk(s, conn);
    }
}

/* ---- judging, in groups ---- */

void server_arrives(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    struct host host = host_of(&s->server.host);
    struct clocks now;
    host.now(host.context, &now);
    struct err err =
        server_session_new(buf_bytes(&c->request), c->number, now.wall_ms, &host, &c->session);
    if (c->session == NULL) {
        sim_break(s, INV_ALIVE, "no session: %s", err_name(err.code));
        return;
    }
    if (server_session_next(c->session) == SERVER_FAULT) {
        turn_away(s, conn);
        return;
    }
    feed_pushes(s, c);
    past_overhears(s, c);
    c->queued = true;
    if (!s->server.group_planned) {
        s->server.group_planned = true;
        sim_plan(s, EVENT_GROUP, 1 + (int64_t)sim_below(s, 300), 0, s->server.life);
    }
}

static size_t take_queue(struct sim *s, int taken[SIM_GROUP_MAX])
{
    size_t count = 0;
    for (int i = 0; i < SIM_CONNS && count < SIM_GROUP_MAX; i++) {
        if (s->conns[i].used && s->conns[i].queued) {
            s->conns[i].queued = false;
            taken[count++] = i;
        }
    }
    return count;
}

/* As server/store/writer.c does it: who isn't let in has written nothing, any other failure undoes
 * the group. */
static struct err run_group(struct sim *s, const int *taken, size_t count)
{
    struct sim_server *v = &s->server;
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = server_session_judge(s->conns[taken[i]].session, &v->writer);
        err = err.code == ERR_AUTH ? err_ok() : err;
    }
    if (err.code == ERR_OK && s->phase == PHASE_CHAOS && sim_below(s, 40) == 39) {
        err = err_make(ERR_CANCELLED, 0, "power cut");
        simdisk_die(v->disk);
    }
    return db_end(v->writer_db, err);
}

/* Told what became of the group; whoever can't be answered is refused. */
static void conclude(struct sim *s, int conn, struct err err)
{
    struct sim_conn *c = &s->conns[conn];
    if (!c->used || c->session == NULL) {
        return;
    }
    server_session_committed(c->session, err);
    if (server_session_next(c->session) == SERVER_FAULT) {
        turn_away(s, conn);
    } else {
        sim_plan(s, EVENT_READ, 1, conn, c->life);
    }
}

/* Whether the machine took their hellos before it died will show when they speak again. */
static void forget_hellos(struct sim *s, const int *taken, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        oracle_unsure(&s->oracle, s->conns[taken[i]].number);
    }
}

static void retry_alone(struct sim *s, const int *taken, size_t count)
{
    for (size_t i = 0; i < count && s->server.up; i++) {
        if (server_session_next(s->conns[taken[i]].session) != SERVER_JUDGE) {
            turn_away(s, taken[i]); /* the one that failed: its device comes again */
            continue;
        }
        struct err err = run_group(s, &taken[i], 1);
        if (err.code == ERR_OK) {
            feed_hellos(s, &taken[i], 1);
        }
        if (err.code != ERR_OK) {
            forget_hellos(s, &taken[i], 1);
        }
        if (server_is_gone(s)) {
            return;
        }
        feed_oracle(s);
        conclude(s, taken[i], err);
    }
}

void server_group(struct sim *s)
{
    int taken[SIM_GROUP_MAX];
    s->server.group_planned = false;
    size_t count = take_queue(s, taken);
    if (count == 0) {
        return;
    }
    struct err err = run_group(s, taken, count);
    if (err.code == ERR_OK) {
        feed_hellos(s, taken, count);
    } else {
        forget_hellos(s, taken, count);
    }
    if (server_is_gone(s)) {
        return;
    }
    sim_trace(s, "a group of %zu: %s", count, err_name(err.code));
    if (err.code != ERR_OK && count > 1) {
        retry_alone(s, taken, count);
        return;
    }
    feed_oracle(s);
    if (s->phase == PHASE_CHAOS && sim_below(s, 40) == 39) { /* committed, and nobody hears of it */
        server_dies(s, sim_below(s, 2) == 1, 2000);
        return;
    }
    for (size_t i = 0; i < count && s->broken == INV_NONE; i++) {
        conclude(s, taken[i], err);
    }
}

/* ---- answering ---- */

static bool take_reader(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    for (int i = 0; i < SIM_READERS && c->reader < 0; i++) {
        if (s->server.reader_conns[i] < 0 && open_reader(s, i)) {
            s->server.reader_conns[i] = conn;
            c->reader = i;
            watch_begin(s, c);
        }
    }
    return c->reader >= 0;
}

void server_read(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    if (c->session == NULL || server_session_next(c->session) != SERVER_READ) {
        return;
    }
    bool taken = take_reader(s, conn);
    if (server_is_gone(s)) {
        return;
    }
    if (!taken) {
        sim_plan(s, EVENT_READ, 20, conn, c->life);
        return;
    }
    bool done = false;
    size_t before = c->answer.size;
    struct err err =
        server_session_read(c->session, &s->server.readers[c->reader], &c->answer, &done);
    if (server_is_gone(s)) {
        return;
    }
    if (err.code != ERR_OK) {
        sim_trace(s, "reading fails: %s", err_name(err.code));
        c->at = c->answer.size < c->at ? c->answer.size : c->at; /* the stream is reset */
        done = true;
    } else {
        watch_bytes(s, c, bytes_of(c->answer.at + before, c->answer.size - before));
        c->answered = done;
    }
    if (c->answer.bad) {
        sim_break(s, INV_BOUNDED, "an answer of more than %zu bytes", c->answer.size_max);
    }
    wire_plan_chunk(s, conn);
    if (!done) {
        sim_plan(s, EVENT_READ, (int64_t)sim_below(s, 50), conn, c->life);
        return;
    }
    server_drop(s, c);
    if (c->device < 0) {
        wire_drop(c);
    }
}
