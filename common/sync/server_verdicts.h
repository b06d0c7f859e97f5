/* Stored verdicts on their way to the device, packed many to a message. */
#ifndef COMMON_SYNC_SERVER_VERDICTS_H
#define COMMON_SYNC_SERVER_VERDICTS_H

#include "common/changelog/server/permit.h"
#include "common/changelog/server/verdicts.h"
#include "protocol/codec.h"

struct verdicts_told {
    uint32_t device;   /* device_key.number, */
    const uint8_t *id; /* and its id */
    uint32_t epoch;
    uint64_t after;              /* all above this number that the epoch's transactions got */
    int64_t answer_ms;           /* the answer's time */
    bool proven;                 /* with the server's word on them, for a device that can keep it */
    const struct permit *permit; /* what its person may hold and see now, */
    uint32_t catalogue;          /* and what the device knows */
};
MUST_USE struct err server_verdicts_put(struct store *st, const struct verdicts_told *what,
                                        struct packer *packer, struct buf *out);

#endif
