/* What a stored row says of itself: a checksum over all of it, written with it, so that a value
 * that changed in the file by something else than a write is found, in whatever column.
 *
 *     _check = SipHash-2-4 (64 bits, under the store's digest key) over the row's image:
 *     table (2 bytes), id (16), then of each field that isn't NULL its tag, its kind, and 8 bytes
 *     (numbers) or 4 bytes of size and the bytes. Tags: 128 and up for the columns that sync adds,
 *     a column's number for the table's own, by rising number.
 *
 * NULL counts as nothing: a column that a newer catalogue adds changes no check. */
#ifndef CHANGELOG_SERVER_ROW_CHECK_H
#define CHANGELOG_SERVER_ROW_CHECK_H

#include "common/changelog/server/rowsql.h"
#include "common/db/db.h"

/* All of a row's bytes; nothing that is stored gets near it. */
#define ROW_IMAGE_BYTES_MAX ((size_t)COLUMNS_MAX * ROW_BYTES_MAX * 2)

#define ROW_OWN_COUNT (ROWSQL_OWN - ROWSQL_SCOPE)

struct row_image {
    const struct table *table;
    const uint8_t *id;
    struct value own[ROW_OWN_COUNT]; /* _scope, _seq, … as ROWSQL_SCOPE and up name them */
    const struct value *values;      /* by column number */
};

/* Adds the bytes; `out` is bad where it has no room. */
void row_image_put(const struct row_image *row, struct buf *out);
/* The checksum, through `scratch`. False: no memory. */
MUST_USE bool row_check(const uint8_t key[16], const struct row_image *row, struct buf *scratch,
                        int64_t *out);

/* As rowsql_select and rowsql_all give it, borrowed from the statement. `values` has room for
 * COLUMNS_MAX + 1 and becomes the image's; so does `id`. False: that is no id. */
MUST_USE bool row_image_read(const struct stmt *q, const struct table *t, uint8_t id[16],
                             struct value values[], struct row_image *out);

/* Gives every row its check; for stores of older programs. Inside db_begin/db_end. */
MUST_USE struct err row_check_fill(struct db *db, struct rowsql *sql, const uint8_t key[16]);

#endif
