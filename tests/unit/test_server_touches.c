/* Who is hinted about what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/net/touches.h"

static struct scope_id scope(uint8_t kind, uint8_t id)
{
    struct scope_id s = {.kind = kind};
    s.id[15] = id;
    return s;
}

static void test_who_is_concerned(void **state)
{
    (void)state;
    struct touches *t = calloc(1, sizeof *t);
    assert_non_null(t);
    struct scope_id held[] = {scope(SCOPE_USER, 7), scope(SCOPE_COMPANY, 1), scope(SCOPE_BOOK, 7)};
    touches_sort(held, count_of(held));
    static const struct {
        const char *what;
        uint8_t kind, id;
        uint32_t author;
        bool concerns;
    } cases[] = {
        {"the company's scope, by the server", SCOPE_COMPANY, 1, 0, true},
        {"its own book, by another device", SCOPE_BOOK, 7, 9, true},
        {"its own book, by itself", SCOPE_BOOK, 7, 5, false},
        {"another's book", SCOPE_BOOK, 8, 9, false},
        {"the same id of another kind", SCOPE_TEAM, 7, 9, false},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct scope_id s = scope(cases[i].kind, cases[i].id);
        uint64_t before = t->count;
        touches_add(t, &s, cases[i].author);
        if (touches_concern(t, before, 5, held, count_of(held)) != cases[i].concerns) {
            fail_msg("%s", cases[i].what);
        }
    }
    assert_false(touches_concern(t, t->count, 5, held, count_of(held)));
    assert_true(touches_concern(t, 0, 5, held, count_of(held)));
    assert_true(touches_have(t, 0, SCOPE_TEAM));
    assert_false(touches_have(t, 0, SCOPE_POOL));
    free(t);
}

static void test_what_is_forgotten_concerns_everybody(void **state)
{
    (void)state;
    struct touches *t = calloc(1, sizeof *t);
    assert_non_null(t);
    struct scope_id other = scope(SCOPE_BOOK, 8), held = scope(SCOPE_BOOK, 7);
    for (int i = 0; i <= TOUCHES_MAX; i++) {
        touches_add(t, &other, 1);
    }
    assert_false(touches_concern(t, 1, 5, &held, 1)); /* just remembered */
    assert_true(touches_concern(t, 0, 5, &held, 1));
    assert_true(touches_concern(t, UINT64_MAX, 5, &held, 1)); /* never synced */
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_concerned),
        cmocka_unit_test(test_what_is_forgotten_concerns_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
