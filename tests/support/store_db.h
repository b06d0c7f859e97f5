/* A store's database, in whichever store this run is about: SQLite at `path`, or, where
 * LEGWORK_TEST_POSTGRES names a cluster (tests/support/with_cluster.c sets it), a schema of its own
 * for that path. */
#ifndef TESTS_SUPPORT_STORE_DB_H
#define TESTS_SUPPORT_STORE_DB_H

#include "common/db/db.h"

MUST_USE struct err store_db_open(struct db **out, const char *path,
                                  const struct db_options *options);
bool store_db_is_shared(void); /* PostgreSQL */

#endif
