/* What the files of the PostgreSQL driver share; nobody else includes it. postgres.c connects,
 * names errors and is the driver; postgres_stmt.c sends statements and waits; postgres_value.c
 * knows the types as they go over the wire; postgres_text.c brings our SQL into PostgreSQL's form.
 */
#ifndef SERVER_STORE_POSTGRES_DRIVER_H
#define SERVER_STORE_POSTGRES_DRIVER_H

#include "common/db/driver.h"
#include "common/db/statements.h"
#include "server/store/postgres.h"

#include <libpq-fe.h>

#define POSTGRES_NUMBER_MAX 32
#define POSTGRES_PENDING_MAX                                                                       \
    256 /* statements on their way: few enough for the sockets' buffers                            \
         */

struct postgres {
    struct db base;
    PGconn *conn;
    char schema[64];
    int lock_timeout_ms;
    int statement_timeout_ms;
    struct statements statements;
    unsigned names;    /* given to prepared statements so far */
    int pending;       /* statements whose answers weren't looked at yet */
    bool open;         /* between BEGIN and COMMIT or ROLLBACK */
    struct err failed; /* the first failure among the pending */
    int64_t changes;   /* rows of the last statement answered */
    int64_t version;   /* that db_data_version gave last */
};

static inline struct postgres *postgres_of(struct db *db)
{
    return (struct postgres *)db;
}

enum statement_kind { PLAIN, BEGINS, COMMITS, ROLLS_BACK };

struct postgres_param {
    const char *at; /* NULL: SQL's NULL */
    int size;
    char fixed[8]; /* of a number: what `at` points to */
};

struct postgres_stmt {
    struct postgres *pg;
    char name[16]; /* in the connection */
    enum statement_kind kind;
    int param_count;
    Oid *types; /* of parameters, as PostgreSQL understood them */
    struct postgres_param *params;
    bool gives_rows;
    PGresult *result; /* all of its rows; NULL: not running */
    int row;
    PGresult *shape;                    /* its columns' names and types */
    char (*texts)[POSTGRES_NUMBER_MAX]; /* numbers of the row at hand as text, by column */
};

struct err postgres_failed(struct postgres *pg, const PGresult *result, const char *where);
struct err postgres_again(struct postgres *pg); /* connects anew where the connection is lost */

/* `?1` as `$1`, x'00' as a bytea literal; strings, quoted names and comments stay. */
void postgres_text(struct buf *out, const char *sql);

/* One parameter in the binary form of its type; text and blobs borrow. ERR_INVALID: the type can't
 * hold it. */
MUST_USE struct err postgres_encode(Oid type, const struct value *value,
                                    struct postgres_param *out);
/* A field of a result; text and blobs borrow from it. */
struct value postgres_decode(const PGresult *result, int row, int column);
/* A number as SQLite shows it: "4.0", "12". */
void postgres_show(const struct value *number, char out[POSTGRES_NUMBER_MAX]);

void postgres_statements_init(struct postgres *pg);
/* Reads the answers of everything sent; the first failure. */
struct err postgres_settle(struct postgres *pg);
struct err postgres_use(struct db *db, const char *sql, struct stmt *out);
struct err postgres_prepare(struct db *db, const char *sql, struct stmt *out, const char **tail);
void postgres_finalize(struct stmt *st);
void postgres_reset(struct stmt *st);
struct err postgres_bind(struct stmt *st, int index, const struct value *value);
bool postgres_step(struct stmt *st);
void postgres_finish(struct stmt *st);
int postgres_count(const struct stmt *st);
const char *postgres_name(const struct stmt *st, int column);
bool postgres_is_null(const struct stmt *st, int column);
int64_t postgres_as_int(const struct stmt *st, int column);
double postgres_as_real(const struct stmt *st, int column);
struct bytes postgres_as_bytes(const struct stmt *st, int column);
struct value postgres_as_value(const struct stmt *st, int column);

#endif
