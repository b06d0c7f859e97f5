/* What a device is sent: rows of the scopes it holds, by rising number, each with the columns that
 * it lacks, as of one snapshot.
 *
 * A cursor is `done` (everything up to it is there) and `pos` (how far this pass came). A pass
 * streams all rows above `pos` with their columns newer than `done`, over any number of requests,
 * and at its end raises `done` to `goal`, the head that its first request found:
 *
 *   done ──────── pos ────────────── goal ──── head of this snapshot
 *    │  sent before │  sent now …………………………………………┤     then done := goal
 *
 * Each chunk ends with a checkpoint, and is one transaction of the device together with it. A row
 * whose number the device's own push gave isn't sent back: its verdict has told all of it. */
#ifndef CHANGELOG_SERVER_DOWNLOAD_H
#define CHANGELOG_SERVER_DOWNLOAD_H

#include "common/changelog/server/permit.h"
#include "protocol/codec.h"

struct download_params {
    uint32_t device; /* device_key.number */
    uint32_t epoch;
    const struct hello *hello;
    const struct ask *ask;   /* NULL: nothing was asked */
    const struct want *want; /* NULL: nothing is wanted */
};

struct download;
/* Inside a read transaction, which must last until the end. `permit` and `params` are borrowed. */
MUST_USE struct err download_new(struct store *st, const struct permit *permit,
                                 const struct download_params *params, struct download **out);
void download_free(struct download *d);
/* Packs the next chunk, or several small ones, behind `out`'s content. */
MUST_USE struct err download_step(struct download *d, struct packer *packer, struct buf *out,
                                  bool *done);
uint64_t download_rows(const struct download *d); /* packed so far */

#endif
