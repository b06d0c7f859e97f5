/* What an import did, row by row, so that it can be undone: tables import_batch and import_row. */
#ifndef SERVER_ADMIN_IMPORT_BATCH_H
#define SERVER_ADMIN_IMPORT_BATCH_H

#include "common/changelog/server/store.h"

MUST_USE struct err batch_begin(struct db *db, const struct table *t, const char *file,
                                int64_t now_ms, int64_t *batch);
MUST_USE struct err batch_end(struct db *db, int64_t batch, int64_t rows);
/* Whether the batch has touched the row before. */
MUST_USE struct err batch_has(struct db *db, int64_t batch, uint16_t table, const uint8_t id[16],
                              bool *out);

struct batch_change { /* of a row, by this import */
    uint16_t table;
    uint8_t id[16];
    bool made;      /* by this change: undoing takes the row away */
    int64_t before; /* the row's number before; 0: none */
    int64_t after;
    struct bytes old; /* as server_write_put gives it */
};
/* Notes a change; a second one of the same row in one batch is joined to the first. What earlier
 * imports noted of the row follows its number, since an import isn't somebody's edit. */
MUST_USE struct err batch_note(struct db *db, int64_t batch, const struct batch_change *change);

#endif
