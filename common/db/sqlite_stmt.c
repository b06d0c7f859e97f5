/* Statements: kept ones and those of people; bindings, steps, columns. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

static bool is_busy(const void *handle)
{
    return sqlite3_stmt_busy((sqlite3_stmt *)(uintptr_t)handle) != 0;
}

static void drop(void *handle)
{
    sqlite3_finalize(handle);
}

void sqlite_statements_init(struct sqlite *db)
{
    statements_init(&db->statements, is_busy, drop);
}

static struct err keep(struct sqlite *db, const char *sql, uint64_t hash, sqlite3_stmt **out)
{
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (rc != SQLITE_OK) {
        return sqlite_failed(db, rc, "db_use");
    }
    if (*out == NULL) {
        return err_make(ERR_INTERNAL, 0, "db_use");
    }
    return statements_put(&db->statements, sql, hash, *out) ? err_ok()
                                                            : err_make(ERR_NOMEM, 0, "db_use");
}

struct err sqlite_use(struct db *base, const char *sql, struct stmt *out)
{
    struct sqlite *db = sqlite_of(base);
    uint64_t hash = 0;
    sqlite3_stmt *handle = statements_find(&db->statements, sql, &hash);
    if (handle == NULL) {
        struct err err = keep(db, sql, hash, &handle);
        if (err.code != ERR_OK) {
            return err;
        }
    } else {
        assert(!sqlite3_stmt_busy(handle)); /* used within itself, or left open by its last user */
        sqlite3_reset(handle);
        sqlite3_clear_bindings(handle);
    }
    out->handle = handle;
    return err_ok();
}

struct err sqlite_prepare(struct db *base, const char *sql, struct stmt *out, const char **tail)
{
    struct sqlite *db = sqlite_of(base);
    db->guard.steps = 0;
    db->guard.stopped = NULL;
    db->guard.hid_table = false;
    sqlite3_stmt *handle = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &handle, tail);
    if (rc != SQLITE_OK) {
        return sqlite_failed(db, rc, "db_prepare");
    }
    if (handle == NULL) { /* nothing but spaces and comments */
        snprintf(base->message, sizeof base->message, "no statement");
        return err_make(ERR_INVALID, 0, "db_prepare");
    }
    out->handle = handle;
    return err_ok();
}

void sqlite_finalize(struct stmt *st)
{
    sqlite3_finalize(st->handle);
}

void sqlite_reset(struct stmt *st)
{
    sqlite3_reset(st->handle);
    sqlite_settle(sqlite_of(st->db));
}

/* ---- bindings ---- */

static int bind_any(sqlite3_stmt *handle, int index, const struct value *v)
{
    const char *at = v->b.at == NULL ? "" : (const char *)v->b.at;
    switch (v->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INT:
        return sqlite3_bind_int64(handle, index, v->i);
    case VALUE_REAL:
        return sqlite3_bind_double(handle, index, v->d);
    case VALUE_TEXT:
        return sqlite3_bind_text64(handle, index, at, v->b.size, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(handle, index, at, v->b.size, SQLITE_STATIC);
    }
    return sqlite3_bind_null(handle, index);
}

struct err sqlite_bind(struct stmt *st, int index, const struct value *value)
{
    int rc = bind_any(st->handle, index, value);
    return rc == SQLITE_OK ? err_ok() : sqlite_failed(sqlite_of(st->db), rc, "bind");
}

/* ---- steps ---- */

bool sqlite_step(struct stmt *st)
{
    int rc = sqlite3_step(st->handle);
    if (rc == SQLITE_ROW) {
        return true;
    }
    if (rc != SQLITE_DONE) {
        st->err = sqlite_failed(sqlite_of(st->db), rc, "db_step_row");
    }
    sqlite_reset(st);
    return false;
}

void sqlite_finish(struct stmt *st)
{
    while (sqlite_step(st)) {
        /* rows of a RETURNING or a PRAGMA that nobody wants */
    }
}

/* ---- columns ---- */

int sqlite_count(const struct stmt *st)
{
    return sqlite3_column_count(st->handle);
}

const char *sqlite_name(const struct stmt *st, int column)
{
    const char *name = sqlite3_column_name(st->handle, column);
    return name == NULL ? "" : name;
}

bool sqlite_is_null(const struct stmt *st, int column)
{
    return sqlite3_column_type(st->handle, column) == SQLITE_NULL;
}

int64_t sqlite_as_int(const struct stmt *st, int column)
{
    return sqlite3_column_int64(st->handle, column);
}

double sqlite_as_real(const struct stmt *st, int column)
{
    return sqlite3_column_double(st->handle, column);
}

struct bytes sqlite_as_bytes(const struct stmt *st, int column)
{
    const void *at = sqlite3_column_type(st->handle, column) == SQLITE_BLOB
                         ? sqlite3_column_blob(st->handle, column)
                         : (const void *)sqlite3_column_text(st->handle, column);
    return bytes_of(at, (size_t)sqlite3_column_bytes(st->handle, column));
}

struct value sqlite_as_value(const struct stmt *st, int column)
{
    return sqlite_value_of(sqlite3_column_value(st->handle, column));
}

struct value sqlite_value_of(sqlite3_value *v)
{
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return value_int(sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return value_real(sqlite3_value_double(v));
    case SQLITE_TEXT: {
        const unsigned char *text = sqlite3_value_text(v);
        return value_text(bytes_of(text, (size_t)sqlite3_value_bytes(v)));
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_value_blob(v);
        return value_blob(bytes_of(blob, (size_t)sqlite3_value_bytes(v)));
    }
    default: /* SQLite's type codes are no enum; the fifth is NULL */
        return value_null();
    }
}
