/* Columns of a replica that its person may see. Where a role narrows, what it no longer sees goes
 * with the first thing that the answer brings, whether or not the rest of it arrives. */
#ifndef CHANGELOG_DEVICE_SIGHT_H
#define CHANGELOG_DEVICE_SIGHT_H

#include "common/changelog/device/replica.h"

/* The roles that an answer says are in force. Inside apply_begin/apply_end. */
MUST_USE struct err sight_take(struct replica *r, uint32_t mask);
/* All of an exchange has arrived: the cursors were made under these roles. */
MUST_USE struct err sight_settle(struct replica *r, uint32_t mask);

#endif
