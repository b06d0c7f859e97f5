/* Of two concurrent writes of one column: which stands. Pure: the answer depends on the two writes
 * alone, never on which of them came first, so that every order of arrival ends alike. It is asked
 * only where there is a conflict (protocol/README.md); the loser is kept by the caller. */
#ifndef COMMON_CHANGELOG_MERGE_H
#define COMMON_CHANGELOG_MERGE_H

#include "common/catalogue/catalogue.h"

struct merge_write {
    int64_t at_ms;      /* effective time */
    uint8_t device[16]; /* its id breaks ties; zero: the server */
    int rank;           /* on the ladder of a FORWARD column, else 0 */
    bool by_server;
    uint32_t epoch; /* of one device, which itself has an order */
    uint64_t device_seq;
};

/* Does `theirs` take the place of `ours`? Not asked for MERGE_UNION, where nothing competes. */
bool merge_takes_theirs(enum merge_policy policy, const struct merge_write *ours,
                        const struct merge_write *theirs);

/* MERGE_UNION: what the author took out of `before` or put into it to get `after` is done to
 * `current`. All are JSON arrays of strings or NULL (none), and so is the result: sorted by code
 * point, distinct; NULL where it is empty. ERR_INVALID: one of them is no such array. ERR_NOMEM,
 * ERR_LIMIT: it can't be told, and isn't decided. */
MUST_USE struct err merge_union(const struct value *before, const struct value *after,
                                const struct value *current, struct arena *arena,
                                struct value *out);

#endif
