/* Rows by catalogue: statements are composed from the table's lines, one text for each set of
 * columns, and kept by the connection under that text. */
#include "common/changelog/device/row.h"

#include "common/base/complaint.h"
#include "common/changelog/device/replica.h"
#include "common/changelog/sqltext.h"

static struct err complain(const struct table *t, uint8_t column, const char *code,
                           struct complaint *why)
{
    const struct column *c = table_column(t, column);
    *why = (struct complaint){0};
    snprintf(why->code, sizeof why->code, "%s", code);
    snprintf(why->field, sizeof why->field, "%s", c == NULL ? t->name : c->name);
    return err_make(ERR_INVALID, 0, "row");
}

/* Every cell alone: known, given once, fitting. `given` gets a bit for each. */
static struct err check_cells(const struct table *t, const struct cell *cells, size_t count,
                              bool inserting, uint64_t *given, struct complaint *why)
{
    *given = 0;
    for (size_t i = 0; i < count; i++) {
        const struct column *c = table_column(t, cells[i].column);
        if (c == NULL) {
            return complain(t, cells[i].column, "unknown_column", why);
        }
        uint64_t bit = UINT64_C(1) << c->number;
        if ((*given & bit) != 0) {
            return complain(t, c->number, "duplicate", why);
        }
        if (!inserting && (c->flags & COLUMN_ONCE) != 0) {
            return complain(t, c->number, "once", why);
        }
        if (!column_check(c, &cells[i].value, why)) {
            return complaint_err(why, "row");
        }
        *given |= bit;
    }
    return err_ok();
}

static struct err check_required(const struct table *t, uint64_t given, struct complaint *why)
{
    for (size_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        if ((c->flags & COLUMN_REQUIRED) != 0 && (given & UINT64_C(1) << c->number) == 0) {
            return complain(t, c->number, "required", why);
        }
    }
    return err_ok();
}

static const char *name_of(const struct table *t, const struct cell *cell)
{
    return table_column(t, cell->column)->name;
}

/* ?1 is the id, the cells follow. */
static struct err run(struct db *db, const char *sql, const uint8_t id[16],
                      const struct cell *cells, size_t count, const char *where)
{
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    for (size_t i = 0; i < count; i++) {
        bind_value(&st, (int)i + 2, &cells[i].value);
    }
    err = db_step_done(&st, where);
    bool missed = err.code == ERR_OK && db_changes(db) == 0;
    return missed ? err_make(ERR_NOT_FOUND, 0, where) : err;
}

struct err row_insert(struct db *db, const struct table *t, const uint8_t id[16],
                      const struct cell *cells, size_t count, struct complaint *why)
{
    uint64_t given;
    struct err err = check_cells(t, cells, count, true, &given, why);
    if (err.code == ERR_OK) {
        err = check_required(t, given, why);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    /* OR FAIL: what a failing insert has done stays until the transaction is rolled back, as it
     * then always is; so SQLite needn't copy each page it touches, which took more than the row. */
    struct sqltext sql;
    sqltext_begin(&sql, "INSERT OR FAIL INTO ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " (id");
    for (size_t i = 0; i < count; i++) {
        sqltext_put(&sql, ", ");
        sqltext_put(&sql, name_of(t, &cells[i]));
    }
    sqltext_put(&sql, ") VALUES (?1");
    for (size_t i = 0; i < count; i++) {
        sqltext_put(&sql, ", ");
        sqltext_parameter(&sql, i + 2);
    }
    sqltext_put(&sql, ")");
    return run(db, sql.at, id, cells, count, "row_insert");
}

struct err row_update(struct db *db, const struct table *t, const uint8_t id[16],
                      const struct cell *cells, size_t count, struct complaint *why)
{
    uint64_t given;
    struct err err = check_cells(t, cells, count, false, &given, why);
    if (err.code != ERR_OK || count == 0) {
        return err;
    }
    struct sqltext sql;
    sqltext_begin(&sql, "UPDATE ");
    sqltext_put(&sql, t->name);
    for (size_t i = 0; i < count; i++) {
        sqltext_put(&sql, i == 0 ? " SET " : ", ");
        sqltext_put(&sql, name_of(t, &cells[i]));
        sqltext_put(&sql, " = ");
        sqltext_parameter(&sql, i + 2);
    }
    sqltext_put(&sql, " WHERE id = ?1");
    return run(db, sql.at, id, cells, count, "row_update");
}

struct err row_delete(struct db *db, const struct table *t, const uint8_t id[16])
{
    struct sqltext sql;
    sqltext_begin(&sql, "DELETE FROM ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " WHERE id = ?1");
    return run(db, sql.at, id, NULL, 0, "row_delete");
}

/* ---- reading ---- */

static bool copy_value(struct arena *arena, struct value v, struct value *out)
{
    *out = v;
    if (v.kind == VALUE_TEXT || v.kind == VALUE_BLOB) {
        out->b = arena_copy(arena, v.b);
        return out->b.at != NULL;
    }
    return true;
}

static struct err copy_row(const struct stmt *st, const struct table *t, struct arena *arena,
                           struct stored_row *out)
{
    out->scope = col_int(st, 0);
    out->seq = col_int(st, 1);
    out->deleted_at = col_int(st, 2);
    out->values = arena_array(arena, t->column_count, sizeof *out->values);
    bool good = out->values != NULL;
    for (size_t i = 0; good && i < t->column_count; i++) {
        good = copy_value(arena, col_value(st, (int)i + 3), &out->values[i]);
    }
    return good ? err_ok() : err_make(arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "row_get");
}

struct err row_get(struct db *db, const struct table *t, const uint8_t id[16], struct arena *arena,
                   struct stored_row *out)
{
    struct sqltext sql;
    sqltext_begin(&sql, "SELECT _scope, _seq, _deleted_at");
    for (size_t i = 0; i < t->column_count; i++) {
        sqltext_put(&sql, ", ");
        sqltext_put(&sql, t->columns[i].name);
    }
    sqltext_put(&sql, " FROM ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " WHERE id = ?1");
    struct stmt st;
    struct err err = db_use(db, sql.at, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    *out = (struct stored_row){.scope = 0};
    memcpy(out->id, id, sizeof out->id);
    bind_id(&st, 1, id);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "row_get");
        return err.code == ERR_OK ? err_make(ERR_NOT_FOUND, 0, "row_get") : err;
    }
    err = copy_row(&st, t, arena, out);
    stmt_reset(&st);
    return err;
}

const struct value *stored_value(const struct stored_row *row, const struct table *t,
                                 uint8_t column)
{
    const struct column *c = table_column(t, column);
    return c == NULL ? NULL : &row->values[c - t->columns];
}
