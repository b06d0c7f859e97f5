/* What can still be read of a damaged replica, carried into a new one.
 *
 * Each table is read by rising key until a page fails, then by falling key, then from within the
 * gap between the two, halved again and again: one bad page costs its own rows. The rest comes
 * from the server with the next comparison of digests; what only this device had is put in order
 * here, and what of it is gone is named. */
#ifndef CHANGELOG_DEVICE_SALVAGE_H
#define CHANGELOG_DEVICE_SALVAGE_H

#include "common/db/db.h"

struct salvage {
    int64_t rows;        /* carried over */
    int64_t hurt_tables; /* with parts that can't be read */
    bool outbox_hurt;    /* one of them */
    int64_t waiting;     /* transactions not yet on the server that were kept */
    int64_t logged_anew; /* rows whose outbox entry was gone, and that will be sent nevertheless */
    int64_t lost;        /* pieces of unsent work whose values couldn't be read */
    struct buf lost_names; /* a line each: intent, table, row */
};

/* Makes a replica in the empty file `to` from what `from` still tells; one transaction. Sums are
 * left to be made when the replica is opened. ERR_NOT_FOUND: who the device is can't be read.
 * ERR_VERSION: a newer program made the file. `from` isn't written to. End with salvage_release,
 * whatever was given. */
MUST_USE struct err replica_salvage(struct db *from, struct db *to, struct salvage *out);
void salvage_release(struct salvage *s);

/* salvage_work.c: puts the carried outbox, sent and under in order, and names what is lost. */
MUST_USE struct err salvage_work(struct db *to, struct salvage *out);

#endif
