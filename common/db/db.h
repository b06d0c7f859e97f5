/* Statements and transactions behind one header; sqlite.c is the driver, another one fills
 * driver.h. SQL is written with ?1 placeholders and kept to what PostgreSQL takes as well. A
 * `struct db` belongs to one thread at a time. The database's number of a failure and its message
 * are caught at the call that failed. */
#ifndef COMMON_DB_DB_H
#define COMMON_DB_DB_H

#include "common/base/base.h"

struct db;
struct stmt {
    struct db *db;
    void *handle;   /* the driver's prepared statement */
    struct err err; /* first error of binding or stepping; sticky until db_use gives it anew */
};

enum db_mode {
    DB_CREATE, /* made where missing */
    DB_WRITE,  /* must exist */
    DB_READ    /* must exist, opened read-only */
};

struct db_options {
    enum db_mode mode;
    int busy_timeout_ms;
    bool sync_normal; /* synchronous=NORMAL instead of FULL: only benches ask for it */
    int cache_kib;    /* 0: SQLite's own */
    bool shrinks;     /* DB_CREATE: db_shrink works on the new file */
    const char *vfs;  /* whose files; NULL: the system's. Tests bring disks that fail */
    bool single_file; /* no log beside it that would have to go along: for files that travel */
};

/* WAL, synchronous=FULL, foreign_keys OFF, recursive_triggers ON, trusted_schema OFF, DEFENSIVE,
 * cell_size_check. `*out` is NULL on error. */
MUST_USE struct err db_open(struct db **out, const char *path, const struct db_options *options);
void db_close(struct db *db);

/* What SQL must say differently in each database; all else is written once for both. */
struct db_dialect {
    const char *name; /* for people and for choosing migrations: "sqlite", "postgres" */
    bool shared;      /* other processes write at the same time: rows are locked, not the file */
    const char *uuid, *bytes, *integer, *real, *text; /* types, as columns_of names them */
    const char *table_end;                            /* behind CREATE TABLE (…) */
    const char *columns_of;                           /* (name, type) of each column of table ?1 */
    const char *index_named;                          /* a row if there is an index named ?1 */
};
const struct db_dialect *db_dialect(const struct db *db);
const char *db_message(const struct db *db); /* the driver's text of the last failure */

/* Runs SQL without parameters and rows; several statements may stand in it. */
MUST_USE struct err db_exec(struct db *db, const char *sql);

/* A prepared statement, kept by the connection under its text's address and content; given out
 * reset and with bindings cleared. One user of a text at a time (no recursion into the same SQL).
 */
MUST_USE struct err db_use(struct db *db, const char *sql, struct stmt *out);
/* For SQL composed at run time or from outside (`legwork sql`): not kept; end with stmt_close.
 * `*tail` (may be NULL) points behind the first statement. */
MUST_USE struct err db_prepare(struct db *db, const char *sql, struct stmt *out, const char **tail);
void stmt_close(struct stmt *st);
void stmt_reset(struct stmt *st); /* before leaving a loop early, so that no read stays open */

void bind_null(struct stmt *st, int index); /* index from 1 */
void bind_int(struct stmt *st, int index, int64_t i);
void bind_real(struct stmt *st, int index, double d);
void bind_text(struct stmt *st, int index,
               const char *text); /* NULL binds NULL; borrowed until reset */
void bind_text_bytes(struct stmt *st, int index, struct bytes text);
void bind_blob(struct stmt *st, int index, struct bytes blob);
void bind_id(struct stmt *st, int index, const uint8_t id[16]);
void bind_value(struct stmt *st, int index, const struct value *value);

/* true: a row is there. false: the end, or an error in st->err; either way it was reset. */
MUST_USE bool db_step_row(struct stmt *st);
/* Runs to the end and resets. `where` names the step in the error. */
MUST_USE struct err db_step_done(struct stmt *st, const char *where);
/* st->err with `where`, or ERR_OK. After a loop over db_step_row. */
MUST_USE struct err stmt_err(const struct stmt *st, const char *where);

int col_count(const struct stmt *st);
const char *col_name(const struct stmt *st, int column); /* column from 0 */
bool col_is_null(const struct stmt *st, int column);
int64_t col_int(const struct stmt *st, int column);
double col_real(const struct stmt *st, int column);
/* Valid until the next step or reset. Text is ended by a zero that isn't counted. */
struct bytes col_bytes(const struct stmt *st, int column);
const char *col_text(const struct stmt *st, int column); /* "" for NULL */
struct value col_value(const struct stmt *st, int column);
bool col_id(const struct stmt *st, int column, uint8_t id[16]); /* false unless 16 bytes */

