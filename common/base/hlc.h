/* The hybrid logical clock of a device: 48 bits of milliseconds, 16 of counter. A stamp is always
 * later than any that the device has given or seen, whatever its wall clock does (Kulkarni et al.
 * 2014). The caller brings the wall clock, corrected by the measured server offset. */
#ifndef COMMON_BASE_HLC_H
#define COMMON_BASE_HLC_H

#include "common/base/base.h"

/* The next stamp after `last`: the wall clock's where it is ahead, else one more. */
uint64_t hlc_next(uint64_t last, int64_t wall_ms);
/* What `last` becomes once `seen` was met in somebody else's work. */
uint64_t hlc_observe(uint64_t last, uint64_t seen);
/* The first stamp of a millisecond, and the millisecond of a stamp. */
uint64_t hlc_of_ms(int64_t ms);
int64_t hlc_ms(uint64_t stamp);

#endif
