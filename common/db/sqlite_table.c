/* A table of one row that our own program computes, for triggers to read. SQLite expects of any
 * statement that calls a function that it may fail halfway, and copies each page before it changes
 * it; reading a table doesn't make it expect that. For the insert of a row with a trigger that is
 * two thirds of the time.
 *
 * The module is eponymous: the table is there without having been created, in this connection
 * alone, and like our functions it is innocuous. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

struct table {
    sqlite3_vtab base; /* first: SQLite sees only this */
    struct defined *defined;
};

struct cursor {
    sqlite3_vtab_cursor base; /* first, likewise */
    struct value values[DB_TABLE_COLUMNS_MAX];
    bool at_row;
};

static int on_connect(sqlite3 *handle, void *context, int count, const char *const *words,
                      sqlite3_vtab **out, char **message)
{
    struct defined *d = context;
    (void)count, (void)words, (void)message;
    int rc = sqlite3_declare_vtab(handle, d->columns); /* a guard may refuse it */
    if (rc == SQLITE_OK) {
        rc = sqlite3_vtab_config(handle, SQLITE_VTAB_INNOCUOUS);
    }
    struct table *t = rc == SQLITE_OK ? sqlite3_malloc64(sizeof *t) : NULL;
    if (t == NULL) {
        return rc == SQLITE_OK ? SQLITE_NOMEM : rc;
    }
    *t = (struct table){.defined = d};
    *out = &t->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *plan)
{
    (void)table;
    plan->estimatedRows = 1;
    plan->estimatedCost = 1;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct cursor *c = sqlite3_malloc64(sizeof *c);
    (void)table;
    if (c == NULL) {
        return SQLITE_NOMEM;
    }
    c->at_row = false;
    *out = &c->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *cursor, int index, const char *plan, int count,
                     sqlite3_value **args)
{
    struct cursor *c = (struct cursor *)cursor;
    const struct table *t = (const struct table *)cursor->pVtab;
    const char *error = NULL;
    (void)index, (void)plan, (void)count, (void)args;
    c->at_row = t->defined->row(t->defined->context, c->values, &error);
    if (error == NULL) {
        return SQLITE_OK;
    }
    sqlite3_free(cursor->pVtab->zErrMsg);
    cursor->pVtab->zErrMsg = sqlite3_mprintf("%s", error);
    return SQLITE_ERROR;
}

static int on_next(sqlite3_vtab_cursor *cursor)
{
    ((struct cursor *)cursor)->at_row = false;
    return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *cursor)
{
    return !((const struct cursor *)cursor)->at_row;
}

static int on_column(sqlite3_vtab_cursor *cursor, sqlite3_context *to, int column)
{
    sqlite_answer(to, &((const struct cursor *)cursor)->values[column]);
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    (void)cursor;
    *out = 1;
    return SQLITE_OK;
}

struct err db_define_table(struct db *base, const char *name, const char *columns, db_row row,
                           void *context)
{
    struct sqlite *db = sqlite_of(base);
    static const sqlite3_module module = {
        .xConnect = on_connect, /* no xCreate: eponymous only */
        .xBestIndex = on_best_index,
        .xDisconnect = on_disconnect,
        .xOpen = on_open,
        .xClose = on_close,
        .xFilter = on_filter,
        .xNext = on_next,
        .xEof = on_eof,
        .xColumn = on_column,
        .xRowid = on_rowid,
    };
    struct defined *d = sqlite_defined_new(db, name, context);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "db_define_table");
    }
    d->row = row;
    snprintf(d->columns, sizeof d->columns, "CREATE TABLE %s (%s)", name, columns);
    int rc = sqlite3_create_module_v2(db->handle, name, &module, d, NULL);
    return rc == SQLITE_OK ? err_ok() : sqlite_failed(db, rc, "db_define_table");
}
