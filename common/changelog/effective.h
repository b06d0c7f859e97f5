/* When a change was really made. A device's wall clock may be years off and may jump; what it says
 * of two moments within one start of the machine, or at a constant error, is good all the same:
 *
 *   effective = receipt - age,  age = now - then, both by the device's own clock
 *
 * by the monotonic clock where the machine hasn't been restarted since, else by the wall clock;
 * never before the last server time that the device had seen when it wrote, never after receipt. */
#ifndef COMMON_CHANGELOG_EFFECTIVE_H
#define COMMON_CHANGELOG_EFFECTIVE_H

#include "common/base/base.h"
#include "protocol/messages.h"

/* `now` are the device's clocks in hello. */
int64_t effective_ms(const struct clocks *written, const struct clocks *now, int64_t received_ms);

#endif
