/* Verdicts as they are told and stored: numbered for each device, repeated until acknowledged,
 * and known for ever by the transaction's identity. */
#ifndef CHANGELOG_SERVER_VERDICTS_H
#define CHANGELOG_SERVER_VERDICTS_H

#include "common/changelog/server/judge.h"

struct verdict_entry { /* what is known of a judged transaction */
    uint64_t number;
    uint32_t epoch;
    uint64_t device_seq;
    enum outcome outcome;
    bool has_body;
    uint32_t device; /* that got it: this one, or kin of it */
};

/* ERR_NOT_FOUND: never judged. */
MUST_USE struct err verdict_by_identity(struct judge *j, const uint8_t identity[32],
                                        struct verdict_entry *out);
/* What kin of the device (judge.h) has got for it, parked left aside: ERR_NOT_FOUND where nothing
 * is settled. */
MUST_USE struct err verdict_by_kin(struct judge *j, const uint8_t identity[32],
                                   struct verdict_entry *out);
/* Code, field and detail of a refusal, told again; they live in `arena`. */
MUST_USE struct err verdict_reason(struct judge *j, const struct verdict_entry *known,
                                   struct arena *arena, struct verdict *out);
MUST_USE struct err verdict_by_seq(struct judge *j, uint64_t device_seq, struct verdict_entry *out);

/* What the sender is told of the rows it changed: numbers, and all that it hasn't seen.
 * `rewritten`: it may have lost what it had, so nothing is left out as its own. */
MUST_USE struct err verdict_rows(const struct judge *j, struct work *w, struct work_row **rows,
                                 size_t count, bool rewritten, struct verdict *out);

/* Stores under `v->number`, in the place of `old` where that isn't 0. */
MUST_USE struct err verdict_store(struct judge *j, const struct verdict *v,
                                  const uint8_t identity[32], uint64_t old);
/* Bodies up to `number` have arrived and are dropped, but for why something was refused: a device
 * that is set back to an older copy asks again. */
MUST_USE struct err verdicts_acknowledge(struct store *st, uint32_t device, uint64_t from,
                                         uint64_t number);
/* Calls `each` with its transaction's identity for every stored verdict above `after` of this
 * epoch, by rising number; what it is given lives in `arena`. Stops at the first error. */
MUST_USE struct err verdicts_each(struct store *st, uint32_t device, uint32_t epoch, uint64_t after,
                                  struct arena *arena,
                                  struct err (*each)(void *context, const struct verdict *v,
                                                     const uint8_t identity[32]),
                                  void *context);

#endif
