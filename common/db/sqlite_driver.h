/* What the files of the SQLite driver share; nobody else includes it. sqlite.c opens, ends and
 * names errors; sqlite_stmt.c keeps statements; sqlite_function.c and
 * sqlite_table.c let SQL call us and read from us; sqlite_guard.c lets people's SQL only read;
 * sqlite_copy.c copies a database that is in use. */
#ifndef COMMON_DB_SQLITE_DRIVER_H
#define COMMON_DB_SQLITE_DRIVER_H

#include "common/db/driver.h"
#include "common/db/statements.h"

#include <sqlite3.h>

struct guard_state {
    struct db_guard rules;
    bool on;
    int64_t steps;
    const char *stopped; /* which limit ended the statement, a literal */
    bool hid_table;      /* the refusal must read as if there were no such table */
    char table[64];
    int limits[SQLITE_LIMIT_WORKER_THREADS + 1]; /* as they were */
};

/* A function defined by db_define or a table by db_define_table; the list is walked by the guard
 * and freed by db_close. */
struct defined {
    struct defined *next;
    struct sqlite *db;
    db_function function; /* NULL: a table */
    db_row row;
    void *context;
    struct buf scratch;
    char name[32];
    char columns[160]; /* of a table: its CREATE TABLE */
};

struct sqlite {
    struct db base;
    sqlite3 *handle;
    struct err last; /* the last failure */

    struct statements statements;
    struct defined *defined;
    struct guard_state guard;

    bool committing; /* the commit hook ran: durable only once the statement came back */
    bool rolled_back;
};

static inline struct sqlite *sqlite_of(struct db *db)
{
    return (struct sqlite *)db;
}

/* The error of the call that just failed, message and all. `rc` is its (extended) result. */
struct err sqlite_failed(struct sqlite *db, int rc, const char *where);
/* The same without a connection of ours: of another one, and of an errno. */
struct err sqlite_err_of(int rc, int system, const char *where);
struct err sqlite_file_failed(int number, const char *where);
/* After each call that may have ended a transaction: tells who asked. */
void sqlite_settle(struct sqlite *db);
/* sqlite_stmt.c's part of the driver. */
struct err sqlite_use(struct db *db, const char *sql, struct stmt *out);
struct err sqlite_prepare(struct db *db, const char *sql, struct stmt *out, const char **tail);
void sqlite_finalize(struct stmt *st);
void sqlite_reset(struct stmt *st);
struct err sqlite_bind(struct stmt *st, int index, const struct value *value);
bool sqlite_step(struct stmt *st);
void sqlite_finish(struct stmt *st);
int sqlite_count(const struct stmt *st);
const char *sqlite_name(const struct stmt *st, int column);
bool sqlite_is_null(const struct stmt *st, int column);
int64_t sqlite_as_int(const struct stmt *st, int column);
double sqlite_as_real(const struct stmt *st, int column);
struct bytes sqlite_as_bytes(const struct stmt *st, int column);
struct value sqlite_as_value(const struct stmt *st, int column);
void sqlite_statements_init(struct sqlite *db);
/* SQLite's value as ours, borrowed; ours as SQLite's, copied. */
struct value sqlite_value_of(sqlite3_value *v);
void sqlite_answer(sqlite3_context *to, const struct value *answer);
/* In the list of `db`, which frees it; NULL without memory. */
struct defined *sqlite_defined_new(struct sqlite *db, const char *name, void *context);

#endif
