/* Rows of a file on their way into the store. All of an import is one database transaction; what
 * is wrong with a row is told and the next one is tried, so that one run tells all. */
#ifndef SERVER_ADMIN_IMPORT_ROWS_H
#define SERVER_ADMIN_IMPORT_ROWS_H

#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/import_plan.h"

struct import_later; /* a reference to a row of the same table, which may stand further down */

struct import {
    struct data *d;
    struct plan plan;
    struct text_rules rules;
    struct server_write *write;
    int64_t now_ms;
    int64_t batch;
    struct arena arena;       /* of one row */
    struct arena later_arena; /* of the references that wait */
    struct import_later *later;
    struct import_later **later_end;
    struct buf old; /* of one row */
    bool wrote;     /* the last import_put changed something */
    int64_t made;
    int64_t changed;
};

void import_init(struct import *im, struct data *d, const struct table *t);
void import_release(struct import *im);

/* One row. ERR_INVALID and ERR_REFUSED come with `why`; the row then left nothing behind. */
MUST_USE struct err import_row(struct import *im, const struct csv_row *row, struct complaint *why);
/* The next reference that waited; `*line` is that of its row. False: none is left. */
MUST_USE bool import_later(struct import *im, uint64_t *line, struct err *err,
                           struct complaint *why);
/* Writes cells of a row and notes it in the batch. `fresh`: the row isn't there yet. */
MUST_USE struct err import_put(struct import *im, const struct table *t, const uint8_t id[16],
                               bool fresh, const struct cells *cells, struct complaint *why);

#endif
