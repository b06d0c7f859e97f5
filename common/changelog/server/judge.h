/* Judging: whether a device's transaction stands, what of it loses to others, and what the device
 * must be told. One transaction is all of it or nothing; a refused one leaves only its verdict and
 * its entry in the change log.
 *
 * Refused is only what may not, can't or mustn't be. Where two people wrote one column and neither
 * knew of the other, its policy decides and the losing value is kept: that merges, it never
 * refuses. */
#ifndef CHANGELOG_SERVER_JUDGE_H
#define CHANGELOG_SERVER_JUDGE_H

#include "common/changelog/server/permit.h"
#include "common/changelog/server/work.h"

struct verdict_entry; /* verdicts.h */

/* Who pushes: the same for all transactions of a request. */
struct judge {
    struct store *st;
    const struct permit *permit; /* what may be told */
    const struct permit *author; /* what may be written: rights.h */
    uint32_t device;             /* device_key.number */
    uint32_t family; /* it has kin: devices that enrolled again with the same work; 0: none */
    uint32_t epoch;
    uint32_t catalogue; /* version that the device runs */
    struct clocks now;  /* the device's, in hello */
    int64_t received_ms;
    int64_t asked_ms;      /* server time at which the device's clocks stood so */
    uint64_t verdict_seen; /* acknowledged by this hello */
    uint64_t verdict_last; /* the last number given; counted up */
    uint64_t known;        /* transactions that were judged before; counted up */
    struct dones dones;
    struct glances glances; /* from one new row to the next */
};

/* The server's own word that it accepted the transaction before, in a part that was lost. */
struct push_proof {
    int64_t received_ms; /* 0: there is none */
    size_t seq_count;
    const int64_t *seqs; /* that its rows had then */
};

/* A transaction as it came: its row form and what stands beside it. */
struct push {
    uint64_t device_seq;
    size_t rest_count;
    const uint64_t *rests_on;
    uint8_t identity[32];
    struct bytes row_form;
    int64_t effective_ms; /* fixed at the first judgement; -1: not judged yet */
    struct push_proof proof;
};

/* What came of a transaction, before it is told and logged. */
struct trial {
    const struct judge *judge;
    const struct transaction *tx;
    struct work work;
    struct complaint why;
    size_t row_count;
    struct work_row **rows; /* that the sender changed, each once */
    size_t loser_count;
    size_t loser_room;
    struct loser *losers;
    const uint8_t *about; /* id of the change at hand */
    bool undoable;        /* a savepoint stands behind it */
    bool erased;          /* it is about somebody whose data is erased: nothing of it is kept */
    bool outside;         /* it is about a row that the person doesn't see any more */
};

/* Applies all changes and asks the rules. ERR_REFUSED, ERR_INVALID: `why` says what stands against
 * it, the caller rolls back. */
MUST_USE struct err trial_run(struct trial *t);
/* Before a write that a later check may have to undo. */
MUST_USE struct err trial_undoable(struct trial *t);
/* One change of it. */
MUST_USE struct err judge_change(struct trial *t, const struct change *change);
/* Lays the cells of an update over the row, by policy where others wrote in between. */
MUST_USE struct err judge_cells(struct trial *t, const struct change *change, struct work_row *row);
/* Columns that others wrote since the author of `change` saw the row, with their groups. */
uint64_t judge_conflicts(const struct trial *t, const struct change *change,
                         const struct work_row *row);

/* Judges one transaction to its end: stored verdict, change log, parking. A known one gets its
 * verdict again. Errors are the store's. */
MUST_USE struct err judge_push(struct judge *j, const struct push *push, struct arena *arena,
                               enum outcome *outcome);
/* Judges again what was parked and whose predecessors have come. */
MUST_USE struct err judge_parked(struct judge *j, struct arena *arena);
/* Whether a number of this epoch was used for another transaction than one of these, which stand by
 * rising number. */
MUST_USE struct err judge_find_other(struct judge *j, const struct push *pushes, size_t count,
                                     bool *other);

/* ---- between the files of judging ---- */

MUST_USE struct err judge_decode(const struct push *push, struct arena *arena,
                                 struct transaction *out);
/* The first predecessor that keeps this one from standing: refused, or not here yet. */
MUST_USE struct err judge_rests(struct judge *j, const struct push *push, enum outcome *outcome,
                                struct complaint *why);
/* Judges what isn't known yet. `old`: number of an earlier, parked verdict that this one replaces;
 * 0: none. */
MUST_USE struct err judge_run(struct judge *j, const struct push *push,
                              const struct transaction *tx, struct arena *arena, uint64_t old,
                              enum outcome *outcome);
/* Tells and logs what came of it. */
MUST_USE struct err judge_conclude(struct judge *j, struct trial *t, const struct push *push,
                                   enum outcome outcome, uint64_t old);
/* Tells what is known: `old` is the number of the device's own verdict, which gives way, or 0 where
 * kin of it got `known`. The rows are told as they stand now: the device may have lost what it had
 * stored of them, or calls the transaction by another number by now. */
MUST_USE struct err judge_tell_again(struct judge *j, const struct push *push,
                                     const struct transaction *tx,
                                     const struct verdict_entry *known, uint64_t old,
                                     struct arena *arena);
MUST_USE struct err judge_park(struct judge *j, const struct push *push);
MUST_USE struct err judge_unpark(struct judge *j, uint32_t epoch, uint64_t device_seq);

#endif
