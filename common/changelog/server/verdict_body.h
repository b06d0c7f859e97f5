/* What a verdict says, as the store keeps it until the device has acknowledged it. Nearly all say
 * that the transaction stands, which numbers its rows got and what the sender hasn't seen of them.
 * Such a one is a sequence of CBOR values for each row: table, id, scope, seq, how many cells, and
 * of each its column and value. Any other is the VERDICTS message that tells it, an array. */
#ifndef CHANGELOG_SERVER_VERDICT_BODY_H
#define CHANGELOG_SERVER_VERDICT_BODY_H

#include "common/base/base.h"
#include "protocol/messages.h"

MUST_USE struct err verdict_body_put(const struct verdict *v, struct buf *out);
/* `v` has number, epoch, device_seq and outcome already; the rest lives in `arena`. ERR_CORRUPT:
 * a damaged file. */
MUST_USE struct err verdict_body_take(struct bytes body, struct arena *arena, struct verdict *v);

#endif
