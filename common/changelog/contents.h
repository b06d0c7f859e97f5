/* Rows of one scope and table with what each adds to a digest: over its number alone, or over all
 * that it holds. Both sides read them here, so that equal rows give equal sums. */
#ifndef COMMON_CHANGELOG_CONTENTS_H
#define COMMON_CHANGELOG_CONTENTS_H

#include "common/catalogue/catalogue.h"
#include "common/changelog/sums.h"

struct contents_row {
    uint8_t id[16];
    int64_t seq;
    uint64_t words[2];
};

struct contents {
    struct db *db;
    const uint8_t *key;
    bool numbers_only;
    /* Which of the table's columns count; NULL: all. `st` stands on the row, its columns by rising
     * number from `first` on. */
    uint64_t (*sees)(void *context, const struct table *t, const struct stmt *st, int first);
    struct err (*each)(void *context, const struct contents_row *row);
    void *context;
};

/* What one row adds, from a statement of its id, its number and all columns by rising number; id
 * and number of `row` are filled. `scratch` has room for CONTENTS_BYTES_MAX. False: no memory. */
#define CONTENTS_BYTES_MAX ((size_t)COLUMNS_MAX * ROW_BYTES_MAX * 2)
MUST_USE bool contents_hash(const struct contents *c, const struct table *t, const struct stmt *st,
                            struct buf *scratch, struct contents_row *row);

/* Calls `each` for every living row with a number, in no order. */
MUST_USE struct err contents_scan(const struct contents *c, int64_t scope, const struct table *t);

#endif
