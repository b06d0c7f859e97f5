/* What a courier file brings, judged as a sync would. */
#ifndef COMMON_SYNC_COURIER_IMPORT_H
#define COMMON_SYNC_COURIER_IMPORT_H

#include "common/changelog/server/store.h"
#include "common/sync/courier.h"

enum courier_refusal {
    COURIER_TAKEN,
    COURIER_NOT_OPENED,     /* `fault` says why */
    COURIER_UNKNOWN_DEVICE, /* no device has the key that signed it */
    COURIER_OTHER_TIMELINE, /* made before the server was restored, or for a later one */
    COURIER_SET_BACK,       /* its numbers mean other work here: the device's file was set back */
    COURIER_OTHER_VERSION,  /* the device's program is too old or too new for this server */
    COURIER_MALFORMED       /* signed by the device, but not what the protocol knows */
};

struct courier_report {
    enum courier_refusal refusal;
    enum courier_fault fault;
    uint32_t device; /* device_key.number; 0: not known who it was */
    uint64_t outcomes[OUTCOME_REFUSED + 1];
    uint64_t known;       /* of these: judged before, by another file or a sync */
    uint64_t quarantined; /* the device is revoked: they wait for an admin */
};

/* Inside the caller's transaction, which is to be rolled back on any error. ERR_REFUSED: nothing of
 * the file was taken, `out->refusal` says why. Verdicts reach the device by its next sync. */
MUST_USE struct err courier_import(struct store *st, struct bytes file, int64_t now_ms,
                                   struct courier_report *out);

#endif
