/* Destroying what the change log keeps of a row: what its changes replaced, what devices sent of
 * it, the verdicts that tell of it. The chain stays as it is: where a text was hashed with its
 * salt, the hash takes the place of both (chain.h). The row itself is another's business. */
#ifndef CHANGELOG_SERVER_SHRED_H
#define CHANGELOG_SERVER_SHRED_H

#include "common/changelog/server/store.h"

/* Inside the caller's transaction; may be done again, and finishes what was cut short. A body that
 * names other rows too goes whole: their values stand in what later changes replaced. `*entries`
 * counts those that the row stands in. */
MUST_USE struct err shred_row(struct store *st, const struct table *t, const uint8_t id[16],
                              struct arena *arena, size_t *entries);

/* What was sent as one entry. Inside the caller's transaction. */
MUST_USE struct err shred_entry(struct store *st, int64_t no);

#endif
