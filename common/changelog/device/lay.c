/* See lay.h. */
#include "common/changelog/device/lay.h"

static const char *name_of(const struct table *t, uint8_t column)
{
    const struct column *c = table_column(t, column);
    assert(c != NULL);
    return c->name;
}

/* A statement over one table, with the id as ?1. */
static struct err use(struct db *db, struct sqltext *sql, const uint8_t id[16], struct stmt *st)
{
    struct err err = db_use(db, sql->at, st);
    if (err.code == ERR_OK) {
        bind_id(st, 1, id);
    }
    return err;
}

struct err lay_stamp_of(struct db *db, const struct table *t, const uint8_t id[16],
                        struct row_stamp *out)
{
    struct sqltext sql;
    struct stmt st;
    *out = (struct row_stamp){.found = false};
    sqltext_begin(&sql, "SELECT _scope, _seq FROM ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " WHERE id = ?1");
    struct err err = use(db, &sql, id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) {
        *out = (struct row_stamp){.found = true, .scope = col_int(&st, 0), .seq = col_int(&st, 1)};
        stmt_reset(&st);
    }
    return stmt_err(&st, "lay_stamp_of");
}

/* A stamp of zeros stands for a row that wasn't judged yet. */
static void bind_stamp(struct stmt *st, const struct row_stamp *stamp)
{
    if (stamp->scope != 0) {
        bind_int(st, 2, stamp->scope);
    }
    if (stamp->seq != 0) {
        bind_int(st, 3, stamp->seq);
    }
}

/* ?2 and ?3 are the stamp, the cells follow. */
static void put_update(struct sqltext *sql, const struct table *t, const struct cell *cells,
                       size_t count, bool stamped)
{
    sqltext_begin(sql, "UPDATE ");
    sqltext_put(sql, t->name);
    sqltext_put(sql, stamped ? " SET _scope = ?2, _seq = ?3" : " SET ");
    for (size_t i = 0; i < count; i++) {
        sqltext_put(sql, stamped || i > 0 ? ", " : "");
        sqltext_put(sql, name_of(t, cells[i].column));
        sqltext_put(sql, " = ");
        sqltext_parameter(sql, i + 4);
    }
    sqltext_put(sql, " WHERE id = ?1");
}

static void bind_cells(struct stmt *st, const struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bind_value(st, (int)i + 4, &cells[i].value);
    }
}

struct err lay_cells(struct db *db, const struct table *t, const uint8_t id[16],
                     const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    struct sqltext sql;
    struct stmt st;
    if (count == 0 && stamp == NULL) {
        return err_ok();
    }
    put_update(&sql, t, cells, count, stamp != NULL);
    struct err err = use(db, &sql, id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (stamp != NULL) {
        bind_stamp(&st, stamp);
    }
    bind_cells(&st, cells, count);
    return db_step_done(&st, "lay_cells");
}

struct err lay_first(struct db *db, const struct table *t, const uint8_t id[16],
                     const struct cell *cells, size_t count, const struct row_stamp *stamp,
                     bool *laid)
{
    struct sqltext sql;
    struct stmt st;
    put_update(&sql, t, cells, count, true);
    sqltext_put(&sql, " AND _seq IS NULL");
    struct err err = use(db, &sql, id, &st);
    if (err.code == ERR_OK) {
        bind_stamp(&st, stamp);
        bind_cells(&st, cells, count);
        err = db_step_done(&st, "lay_first");
    }
    *laid = err.code == ERR_OK && db_changes(db) > 0;
    return err;
}

struct err lay_row(struct db *db, const struct table *t, const uint8_t id[16],
                   const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    struct sqltext sql;
    struct stmt st;
    sqltext_begin(&sql, "INSERT INTO ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " (id, _scope, _seq");
    for (size_t i = 0; i < count; i++) {
        sqltext_put(&sql, ", ");
        sqltext_put(&sql, name_of(t, cells[i].column));
    }
    sqltext_put(&sql, ") VALUES (?1, ?2, ?3");
    for (size_t i = 0; i < count; i++) {
        sqltext_put(&sql, ", ");
        sqltext_parameter(&sql, i + 4);
    }
    sqltext_put(&sql, ")");
    struct err err = use(db, &sql, id, &st);
    if (err.code == ERR_OK) {
        bind_stamp(&st, stamp);
        bind_cells(&st, cells, count);
        err = db_step_done(&st, "lay_row");
    }
    return err;
}

struct err lay_drop(struct db *db, const struct table *t, const uint8_t id[16], bool *there)
{
    struct sqltext sql;
    struct stmt st;
    sqltext_begin(&sql, "DELETE FROM ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " WHERE id = ?1");
    struct err err = use(db, &sql, id, &st);
    if (err.code == ERR_OK) {
        err = db_step_done(&st, "lay_drop");
    }
    *there = err.code == ERR_OK && db_changes(db) > 0;
    return err;
}

/* ---- many rows ---- */

static bool is_own(const struct lay_many *m, size_t i)
{
    return m->rows->columns[i] != COLUMN_DELETED;
}

static void put_whole(struct lay_many *m, const struct table *t)
{
    sqltext_begin(&m->sql, "INSERT INTO ");
    sqltext_put(&m->sql, t->name);
    sqltext_put(&m->sql, " (id, _scope, _seq");
    for (size_t i = 0; i < m->rows->column_count; i++) {
        if (is_own(m, i)) {
            sqltext_put(&m->sql, ", ");
            sqltext_put(&m->sql, name_of(t, m->rows->columns[i]));
        }
    }
    sqltext_put(&m->sql, ") VALUES (?1, ?2, ?3");
    for (size_t i = 0; i < m->rows->column_count; i++) {
        if (is_own(m, i)) {
            sqltext_put(&m->sql, ", ");
            sqltext_parameter(&m->sql, i + 4);
        }
    }
    sqltext_put(&m->sql, ") ON CONFLICT (id) DO NOTHING");
}

void lay_many_init(struct lay_many *m, struct db *db, const struct table *t,
                   const struct rows *rows, int64_t scope)
{
    m->db = db;
    m->rows = rows;
    m->scope = scope;
    if (rows->whole) {
        put_whole(m, t);
        return;
    }
    sqltext_begin(&m->sql, "UPDATE ");
    sqltext_put(&m->sql, t->name);
    sqltext_put(&m->sql, " SET _scope = ?2, _seq = ?3");
    for (size_t i = 0; i < rows->column_count; i++) {
        if (is_own(m, i)) {
            sqltext_put(&m->sql, ", ");
            sqltext_put(&m->sql, name_of(t, rows->columns[i]));
            sqltext_put(&m->sql, " = ");
            sqltext_parameter(&m->sql, i + 4);
        }
    }
    sqltext_put(&m->sql, " WHERE id = ?1 AND (_seq IS NULL OR _seq <= ?3)");
}

struct err lay_many_row(struct lay_many *m, const struct row *row, bool *laid)
{
    struct stmt st;
    struct err err = use(m->db, &m->sql, row->id, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 2, m->scope);
    bind_int(&st, 3, row->seq);
    for (size_t i = 0; i < m->rows->column_count; i++) {
        if (is_own(m, i)) {
            bind_value(&st, (int)i + 4, &row->values[i]);
        }
    }
    err = db_step_done(&st, "lay_rows");
    *laid = err.code == ERR_OK && db_changes(m->db) > 0;
    return err;
}
