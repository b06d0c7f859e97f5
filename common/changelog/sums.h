/* Sums of digests (digest.h), kept beside the rows, so that a sync compares without a scan. Both
 * sides keep them in the same form:
 *
 *   scope.rows, scope.sum   over all rows of a scope
 *   digest_part             one row for each scope and table that has had rows: 256 buckets by the
 *                           id's last byte (its first are time); a bucket that holds none takes no
 *                           room, the others 21 bytes: number, rows (4), two words (8 each)
 *
 * What a database transaction does to rows is gathered in memory and written at its end, within
 * it: a visit costs one small blob, a thousand rows of a download hardly more. */
#ifndef COMMON_CHANGELOG_SUMS_H
#define COMMON_CHANGELOG_SUMS_H

#include "common/changelog/digest.h"

#define SUMS_BUCKETS 256

struct sums_change { /* of one bucket */
    int64_t part;
    uint8_t bucket;
    bool added;
    uint64_t words[2];
};

/* Changes that aren't written yet. */
struct sums {
    const uint8_t *key;
    size_t count;
    size_t room;
    struct sums_change *at;
    bool bad; /* no memory: nothing can be saved until sums_clear */
};

void sums_init(struct sums *s, const uint8_t key[16]); /* `key` is borrowed */
void sums_release(struct sums *s);
/* Forgets them: the transaction was rolled back. */
void sums_clear(struct sums *s);

void sums_add(struct sums *s, int64_t scope, uint16_t table, const uint8_t id[16], int64_t seq);
void sums_remove(struct sums *s, int64_t scope, uint16_t table, const uint8_t id[16], int64_t seq);

/* Changes up to here; what comes behind is forgotten by sums_undo. */
size_t sums_mark(const struct sums *s);
void sums_undo(struct sums *s, size_t mark);

/* Writes and forgets them; inside the transaction that wrote the rows. */
MUST_USE struct err sums_save(struct sums *s, struct db *db);
/* The same once they are many, for who works on in the same transaction. */
MUST_USE struct err sums_save_many(struct sums *s, struct db *db);

/* ---- reading ---- */

MUST_USE struct err sums_scope(struct db *db, int64_t scope, struct digest_sum *out);
MUST_USE struct err sums_part(struct db *db, int64_t scope, uint16_t table,
                              struct digest_sum out[SUMS_BUCKETS]);
/* All buckets of a part together. */
MUST_USE struct err sums_table(struct db *db, int64_t scope, uint16_t table,
                               struct digest_sum *out);
/* What a digest message says of these scopes (sorted by rising `no`), as digest_finish. Tables that
 * `catalogue` doesn't know are left out, as a device of that version doesn't hold them. */
MUST_USE struct err sums_digest(struct db *db, const struct digest_scope *scopes, size_t count,
                                uint32_t catalogue, struct arena *arena, struct digest *out);

/* ---- making them ---- */

/* Empties all that is stored and adds every row that digest_scan would; a device then adds what
 * lies under pending deletes, and saves. */
MUST_USE struct err sums_scan(struct sums *s, struct db *db);
/* Compares what is stored with the rows, by a scan that writes nothing. Calls `differs` for each
 * part, and (table 0) each scope, that is otherwise than its rows. */
MUST_USE struct err sums_check(struct db *db, const uint8_t key[16],
                               void (*differs)(void *context, int64_t scope, uint16_t table),
                               void *context);
/* A scope without rows. */
MUST_USE struct err sums_forget(struct db *db, int64_t scope);

#endif
