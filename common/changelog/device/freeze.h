/* Freezing: what was captured becomes transactions with a number and a content that never change
 * again, stored before their first byte leaves. Outbox rows remain until the verdict, since they
 * hold the values that a refusal restores. */
#ifndef CHANGELOG_DEVICE_FREEZE_H
#define CHANGELOG_DEVICE_FREEZE_H

#include "common/changelog/device/replica.h"

/* Freezes everything captured so far, inside the caller's local transaction. A transaction whose
 * changes cancel out leaves the outbox without a trace. */
MUST_USE struct err freeze_all(struct replica *r);

#endif
