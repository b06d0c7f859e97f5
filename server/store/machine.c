/* See machine.h. */
#include "server/store/machine.h"

#include "common/base/base.h"

#include <sodium.h>

static struct timespec clock_read(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        abort(); /* both clocks exist wherever this program runs */
    }
    return now;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now = clock_read(clock);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t machine_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t machine_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t machine_mono_us(void)
{
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct timespec machine_deadline(int64_t ms)
{
    struct timespec at = clock_read(CLOCK_REALTIME);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += (time_t)(ms / 1000) + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void machine_now(void *context, struct clocks *out)
{
    (void)context;
    out->wall_ms = machine_wall_ms();
    out->mono_ms = machine_mono_ms();
    memset(out->boot, 0, sizeof out->boot); /* nobody compares the server's own boots */
}

static void machine_random(void *context, uint8_t *to, size_t size)
{
    (void)context;
    randombytes_buf(to, size);
}

struct host machine_host(void)
{
    return (struct host){.now = machine_now, .random = machine_random};
}
