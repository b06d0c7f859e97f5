/* Looks through what the server gave, some rows every few minutes, so that a value that changed in
 * the file by something else than a write doesn't stay, and no sync reads all rows.
 *
 * Rows stand in runs of about sixteen by id. Of each run two sums are kept: over ids and numbers,
 * and over contents. A row's contents change with its number alone; so a run of the same numbers
 * with other contents has a row that isn't what came, and all of it is fetched again. What a run
 * holds when it is first met is believed. Rows with pending work are left out. At the beginning of
 * a round the caller makes the digest's sums anew, which finds numbers and rows that are gone. */
#ifndef CHANGELOG_DEVICE_PATROL_H
#define CHANGELOG_DEVICE_PATROL_H

#include "common/changelog/device/replica.h"

#define PATROL_EVERY_MS INT64_C(300000)
#define PATROL_ROWS     2000 /* of one look, and to the end of a run */

struct patrol_due {
    bool now;    /* long enough after the last one */
    bool begins; /* a new round */
};
MUST_USE struct err patrol_due(struct replica *r, int64_t server_ms, struct patrol_due *out);

/* The next rows; `wrong` is told of each row of a run that isn't what it was. `server_ms` is noted
 * as the time of this look. Inside apply_begin, when all that the server had to say is here. */
MUST_USE struct err patrol_look(struct replica *r, int64_t server_ms,
                                struct err (*wrong)(void *context, const struct table *t,
                                                    const uint8_t id[16]),
                                void *context);

#endif
