/* What was deleted, or has left a scope, is kept until every live device that holds the scope has
 * passed it, and then purged; `purged_to` of the scope says how far. A device that comes back later
 * uploads first, as ever, and its rows that nobody knows any more go by digest: nothing
 * resurrects. */
#ifndef CHANGELOG_SERVER_PURGE_H
#define CHANGELOG_SERVER_PURGE_H

#include "common/changelog/server/store.h"

/* A device that was silent for longer holds nothing back. */
#define PURGE_SILENT_MS_MAX (INT64_C(400) * 24 * 3600 * 1000)
#define PURGE_ROWS_MAX      2000 /* tombstones, or departures, of one table in one step */

struct purge_tally {
    int64_t tombstones;
    int64_t departures;
};

/* One bounded step, inside db_begin/db_end on the writer. `*more`: it left some for the next. */
MUST_USE struct err store_purge(struct store *st, int64_t now_ms, struct purge_tally *tally,
                                bool *more);
/* A SELECT of `device` (device_key.number) and `since` (UTC ms): a row for each tombstone, and each
 * departure whose time is over, that a live device hasn't passed. */
void purge_put_waiting(struct buf *sql, int64_t now_ms);

#endif
