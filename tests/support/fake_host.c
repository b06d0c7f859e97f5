/* See fake_host.h. */
#include "tests/support/fake_host.h"

uint64_t fake_host_next(struct fake_host *f)
{
    uint64_t z = (f->random += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64, Steele et al. 2014 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void fake_random(void *context, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)fake_host_next(context);
    }
}

static void fake_now(void *context, struct clocks *out)
{
    const struct fake_host *f = context;
    out->wall_ms = f->wall_ms;
    out->mono_ms = f->mono_ms;
    memcpy(out->boot, f->boot, sizeof out->boot);
}

void fake_host_init(struct fake_host *f, uint64_t seed, int64_t wall_ms)
{
    *f = (struct fake_host){.wall_ms = wall_ms, .mono_ms = 1000, .random = seed};
    fake_random(f, f->boot, sizeof f->boot);
}

void fake_host_pass(struct fake_host *f, int64_t ms)
{
    f->wall_ms += ms;
    f->mono_ms += ms;
}

struct host fake_host_as_host(struct fake_host *f)
{
    return (struct host){.context = f, .now = fake_now, .random = fake_random};
}
