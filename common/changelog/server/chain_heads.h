/* Heads of the change log's chains that stand outside the store: with devices, with backups. A
 * chain that doesn't know one of them was cut or replaced, however well it fits itself. */
#ifndef CHANGELOG_SERVER_CHAIN_HEADS_H
#define CHANGELOG_SERVER_CHAIN_HEADS_H

#include "common/changelog/server/chain.h"

#define CHAIN_SHORT_SIZE 16 /* of a hash: enough to tell, small enough for a checkpoint */
#define SCOPE_TEXT_SIZE  48

struct chain_claim {
    struct scope_id scope;
    int64_t no; /* change_log.no of the entry */
    uint8_t head[CHAIN_SHORT_SIZE];
};

/* The heads of all scopes that have a chain; they live in `arena`. */
MUST_USE struct err chain_heads(struct store *st, struct arena *arena, struct chain_claim **out,
                                size_t *count);
/* Whether the entry stands in the scope's chain under this hash. */
MUST_USE struct err chain_knows(struct store *st, const struct chain_claim *claim, bool *known);
/* Remembers that a device holds a head that the chain doesn't know; `*fresh`: this one is new. */
MUST_USE struct err chain_alarm(struct store *st, uint32_t device, const struct chain_claim *claim,
                                int64_t now_ms, bool *fresh);

/* "book:0192…" */
void scope_text(const struct scope_id *id, char out[SCOPE_TEXT_SIZE]);

#endif
