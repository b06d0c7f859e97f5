/* Room on the disk that only a sync may use: a file of zeros beside the replica. On a full disk
 * nothing new can be saved, but what was saved must still get to the server, and storing the
 * verdicts takes room as well. (Making a damaged replica anew takes twice its size and more, which
 * no reserve can hold.) Nothing here fails: without a reserve, a full disk is a full disk. */
#ifndef CLIENT_RESERVE_H
#define CLIENT_RESERVE_H

#include "client/home.h"

/* Makes it where it is missing and the disk has plenty of room. After a sync. */
void reserve_keep(const struct home *h);
/* Gives it up where the disk is nearly full. Before a sync opens anything; `h->dir` is enough. */
void reserve_make_room(const struct home *h);
/* Gives it up, whatever the disk says: quotas say nothing. False: there was none. */
bool reserve_give_up(const struct home *h);

#endif
