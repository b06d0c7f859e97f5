/* A stored verdict as it may be told today. It was made under the rights of its transaction; where
 * it has to be repeated, its author may hold and see less by then. */
#ifndef CHANGELOG_SERVER_VERDICT_SIGHT_H
#define CHANGELOG_SERVER_VERDICT_SIGHT_H

#include "common/changelog/server/permit.h"

/* Takes out of `v`, in place, what `permit` and `catalogue` don't show: rows of other scopes,
 * columns of other roles, values that won in either. What became of the transaction stays. */
MUST_USE struct err verdict_trim(struct store *st, const struct permit *permit, uint32_t catalogue,
                                 struct verdict *v);

#endif
