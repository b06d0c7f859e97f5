/* Rights that were lost: by a book that was given away, a role that changed, a person who reports
 * to somebody else now. What a device did before it can have heard of the loss is judged with the
 * rights of then, for PERMIT_LEFT_MS_MAX; it can't say later that it hadn't heard. */
#ifndef CHANGELOG_SERVER_RIGHTS_H
#define CHANGELOG_SERVER_RIGHTS_H

#include "common/changelog/server/permit.h"
#include "common/changelog/server/work.h"

/* What the people whom a change of `row` concerns held before it. */
struct rights {
    size_t count;
    struct permit *before; /* in the work's arena */
};

/* Around the writing of a row: rows of other tables, and new ones, take nothing from anybody. */
MUST_USE struct err rights_before(struct work *w, const struct work_row *row, struct rights *out);
MUST_USE struct err rights_after(struct work *w, const struct rights *before);

/* Fills `author` with what this device's work is judged by: all that is held `now`, what was lost
 * since the device heard, and a list of all the rest that was lost. Notes what this hello shows it
 * to have heard of. `author` lives in `arena` and borrows from `now`. */
MUST_USE struct err rights_of_author(struct store *st, const struct dones *dones,
                                     const struct hello *hello, int64_t now_ms,
                                     const struct permit *now, struct arena *arena,
                                     struct permit *author);

#endif
