/* A replica's file that is damaged, made anew from what it still tells
 * (common/changelog/device/salvage.h).
 *
 * The old file is the replica until one rename makes the new one it; it stays beside it as
 * replica.db.damaged-N. A process killed on the way leaves one or the other, and the next
 * home_rebuild tidies what lies about. */
#ifndef CLIENT_REBUILD_H
#define CLIENT_REBUILD_H

#include "client/home.h"
#include "common/changelog/device/salvage.h"

enum rebuild_end {
    REBUILD_NOTHING,   /* the file is whole: nothing was done */
    REBUILD_REINDEXED, /* indexes alone were wrong */
    REBUILD_MADE       /* a new file took its place */
};

struct rebuild {
    enum rebuild_end end;
    struct salvage salvage;   /* REBUILD_MADE */
    char kept[HOME_FILE_MAX]; /* where the old file is, then */
};

/* Under home_lock, with the home closed. ERR_NOT_FOUND: who the device is can't be read any more;
 * nothing was changed. End with rebuild_release. */
MUST_USE struct err home_rebuild(const struct home *h, struct rebuild *out);
void rebuild_release(struct rebuild *r);

#endif
