/* Which earlier pending transactions one rests on (sync.md §3): where the row, or one that it
 * points to, was inserted; where the same columns or their group were changed; where the same
 * document was touched (an order, through itself or one of its lines). Named by their local
 * number; what goes on the wire is the number that they have in the epoch of the day. */
#ifndef CHANGELOG_DEVICE_RESTS_H
#define CHANGELOG_DEVICE_RESTS_H

#include "common/changelog/device/replica.h"

struct rests {
    size_t count;
    int64_t tx[TX_RESTS_MAX]; /* beyond it the server still sees what is missing */
    struct buf bytes;
};

void rests_init(struct rests *rests);
void rests_release(struct rests *rests);
void rests_clear(struct rests *rests);
/* As stored in sent.rests_on: CBOR integers, one after the other. Empty: none. */
struct bytes rests_bytes(struct rests *rests);

/* Adds what a change of transaction `tx` rests on. After outbox_refresh. */
MUST_USE struct err rests_of_insert(struct rests *rests, const struct replica *r, int64_t tx,
                                    const struct table *t, const struct change *change);
MUST_USE struct err rests_of_update(struct rests *rests, struct replica *r, int64_t tx,
                                    const struct table *t, const struct change *change);
MUST_USE struct err rests_of_delete(struct rests *rests, struct replica *r, int64_t tx,
                                    const struct table *t, const struct change *change);

/* The numbers in the epoch under way, for the wire: `out` has room for TX_RESTS_MAX. What was
 * judged meanwhile, or belongs to an epoch that was closed, is left out. */
MUST_USE struct err rests_on_wire(struct db *db, struct bytes stored, uint32_t epoch, uint64_t *out,
                                  size_t *count);

#endif
