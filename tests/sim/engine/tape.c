/* See tape.h. */
#include "tests/sim/engine/tape.h"

void tape_record(struct tape *t, uint64_t seed)
{
    *t = (struct tape){.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
}

void tape_replay(struct tape *t, const uint32_t *given, size_t count)
{
    *t = (struct tape){.replays = true, .given = given, .given_count = count};
}

void tape_release(struct tape *t)
{
    free(t->drawn);
    t->drawn = NULL;
}

static uint64_t next(struct tape *t)
{
    if (t->replays) {
        return t->count < t->given_count ? t->given[t->count] : 0;
    }
    uint64_t z = (t->state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64, Steele et al. 2014 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t tape_below(struct tape *t, uint64_t n)
{
    uint64_t drawn = n == 0 ? 0 : next(t) % n;
    if (t->count == t->room) {
        t->room = t->room == 0 ? 1024 : t->room * 2;
        uint32_t *more = realloc(t->drawn, t->room * sizeof *more);
        if (more == NULL) {
            abort();
        }
        t->drawn = more;
    }
    t->drawn[t->count++] = (uint32_t)drawn;
    return drawn;
}

/* The dull answer is 0, so "yes" is the highest. */
bool tape_once_in(struct tape *t, uint64_t n)
{
    return n > 0 && tape_below(t, n) == n - 1 && n > 1;
}
