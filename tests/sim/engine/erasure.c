/* Somebody wants to be forgotten: a contact, or a customer, is erased row by row, while devices are
 * away, work on them waits, and machines die in between. In the end nothing of what was written of
 * them is in the store's files, nor on any device that has synced since. */
#include "common/changelog/server/erase.h"
#include "tests/sim/engine/sim.h"

#define TABLES_MAX     96
#define TABLE_NAME_MAX 48

/* Did it begin? A machine that died over it may have kept it. */
void erasure_look(struct sim *s)
{
    struct sim_erasure *e = &s->erasure;
    bool begun = false;
    if (e->asked) {
        struct err err = erase_is_begun(&s->server.writer, e->table, e->id, &begun);
        e->asked = err.code != ERR_OK;
    }
    if (begun) {
        oracle_erase(&s->oracle, e->table, e->id);
    }
}

static void begin(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct sim_erasure *e = &s->erasure;
    struct clocks now;
    int64_t no = 0;
    if (s->row_count == 0 || e->asked) {
        return;
    }
    size_t i = (size_t)sim_below(s, s->row_count);
    const struct oracle_row *row = oracle_find(&s->oracle, s->rows[i].table, s->rows[i].id);
    bool fits = s->rows[i].table == TABLE_contact || s->rows[i].table == TABLE_customer;
    int64_t open = 0;
    if (!fits || row == NULL || row->purged != ORACLE_STAYS ||
        oracle_is_erased(&s->oracle, row->table->number, row->id) ||
        erase_open(&v->writer, &open).code != ERR_NOT_FOUND) {
        return;
    }
    host_now(&v->host, &now);
    e->asked = true;
    e->at_ms = now.wall_ms;
    e->began_ms = s->now_ms;
    e->table = row->table->number;
    memcpy(e->id, row->id, sizeof e->id);
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(v->writer_db, erase_begin(&v->writer, row->table, e->id, now.wall_ms, &no));
    }
    sim_trace(s, "erasure of %u begins: %s", e->table, err_name(err.code));
    if (!server_is_gone(s)) {
        erasure_look(s);
    }
}

/* As the program does it: once all rows have had their turn the store's log is cut, and then the
 * job ends, whose commit makes that last. */
static struct err go_on(struct sim *s, int64_t no, int64_t now_ms, bool *ended)
{
    struct store *st = &s->server.writer;
    struct erase_job job;
    *ended = false;
    struct err err = erase_read(st, no, &job);
    if (err.code == ERR_OK && job.emptied == job.total) {
        err = erase_settle(st);
    }
    return err.code == ERR_OK ? erase_step(st, no, now_ms, ended) : err;
}

/* True: there may be more to do. */
static bool step(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct clocks now;
    int64_t no = 0;
    bool ended = false;
    if (!v->up || erase_open(&v->writer, &no).code != ERR_OK) {
        return false;
    }
    host_now(&v->host, &now);
    s->write = (struct oracle_write){
        .op = ORACLE_ERASE, .at_ms = now.wall_ms, .erased_ms = s->erasure.at_ms};
    s->write_pending = true;
    struct err err = go_on(s, no, now.wall_ms, &ended);
    sim_trace(s, "erasure goes on: %s%s", err_name(err.code), ended ? ", done" : "");
    if (server_is_gone(s)) {
        return false;
    }
    feed_oracle(s);
    s->write_pending = false;
    return err.code == ERR_OK && !ended;
}

void erasure_finish(struct sim *s)
{
    while (s->broken == INV_NONE && step(s)) {
    }
}

/* ---- what must be gone ---- */

/* Whether a text was once written to somebody who is erased by now. */
static bool is_gone(const struct sim *s, const struct sim_saved *saved)
{
    return saved->serial > 0 && saved->column != NULL &&
           oracle_erases(saved->column->table, saved->column->number) &&
           oracle_is_erased(&s->oracle, saved->column->table, saved->row) &&
           (saved->device >= 0 || saved->true_ms < s->erasure.began_ms);
}

