/* What the files of recovery share. */
#ifndef CHANGELOG_DEVICE_RECOVERY_INTERNAL_H
#define CHANGELOG_DEVICE_RECOVERY_INTERNAL_H

#include "common/changelog/device/outbox.h"
#include "common/changelog/device/recovery.h"
#include "common/changelog/sqltext.h"

#define RECOVERY_SHIFT 40  /* numbers of timeline c begin behind c * 2^40 */
#define RECOVERY_STEP  200 /* rows read at once */

/* First number of the new timeline; 0: nothing is being recovered. */
MUST_USE struct err recovery_start(struct replica *r, int64_t *start);

/* `head` table AS t, those of its rows that belong to the lost part (?1: recovery_start), `tail`.
 */
static inline void recovery_put_lost(struct sqltext *sql, const char *head, const struct table *t,
                                     const char *tail)
{
    sqltext_begin(sql, head);
    sqltext_put(sql, t->name);
    sqltext_put(sql, " AS t LEFT JOIN restored k ON k.scope = t._scope"
                     " WHERE t._seq > coalesce(k.seq, 0) AND t._seq < ?1");
    sqltext_put(sql, tail);
}

#endif
