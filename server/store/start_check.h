/* Whether the store's file is sound enough to be written to, in the time that a start may take. */
#ifndef SERVER_STORE_START_CHECK_H
#define SERVER_STORE_START_CHECK_H

#include "common/db/db.h"

#define START_CHECK_WHOLE_MAX (INT64_C(128) * 1024 * 1024) /* bytes; about half a second */

/* A store up to that size is looked at page by page, without comparing indexes with rows; of a
 * larger one both ends of every table. `legworkd verify` looks at all of any. ERR_CORRUPT:
 * damage was found. Nothing is written. */
MUST_USE struct err start_check(struct db *db);

#endif
