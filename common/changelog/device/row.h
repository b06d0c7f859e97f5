/* A row of any catalogue table, read whole; both sides use it. Writing by catalogue is declared in
 * replica.h (row_insert, row_update, row_delete). */
#ifndef CHANGELOG_DEVICE_ROW_H
#define CHANGELOG_DEVICE_ROW_H

#include "common/catalogue/catalogue.h"
#include "common/db/db.h"

struct stored_row {
    uint8_t id[16];
    int64_t scope;        /* number of its scope; 0: none yet */
    int64_t seq;          /* 0: the server hasn't numbered it yet */
    int64_t deleted_at;   /* 0: it lives */
    struct value *values; /* one for each of the table's columns, in the catalogue's order */
};

/* ERR_NOT_FOUND: no such row. A tombstone is found. Values live in `arena`. */
MUST_USE struct err row_get(struct db *db, const struct table *t, const uint8_t id[16],
                            struct arena *arena, struct stored_row *out);
/* The value of a column by number; NULL: the table has no such column. */
const struct value *stored_value(const struct stored_row *row, const struct table *t,
                                 uint8_t column);

#endif
