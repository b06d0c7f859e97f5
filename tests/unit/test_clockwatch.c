/* When a clock deserves a word to people. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/changelog/clockwatch.h"

#define HOUR INT64_C(3600000)
#define YEAR (INT64_C(8766) * HOUR)
#define DAY  (24 * HOUR)

static const struct {
    const char *says;
    int64_t wall, mono, server; /* how far each clock went between the two exchanges */
    bool same_boot;
    int64_t jump;
} cases[] = {
    {"an hour on all of them", HOUR, HOUR, HOUR, true, 0},
    {"ten years ahead", HOUR + 10 * YEAR, HOUR, HOUR, true, 10 * YEAR},
    {"ten years back", HOUR - 10 * YEAR, HOUR, HOUR, true, -10 * YEAR},
    {"an hour back over a restart", 0, 5, HOUR, false, -HOUR},
    {"a restart alone", HOUR, 5, HOUR, false, 0},
    {"three days asleep, the monotonic clock too", 3 * DAY, HOUR, 3 * DAY, true, 0},
    {"three days asleep, the monotonic clock awake", 3 * DAY, 3 * DAY, 3 * DAY, true, 0},
    {"the server's clock was set", HOUR, HOUR, HOUR + YEAR, true, 0},
    {"a few minutes are nobody's business", HOUR + 9 * 60000, HOUR, HOUR, true, 0},
    {"twenty are", HOUR + 20 * 60000, HOUR, HOUR, true, 20 * 60000},
};

static void jumps(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        struct clock_exchange a = {.known = true, .offset_ms = 5000};
        a.clocks = (struct clocks){.wall_ms = 100 * YEAR, .mono_ms = DAY, .boot = {1}};
        struct clock_exchange b = a;
        b.clocks.wall_ms += cases[i].wall;
        b.clocks.mono_ms += cases[i].mono;
        b.clocks.boot[0] = cases[i].same_boot ? 1 : 2;
        b.offset_ms += cases[i].server - cases[i].wall;
        if (clock_jump_ms(&a, &b) != cases[i].jump) {
            fail_msg("%s: %" PRId64, cases[i].says, clock_jump_ms(&a, &b));
        }
        a.known = false;
        assert_int_equal(clock_jump_ms(&a, &b), 0);
    }
}

/* Clocks come from outside: no number in them may overflow. */
static void any_number_may_stand_there(void **state)
{
    static const int64_t ends[] = {INT64_MIN, -1, 0, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < 256; i++) {
        struct clock_exchange a = {.known = true, .offset_ms = ends[i & 3]};
        struct clock_exchange b = {.known = true, .offset_ms = ends[i >> 2 & 3]};
        a.clocks = (struct clocks){.wall_ms = ends[i >> 4 & 3], .boot = {1}};
        b.clocks = (struct clocks){.wall_ms = ends[i >> 6 & 3], .mono_ms = INT64_MIN, .boot = {1}};
        (void)clock_jump_ms(&a, &b);
    }
    assert_true(clock_is_suspicious(INT64_MIN) && clock_is_suspicious(INT64_MAX));
    assert_false(clock_is_suspicious(CLOCK_SUSPICIOUS_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jumps),
        cmocka_unit_test(any_number_may_stand_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
