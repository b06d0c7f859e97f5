/* When a request counts as stalled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/watchdog.h"

static const int64_t START_MS = 1000000;

/* The moment at which a line is given up that brings `bytes` every `every_ms`; -1: never within a
 * minute. */
static int64_t given_up_after(int64_t bytes, int64_t every_ms)
{
    struct watchdog w;
    int64_t sum = 5000;
    watchdog_begin(&w, START_MS, sum);
    for (int64_t ms = 250; ms <= 60000; ms += 250) {
        sum += ms % every_ms == 0 ? bytes : 0;
        if (watchdog_look(&w, START_MS + ms, sum)) {
            return ms;
        }
    }
    return -1;
}

static void silence_ends_within_half_a_minute(void **state)
{
    (void)state;
    assert_int_equal(given_up_after(0, 1000), 18000);
}

static void a_slow_line_is_no_stall(void **state)
{
    (void)state;
    assert_int_equal(given_up_after(100, 7000), -1);
    assert_int_equal(given_up_after(20, 1000), -1);
}

/* A byte now and then, as from a server that keeps its line alive and says nothing. */
static void a_trickle_is_a_stall(void **state)
{
    (void)state;
    assert_int_equal(given_up_after(1, 1000), 18000);
}

/* Three days in a bag are one interval: the server gets its time to answer afterwards. */
static void sleep_is_one_interval(void **state)
{
    struct watchdog w;
    (void)state;
    watchdog_begin(&w, START_MS, 0);
    int64_t woke_ms = START_MS + INT64_C(3) * 24 * 3600 * 1000;
    assert_false(watchdog_look(&w, woke_ms, 0));
    assert_false(watchdog_look(&w, woke_ms + 6000, 0));
    assert_true(watchdog_look(&w, woke_ms + 12000, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_within_half_a_minute),
        cmocka_unit_test(a_slow_line_is_no_stall),
        cmocka_unit_test(a_trickle_is_a_stall),
        cmocka_unit_test(sleep_is_one_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
