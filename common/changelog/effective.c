/* See effective.h. The clocks come from outside: any number may stand in them. */
#include "common/changelog/effective.h"

static bool same_boot(const struct clocks *a, const struct clocks *b)
{
    static const uint8_t unknown[sizeof a->boot] = {0};
    return memcmp(a->boot, b->boot, sizeof a->boot) == 0 &&
           memcmp(a->boot, unknown, sizeof a->boot) != 0;
}

int64_t effective_ms(const struct clocks *written, const struct clocks *now, int64_t received_ms)
{
    bool mono = same_boot(written, now) && !planted(MONOTONIC_IGNORED);
    int64_t age = 0;
    int64_t at = received_ms;
    if (planted(WALL_CLOCK_TRUSTED)) {
        return written->wall_ms > received_ms ? received_ms : written->wall_ms;
    }
    bool wraps = mono ? __builtin_sub_overflow(now->mono_ms, written->mono_ms, &age)
                      : __builtin_sub_overflow(now->wall_ms, written->wall_ms, &age);
    if (!wraps && age > 0 && !planted(BLAME_THE_CLOCK) &&
        __builtin_sub_overflow(received_ms, age, &at)) {
        at = 0;
    }
    if (at < written->seen_ms && !planted(SEEN_IGNORED)) {
        at = written->seen_ms;
    }
    if (at < 0) {
        at = 0;
    }
    return at > received_ms ? received_ms : at;
}
