/* Who wrote what of a row, when, under which number: what judging compares and downloads select
 * by. It is kept in two small blobs beside each row of the server:
 *
 *   _made  version of the insert:      seq effective_ms author epoch device_seq
 *   _cols  columns changed since then: { mask seq effective_ms author epoch device_seq }…
 *
 * all of them varints (7 bits a byte, low bits first). A mask names the columns that were last
 * written by one transaction, bit n for column n, bit 0 for the deletion; a column in no mask is as
 * it was inserted. Groups stand by rising seq. */
#ifndef CHANGELOG_SERVER_ROWMETA_H
#define CHANGELOG_SERVER_ROWMETA_H

#include "common/base/base.h"

struct version {
    int64_t seq;          /* number of the row in its scope that this write gave it */
    int64_t effective_ms; /* when it was made, as the server reckons */
    uint32_t author;      /* device_key.number; 0: the server */
    uint32_t epoch;
    uint64_t device_seq;
};

struct column_group {
    uint64_t columns;
    struct version at;
};

struct row_meta {
    struct version made;
    size_t group_count;
    struct column_group *groups; /* by rising seq; room for one more than `group_count` */
};

/* Reads both blobs; `cols` may be empty. False: no memory, or not what rowmeta_put_* wrote. */
MUST_USE bool rowmeta_read(struct bytes made, struct bytes cols, struct arena *arena,
                           struct row_meta *out);
void rowmeta_put_made(const struct row_meta *meta, struct buf *out);
void rowmeta_put_cols(const struct row_meta *meta, struct buf *out);

/* The last write of a column. Borrowed until the next rowmeta_set. */
const struct version *rowmeta_of(const struct row_meta *meta, unsigned column);
/* The columns of `mask` were now written as `at` says. False: no memory. */
MUST_USE bool rowmeta_set(struct row_meta *meta, uint64_t mask, const struct version *at,
                          struct arena *arena);
/* Columns of `among` whose last write has a seq above `seq`. */
uint64_t rowmeta_newer(const struct row_meta *meta, uint64_t among, int64_t seq);
/* The write that has exactly the number `seq`; NULL: none, e.g. after a move. */
const struct version *rowmeta_at(const struct row_meta *meta, int64_t seq);

#endif
