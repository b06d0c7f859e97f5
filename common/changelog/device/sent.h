/* Frozen transactions: those that wait go out in order, judged ones stay until a backup of the
 * server covers them. */
#ifndef CHANGELOG_DEVICE_SENT_H
#define CHANGELOG_DEVICE_SENT_H

#include "common/changelog/device/replica.h"

enum sent_state {
    SENT_WAITING,
    SENT_ACCEPTED,
    SENT_MERGED,
    SENT_PARKED,
    SENT_REFUSED,
    SENT_OFFERED /* accepted or merged before a restore, to go out once more */
};

/* The next ones that wait for a verdict, behind local number `*after` (moved on): at most
 * `tx_max` and about `bytes_max` in row form, but always one. They live in `arena`. */
MUST_USE struct err sent_load(struct replica *r, uint32_t epoch, int64_t *after, size_t tx_max,
                              size_t bytes_max, struct arena *arena, struct batch *out);
/* The same of those that are offered again. */
MUST_USE struct err sent_load_offered(struct replica *r, uint32_t epoch, int64_t *after,
                                      size_t tx_max, size_t bytes_max, struct arena *arena,
                                      struct batch *out);
MUST_USE struct err sent_waiting(struct replica *r, int64_t after, int64_t *count);
/* The content of one, decoded into `arena`. ERR_NOT_FOUND: covered and gone, never frozen,
 * or erased. */
MUST_USE struct err sent_transaction(struct db *db, int64_t tx, struct arena *arena,
                                     struct transaction *out);

/* What was accepted or merged and isn't whole at or below the numbers in `restored` is to be
 * offered again. Inside a local transaction, with sent_renumber behind it. */
MUST_USE struct err sent_offer_again(struct replica *r, int64_t *count);
/* Opens an epoch: what is offered again and then what waits gets new numbers, in order, with its
 * content untouched. Inside a local transaction. */
MUST_USE struct err sent_renumber(struct replica *r, uint32_t epoch, const uint8_t token[16]);

/* Backup marks of the server. Where one rose (`*rose`), judged transactions that are covered go.
 * Inside a local transaction. */
MUST_USE struct err sent_covered(struct replica *r, const struct cursor *marks, size_t count,
                                 bool *rose);

#endif
