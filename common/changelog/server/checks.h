/* What every write must keep to, whoever makes it: a home scope, required values, unique ones,
 * references that exist. Refusals are ERR_REFUSED with `why` filled. `permit` NULL: the server
 * itself writes and sees all; for a device, whatever lies outside its scopes is not_found, exactly
 * as what never was. */
#ifndef CHANGELOG_SERVER_CHECKS_H
#define CHANGELOG_SERVER_CHECKS_H

#include "common/changelog/server/permit.h"
#include "common/changelog/server/work.h"

/* The scope of a new row by its table's rule; its scope-giving column is set already. */
MUST_USE struct err check_home(struct work *w, const struct permit *permit,
                               const struct work_row *row, int64_t *scope_no,
                               struct complaint *why);
MUST_USE struct err check_required(const struct work_row *row, struct complaint *why);
/* Columns of `mask` that are declared unique: no other living row has the value. */
MUST_USE struct err check_unique(struct work *w, const struct work_row *row, uint64_t mask,
                                 struct complaint *why);
/* Columns of `mask` that point to rows: these exist and are seen. */
MUST_USE struct err check_references(struct work *w, const struct permit *permit,
                                     const struct work_row *row, uint64_t mask,
                                     struct complaint *why);
/* No living row hangs on this one, by the columns that are indexed for it. */
MUST_USE struct err check_childless(struct work *w, const struct work_row *row,
                                    struct complaint *why);

#endif
