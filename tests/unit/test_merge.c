/* Policies as a table, and the property that makes them safe: no order of arrival matters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/merge.h"

static void policies(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        enum merge_policy policy;
        struct merge_write ours, theirs;
        bool takes_theirs;
    } cases[] = {
        {"the later edit wins", MERGE_LATEST, {.at_ms = 10}, {.at_ms = 11}, true},
        {"the earlier one doesn't", MERGE_LATEST, {.at_ms = 11}, {.at_ms = 10}, false},
        {"ties fall to the device",
         MERGE_LATEST,
         {10, {7}, 0, false, 0, 0},
         {10, {2}, 0, false, 0, 0},
         false},
        {"and from the other side",
         MERGE_LATEST,
         {10, {2}, 0, false, 0, 0},
         {10, {7}, 0, false, 0, 0},
         true},
        {"notes: the later is on top", MERGE_KEEP_BOTH, {.at_ms = 10}, {.at_ms = 11}, true},
        {"the first one stands", MERGE_FIRST, {.at_ms = 10}, {.at_ms = 11}, false},
        {"an earlier one arrives late", MERGE_FIRST, {.at_ms = 10}, {.at_ms = 9}, true},
        {"a late draft can't reopen",
         MERGE_FORWARD,
         {10, {0}, 2, false, 0, 0},
         {99, {0}, 1, false, 0, 0},
         false},
        {"further on the ladder wins",
         MERGE_FORWARD,
         {99, {0}, 1, false, 0, 0},
         {10, {0}, 2, false, 0, 0},
         true},
        {"one device's own order",
         MERGE_LATEST,
         {10, {7}, 0, false, 1, 9},
         {10, {7}, 0, false, 2, 1},
         true},
        {"one rung: the later",
         MERGE_FORWARD,
         {10, {0}, 1, false, 0, 0},
         {11, {0}, 1, false, 0, 0},
         true},
        {"the server over a device",
         MERGE_SERVER,
         {99, {7}, 0, false, 0, 0},
         {10, {0}, 0, true, 0, 0},
         true},
        {"a device never",
         MERGE_SERVER,
         {10, {0}, 0, true, 0, 0},
         {99, {7}, 0, false, 0, 0},
         false},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        if (merge_takes_theirs(cases[i].policy, &cases[i].ours, &cases[i].theirs) !=
            cases[i].takes_theirs) {
            fail_msg("%s", cases[i].says);
        }
    }
}

/* Of any set of writes the same one stands, in whatever order they come. */
static void order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    static const enum merge_policy policies[] = {MERGE_LATEST, MERGE_FIRST, MERGE_FORWARD,
                                                 MERGE_KEEP_BOTH, MERGE_SERVER};
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    for (unsigned seed = 0; seed < 4096; seed++) {
        struct merge_write writes[4] = {{0}};
        for (unsigned i = 0; i < 4; i++) {
            writes[i].at_ms = (seed >> (3 * i)) & 3;
            writes[i].rank = (int)(seed >> (3 * i + 2) & 1);
            writes[i].device[0] = (uint8_t)(i == 0 ? 0 : i);
            writes[i].by_server = i == 0;
        }
        for (size_t p = 0; p < count_of(policies); p++) {
            int stands[4];
            for (size_t o = 0; o < count_of(orders); o++) {
                stands[o] = orders[o][0];
                for (int i = 1; i < 4; i++) {
                    int next = orders[o][i];
                    if (merge_takes_theirs(policies[p], &writes[stands[o]], &writes[next])) {
                        stands[o] = next;
                    }
                }
                assert_int_equal(stands[o], stands[0]);
            }
        }
    }
}

static struct value text(const char *t)
{
    return t == NULL ? value_null() : value_text(bytes_text(t));
}

static void sets_take_differences(void **state)
{
    (void)state;
    static const struct {
        const char *says, *before, *after, *current, *result;
    } cases[] = {
        {"two add", "[\"a\"]", "[\"a\",\"b\"]", "[\"a\",\"c\"]", "[\"a\",\"b\",\"c\"]"},
        {"one adds, one takes", "[\"a\",\"b\"]", "[\"a\"]", "[\"a\",\"b\",\"c\"]", "[\"a\",\"c\"]"},
        {"from nothing", NULL, "[\"x\"]", NULL, "[\"x\"]"},
        {"to nothing", "[\"x\"]", NULL, "[\"x\"]", NULL},
        {"taken twice", "[\"x\",\"y\"]", "[\"y\"]", "[\"y\"]", "[\"y\"]"},
        {"by code point", NULL, "[\"中\",\"Z\",\"a\"]", "[\"é\"]", "[\"Z\",\"a\",\"é\",\"中\"]"},
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < count_of(cases); i++) {
        struct value before = text(cases[i].before);
        struct value after = text(cases[i].after);
        struct value current = text(cases[i].current);
        struct value expected = text(cases[i].result);
        struct value out;
        assert_int_equal(merge_union(&before, &after, &current, &arena, &out).code, ERR_OK);
        if (!value_equal(&out, &expected)) {
            fail_msg("%s: %.*s", cases[i].says, (int)out.b.size, (const char *)out.b.at);
        }
    }
    struct value bad = text("{\"a\":1}");
    struct value none = value_null();
    struct value out;
    assert_int_equal(merge_union(&none, &bad, &none, &arena, &out).code, ERR_INVALID);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(policies),
                                       cmocka_unit_test(order_of_arrival_does_not_matter),
                                       cmocka_unit_test(sets_take_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
