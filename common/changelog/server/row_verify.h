/* Rows that aren't what was written: found by their checks, told apart as far as it can be proven,
 * and mended where it is.
 *
 * A row whose check doesn't fit is tried with one thing changed back: each byte of each field, and
 * each value that the change log has of its last write. What makes the row fit its check again is
 * what was written; by chance that happens once in 2^64. Where several things changed, or what
 * can't be told from the log, the row is named and nothing more. */
#ifndef CHANGELOG_SERVER_ROW_VERIFY_H
#define CHANGELOG_SERVER_ROW_VERIFY_H

#include "common/changelog/server/store.h"

#define ROW_FINDING    "row isn't what was written: " /* how store_verify's lines begin */
#define ROWS_FOUND_MAX 1000                           /* more are counted and not named */

struct row_finding {
    const struct table *table;
    uint8_t id[16];
    const char *field; /* the one that changed, "_check": the check itself; NULL: not known */
    bool proven;       /* `was` makes the row what was written */
    struct value now;
    struct value was; /* if `field` is known */
    int64_t entry;    /* of the change log, that says so; 0: it isn't in there */
};

/* Valid during the call. */
typedef void (*row_found)(void *context, const struct row_finding *finding);

/* "customer 0192… name: is "X", was "Y"", without the end of the line. */
void row_finding_print(const struct row_finding *f, struct buf *out);

/* Reads every row. Findings aren't errors. `*count`: all of them. */
MUST_USE struct err rows_verify(struct store *st, row_found found, void *context, size_t *count);

enum row_mending {
    MEND_PROVEN, /* the rows of proven findings become what was written */
    MEND_ACCEPT  /* and the others stay as they are, from now on rightly */
};
/* Inside db_begin/db_end. A value that changes, and a row that is accepted, goes out to all devices
 * under a new number, since they may have fetched the wrong one; the change log tells of it.
 * `found` is told what was mended; `*left` counts what wasn't. */
MUST_USE struct err rows_mend(struct store *st, enum row_mending how, int64_t now_ms,
                              row_found found, void *context, size_t *left);

#endif
