/* Somebody's data was erased at the firm: what this device keeps of it beside the row goes, too.
 * The row itself is overwritten by what came. */
#ifndef CHANGELOG_DEVICE_FORGET_H
#define CHANGELOG_DEVICE_FORGET_H

#include "common/changelog/device/replica.h"

/* Whether the row just laid says that it is erased. */
bool forget_is_due(const struct table *t, const struct rows *rows, const struct row *row);
/* Inside a local transaction: transactions that name the row (a judged one isn't offered again
 * after a restore, then), values that lost, its words in the search index. What isn't judged yet
 * goes with its verdict. */
MUST_USE struct err forget_row(struct db *db, const struct table *t, const uint8_t id[16]);
/* A transaction refused as `erased`: its entry in the inbox stays, what it said goes. */
MUST_USE struct err forget_sent(struct db *db, int64_t tx);

#endif
