/* The server's pictures as files, against what the store says of them. */
#ifndef SERVER_ADMIN_PHOTOS_H
#define SERVER_ADMIN_PHOTOS_H

#include "server/admin/data.h"

struct photos_found {
    int64_t whole, missing, wrong;
    int64_t awaited; /* named by rows, never came */
    int64_t asked;   /* of missing and wrong: asked for again */
};
/* Hashes every file; a line for each that is gone or isn't what it was in `report`. `ask`: each is
 * asked for again (the store is open for writing). */
MUST_USE struct err photos_check(struct data *d, bool ask, struct buf *report,
                                 struct photos_found *out);
/* What no living row names goes. */
MUST_USE struct err photos_sweep(struct data *d, int64_t grace_ms, int64_t *removed,
                                 int64_t *bytes);

#endif
