/* The server's state below pending columns: what the user doesn't see because an edit of his own
 * lies on top. A column stands here from the moment a newer server value arrives (or an earlier
 * edit of the same column was refused) until no pending edit covers it any more. `base` stays what
 * it was when the column first came here: the `_seq` that the author of the edit had seen.
 *
 * A row that is deleted on top has its number and scope here too, as columns of their own. */
#ifndef CHANGELOG_DEVICE_UNDER_H
#define CHANGELOG_DEVICE_UNDER_H

#include "common/catalogue/catalogue.h"
#include "common/db/db.h"

#define UNDER_SEQ   (-1) /* INT; NULL: the server's row is gone */
#define UNDER_SCOPE (-2) /* INT: scope.no */

struct under {
    bool found;
    int64_t base;
    struct value value; /* lives in the arena that was given */
};

/* Hides a value; one that is there already keeps its base. */
MUST_USE struct err under_put(struct db *db, uint16_t table, const uint8_t id[16], int column,
                              int64_t base, const struct value *value);
MUST_USE struct err under_get(struct db *db, uint16_t table, const uint8_t id[16], int column,
                              struct arena *arena, struct under *out);
/* The lowest base below any column of the row, if there is one. */
MUST_USE struct err under_base(struct db *db, uint16_t table, const uint8_t id[16], bool *found,
                               int64_t *base);
MUST_USE struct err under_drop(struct db *db, uint16_t table, const uint8_t id[16], int column);
MUST_USE struct err under_drop_row(struct db *db, uint16_t table, const uint8_t id[16]);
MUST_USE struct err under_is_empty(struct db *db, bool *empty);

#endif
