/* Which price holds, what an order costs, and how it is rounded. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/domain/pricing.h"

static void test_rounding_is_half_away_from_zero(void **state)
{
    (void)state;
    static const struct {
        int64_t a, b, c, result;
    } cases[] = {
        {5, 1, 10, 1},
        {4, 1, 10, 0},
        {-5, 1, 10, -1},
        {-4, 1, 10, 0},
        {15, 1, 10, 2},
        {-15, 1, 10, -2},
        {7, 3, 3, 7},
        {INT64_MAX, 1000, 1000, INT64_MAX},
        {INT64_MIN, 1000, 1000, INT64_MIN},
        {1, 1, 3, 0},
        {2, 1, 3, 1},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        int64_t out;
        assert_true(muldiv_round(cases[i].a, cases[i].b, cases[i].c, &out));
        assert_int_equal(out, cases[i].result);
    }
    int64_t out;
    assert_false(muldiv_round(INT64_MAX, 3, 2, &out));
    assert_false(muldiv_round(INT64_MIN, INT64_MIN, 1, &out));
}

#define OWN                                                                                        \
    {                                                                                              \
        1                                                                                          \
    }
#define USUAL                                                                                      \
    {                                                                                              \
        2                                                                                          \
    }

static const struct price_offer offers[] = {
    {.list = USUAL, .min_qty = 0, .price = 1800, .is_default_list = true},
    {.list = USUAL, .min_qty = 10000, .price = 1700, .is_default_list = true},
    {.list = USUAL, .min_qty = 10000, .price = 1650, .is_default_list = true},
    {.list = OWN,
     .min_qty = 5000,
     .price = 1500,
     .valid_from = "2026-01-01",
     .valid_to = "2026-06-30"},
    {.list = {3}, .min_qty = 0, .price = 1},
};

static void test_which_price_holds(void **state)
{
    (void)state;
    static const uint8_t own[16] = OWN;
    static const struct {
        const char *says;
        const uint8_t *list;
        int64_t qty;
        const char *day;
        int64_t price;
    } cases[] = {
        {"the usual list", NULL, 1000, "2026-03-01", 1800},
        {"a break begins with its quantity; the lower of two equal ones", NULL, 10000, "2026-03-01",
         1650},
        {"just below the break", NULL, 9999, "2026-03-01", 1800},
        {"the customer's own list", own, 5000, "2026-03-01", 1500},
        {"on its first day", own, 5000, "2026-01-01", 1500},
        {"on its last day", own, 5000, "2026-06-30", 1500},
        {"the day after", own, 5000, "2026-07-01", 1800},
        {"the day before", own, 5000, "2025-12-31", 1800},
        {"its break isn't reached", own, 4999, "2026-03-01", 1800},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        const struct price_offer *o =
            price_pick(offers, count_of(offers), cases[i].list, cases[i].qty, cases[i].day);
        if (o == NULL || o->price != cases[i].price) {
            fail_msg("%s: %d", cases[i].says, o == NULL ? -1 : (int)o->price);
        }
    }
    assert_null(price_pick(offers, 0, NULL, 1000, "2026-03-01"));
    assert_null(price_pick(&offers[4], 1, NULL, 1000, "2026-03-01")); /* nobody's list */
}

static void test_what_an_order_costs(void **state)
{
    (void)state;
    const struct order_item items[] = {
        {.quantity = 12000, .price = 1400, .tax_bp = 1300},     /* 168.00 */
        {.quantity = 1500, .price = 333, .tax_bp = 0},          /* 4.995, rounded to 5.00 */
        {.quantity = 5000, .price = 3480, .discount_bp = 1500}, /* 147.90 of 174.00 */
    };
    struct order_total t;
    assert_true(order_total(items, count_of(items), 500, &t));
    assert_int_equal(t.subtotal, 16800 + 500 + 14790);
    assert_int_equal(t.discount, 1605); /* 5 % of 320.90 is 16.045 */
    assert_int_equal(t.tax, 2075);      /* 13 % of 159.60 is 20.748 */
    assert_int_equal(t.total, 32090 - 1605 + 2075);
    assert_true(order_total(NULL, 0, 500, &t));
    assert_int_equal(t.total, 0);
}

static void test_what_is_too_much(void **state)
{
    (void)state;
    const struct order_item huge = {.quantity = INT64_MAX, .price = INT64_MAX};
    const struct order_item twice[] = {{.quantity = 1000, .price = INT64_MAX},
                                       {.quantity = 1000, .price = INT64_MAX}};
    struct order_total t;
    assert_false(order_total(&huge, 1, 0, &t));
    assert_false(order_total(twice, 2, 0, &t));
    int64_t amount;
    assert_true(order_amount(1000, INT64_MAX, &amount));
    assert_int_equal(amount, INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_is_half_away_from_zero),
        cmocka_unit_test(test_which_price_holds),
        cmocka_unit_test(test_what_an_order_costs),
        cmocka_unit_test(test_what_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
