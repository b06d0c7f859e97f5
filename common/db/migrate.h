/* Migrations: how a file that an older program made becomes what this program needs. Each is a
 * list of statements that was shipped once and never changes; the file keeps the number of the last
 * one that ran. New files run all of them, so that there is one way to a schema, and it is tested
 * each day.
 *
 * Lists are NULL-ended; migration number 1 stands first. */
#ifndef COMMON_DB_MIGRATE_H
#define COMMON_DB_MIGRATE_H

#include "common/db/db.h"

int64_t migrations_last(const char *const *migrations); /* number of the newest */

/* Runs those behind number `from` inside the caller's transaction, and stores the newest number.
 * All of it or nothing: a process killed at any statement leaves the file as it was. */
MUST_USE struct err migrations_run(struct db *db, const char *const *migrations, int64_t from);

/* Where an existing file stands. `first` is the number that a file without any has: such files were
 * made before numbers were kept. ERR_VERSION: it is newer than this program. */
MUST_USE struct err migrations_version(struct db *db, const char *const *migrations, int64_t first,
                                       int64_t *out);

/* Brings an existing file to the newest number in a transaction of its own; looks again once the
 * file is locked, as another process may have done it meanwhile. */
MUST_USE struct err migrations_raise(struct db *db, const char *const *migrations, int64_t first);

#endif
