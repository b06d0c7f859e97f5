/* Timelines of the store: what a restore begins, how devices of an earlier one are told, and how a
 * store that was replaced notices it. protocol/README.md tells the whole.
 *
 *     numbers of a scope ──────────► backup ──────► lost
 *                                     │
 *                                     └─ restore ─► counter * 2^40 + 1, …
 *
 * A timeline's id is 8 random bytes and the beginning of the ledger's word on them, so that nobody
 * but the firm's own servers can make up a newer one. */
#ifndef CHANGELOG_SERVER_TIMELINE_H
#define CHANGELOG_SERVER_TIMELINE_H

#include "common/changelog/server/backup.h"
#include "common/changelog/server/gate.h"

#define TIMELINE_INTENT "timeline" /* of the entry of the change log with which one begins */

/* Begins timeline `counter` in a store that was just copied out of a backup. Inside a transaction;
 * the ledger must be in use. */
MUST_USE struct err timeline_begin(struct store *st, uint32_t counter,
                                   const struct backup_facts *facts, int64_t now_ms);
/* Does to the restored store what the ledger says was done since; after timeline_begin. */
MUST_USE struct err timeline_apply(struct store *st, const struct ledger_entry *entry,
                                   int64_t now_ms);

/* For a device of another timeline: up to which number the store has each scope of its hello. Notes
 * what the device says of the lost part. */
MUST_USE struct err timeline_kept(struct store *st, const struct hello *hello, struct arena *arena,
                                  struct cursor **out, size_t *count);
/* Whether `t` is one of the firm's, made by who holds the ledger's key. */
bool timeline_is_genuine(const struct store *st, const struct timeline *t);
/* This store was replaced by `t`: from the commit on it refuses to write. */
MUST_USE struct err timeline_stand_down(struct store *st, const struct timeline *t);

#endif
