/* Ids, the logical clock and text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/hlc.h"
#include "common/base/utf8.h"
#include "common/base/uuid.h"

static void test_uuid(void **state)
{
    (void)state;
    static const uint8_t random[UUID_RANDOM_SIZE] = {0xff, 0xff, 0xff, 0xff, 0xff,
                                                     0xff, 0xff, 0xff, 0xff, 0xff};
    /* RFC 9562, A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F is of 1645557742000 */
    static const uint8_t example[16] = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3,
                                        0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    uint8_t id[16], later[16];
    assert_int_equal(uuid_ms(example), 1645557742000);
    uuid_v7(1645557742000, example + 6, id);
    assert_memory_equal(id, example, 16);
    uuid_v7(1645557742001, random, later);
    assert_int_equal(later[6], 0x7f);
    assert_int_equal(later[8], 0xbf);
    assert_true(memcmp(id, later, 16) < 0);
    uuid_v7(-5, random, id);
    assert_int_equal(uuid_ms(id), 0);
    uuid_v7(INT64_MAX, random, id);
    assert_int_equal(uuid_ms(id), (INT64_C(1) << 48) - 1);
}

static void test_hlc(void **state)
{
    (void)state;
    uint64_t first = hlc_next(0, 1000);
    assert_int_equal(hlc_ms(first), 1000);
    uint64_t second = hlc_next(first, 1000); /* the clock stands still */
    assert_true(second > first);
    uint64_t third = hlc_next(second, 10); /* the clock was set back */
    assert_true(third > second);
    assert_int_equal(hlc_ms(hlc_next(third, 2000)), 2000);
    uint64_t seen = hlc_observe(third, hlc_of_ms(5000));
    assert_true(hlc_next(seen, 2000) > hlc_of_ms(5000));
    assert_int_equal(hlc_observe(seen, third), seen);
    uint64_t full = hlc_of_ms(1000) | 0xffff; /* the counter runs over, the order stays */
    assert_true(hlc_next(full, 1000) > full);
    assert_true(hlc_next(0, INT64_MAX) <= INT64_MAX);
    assert_true(hlc_next(0, INT64_MIN) > 0);
}

#define BYTES(literal)                                                                             \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

static void test_utf8(void **state)
{
    static const struct {
        const char *what;
        struct bytes text;
        bool valid;
        size_t count;
        bool nfc;
    } cases[] = {
        {"nothing", BYTES(""), true, 0, true},
        {"ASCII", BYTES("Ada"), true, 3, true},
        {"Chinese", BYTES("客户、（一）"), true, 6, true},
        {"composed", BYTES("\xc3\xa9"), true, 1, true},
        {"decomposed", BYTES("e\xcc\x81"), true, 2, false},
        {"Korean parts that compose", BYTES("\xe1\x84\x80\xe1\x85\xa1"), true, 2, false},
        {"a compatibility ideograph", BYTES("\xef\xa4\x80"), true, 1, false},
        {"beyond the first plane", BYTES("\xf0\x9f\x98\x80"), true, 1, true},
        {"the last code point", BYTES("\xf4\x8f\xbf\xbf"), true, 1, true},
        {"one beyond it", BYTES("\xf4\x90\x80\x80"), false, 0, false},
        {"an overlong slash", BYTES("\xc0\xaf"), false, 0, false},
        {"an overlong slash of three", BYTES("\xe0\x80\xaf"), false, 0, false},
        {"a surrogate", BYTES("\xed\xa0\x80"), false, 0, false},
        {"cut short", BYTES("\xe5\xae"), false, 0, false},
        {"a lone follower", BYTES("\x80"), false, 0, false},
        {"a lead without followers", BYTES("\xc3x"), false, 0, false},
        {"Latin-1", BYTES("caf\xe9"), false, 0, false},
        {"a byte that UTF-8 never has", BYTES("\xff"), false, 0, false},
    };
    (void)state;
    struct arena arena;
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < count_of(cases); i++) {
        struct bytes nfc;
        bool composed = utf8_to_nfc(cases[i].text, &arena, &nfc);
        bool good = utf8_is_valid(cases[i].text) == cases[i].valid && composed == cases[i].valid;
        if (cases[i].valid) {
            bool is_nfc = false;
            bool becomes_nfc = false;
            good = good && utf8_count(cases[i].text) == cases[i].count &&
                   utf8_is_nfc(cases[i].text, &is_nfc).code == ERR_OK && is_nfc == cases[i].nfc &&
                   utf8_is_nfc(nfc, &becomes_nfc).code == ERR_OK && becomes_nfc &&
                   bytes_equal(nfc, cases[i].text) == cases[i].nfc;
        }
        if (!good) {
            fail_msg("%s", cases[i].what);
        }
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_hlc),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
