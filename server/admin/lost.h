/* What a restore lost: noted from the store that was put aside, and reported as long as nobody has
 * brought it back. */
#ifndef SERVER_ADMIN_LOST_H
#define SERVER_ADMIN_LOST_H

#include "common/changelog/server/store.h"

/* The timeline after the store's at `path`, if that is higher. One that can't be read is passed
 * over. */
void lost_timeline(const char *path, uint32_t *next);
/* Notes in `st`, inside its transaction, what the store at `path` accepted behind entry `log_no` of
 * the change log; `*count` entries. One that can't be read is passed over, and said so. */
MUST_USE struct err lost_note(struct store *st, const char *path, int64_t log_no, int64_t *count);
int lost_report(bool json);

#endif
