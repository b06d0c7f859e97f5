/* Capture: triggers, composed from the catalogue, that write one outbox row for each changed row.
 *
 * A trigger asks first (in its WHEN) a function of ours that knows whether rows of the server are
 * being applied just now, and that keeps what the trigger's INSERT then fetches. An insert's reads
 * a table of ours instead, which is far cheaper (see sqlite_table.c). So a table holds nothing but
 * its rows, and whoever writes the file without these (the sqlite3 shell) fails with "no such
 * function" or "no such table" instead of changing something unlogged.
 *
 *   insert:  SELECT … FROM lw_inserted   an insert logs no values, the row has them
 *   update:  WHEN lw_captures() AND lw_changed(t, o, n, …)   keeps what changed; nothing: silent
 *   delete:  WHEN lw_captures() AND lw_removed(t, scope, o, …)
 *   VALUES (lw_tx(), …, lw_cols(), …, lw_old(), lw_clock(0), …)
 *
 * `old` of an update: the old values of `cols` by rising number, one CBOR item after the other. Of
 * a delete: the row's `_scope`, then the values of `cols`, which are those that weren't NULL.
 * Clocks and intent stand in a transaction's first row only. */
#ifndef CHANGELOG_DEVICE_CAPTURE_H
#define CHANGELOG_DEVICE_CAPTURE_H

#include "common/changelog/device/replica.h"

/* Makes the triggers of every table anew. */
MUST_USE struct err capture_create(struct db *db);
/* The text of one of a table's triggers, as capture_create makes it and the file keeps it. */
#define CAPTURE_TRIGGERS 4
void capture_trigger(const struct table *t, size_t kind, struct buf *sql);
/* Whether the file's triggers are just those of this program's catalogue, and it has no views: code
 * that somebody else put there would run with every save. */
MUST_USE struct err capture_is_ours(struct db *db, bool *out);
/* Drops all triggers and views, whatever they are, and makes ours. In a transaction of its own. */
MUST_USE struct err capture_renew(struct db *db);
/* Defines the functions on the replica's connection; `r` must stay where it is. */
MUST_USE struct err capture_define(struct replica *r);
/* Forgets what belonged to the transaction that ended. */
void capture_transaction_ended(void *replica, bool committed);

/* Server rows are laid in between the two: triggers are silent. */
void capture_pause(struct replica *r);
void capture_resume(struct replica *r);

#endif
