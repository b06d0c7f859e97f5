/* Digests: whether two sides hold the same rows at the same numbers, told in a few bytes.
 *
 * For every living row that has a `_seq`: SipHash-2-4-128, under the store's digest key, over
 * id (16 bytes) and seq (8 bytes, big-endian); its two halves are summed as 64-bit words, each
 * modulo 2^64. A sum doesn't care for order and can be kept incrementally. There is one for each
 * scope and table, and one (table 0) for each scope. Both sides use this file. */
#ifndef COMMON_CHANGELOG_DIGEST_H
#define COMMON_CHANGELOG_DIGEST_H

#include "common/db/db.h"
#include "protocol/messages.h"

struct digest_sum {
    uint64_t words[2];
    uint64_t rows;
};

void digest_add(struct digest_sum *sum, const uint8_t key[16], const uint8_t id[16], int64_t seq);
void digest_remove(struct digest_sum *sum, const uint8_t key[16], const uint8_t id[16],
                   int64_t seq);
/* The two words that a row adds. */
void digest_hash(const uint8_t key[16], const uint8_t id[16], int64_t seq, uint64_t words[2]);
void digest_join(struct digest_sum *sum, const struct digest_sum *part);
void digest_sum_bytes(const struct digest_sum *sum, uint8_t out[16]); /* big-endian words */
/* The reverse; bytes of another size are zeros. */
void digest_sum_from(struct digest_sum *sum, uint64_t rows, struct bytes bytes);

/* One sum over all scopes that a device holds, by rising kind and id; those without rows don't
 * count. */
struct digest_total {
    struct buf bytes;
};
void digest_total_begin(struct digest_total *t);
void digest_total_add(struct digest_total *t, const struct scope_id *scope,
                      const struct digest_sum *sum);
MUST_USE struct err digest_total_end(struct digest_total *t, const uint8_t key[16], uint8_t out[8]);

/* A scope of this database: the number that its rows name, and what the other side calls it. */
struct digest_scope {
    int64_t no;
    struct scope_id id;
};

/* The sums of some scopes while they are being made. `scopes` is sorted by rising `no`. */
struct digest_work {
    const uint8_t *key;
    const struct digest_scope *scopes;
    size_t scope_count;
    struct digest_sum *sums; /* [scope][table of the catalogue] */
};

/* `scopes` and `key` are borrowed until digest_finish. */
MUST_USE struct err digest_begin(struct digest_work *w, const uint8_t key[16],
                                 const struct digest_scope *scopes, size_t scope_count,
                                 struct arena *arena);
/* One row; of a scope that isn't asked for, or of an unknown table: nothing. */
void digest_row(struct digest_work *w, int64_t scope_no, uint16_t table, const uint8_t id[16],
                int64_t seq);
/* By scope, then table; a scope's own entry (table 0) stands even when it has no rows, a table's
 * only where it has some. Lives in `arena`. */
MUST_USE struct err digest_finish(struct digest_work *w, struct arena *arena, struct digest *out);

/* Both as digest_finish gives them. */
bool digest_equal(const struct digest *a, const struct digest *b);
int scope_id_compare(const struct scope_id *a, const struct scope_id *b);

#endif
