/* Whether the change log is what was once chained: the first bad entry of each scope's chain, gaps,
 * and tails that were cut off; and whether it has the heads that devices and backups hold. */
#ifndef CHANGELOG_SERVER_CHAIN_VERIFY_H
#define CHANGELOG_SERVER_CHAIN_VERIFY_H

#include "common/changelog/server/chain.h"

/* What is wrong, a literal, and where: valid during the call. */
typedef void (*chain_finding)(void *context, const char *what, const char *where);

/* Reads the whole log. Findings aren't errors; an error says that it couldn't be read. */
MUST_USE struct err chain_verify(struct store *st, chain_finding found, void *context);

#endif
