/* What a download brings, laid into the replica under what is pending there. All that a
 * checkpoint closes is one local transaction together with its cursor:
 *
 *   apply_begin, apply_rows…, apply_departure…, apply_checkpoint, apply_end
 *
 * A pending column isn't touched: the server's value goes below it (`under`), and the row's number
 * and scope move. A row that leaves while work is pending on it goes; the work stays, frozen. */
#ifndef CHANGELOG_DEVICE_APPLY_H
#define CHANGELOG_DEVICE_APPLY_H

#include "common/changelog/device/lay.h"
#include "common/changelog/device/replica.h"

#define APPLY_REFETCH_MAX 64

/* Lives as long as a sync. `arena` is cleared at each message. */
struct apply {
    struct replica *r;
    struct arena arena;
    bool scope_known; /* the scope asked for last, */
    struct scope_id scope;
    int64_t scope_no; /* its number here, */
    bool scope_held;  /* and whether this device holds it */
    size_t refetch_count;
    int64_t refetch[APPLY_REFETCH_MAX]; /* scopes of which a row was missing: they begin anew */
    int64_t rows;                       /* laid in */
    int64_t dropped;                    /* because they left */
};

void apply_init(struct apply *a, struct replica *r);
void apply_release(struct apply *a);

MUST_USE struct err apply_begin(struct apply *a);
/* Commits where `err` is ERR_OK, else undoes all since apply_begin. */
MUST_USE struct err apply_end(struct apply *a, struct err err);

MUST_USE struct err apply_rows(struct apply *a, const struct rows *rows);
MUST_USE struct err apply_departure(struct apply *a, const struct departure *departure);
MUST_USE struct err apply_enter(struct apply *a, const struct scope_id *scope);
MUST_USE struct err apply_leave(struct apply *a, const struct scope_id *scope);
/* A scope that lacks a row which the server thinks is here gets a cursor of zeros instead: the
 * next request fetches it whole. */
MUST_USE struct err apply_checkpoint(struct apply *a, const struct cursor *cursor);

/* Data may only come for scopes that were entered: else ERR_PROTOCOL. */
MUST_USE struct err apply_held_scope(struct apply *a, const struct scope_id *scope, int64_t *no);
/* A row of the scope is missing here: from now on it begins anew. */
MUST_USE struct err apply_refetch(struct apply *a, int64_t scope);
/* Scopes whose entries differ begin anew. */
MUST_USE struct err apply_anew(struct apply *a, const struct digest *mine,
                               const struct digest *theirs);

/* For verdicts: the number of a scope, 0 where this device never heard of it. */
MUST_USE struct err apply_scope(struct apply *a, const struct scope_id *scope, int64_t *no,
                                bool *held);
/* Lays the cells and the stamp of one row under what is pending on it. `whole`: the cells are all
 * that the device may see, the row is made where it isn't there. `*missing`: it isn't and wasn't.
 */
MUST_USE struct err apply_row(struct apply *a, const struct table *t, const uint8_t id[16],
                              bool whole, const struct cell *cells, size_t count, int64_t scope,
                              int64_t seq, bool *missing);
/* The row is no longer to be seen here. */
MUST_USE struct err apply_drop(struct apply *a, const struct table *t, const uint8_t id[16]);

#endif
