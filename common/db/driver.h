/* What a database brings so that it is used through db.h, and what db.c keeps of each connection.
 * Only drivers include it: sqlite*.c here, PostgreSQL's in server/store.
 *
 * A driver's connection begins with its `struct db`; its statements are behind `stmt.handle`. The
 * first error of a statement sticks in `stmt.err`, which db.c looks at before it calls. */
#ifndef COMMON_DB_DRIVER_H
#define COMMON_DB_DRIVER_H

#include "common/db/db.h"

#define DB_MESSAGE_MAX 256

struct db_driver {
    struct db_dialect dialect;
    const char *begin_read; /* one snapshot, nothing written */
    const char *begin_write;

    void (*close)(struct db *db);
    struct err (*exec)(struct db *db, const char *sql);
    struct err (*use)(struct db *db, const char *sql, struct stmt *out);
    struct err (*prepare)(struct db *db, const char *sql, struct stmt *out, const char **tail);
    void (*finalize)(struct stmt *st);
    void (*reset)(struct stmt *st);
    /* Text and blobs are borrowed until the statement is reset. */
    struct err (*bind)(struct stmt *st, int index, const struct value *value);
    bool (*step)(struct stmt *st); /* errors into st->err; resets at the end */
    /* To the end, without anybody looking at rows. A driver may send it and answer at once: then
     * the error comes with a later call, at the latest with COMMIT. */
    void (*finish)(struct stmt *st);

    int (*count)(const struct stmt *st);
    const char *(*name)(const struct stmt *st, int column);
    bool (*is_null)(const struct stmt *st, int column);
    int64_t (*as_int)(const struct stmt *st, int column);
    double (*as_real)(const struct stmt *st, int column);
    struct bytes (*as_bytes)(const struct stmt *st, int column); /* ended by a zero */
    struct value (*as_value)(const struct stmt *st, int column);

    bool (*in_transaction)(const struct db *db);
    int64_t (*changes)(struct db *db);
    int64_t (*data_version)(struct db *db);
    struct err (*integrity)(struct db *db, struct buf *report);
    struct err (*checkpoint)(struct db *db);
    struct err (*schema_version)(struct db *db, int64_t *out);
    struct err (*schema_version_set)(struct db *db, int64_t version);
};

struct db {
    const struct db_driver *driver;
    char message[DB_MESSAGE_MAX]; /* of the last failure */
    bool begun;                   /* by db_begin, and not ended yet */
    struct err undone;            /* what made the database roll it back by itself */
    void (*ended)(void *context, bool committed);
    void *ended_context;
};

/* Whether db_begin's transaction is gone already: a full disk, a failed read or want of memory
 * makes a database roll back by itself, and what follows would be saved statement by statement. */
bool db_is_undone(const struct db *db);

#endif
