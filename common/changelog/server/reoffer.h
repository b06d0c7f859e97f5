/* Work that comes again after a restore. The device shows, beside the transactions, the offers that
 * their verdicts would have made; those that carry the ledger's own mac prove that this server has
 * accepted them before, when, and under which numbers. See protocol/README.md, timelines. */
#ifndef CHANGELOG_SERVER_REOFFER_H
#define CHANGELOG_SERVER_REOFFER_H

#include "common/changelog/server/judge.h"

#define REOFFER_BYTES_MAX MESSAGE_BYTES_MAX

/* The server's word on `offer`, its mac left out. */
MUST_USE struct err reoffer_mac(const struct store_ledger *ledger, const uint8_t device[16],
                                const struct reoffer *offer, uint8_t mac[LEDGER_MAC_SIZE]);
/* Fills `proof` of the pushes that a genuine offer names; what doesn't fit is passed over. */
MUST_USE struct err reoffer_match(struct store *st, const uint8_t device[16],
                                  const struct reoffer *offers, size_t offer_count,
                                  struct push *pushes, size_t push_count, struct arena *arena);

/* Remembers under which numbers the rows were known before. */
MUST_USE struct err reoffer_note(struct store *st, const struct push *push,
                                 struct work_row *const *rows, size_t count);
/* The number that the write now numbered `seq` had in a lost part; 0: it wasn't brought back. */
MUST_USE struct err reoffer_was(struct store *st, uint16_t table, const uint8_t row[16],
                                int64_t seq, int64_t *was);

#endif
