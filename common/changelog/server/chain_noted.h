/* The change log's end as it was at backups and restores, noted in the ledger: outside the store,
 * so that a store replaced by an older file of its own is known by what it lacks. */
#ifndef CHANGELOG_SERVER_CHAIN_NOTED_H
#define CHANGELOG_SERVER_CHAIN_NOTED_H

#include "common/changelog/server/chain_verify.h"

/* Notes the last entry of the log, where a ledger is in use. What it reads must be committed, or
 * belong to a timeline that begins with this very transaction. */
MUST_USE struct err chain_note(struct store *st, int64_t now_ms);
/* Whether the log has the entries that the ledger's text names for the store's timeline; those of
 * earlier timelines may be lost. Findings as chain_verify's. */
MUST_USE struct err chain_check_noted(struct store *st, struct bytes ledger, chain_finding found,
                                      void *context);

#endif
