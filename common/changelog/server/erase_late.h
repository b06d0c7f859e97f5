/* What still comes of somebody who was erased: from devices that were away, in files, after a
 * restore that lost the erasure's rows, though not its line in the ledger. Nothing of it is kept,
 * wherever it would have waited. */
#ifndef CHANGELOG_SERVER_ERASE_LATE_H
#define CHANGELOG_SERVER_ERASE_LATE_H

#include "common/changelog/server/erase.h"

/* Whether a transaction writes to somebody who is erased, or hangs a contact or a picture on them.
 */
MUST_USE struct err erase_forbids(struct store *st, const struct transaction *tx, bool *out);
/* One row as a device has it: what tells of somebody who is erased becomes NULL in it, in place;
 * `*gone`: the whole row tells of them. */
MUST_USE struct err erase_strip(struct store *st, const struct rows *one, bool *gone);

#endif
