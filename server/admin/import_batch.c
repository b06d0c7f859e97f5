/* See import_batch.h. */
#include "common/base/base.h"

#include "server/admin/import_batch.h"

#define OLD_BYTES_MAX (1 << 20)

struct err batch_begin(struct db *db, const struct table *t, const char *file, int64_t now_ms,
                       int64_t *batch)
{
    static const char sql[] = "INSERT INTO import_batch (tbl, file, rows, made_at)"
                              " VALUES (?1, ?2, 0, ?3) RETURNING no";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, t->number);
    bind_text(&st, 2, file);
    bind_int(&st, 3, now_ms);
    *batch = db_step_row(&st) ? col_int(&st, 0) : 0;
    stmt_reset(&st);
    return stmt_err(&st, "batch_begin");
}

struct err batch_end(struct db *db, int64_t batch, int64_t rows)
{
    static const char sql[] = "UPDATE import_batch SET rows = ?2 WHERE no = ?1";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, batch);
    bind_int(&st, 2, rows);
    return db_step_done(&st, "batch_end");
}

struct err batch_has(struct db *db, int64_t batch, uint16_t table, const uint8_t id[16], bool *out)
{
    static const char sql[] = "SELECT 1 FROM import_row WHERE batch = ?1 AND tbl = ?2 AND row = ?3";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, batch);
    bind_int(&st, 2, table);
    bind_id(&st, 3, id);
    *out = db_step_row(&st);
    stmt_reset(&st);
    return stmt_err(&st, "batch_has");
}

static struct err note_new(struct db *db, int64_t batch, const struct batch_change *change)
{
    static const char sql[] = "INSERT INTO import_row (batch, tbl, row, seq, old)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, batch);
    bind_int(&st, 2, change->table);
    bind_id(&st, 3, change->id);
    bind_int(&st, 4, change->after);
    if (change->made) {
        bind_null(&st, 5);
    } else {
        bind_blob(&st, 5, change->old);
    }
    return db_step_done(&st, "note_new");
}

/* The old values of both changes, one behind the other: they are of different columns. */
static struct err read_old(struct db *db, int64_t batch, const struct batch_change *change,
                           struct buf *old, bool *made)
{
    static const char sql[] =
        "SELECT old FROM import_row WHERE batch = ?1 AND tbl = ?2 AND row = ?3";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, batch);
    bind_int(&st, 2, change->table);
    bind_id(&st, 3, change->id);
    if (db_step_row(&st)) {
        *made = col_is_null(&st, 0);
        buf_put(old, col_bytes(&st, 0));
        buf_put(old, change->old);
        stmt_reset(&st);
    }
    return old->bad ? err_make(ERR_LIMIT, 0, "read_old") : stmt_err(&st, "read_old");
}

static struct err note_again(struct db *db, int64_t batch, const struct batch_change *change)
{
    static const char sql[] = "UPDATE import_row SET seq = ?4, old = ?5"
                              " WHERE batch = ?1 AND tbl = ?2 AND row = ?3";
    struct buf old;
    bool made = false;
    struct stmt st;
    buf_init(&old, OLD_BYTES_MAX);
    struct err err = read_old(db, batch, change, &old, &made);
    if (err.code == ERR_OK) {
        err = db_use(db, sql, &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, batch);
        bind_int(&st, 2, change->table);
        bind_id(&st, 3, change->id);
        bind_int(&st, 4, change->after);
        if (made) {
            bind_null(&st, 5);
        } else {
            bind_blob(&st, 5, buf_bytes(&old));
        }
        err = db_step_done(&st, "note_again");
    }
    buf_release(&old);
    return err;
}

static struct err note_earlier(struct db *db, int64_t batch, const struct batch_change *change)
{
    static const char sql[] = "UPDATE import_row SET seq = ?4"
                              " WHERE row = ?3 AND tbl = ?2 AND seq = ?5 AND batch < ?1";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, batch);
    bind_int(&st, 2, change->table);
    bind_id(&st, 3, change->id);
    bind_int(&st, 4, change->after);
    bind_int(&st, 5, change->before);
    return db_step_done(&st, "note_earlier");
}

struct err batch_note(struct db *db, int64_t batch, const struct batch_change *change)
{
    bool has = false;
    struct err err = batch_has(db, batch, change->table, change->id, &has);
    if (err.code == ERR_OK) {
        err = has ? note_again(db, batch, change) : note_new(db, batch, change);
    }
    return err.code == ERR_OK && !change->made ? note_earlier(db, batch, change) : err;
}
