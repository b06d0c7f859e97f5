/* Stored verdicts on their way to the device, packed many to a message. */
#ifndef COMMON_SYNC_SERVER_VERDICTS_H
#define COMMON_SYNC_SERVER_VERDICTS_H

#include "common/changelog/verdicts.h"
#include "protocol/codec.h"

/* All above number `after` that this epoch's transactions got. */
MUST_USE struct err server_verdicts_put(struct store *st, uint32_t device, uint32_t epoch,
                                        uint64_t after, struct packer *packer, struct buf *out);

#endif
