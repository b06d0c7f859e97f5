/* What a refusal gives back: the rows of the transaction as they would be without it. */
#ifndef CHANGELOG_DEVICE_RESTORE_H
#define CHANGELOG_DEVICE_RESTORE_H

#include "common/changelog/device/apply.h"
#include "common/changelog/device/outbox.h"

/* `first` is the first entry of its row within the refused transaction, which still stands in the
 * outbox. A column that a later pending transaction changed again keeps what the user sees; what
 * it had before goes below it. A row that the transaction inserted leaves the table. */
MUST_USE struct err restore_row(struct apply *a, const struct outbox_entry *first);

#endif
