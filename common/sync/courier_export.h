/* What waits on a device, as a courier file. */
#ifndef COMMON_SYNC_COURIER_EXPORT_H
#define COMMON_SYNC_COURIER_EXPORT_H

#include "common/changelog/device/replica.h"
#include "common/sync/courier.h"

/* Freezes what was captured and writes all that waits. Nothing else changes: the same goes out
 * again by the next file and by the next sync, and the server takes it once. `count` (transactions)
 * 0: nothing waits, `out` is empty. ERR_NOT_FOUND: the server's courier key isn't here yet, one
 * sync brings it. ERR_LIMIT: more than a file may hold. The caller keeps syncs away meanwhile. */
MUST_USE struct err courier_export(struct replica *r, const uint8_t secret_key[64], struct buf *out,
                                   int64_t *count);

#endif
