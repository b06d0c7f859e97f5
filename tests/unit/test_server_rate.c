/* Token buckets: bursts, refill, strangers, and a flood of keys. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "server/net/rate.h"

static const uint8_t hash_key[16] = {1, 2, 3};

static void key_of(uint32_t n, uint8_t key[16])
{
    memset(key, 0, 16);
    memcpy(key, &n, sizeof n);
}

static int take_many(struct rate_table *t, uint32_t who, int times, int64_t now_ms)
{
    uint8_t key[16];
    int taken = 0;
    key_of(who, key);
    for (int i = 0; i < times; i++) {
        taken += rate_take(t, key, now_ms, NULL) ? 1 : 0;
    }
    return taken;
}

static void test_a_burst_then_a_rate(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t at_ms;
        int asked, given;
    } steps[] = {
        {"the burst at once", 1000000, 300, 200},
        {"nothing is left", 1000000, 5, 0},
        {"a second gives a hundred", 1001000, 300, 100},
        {"ten milliseconds give one", 1001010, 3, 1},
        {"a long pause saves no more than the burst", 9000000, 300, 200},
        {"a clock that goes back gives nothing", 8000000, 3, 0},
    };
    struct rate_table t;
    assert_true(rate_init(&t, 6000, 200, hash_key));
    for (size_t i = 0; i < count_of(steps); i++) {
        int given = take_many(&t, 7, steps[i].asked, steps[i].at_ms);
        if (given != steps[i].given) {
            fail_msg("%s: %d", steps[i].what, given);
        }
    }
    rate_release(&t);
}

static void test_one_does_not_pay_for_another(void **state)
{
    (void)state;
    struct rate_table t;
    assert_true(rate_init(&t, 5, 5, hash_key));
    assert_int_equal(take_many(&t, 1, 9, 1000), 5);
    assert_int_equal(take_many(&t, 2, 9, 1000), 5);
    rate_release(&t);
}

static void test_it_says_how_long_to_wait(void **state)
{
    (void)state;
    struct rate_table t;
    uint8_t key[16];
    int64_t wait_s;
    key_of(1, key);
    assert_true(rate_init(&t, 5, 5, hash_key));
    assert_int_equal(take_many(&t, 1, 5, 1000), 5);
    assert_false(rate_has(&t, key, 1000, &wait_s));
    assert_int_equal(wait_s, 12);
    assert_false(rate_has(&t, key, 12999, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(rate_has(&t, key, 13000, &wait_s));
    rate_release(&t);
}

/* Whoever is being held back stays so while others come in numbers that a firm has. */
static void test_many_keys_do_not_free_the_guilty(void **state)
{
    (void)state;
    struct rate_table t;
    assert_true(rate_init(&t, 60, 10, hash_key));
    assert_int_equal(take_many(&t, 1, 20, 1000), 10);
    for (uint32_t who = 2; who < 1000; who++) {
        assert_int_equal(take_many(&t, who, 1, 1000), 1);
    }
    assert_int_equal(take_many(&t, 1, 20, 1000), 0);
    rate_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_a_rate),
        cmocka_unit_test(test_one_does_not_pay_for_another),
        cmocka_unit_test(test_it_says_how_long_to_wait),
        cmocka_unit_test(test_many_keys_do_not_free_the_guilty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
