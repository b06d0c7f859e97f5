/* What is alike for every database: transactions and their errors, and the small forms of binding
 * and reading. The rest goes to the driver. */
#include "common/base/base.h"

#include "common/db/driver.h"

const char *db_message(const struct db *db)
{
    return db->message;
}

const struct db_dialect *db_dialect(const struct db *db)
{
    return &db->driver->dialect;
}

void db_close(struct db *db)
{
    if (db != NULL) {
        db->ended = NULL;
        db->driver->close(db);
    }
}

void db_on_transaction_end(struct db *db, void (*ended)(void *context, bool committed),
                           void *context)
{
    db->ended = ended;
    db->ended_context = context;
}

/* ---- statements ---- */

struct err db_exec(struct db *db, const char *sql)
{
    return db_is_undone(db) ? db->undone : db->driver->exec(db, sql);
}

struct err db_use(struct db *db, const char *sql, struct stmt *out)
{
    *out = (struct stmt){.db = db};
    out->err = db->driver->use(db, sql, out);
    return out->err;
}

struct err db_prepare(struct db *db, const char *sql, struct stmt *out, const char **tail)
{
    *out = (struct stmt){.db = db};
    out->err = db->driver->prepare(db, sql, out, tail);
    return out->err;
}

void stmt_close(struct stmt *st)
{
    if (st->handle != NULL) {
        st->db->driver->finalize(st);
        st->handle = NULL;
    }
}

void stmt_reset(struct stmt *st)
{
    if (st->handle != NULL) {
        st->db->driver->reset(st);
    }
}

void bind_value(struct stmt *st, int index, const struct value *value)
{
    if (st->err.code == ERR_OK) {
        st->err = st->db->driver->bind(st, index, value);
    }
}

void bind_null(struct stmt *st, int index)
{
    bind_value(st, index, &(struct value){.kind = VALUE_NULL});
}

void bind_int(struct stmt *st, int index, int64_t i)
{
    bind_value(st, index, &(struct value){.kind = VALUE_INT, .i = i});
}

void bind_real(struct stmt *st, int index, double d)
{
    bind_value(st, index, &(struct value){.kind = VALUE_REAL, .d = d});
}

void bind_text(struct stmt *st, int index, const char *text)
{
    if (text == NULL) {
        bind_null(st, index);
    } else {
        bind_text_bytes(st, index, bytes_text(text));
    }
}

void bind_text_bytes(struct stmt *st, int index, struct bytes text)
{
    bind_value(st, index, &(struct value){.kind = VALUE_TEXT, .b = text});
}

void bind_blob(struct stmt *st, int index, struct bytes blob)
{
    bind_value(st, index, &(struct value){.kind = VALUE_BLOB, .b = blob});
}

void bind_id(struct stmt *st, int index, const uint8_t id[16])
{
    bind_blob(st, index, bytes_of(id, 16));
}

bool db_step_row(struct stmt *st)
{
    if (st->err.code == ERR_OK && db_is_undone(st->db)) {
        st->err = st->db->undone;
    }
    if (st->err.code != ERR_OK) {
        stmt_reset(st);
        return false;
    }
    return st->db->driver->step(st);
}

struct err db_step_done(struct stmt *st, const char *where)
{
    if (st->err.code == ERR_OK && db_is_undone(st->db)) {
        st->err = st->db->undone;
    }
    if (st->err.code == ERR_OK) {
        st->db->driver->finish(st);
    } else {
        stmt_reset(st);
    }
    return stmt_err(st, where);
}

struct err stmt_err(const struct stmt *st, const char *where)
{
    struct err err = st->err;
    if (err.code != ERR_OK) {
        err.where = where;
    }
    return err;
}

/* ---- columns ---- */

int col_count(const struct stmt *st)
{
    return st->db->driver->count(st);
}

const char *col_name(const struct stmt *st, int column)
{
    return st->db->driver->name(st, column);
}

