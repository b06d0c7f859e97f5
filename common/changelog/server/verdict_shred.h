/* What verdicts that weren't acknowledged yet still tell of a row that is being erased: cells that
 * their sender hadn't seen, values that lost. It goes; outcome, reason and numbers stay. */
#ifndef CHANGELOG_SERVER_VERDICT_SHRED_H
#define CHANGELOG_SERVER_VERDICT_SHRED_H

#include "common/changelog/server/store.h"

/* Inside a transaction. */
MUST_USE struct err verdicts_shred(struct store *st, const uint8_t id[16]);

#endif
