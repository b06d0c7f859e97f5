/* Effective times, as a table. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/effective.h"

#define RECEIVED 1000000

static void ages(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        struct clocks written, now;
        int64_t effective;
    } cases[] = {
        {"by the monotonic clock",
         {.mono_ms = 500, .boot = {1}},
         {.mono_ms = 800, .boot = {1}},
         RECEIVED - 300},
        {"a wall clock that jumped doesn't matter then",
         {.wall_ms = 5, .mono_ms = 500, .boot = {1}},
         {.wall_ms = 99999999, .mono_ms = 800, .boot = {1}},
         RECEIVED - 300},
        {"after a restart by the wall clock",
         {.wall_ms = 100, .mono_ms = 9, .boot = {1}},
         {.wall_ms = 600, .mono_ms = 5, .boot = {2}},
         RECEIVED - 500},
        {"a constant error of years cancels out",
         {.wall_ms = INT64_C(4000000000000)},
         {.wall_ms = INT64_C(4000000000700)},
         RECEIVED - 700},
        {"an unknown start is no common one",
         {.wall_ms = 10, .mono_ms = 1},
         {.wall_ms = 20, .mono_ms = 900},
         RECEIVED - 10},
        {"never after receipt", {.wall_ms = 900}, {.wall_ms = 100}, RECEIVED},
        {"never before what the device had seen",
         {.wall_ms = 0, .seen_ms = 999000},
         {.wall_ms = 500000},
         999000},
        {"what it claims to have seen may not lie ahead",
         {.seen_ms = INT64_MAX},
         {.wall_ms = 1},
         RECEIVED},
        {"numbers that wrap", {.wall_ms = INT64_MIN}, {.wall_ms = INT64_MAX}, RECEIVED},
        {"an age without end", {.wall_ms = 0}, {.wall_ms = INT64_MAX}, 0},
        {"a negative sight", {.wall_ms = 0, .seen_ms = INT64_MIN}, {.wall_ms = INT64_MAX}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t at = effective_ms(&cases[i].written, &cases[i].now, RECEIVED);
        if (at != cases[i].effective) {
            fail_msg("%s: %lld", cases[i].says, (long long)at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
