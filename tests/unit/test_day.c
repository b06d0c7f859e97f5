/* The calendar, against days that anybody can look up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/day.h"

static void test_known_days(void **state)
{
    (void)state;
    static const struct {
        const char *day;
        int64_t days;
        enum weekday weekday;
    } known[] = {
        {"1970-01-01", 0, THURSDAY},      {"1969-12-31", -1, WEDNESDAY},
        {"2000-02-29", 11016, TUESDAY},   {"2000-03-01", 11017, WEDNESDAY},
        {"1900-03-01", -25508, THURSDAY}, {"2024-02-29", 19782, THURSDAY},
        {"2026-11-23", 20780, MONDAY},    {"0001-01-01", -719162, MONDAY},
        {"9999-12-31", 2932896, FRIDAY},
    };
    for (size_t i = 0; i < count_of(known); i++) {
        int64_t ms;
        char text[DAY_TEXT_SIZE];
        assert_true(day_parse(bytes_text(known[i].day), &ms));
        assert_int_equal(ms, known[i].days * DAY_MS);
        assert_int_equal(day_weekday(ms), known[i].weekday);
        day_print(ms + DAY_MS - 1, text); /* still that day in its last millisecond */
        assert_string_equal(text, known[i].day);
    }
}

static void test_what_is_no_day(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "2026-1-1",    "2026-02-29", "1900-02-29",
                                        "2026-13-01", "2026-00-10",  "2026-04-31", "0000-01-01",
                                        "20260101",   "2026-01-01 ", "２026-01-01"};
    for (size_t i = 0; i < count_of(wrong); i++) {
        int64_t ms;
        assert_false(day_parse(bytes_text(wrong[i]), &ms));
    }
}

/* There and back, over every hour of 800 years in coprime steps. */
static void test_round_trip(void **state)
{
    (void)state;
    for (int64_t ms = -INT64_C(12000000000000); ms < INT64_C(13000000000000); ms += 7654321987) {
        struct civil c;
        civil_of_ms(ms, &c);
        assert_true(civil_is_valid(&c));
        assert_int_equal(civil_to_ms(&c), ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_days),
        cmocka_unit_test(test_what_is_no_day),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
