/* What happened to one row whose check doesn't fit; for row_verify. */
#ifndef CHANGELOG_SERVER_ROW_DAMAGE_H
#define CHANGELOG_SERVER_ROW_DAMAGE_H

#include "common/changelog/server/row_verify.h"

/* What it tells of lives in `arena`. */
MUST_USE struct err row_damage_explain(struct store *st, const struct table *t,
                                       const uint8_t id[16], struct arena *arena,
                                       struct row_finding *out);
/* The check that fits the row as it is. */
MUST_USE struct err row_damage_check(struct store *st, const struct table *t, const uint8_t id[16],
                                     struct arena *arena, int64_t *out);

#endif
