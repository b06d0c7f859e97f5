/* Work of a revoked device that came by courier: kept apart until an admin has looked at it. */
#ifndef COMMON_SYNC_COURIER_QUARANTINE_H
#define COMMON_SYNC_COURIER_QUARANTINE_H

#include "common/changelog/server/store.h"

/* Keeps each transaction of a request that wasn't judged while the device was still admitted, once.
 * ERR_PROTOCOL, ERR_LIMIT: not a request. Adds to `count`. */
MUST_USE struct err courier_quarantine(struct store *st, const struct store_device *device,
                                       struct bytes request, int64_t now_ms, uint64_t *count);

/* Judges entry `no` as the work that it is: by its device, with the rights of `person` (the admin
 * may name somebody else where its author has left). ERR_NOT_FOUND: no such entry waits.
 * ERR_REFUSED: it can't stand, `why` says what is against it; the caller rolls back, and it goes on
 * waiting. */
MUST_USE struct err courier_release(struct store *st, int64_t no,
                                    const uint8_t *person /* or NULL */, const char *login,
                                    int64_t now_ms, struct complaint *why);
/* Lets it go; it stays on record. ERR_NOT_FOUND: no such entry waits. */
MUST_USE struct err courier_discard(struct store *st, int64_t no, const char *login,
                                    int64_t now_ms);

#endif