bool col_is_null(const struct stmt *st, int column)
{
    return st->db->driver->is_null(st, column);
}

int64_t col_int(const struct stmt *st, int column)
{
    return st->db->driver->as_int(st, column);
}

double col_real(const struct stmt *st, int column)
{
    return st->db->driver->as_real(st, column);
}

struct bytes col_bytes(const struct stmt *st, int column)
{
    return st->db->driver->as_bytes(st, column);
}

const char *col_text(const struct stmt *st, int column)
{
    struct bytes text = st->db->driver->as_bytes(st, column);
    return text.at == NULL ? "" : (const char *)text.at;
}

struct value col_value(const struct stmt *st, int column)
{
    return st->db->driver->as_value(st, column);
}

bool col_id(const struct stmt *st, int column, uint8_t id[16])
{
    struct value v = st->db->driver->as_value(st, column);
    if (v.kind != VALUE_BLOB || v.b.size != 16) {
        return false;
    }
    memcpy(id, v.b.at, 16);
    return true;
}

struct err db_one_int(struct db *db, const char *sql, int64_t *out)
{
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "db_one_int");
        return err.code == ERR_OK ? err_make(ERR_NOT_FOUND, 0, "db_one_int") : err;
    }
    *out = col_int(&st, 0);
    stmt_reset(&st);
    return err_ok();
}

/* ---- transactions ---- */

bool db_in_transaction(const struct db *db)
{
    return db->driver->in_transaction(db);
}

bool db_is_undone(const struct db *db)
{
    return db->begun && !db->driver->in_transaction(db);
}

static struct err run(struct db *db, const char *sql, const char *where)
{
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    return err.code == ERR_OK ? db_step_done(&st, where) : err;
}

struct err db_begin(struct db *db, enum db_lock lock)
{
    assert(!db_in_transaction(db) && !db->begun);
    const struct db_driver *d = db->driver;
    struct err err = run(db, lock == DB_LOCK_WRITE ? d->begin_write : d->begin_read, "db_begin");
    db->begun = err.code == ERR_OK;
    db->undone = err_ok();
    return err;
}

struct err db_end(struct db *db, struct err err)
{
    if (err.code == ERR_OK) {
        err = run(db, "COMMIT", "db_end");
    }
    db->begun = false;
    if (err.code != ERR_OK && db_in_transaction(db)) {
        char message[DB_MESSAGE_MAX]; /* of the first failure, not of the way back */
        memcpy(message, db->message, sizeof message);
        struct err undo = run(db, "ROLLBACK", "db_end");
        (void)undo; /* it is rolled back even where ROLLBACK can't; `err` says why we're here */
        memcpy(db->message, message, sizeof message);
    }
    return err;
}

struct err db_savepoint(struct db *db)
{
    assert(db_in_transaction(db));
    return run(db, "SAVEPOINT step", "db_savepoint");
}

struct err db_savepoint_end(struct db *db, bool keep)
{
    if (!db_in_transaction(db)) {
        return db->undone; /* a full disk or a failed write has undone everything already */
    }
    struct err err = keep ? err_ok() : run(db, "ROLLBACK TO step", "db_savepoint_end");
    return err.code == ERR_OK ? run(db, "RELEASE step", "db_savepoint_end") : err;
}

/* ---- questions ---- */

int64_t db_changes(struct db *db)
{
    return db->driver->changes(db);
}

int64_t db_data_version(struct db *db)
{
    return db->driver->data_version(db);
}

struct err db_integrity(struct db *db, struct buf *report)
{
    return db->driver->integrity(db, report);
}

struct err db_checkpoint(struct db *db)
{
    return db->driver->checkpoint(db);
}

struct err db_schema_version(struct db *db, int64_t *out)
{
    return db->driver->schema_version(db, out);
}

struct err db_schema_version_set(struct db *db, int64_t version)
{
    return db->driver->schema_version_set(db, version);
}
