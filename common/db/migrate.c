/* See migrate.h. */
#include "common/db/migrate.h"

int64_t migrations_last(const char *const *migrations)
{
    int64_t last = 0;
    while (migrations[last] != NULL) {
        last++;
    }
    return last;
}

struct err migrations_run(struct db *db, const char *const *migrations, int64_t from)
{
    const int64_t last = migrations_last(migrations);
    struct err err = err_ok();
    assert(from >= 0 && from <= last && db_in_transaction(db));
    for (int64_t i = from; i < last && err.code == ERR_OK; i++) {
        err = db_exec(db, migrations[i]);
    }
    return err.code == ERR_OK ? db_schema_version_set(db, last) : err;
}

struct err migrations_version(struct db *db, const char *const *migrations, int64_t first,
                              int64_t *out)
{
    struct err err = db_schema_version(db, out);
    if (err.code == ERR_OK && *out == 0) {
        *out = first;
    }
    if (err.code == ERR_OK && (*out < 0 || *out > migrations_last(migrations))) {
        err = err_make(ERR_VERSION, (int)*out, "migrations_version");
    }
    return err;
}

static struct err raise_locked(struct db *db, const char *const *migrations, int64_t first)
{
    int64_t version = 0;
    struct err err = migrations_version(db, migrations, first, &version);
    return err.code == ERR_OK ? migrations_run(db, migrations, version) : err;
}

struct err migrations_raise(struct db *db, const char *const *migrations, int64_t first)
{
    int64_t version = 0;
    struct err err = migrations_version(db, migrations, first, &version);
    if (err.code != ERR_OK || version == migrations_last(migrations)) {
        return err;
    }
    err = db_begin(db, DB_LOCK_WRITE);
    return err.code == ERR_OK ? db_end(db, raise_locked(db, migrations, first)) : err;
}
