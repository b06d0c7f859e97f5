/* Memory for one piece of work: arrays that grow in it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/arena.h"

static void an_array_grows_and_keeps_what_it_holds(void **state)
{
    struct arena arena;
    uint32_t *at = NULL;
    size_t room = 0;
    arena_init(&arena, 1u << 20);
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t *to = arena_more(&arena, at, i, &room, sizeof *to);
        assert_non_null(to);
        assert_true(room > i);
        at = to;
        assert_int_equal(at[i], 0); /* a new place is empty */
        at[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(at[i], i);
    }
    arena_release(&arena);
    (void)state;
}

static void without_memory_the_array_stays(void **state)
{
    struct arena arena;
    size_t room = 0;
    arena_init(&arena, 64 * 1024); /* one block */
    uint64_t *at = arena_more(&arena, NULL, 0, &room, sizeof *at);
    assert_non_null(at);
    at[0] = 7;
    size_t last = room;
    for (void *to = at; to != NULL; to = arena_more(&arena, at, room, &room, sizeof *at)) {
        at = to;
        last = room;
    }
    assert_true(arena.full);
    assert_int_equal(room, last);
    assert_int_equal(at[0], 7);
    arena_release(&arena);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_grows_and_keeps_what_it_holds),
        cmocka_unit_test(without_memory_the_array_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
