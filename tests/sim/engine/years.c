/* Weeks and years pass, devices lie in drawers, and the server purges what all have seen go. What
 * may and what must be purged, the oracle says (oracle_purge.c). */
#include "common/changelog/server/purge.h"
#include "tests/sim/engine/sim.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static bool store_has(struct sim *s, const struct oracle_row *row, bool *there)
{
    char sql[96];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE id = ?1", row->table->name);
    if (db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_id(&q, 1, row->id);
    *there = db_step_row(&q);
    bool read = q.err.code == ERR_OK;
    stmt_reset(&q);
    return read;
}

/* What is gone since the last time. False: the disk doesn't let us look. */
static bool note_purged(struct sim *s)
{
    bool there = true;
    for (size_t i = 0; i < s->oracle.row_count; i++) {
        struct oracle_row *row = s->oracle.rows[i];
        if (row->deleted_at == 0 || row->purged != ORACLE_STAYS) {
            continue;
        }
        if (!store_has(s, row, &there)) {
            return false;
        }
        row->purged = there ? ORACLE_STAYS : ORACLE_GOES;
    }
    return true;
}

void years_look(struct sim *s, int64_t now_ms)
{
    int gone = 0;
    if (!note_purged(s)) {
        return;
    }
    for (size_t i = 0; i < s->oracle.row_count; i++) {
        struct oracle_row *row = s->oracle.rows[i];
        bool goes = row->purged == ORACLE_GOES;
        if (goes && now_ms >= 0 && !oracle_may_purge(&s->oracle, row, now_ms)) {
            sim_break(s, INV_PURGED, "a row of %s was purged that somebody hasn't seen go",
                      row->table->name);
        }
        if (row->deleted_at != 0 && row->purged == ORACLE_STAYS && now_ms >= 0 &&
            oracle_must_purge(&s->oracle, row, now_ms)) {
            sim_break(s, INV_PURGED, "a row of %s is kept that all have seen go", row->table->name);
        }
        gone += goes;
        row->purged = goes ? ORACLE_GONE : row->purged;
    }
    sim_trace(s, "%d rows are purged", gone);
}

/* In steps, until nothing is left to go. */
static void purge(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct purge_tally tally, before;
    struct clocks now;
    bool more = true;
    if (!v->up) {
        return;
    }
    host_now(&v->host, &now);
    memset(&tally, 0, sizeof tally);
    struct err err = err_ok();
    for (bool moved = true; (more || moved) && err.code == ERR_OK;) {
        before = tally;
        err = db_begin(v->writer_db, DB_LOCK_WRITE);
        if (err.code == ERR_OK) {
            err = db_end(v->writer_db, store_purge(&v->writer, now.wall_ms, &tally, &more));
        }
        moved = tally.tombstones != before.tombstones;
    }
    sim_trace(s, "a purge: %s", err_name(err.code));
    if (!server_is_gone(s)) {
        years_look(s, err.code == ERR_OK ? now.wall_ms : -1);
    }
}

static void pass_days(struct sim *s, int64_t days)
{
    sim_trace(s, "%d days pass", (int)days);
    s->idle_ms += days * DAY_MS;
    sim_pass(s, days * DAY_MS);
}

static void put_away(struct sim *s)
{
    struct sim_device *d = &s->devices[sim_below(s, SIM_DEVICES)];
    d->away = !d->away;
    sim_trace(s, "device %d is %s", d->index, d->away ? "put away" : "found again");
}

/* One lies in a drawer for more than a year; the others go on, and so does the purge. */
static void years_without(struct sim *s)
{
    struct sim_device *lost = &s->devices[sim_below(s, SIM_DEVICES)];
    lost->away = true;
    pass_days(s, 401);
    for (int i = 0; i < SIM_DEVICES; i++) {
        if (!s->devices[i].away && s->devices[i].db != NULL) {
            device_sync_begin(&s->devices[i]);
        }
    }
    sim_pass(s, 60000);
    purge(s);
    lost->away = sim_below(s, 2) == 1;
}

void feature_years(struct sim *s)
{
    static const int64_t days[] = {1, 13, 15, 31, 401};
    switch (sim_below(s, 8)) {
    case 0:
    case 1:
    case 2:
        purge(s);
        break;
    case 3:
    case 4:
        put_away(s);
        break;
    case 5:
        years_without(s);
        break;
    default:
        pass_days(s, days[sim_below(s, count_of(days))]);
        break;
    }
}
