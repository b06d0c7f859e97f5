/* See hlc.h. A full counter runs over into the milliseconds, which keeps the order. */
#include "common/base/hlc.h"

#define COUNTER_BITS 16
#define MS_MAX       ((INT64_C(1) << 47) - 1) /* so that a stamp fits SQLite's signed integers */
#define STAMP_MAX    ((uint64_t)INT64_MAX)    /* year 6429: there the clock stands still */

uint64_t hlc_of_ms(int64_t ms)
{
    ms = ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms;
    return (uint64_t)ms << COUNTER_BITS;
}

int64_t hlc_ms(uint64_t stamp)
{
    return (int64_t)(stamp >> COUNTER_BITS);
}

uint64_t hlc_next(uint64_t last, int64_t wall_ms)
{
    uint64_t wall = hlc_of_ms(wall_ms);
    if (wall > last) {
        return wall;
    }
    return last < STAMP_MAX ? last + 1 : STAMP_MAX;
}

uint64_t hlc_observe(uint64_t last, uint64_t seen)
{
    return seen > last ? seen : last;
}
