/* See clockwatch.h. The clocks come from outside: any number may stand in them. */
#include "common/base/base.h"

#include "common/changelog/clockwatch.h"

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference = 0;
    if (__builtin_sub_overflow(a, b, &difference)) {
        difference = a < b ? INT64_MIN : INT64_MAX;
    }
    return difference;
}

bool clock_is_suspicious(int64_t ms)
{
    return ms > CLOCK_SUSPICIOUS_MS || ms < -CLOCK_SUSPICIOUS_MS;
}

/* Set ahead, a wall clock takes its offset down by as much. Within one boot the monotonic clock is
 * a second witness: where it went along with the wall clock, it was the server's that moved. */
int64_t clock_jump_ms(const struct clock_exchange *before, const struct clock_exchange *now)
{
    static const uint8_t unknown[sizeof now->clocks.boot] = {0};
    const struct clocks *a = &before->clocks;
    const struct clocks *b = &now->clocks;
    int64_t jump = minus(before->offset_ms, now->offset_ms);
    if (!before->known || !clock_is_suspicious(jump)) {
        return 0;
    }
    bool same_boot = memcmp(a->boot, b->boot, sizeof a->boot) == 0 &&
                     memcmp(a->boot, unknown, sizeof a->boot) != 0;
    int64_t apart = minus(minus(b->wall_ms, a->wall_ms), minus(b->mono_ms, a->mono_ms));
    return same_boot && !clock_is_suspicious(apart) ? 0 : jump;
}
