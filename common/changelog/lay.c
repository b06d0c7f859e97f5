/* See lay.h. */
#include "common/changelog/lay.h"

#define LAY_SQL_MAX ((size_t)16 * 1024)

static struct err run(struct db *db, struct buf *sql, struct stmt *st)
{
    const char *text = buf_text(sql);
    return sql->bad ? err_make(ERR_NOMEM, 0, "lay") : db_use(db, text, st);
}

struct err lay_stamp_of(struct db *db, const struct table *t, const uint8_t id[16],
                        struct row_stamp *out)
{
    char sql[128];
    struct stmt st;
    (void)snprintf(sql, sizeof sql, "SELECT _scope, _seq FROM %s WHERE id = ?1", t->name);
    *out = (struct row_stamp){.found = false};
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    if (db_step_row(&st)) {
        *out = (struct row_stamp){.found = true, .scope = col_int(&st, 0), .seq = col_int(&st, 1)};
        stmt_reset(&st);
    }
    return stmt_err(&st, "lay_stamp_of");
}

static void bind_stamp(struct stmt *st, int index, int64_t n)
{
    if (n == 0) {
        bind_null(st, index);
    } else {
        bind_int(st, index, n);
    }
}

static const char *name_of(const struct table *t, uint8_t column)
{
    const struct column *c = table_column(t, column);
    assert(c != NULL);
    return c->name;
}

struct err lay_cells(struct db *db, const struct table *t, const uint8_t id[16],
                     const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    if (count == 0 && stamp == NULL) {
        return err_ok();
    }
    struct buf sql;
    struct stmt st;
    buf_init(&sql, LAY_SQL_MAX);
    buf_printf(&sql, "UPDATE %s SET ", t->name);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&sql, "%s%s = ?%zu", i == 0 ? "" : ", ", name_of(t, cells[i].column), i + 2);
    }
    if (stamp != NULL) {
        buf_printf(&sql, "%s_scope = ?%zu, _seq = ?%zu", count == 0 ? "" : ", ", count + 2,
                   count + 3);
    }
    buf_put_text(&sql, " WHERE id = ?1");
    struct err err = run(db, &sql, &st);
    if (err.code == ERR_OK) {
        bind_id(&st, 1, id);
        for (size_t i = 0; i < count; i++) {
            bind_value(&st, (int)i + 2, &cells[i].value);
        }
        if (stamp != NULL) {
            bind_stamp(&st, (int)count + 2, stamp->scope);
            bind_stamp(&st, (int)count + 3, stamp->seq);
        }
        err = db_step_done(&st, "lay_cells");
    }
    buf_release(&sql);
    return err;
}

struct err lay_stamp(struct db *db, const struct table *t, const uint8_t id[16], int64_t scope,
                     int64_t seq, bool *there)
{
    char sql[160];
    struct stmt st;
    (void)snprintf(sql, sizeof sql,
                   "UPDATE %s SET _scope = ?2, _seq = ?3 WHERE id = ?1 AND"
                   " (_seq IS NULL OR _seq <= ?3)",
                   t->name);
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    bind_int(&st, 2, scope);
    bind_int(&st, 3, seq);
    err = db_step_done(&st, "lay_stamp");
    *there = err.code == ERR_OK && db_changes(db) > 0;
    if (err.code == ERR_OK && !*there) {
        struct row_stamp stamp;
        err = lay_stamp_of(db, t, id, &stamp);
        *there = stamp.found;
    }
    return err;
}

struct err lay_row(struct db *db, const struct table *t, const uint8_t id[16],
                   const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    struct buf sql;
    struct stmt st;
    buf_init(&sql, LAY_SQL_MAX);
    buf_printf(&sql, "INSERT INTO %s (id, _scope, _seq", t->name);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&sql, ", %s", name_of(t, cells[i].column));
    }
    buf_put_text(&sql, ") VALUES (?1, ?2, ?3");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&sql, ", ?%zu", i + 4);
    }
    buf_put_text(&sql, ")");
    struct err err = run(db, &sql, &st);
    if (err.code == ERR_OK) {
        bind_id(&st, 1, id);
        bind_stamp(&st, 2, stamp->scope);
        bind_stamp(&st, 3, stamp->seq);
        for (size_t i = 0; i < count; i++) {
            bind_value(&st, (int)i + 4, &cells[i].value);
        }
        err = db_step_done(&st, "lay_row");
    }
    buf_release(&sql);
    return err;
}

struct err lay_drop(struct db *db, const struct table *t, const uint8_t id[16], bool *there)
{
    char sql[96];
    struct stmt st;
    (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = ?1", t->name);
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    err = db_step_done(&st, "lay_drop");
    *there = err.code == ERR_OK && db_changes(db) > 0;
    return err;
}

/* ---- many rows ---- */

static void put_columns(struct lay_many *m, const struct table *t, const char *format, bool number)
{
    for (size_t i = 0; i < m->rows->column_count; i++) {
        uint8_t c = m->rows->columns[i];
        if (c == COLUMN_DELETED) {
            continue;
        }
        buf_put_text(&m->sql, ", ");
        if (number) {
            buf_printf(&m->sql, "?%zu", i + 4);
        } else {
            buf_put_text(&m->sql, name_of(t, c));
            buf_put_text(&m->sql, format);
            if (format[0] != 0) {
                buf_printf(&m->sql, "?%zu", i + 4);
            }
        }
    }
}

struct err lay_many_init(struct lay_many *m, struct db *db, const struct table *t,
                         const struct rows *rows, int64_t scope)
{
    *m = (struct lay_many){.db = db, .rows = rows, .scope = scope};
    buf_init(&m->sql, LAY_SQL_MAX);
    if (rows->whole) {
        buf_printf(&m->sql, "INSERT INTO %s (id, _scope, _seq", t->name);
        put_columns(m, t, "", false);
        buf_put_text(&m->sql, ") VALUES (?1, ?2, ?3");
        put_columns(m, t, "", true);
        buf_put_text(&m->sql, ") ON CONFLICT (id) DO UPDATE SET _scope = ?2, _seq = ?3");
        put_columns(m, t, " = ", false);
        buf_put_text(&m->sql, " WHERE _seq IS NULL OR _seq <= ?3");
    } else {
        buf_printf(&m->sql, "UPDATE %s SET _scope = ?2, _seq = ?3", t->name);
        put_columns(m, t, " = ", false);
        buf_put_text(&m->sql, " WHERE id = ?1 AND (_seq IS NULL OR _seq <= ?3)");
    }
    (void)buf_text(&m->sql);
    return m->sql.bad ? err_make(ERR_NOMEM, 0, "lay_many") : err_ok();
}

void lay_many_release(struct lay_many *m)
{
    buf_release(&m->sql);
}

struct err lay_many_row(struct lay_many *m, const struct row *row, bool *laid)
{
    struct stmt st;
    struct err err = run(m->db, &m->sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, row->id);
    bind_int(&st, 2, m->scope);
    bind_int(&st, 3, row->seq);
    for (size_t i = 0; i < m->rows->column_count; i++) {
        if (m->rows->columns[i] != COLUMN_DELETED) {
            bind_value(&st, (int)i + 4, &row->values[i]);
        }
    }
    err = db_step_done(&st, "lay_rows");
    *laid = err.code == ERR_OK && db_changes(m->db) > 0;
    return err;
}
