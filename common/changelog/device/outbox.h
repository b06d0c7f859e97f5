/* The outbox as an index in memory: which rows have pending work, in which order it was done.
 *
 * The table has no index of its own beside its key, because each would be paid for at every save.
 * A sync reads the table once, later only what was captured since; rows are taken out by the sync
 * alone. Entries of one row hang together by rising key; those of one transaction stand side by
 * side. Costs about 80 bytes for each captured row. */
#ifndef CHANGELOG_DEVICE_OUTBOX_H
#define CHANGELOG_DEVICE_OUTBOX_H

#include "common/changelog/device/replica.h"

#define OUTBOX_ROWS_MAX ((size_t)4 * 1000 * 1000)

struct outbox_entry {
    int64_t key;
    int64_t tx;
    int64_t base;
    uint64_t cols;
    uint32_t next; /* place of the row's next entry + 1, 0: none */
    uint16_t table;
    uint8_t op; /* enum change_op; 0: judged and gone */
    uint8_t id[16];
};

struct outbox;
void outbox_free(struct outbox *o);

/* Reads what was captured since the last call (everything, at the first). Before any of the
 * questions below, inside the transaction that they belong to. */
MUST_USE struct err outbox_refresh(struct replica *r);
/* Forgets what is known, so that the next refresh reads everything. */
void outbox_reset(struct replica *r);

/* Entries of a row by rising key; NULL: none (any more). */
const struct outbox_entry *outbox_of_row(const struct replica *r, uint16_t table,
                                         const uint8_t id[16]);
const struct outbox_entry *outbox_next(const struct replica *r, const struct outbox_entry *e);
/* Whether the entry is the first one of its row within its transaction. */
bool outbox_is_rows_first(const struct replica *r, const struct outbox_entry *e);
/* Entries from `tx` on, by rising key; `*count` reaches to the end. Gone ones have op 0. */
const struct outbox_entry *outbox_from(const struct replica *r, int64_t tx, size_t *count);
/* The columns of a row that show pending work: all, where it was inserted or deleted. */
uint64_t outbox_pending_columns(const struct replica *r, uint16_t table, const uint8_t id[16]);

/* The base of the earliest pending change of a column of the row; 0: there is none. */
int64_t outbox_base(const struct replica *r, uint16_t table, const uint8_t id[16], uint8_t column);
/* Whether a transaction behind `tx` has changed the column again. */
bool outbox_changed_after(const struct replica *r, uint16_t table, const uint8_t id[16], int64_t tx,
                          uint8_t column);

/* Values by column number; those in `cols` are told, the others NULL. A delete's scope (its
 * number, or NULL) comes apart. They live in the arena that was given. */
struct outbox_old {
    uint64_t cols;
    struct value scope;
    struct value values[COLUMNS_MAX + 1];
};
/* What the columns were before the transaction of `first` touched the row; `first` is its first
 * entry of the row. `*last` is its last one. */
MUST_USE struct err outbox_start(struct replica *r, const struct outbox_entry *first,
                                 struct arena *arena, struct outbox_old *out,
                                 const struct outbox_entry **last);
/* What one entry kept. */
MUST_USE struct err outbox_old(struct replica *r, const struct outbox_entry *e, struct arena *arena,
                               struct outbox_old *out);

/* Takes a judged transaction out of the table and the index. */
MUST_USE struct err outbox_remove(struct replica *r, int64_t tx);
/* The same for many, mostly one behind the other: out of the index at once, out of the table with
 * those beside it, at the latest by outbox_remove_rest, which belongs to the same transaction. */
MUST_USE struct err outbox_remove_later(struct replica *r, int64_t tx);
MUST_USE struct err outbox_remove_rest(struct replica *r);
/* The author of this entry has seen the row up to `base`. */
MUST_USE struct err outbox_rebase(struct replica *r, const struct outbox_entry *e, int64_t base);

#endif