enum db_lock { DB_LOCK_READ, DB_LOCK_WRITE };
MUST_USE struct err db_begin(struct db *db, enum db_lock lock);
/* Commits where `err` is ERR_OK, else rolls back; gives the first error. Where the database undid
 * the transaction by itself (a full disk, a failed read), every statement up to here fails with
 * that error, so that nothing behind it is saved alone. */
MUST_USE struct err db_end(struct db *db, struct err err);
MUST_USE struct err db_savepoint(struct db *db);
/* Releases where `keep`, else rolls back to it and releases. Savepoints nest. */
MUST_USE struct err db_savepoint_end(struct db *db, bool keep);
bool db_in_transaction(const struct db *db);

int64_t db_changes(struct db *db); /* rows of the last statement */
/* Gives pages that nothing uses any more back to the file system; outside a transaction. */
MUST_USE struct err db_shrink(struct db *db);
int64_t db_data_version(struct db *db); /* changes when another connection committed; -1 on error */
/* What is deleted is gone from the files beside the database as well; outside a transaction.
 * ERR_BUSY: somebody still reads what was. Nothing where the database keeps no such files of ours.
 */
MUST_USE struct err db_checkpoint(struct db *db);
MUST_USE struct err db_integrity(struct db *db,
                                 struct buf *report); /* ERR_CORRUPT with the report */

/* Copies the whole database, as it is at this moment, to a new file, beside others that go on
 * writing. `go_on` (may be NULL) is told of pages between two pieces; false ends it. The copy isn't
 * on the disk yet when it returns; where it fails, there is none. ERR_EXISTS: something is there.
 */
MUST_USE struct err db_copy(struct db *from, const char *path,
                            bool (*go_on)(void *context, int done, int all), void *context);

/* One value of the first row; ERR_NOT_FOUND without a row. */
MUST_USE struct err db_one_int(struct db *db, const char *sql, int64_t *out);

/* The number of the last migration that ran over this file; see migrate.h. Set inside a
 * transaction, it is undone with it. */
MUST_USE struct err db_schema_version(struct db *db, int64_t *out);
MUST_USE struct err db_schema_version_set(struct db *db, int64_t version);

/* Functions callable from SQL (innocuous, not deterministic). The driver's own types don't leave
 * common/db: arguments and the answer are values; blobs and text of the answer are copied. */
struct db_call {
    void *context;
    int count;
    const struct value *args;
    struct value answer; /* NULL at the start */
    struct buf *scratch; /* for an answer's bytes; cleared before each call */
    const char *error;   /* a literal: the statement fails with it */
};
typedef void (*db_function)(struct db_call *call);
MUST_USE struct err db_define(struct db *db, const char *name, int arg_count /* -1: any */,
                              db_function function, void *context);

/* A table of one row or none, for triggers to read: `columns` as in CREATE TABLE, without types.
 * `row` fills `values`, which stay as they are until the statement goes on, and says whether
 * there is a row; `*error`, a literal, fails the statement. Unlike a call it doesn't make SQLite
 * keep what an undoing of the statement alone would need. */
#define DB_TABLE_COLUMNS_MAX 16
typedef bool (*db_row)(void *context, struct value values[DB_TABLE_COLUMNS_MAX],
                       const char **error);
MUST_USE struct err db_define_table(struct db *db, const char *name, const char *columns,
                                    db_row row, void *context);

/* Called after a transaction ended, however it ended; for what a connection remembers per
 * transaction. One per connection. */
void db_on_transaction_end(struct db *db, void (*ended)(void *context, bool committed),
                           void *context);

/* Lets only reads through, denies the tables named, and stops at a limit: for SQL that people
 * type. `denied`: NULL-ended list of table names ("no such table" is the answer). steps_max and
 * ms_max bound one statement. */
struct db_guard {
    const char *const *denied;
    int64_t steps_max;
    int64_t deadline_ms;     /* on `now_ms`'s clock; 0: none */
    int64_t (*now_ms)(void); /* the caller's monotonic clock */
};
MUST_USE struct err db_guard_on(struct db *db, const struct db_guard *guard);
void db_guard_off(struct db *db);

#endif
