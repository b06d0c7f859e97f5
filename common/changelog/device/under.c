/* See under.h: a small table; most devices have nothing in it most of the time. */
#include "common/changelog/device/under.h"

#include "protocol/codec.h"

static struct err use_row(struct db *db, const char *sql, uint16_t table, const uint8_t id[16],
                          struct stmt *st)
{
    struct err err = db_use(db, sql, st);
    if (err.code == ERR_OK) {
        bind_int(st, 1, table);
        bind_id(st, 2, id);
    }
    return err;
}

struct err under_put(struct db *db, uint16_t table, const uint8_t id[16], int column, int64_t base,
                     const struct value *value)
{
    static const char sql[] = "INSERT INTO under (tbl, row, col, base, value)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)"
                              " ON CONFLICT (tbl, row, col) DO UPDATE SET value = excluded.value";
    struct stmt st;
    struct buf bytes;
    buf_init(&bytes, ROW_BYTES_MAX * 2);
    struct err err = value_encode(value, &bytes) == WIRE_OK ? use_row(db, sql, table, id, &st)
                                                            : err_make(ERR_NOMEM, 0, "under_put");
    if (err.code == ERR_OK) {
        bind_int(&st, 3, column);
        bind_int(&st, 4, base);
        bind_blob(&st, 5, buf_bytes(&bytes));
        err = db_step_done(&st, "under_put");
    }
    buf_release(&bytes);
    return err;
}

struct err under_get(struct db *db, uint16_t table, const uint8_t id[16], int column,
                     struct arena *arena, struct under *out)
{
    static const char sql[] =
        "SELECT base, value FROM under WHERE tbl = ?1 AND row = ?2 AND col = ?3";
    struct stmt st;
    *out = (struct under){.found = false};
    struct err err = use_row(db, sql, table, id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 3, column);
    if (!db_step_row(&st)) {
        return stmt_err(&st, "under_get");
    }
    struct bytes bytes = arena_copy(arena, col_bytes(&st, 1));
    size_t used = 0;
    out->found = true;
    out->base = col_int(&st, 0);
    stmt_reset(&st);
    if (bytes.at == NULL) {
        return err_make(ERR_NOMEM, 0, "under_get");
    }
    bool whole = value_decode(bytes, &out->value, &used) == WIRE_OK && used == bytes.size;
    return whole ? err_ok() : err_make(ERR_CORRUPT, 0, "under_get");
}

struct err under_base(struct db *db, uint16_t table, const uint8_t id[16], bool *found,
                      int64_t *base)
{
    static const char sql[] =
        "SELECT min(base) FROM under WHERE tbl = ?1 AND row = ?2 AND col >= 0";
    struct stmt st;
    *found = false;
    struct err err = use_row(db, sql, table, id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) {
        *found = !col_is_null(&st, 0);
        *base = col_int(&st, 0);
        stmt_reset(&st);
    }
    return stmt_err(&st, "under_base");
}

struct err under_drop(struct db *db, uint16_t table, const uint8_t id[16], int column)
{
    static const char sql[] = "DELETE FROM under WHERE tbl = ?1 AND row = ?2 AND col = ?3";
    struct stmt st;
    struct err err = use_row(db, sql, table, id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 3, column);
    return db_step_done(&st, "under_drop");
}

struct err under_drop_row(struct db *db, uint16_t table, const uint8_t id[16])
{
    static const char sql[] = "DELETE FROM under WHERE tbl = ?1 AND row = ?2";
    struct stmt st;
    struct err err = use_row(db, sql, table, id, &st);
    return err.code == ERR_OK ? db_step_done(&st, "under_drop_row") : err;
}

struct err under_is_empty(struct db *db, bool *empty)
{
    int64_t some = 0;
    struct err err = db_one_int(db, "SELECT EXISTS (SELECT 1 FROM under)", &some);
    *empty = some == 0;
    return err;
}
