/* Prices that a product had at a moment: an order is held to what its author could know when the
 * line was priced, not to what a manager changed while it was on its way. */
#ifndef CHANGELOG_SERVER_PRICES_H
#define CHANGELOG_SERVER_PRICES_H

#include "common/changelog/server/work.h"
#include "common/domain/pricing.h"

/* Of all lists and quantities; lives in the work's arena. A price that changed after `at_ms` is
 * given as it was, one that was deleted since is given too. */
MUST_USE struct err prices_at(struct work *w, const uint8_t product[16], int64_t at_ms,
                              struct price_offer **out, size_t *count);

#endif
