/* Verdicts: what the server decided about the work that this device sent. One message of them is
 * one local transaction: outbox rows go, tables and inbox follow, and the highest number seen
 * rises. A number already seen is passed over, so that answers may be lost and repeated. */
#ifndef CHANGELOG_DEVICE_VERDICT_APPLY_H
#define CHANGELOG_DEVICE_VERDICT_APPLY_H

#include "common/changelog/device/apply.h"

struct verdict_tally {
    int64_t accepted, merged, parked, refused;
    int64_t again; /* of them: accepted before a restore, and now again */
};

/* Between apply_begin and apply_end. `server_ms` is the answer's. `sent_to`: local number of the
 * last transaction that this sync has sent; a verdict about a later one is left for the next
 * answer, with all behind it. */
MUST_USE struct err verdicts_apply(struct apply *a, const struct verdicts *verdicts,
                                   int64_t server_ms, int64_t sent_to, struct verdict_tally *tally);

#endif