/* What a device sent of a row that it doesn't hold any more, it keeps until two backups hold it: it
 * doesn't hear of the erasure. */
static bool is_kept_by_right(struct db *db, const char *table, const struct sim_saved *saved)
{
    char sql[96];
    struct stmt q;
    if (strcmp(table, "sent") != 0 && strcmp(table, "inbox") != 0) {
        return false;
    }
    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE id = ?1",
                   catalogue_table(saved->column->table)->name);
    if (db_use(db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_id(&q, 1, saved->row);
    bool there = db_step_row(&q);
    stmt_reset(&q);
    return !there;
}

static void look_into(struct sim *s, struct db *db, const char table[TABLE_NAME_MAX],
                      const char *where)
{
    char sql[TABLE_NAME_MAX + 32], text[SIM_TEXT_MAX];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%.*s\"", TABLE_NAME_MAX, table);
    if (db_prepare(db, sql, &q, NULL).code != ERR_OK) {
        return;
    }
    while (s->broken == INV_NONE && db_step_row(&q)) {
        for (size_t i = 0; i < s->saved_count; i++) {
            if (!is_gone(s, &s->saved[i])) {
                continue;
            }
            sim_text_of(s, s->saved[i].serial, text);
            for (int c = 0; c < col_count(&q); c++) {
                struct value v = col_value(&q, c);
                bool has_bytes = v.kind == VALUE_TEXT || v.kind == VALUE_BLOB;
                if (has_bytes && simdisk_finds(v.b, bytes_text(text)) &&
                    !is_kept_by_right(db, table, &s->saved[i])) {
                    sim_break(s, INV_ERASED, "%s, %s: %s was erased", where, table, text);
                }
            }
        }
    }
    stmt_close(&q);
}

/* Table by table, which says where it stands. */
static void look_everywhere(struct sim *s, struct db *db, const char *where)
{
    static const char sql[] = "SELECT name FROM sqlite_schema WHERE type = 'table'"
                              " AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name";
    char names[TABLES_MAX][TABLE_NAME_MAX];
    size_t count = 0;
    struct stmt q;
    if (db_prepare(db, sql, &q, NULL).code != ERR_OK) {
        return;
    }
    while (count < TABLES_MAX && db_step_row(&q)) {
        (void)snprintf(names[count++], TABLE_NAME_MAX, "%.*s", TABLE_NAME_MAX - 1, col_text(&q, 0));
    }
    stmt_close(&q);
    for (size_t i = 0; i < count && s->broken == INV_NONE; i++) {
        look_into(s, db, names[i], where);
    }
}

void audit_erased_device(struct sim_device *d)
{
    char where[24];
    (void)snprintf(where, sizeof where, "device %d", d->index);
    if (d->sim->oracle.erased_count > 0) {
        look_everywhere(d->sim, d->db, where);
    }
}

void audit_erased_store(struct sim *s)
{
    char text[SIM_TEXT_MAX];
    int64_t open = 0;
    if (s->oracle.erased_count == 0 || !s->server.up ||
        erase_open(&s->server.writer, &open).code != ERR_NOT_FOUND) {
        return;
    }
    look_everywhere(s, s->server.writer_db, "store");
    for (size_t i = 0; i < s->saved_count && s->broken == INV_NONE; i++) {
        if (!is_gone(s, &s->saved[i])) {
            continue;
        }
        sim_text_of(s, s->saved[i].serial, text);
        if (simdisk_holds(s->server.disk, bytes_text(text))) {
            sim_break(s, INV_ERASED, "the store's files hold %s, which was erased", text);
        }
    }
}

void feature_erasure(struct sim *s)
{
    if (s->server.up && sim_below(s, 3) == 2) {
        begin(s);
    } else {
        (void)step(s);
    }
}
