/* The ledger: what a restore must not undo, kept beside the store in a text file that only grows.
 * A line goes to the disk before the store commits what it tells of, so that a line too many is
 * possible and a missing one isn't.
 *
 *     revoked 0193a1… 7 1764000000000 #5f3a9c01
 *
 * The words are: what, whose (hex), a number, when, and the beginning of the SHA-256 of what stands
 * before the #. A line whose sum doesn't fit was cut by a power failure and tells of nothing that
 * happened. The server's own key lies here, too: with it the server knows its own words again
 * after a restore. Reading and writing the file is the shell's business. */
#ifndef CHANGELOG_SERVER_STORE_LEDGER_H
#define CHANGELOG_SERVER_STORE_LEDGER_H

#include "common/base/base.h"
#include "protocol/bytes.h"

#define LEDGER_KEY_SIZE 32
#define LEDGER_LINE_MAX 256
#define LEDGER_MAC_SIZE 16

/*    name, the word in the file, size of its subject */
#define LEDGER_KINDS(X)                                                                            \
    X(KEY, "key", LEDGER_KEY_SIZE)                                                                 \
    X(TIMELINE, "timeline", 16) /* id; number: its counter */                                      \
    X(REVOKED, "revoked", 16)   /* device; number: its own */                                      \
    X(USED, "used", 32)         /* hash of an invitation's secret; number: of the device */        \
    X(ERASED, "erased", 16)     /* row; number: its table */                                       \
    X(DISABLED, "disabled", 16) /* person */                                                       \
    X(ENABLED, "enabled", 16)   /* person */                                                       \
    X(BACKUP, "backup", 48)     /* seal, SHA-256 of the file; number: its timeline */              \
    X(CHAIN, "chain", 48)       /* timeline's id, hash of the entry's heads; number: the entry */

enum ledger_kind {
#define X(name, word, size) LEDGER_##name,
    LEDGER_KINDS(X)
#undef X
};

struct ledger_entry {
    enum ledger_kind kind;
    uint8_t subject[48]; /* as many bytes as the kind has */
    int64_t number;
    int64_t at_ms;
};

/* Where a store notes things, and the key; belongs to the caller and outlives the store. `append`
 * returns once the line is on the disk. */
struct store_ledger {
    void *context;
    struct err (*append)(void *context, const struct ledger_entry *entry);
    uint8_t key[LEDGER_KEY_SIZE];
};

/* A line with its end. */
void ledger_entry_put(const struct ledger_entry *entry, struct buf *out);
/* Calls `each` for every line that is whole. `*broken` counts the others. */
MUST_USE struct err ledger_entries(struct bytes text,
                                   struct err (*each)(void *context,
                                                      const struct ledger_entry *entry),
                                   void *context, size_t *broken);

/* What only the holder of the ledger's key can make. `about` keeps the uses of the key apart. */
void ledger_mac(const struct store_ledger *ledger, const char *about, struct bytes content,
                uint8_t out[LEDGER_MAC_SIZE]);
bool ledger_mac_fits(const struct store_ledger *ledger, const char *about, struct bytes content,
                     struct bytes mac);

#endif
