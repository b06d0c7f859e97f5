/* The change log's hash chains, one for each scope: an entry that touches a scope carries a hash
 * over itself and over the scope's last hash, so that nothing in the log can be changed, cut out
 * or put in unseen by whoever knows a later hash.
 *
 *   hash = SHA-256 of
 *     "legwork chain 1", the hash before (32 bytes, zeros at the beginning),
 *     scope kind and id (1 + 16), index in this chain (from 1),
 *     no, device, epoch, device_seq, received_at, effective_at, outcome,
 *     person (16, zeros: nobody), code, intent,
 *     SHA-256(salt, identity, body),
 *     then for each row of this scope, in order of idx:
 *       idx, scope's part (1: the row is here, 2: it left), table, row (16), seq,
 *       what it replaced (0: it was made; 1: SHA-256(salt, old))
 *
 * Numbers are 8 bytes, big-endian; texts have their size before them. What people wrote stands in
 * it only as salted hashes: erased, salt and text are overwritten by that hash, and the chain
 * stays as it was.
 *
 * An entry without rows (refused, parked, empty) stands in the chain of its author's `user:` scope,
 * one without a person in the company's. */
#ifndef CHANGELOG_SERVER_CHAIN_H
#define CHANGELOG_SERVER_CHAIN_H

#include "common/changelog/server/store.h"

#define CHAIN_HASH_SIZE 32
#define CHAIN_SALT_SIZE 16

struct chain_head {
    int64_t index; /* 0: nothing yet */
    int64_t no;    /* change_log.no */
    uint8_t hash[CHAIN_HASH_SIZE];
};

/* An entry but for its rows. */
struct chain_entry {
    int64_t no;
    int64_t device;
    int64_t epoch;
    int64_t device_seq;
    int64_t received_ms;
    int64_t effective_ms;
    int64_t outcome;
    bool has_person;
    uint8_t person[16];
    struct bytes code;
    struct bytes intent;
    uint8_t content[CHAIN_HASH_SIZE]; /* chain_seal of identity and body */
};

struct chain_row {
    int64_t index;
    int64_t scope; /* scope.no */
    int64_t seq;
    int64_t left_scope; /* 0: it didn't move */
    int64_t left_seq;
    int64_t table;
    uint8_t id[16];
    bool made;                    /* inserted: `old` says nothing */
    uint8_t old[CHAIN_HASH_SIZE]; /* chain_seal of what it replaced */
};

/* SHA-256 of a salt and what it hides, in two pieces (the second may be empty). */
void chain_seal(struct bytes salt, struct bytes first, struct bytes second,
                uint8_t out[CHAIN_HASH_SIZE]);
/* The same from what is stored: a salt to hash with, or the hash itself. False: neither. */
bool chain_sealed(struct bytes seal, struct bytes first, struct bytes second,
                  uint8_t out[CHAIN_HASH_SIZE]);

/* Where the chain of a scope stands, and what the scope is called. */
typedef struct err (*chain_before)(void *context, int64_t scope, struct scope_id *id,
                                   struct chain_head *head);

/* One entry's hashes while its rows come. */
struct chain_part;
struct chain_sum {
    const struct chain_entry *entry; /* borrowed */
    chain_before before;
    void *context;
    size_t count;
    size_t room;
    struct chain_part *parts;
};
void chain_begin(struct chain_sum *sum, const struct chain_entry *entry, chain_before before,
                 void *context);
MUST_USE struct err chain_add(struct chain_sum *sum, const struct chain_row *row);
/* A scope that the entry stands in although no row of it is there. */
MUST_USE struct err chain_add_scope(struct chain_sum *sum, int64_t scope);
/* Each scope with its new head, in the order in which they came; then nothing more may be added. */
MUST_USE struct err chain_end(struct chain_sum *sum,
                              struct err (*each)(void *context, int64_t scope,
                                                 const struct chain_head *head),
                              void *context);
void chain_release(struct chain_sum *sum);

/* `change_log.chain` and `scope.head` as stored. */
MUST_USE struct err chain_put_part(struct buf *out, int64_t scope, const struct chain_head *head);
/* Takes one part off `*in`; false: there is no whole one. */
bool chain_take_part(struct bytes *in, int64_t *scope, struct chain_head *head);
bool chain_take_head(struct bytes in, struct chain_head *head);

#endif
