/* Laying server state into the device's tables: the statements that neither pending work nor a
 * user's hand go through. Triggers must be silent (capture_pause). SQL is composed from the
 * catalogue; a row's `_scope` and `_seq` move together with its columns, never alone. */
#ifndef CHANGELOG_DEVICE_LAY_H
#define CHANGELOG_DEVICE_LAY_H

#include "common/catalogue/catalogue.h"
#include "common/changelog/sqltext.h"
#include "common/db/db.h"

struct row_stamp {
    bool found;
    int64_t scope; /* scope.no, 0: not judged yet */
    int64_t seq;   /* 0: not judged yet */
};
MUST_USE struct err lay_stamp_of(struct db *db, const struct table *t, const uint8_t id[16],
                                 struct row_stamp *out);

/* Cells of a row that is there, and (where `stamp` isn't NULL) its stamp. */
MUST_USE struct err lay_cells(struct db *db, const struct table *t, const uint8_t id[16],
                              const struct cell *cells, size_t count,
                              const struct row_stamp *stamp);
/* The same for a row that has no stamp yet; `*laid` is false where there is no such row. */
MUST_USE struct err lay_first(struct db *db, const struct table *t, const uint8_t id[16],
                              const struct cell *cells, size_t count, const struct row_stamp *stamp,
                              bool *laid);
/* A row that isn't there. A stamp of zeros: not judged yet. */
MUST_USE struct err lay_row(struct db *db, const struct table *t, const uint8_t id[16],
                            const struct cell *cells, size_t count, const struct row_stamp *stamp);
MUST_USE struct err lay_drop(struct db *db, const struct table *t, const uint8_t id[16],
                             bool *there);

/* Many rows of the same columns. */
struct lay_many {
    struct db *db;
    const struct rows *rows;
    int64_t scope;
    struct sqltext sql;
};
/* `rows` is borrowed. Whole rows are inserted where there is none yet, others overwrite one that is
 * there and has no higher number. */
void lay_many_init(struct lay_many *m, struct db *db, const struct table *t,
                   const struct rows *rows, int64_t scope);
/* `*laid` is false where no row was written. */
MUST_USE struct err lay_many_row(struct lay_many *m, const struct row *row, bool *laid);

#endif
