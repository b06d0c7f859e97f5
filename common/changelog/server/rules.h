/* Business rules across columns and rows, asked after a transaction's changes stand: the server's
 * answer to what a device predicts with the same functions of common/domain. */
#ifndef CHANGELOG_SERVER_RULES_H
#define CHANGELOG_SERVER_RULES_H

#include "common/changelog/server/work.h"

/* Columns of a new row that the server gives: human number, time of receipt. A device's own
 * prediction is replaced; what an import brings stays. */
MUST_USE struct err rules_fill(struct work *w, struct work_row *row);

/* Whether the order and its lines keep to prices, and once submitted to totals. */
MUST_USE struct err rules_order(struct work *w, const uint8_t order[16], struct complaint *why);

#endif
