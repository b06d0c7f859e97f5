/* Digests say the same for the same rows, in whatever order, and something else for others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/catalogue/catalogue.h"
#include "common/changelog/digest.h"

static const uint8_t key[16] = {1, 2, 3};
static const uint8_t id_a[16] = {0xa};
static const uint8_t id_b[16] = {0xb};

static const struct digest_scope scopes[] = {
    {.no = 3, .id = {.kind = SCOPE_USER, .id = {7}}},
    {.no = 8, .id = {.kind = SCOPE_BOOK, .id = {9}}},
};

static void known_value(void **state)
{
    (void)state;
    struct digest_sum sum = {0};
    uint8_t bytes[16];
    digest_add(&sum, key, id_a, 258);
    digest_sum_bytes(&sum, bytes);
    static const uint8_t expected[16] = {0x36, 0x8c, 0xe2, 0x44, 0xcf, 0xb9, 0x61, 0xc5,
                                         0xba, 0x1d, 0x90, 0x97, 0x47, 0x23, 0x45, 0x1f};
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_int_equal(sum.rows, 1);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    struct digest_sum one = {0};
    struct digest_sum other = {0};
    digest_add(&one, key, id_a, 1);
    digest_add(&one, key, id_b, 2);
    digest_add(&other, key, id_b, 2);
    digest_add(&other, key, id_a, 1);
    assert_memory_equal(&one, &other, sizeof one);
    digest_remove(&one, key, id_a, 1);
    digest_add(&one, key, id_a, 3);
    assert_memory_not_equal(one.words, other.words, sizeof one.words);
}

static struct digest digest_of(struct arena *arena, bool with_extra)
{
    struct digest_work w;
    struct digest out;
    assert_int_equal(digest_begin(&w, key, scopes, count_of(scopes), arena).code, ERR_OK);
    digest_row(&w, 3, TABLE_task, id_a, 10);
    digest_row(&w, 99, TABLE_task, id_b, 10); /* a scope that nobody asked for */
    digest_row(&w, 3, 9999, id_b, 10);        /* an unknown table */
    if (with_extra) {
        digest_row(&w, 8, TABLE_visit, id_b, 11);
    }
    assert_int_equal(digest_finish(&w, arena, &out).code, ERR_OK);
    return out;
}

static void entries_stand_by_scope_and_table(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct digest plain = digest_of(&arena, false);
    struct digest extra = digest_of(&arena, true);
    assert_int_equal(plain.entry_count, 3); /* the book's own, the user's own, its tasks */
    assert_int_equal(plain.entries[0].scope.kind, SCOPE_BOOK);
    assert_int_equal(plain.entries[0].rows, 0);
    assert_int_equal(plain.entries[2].table, TABLE_task);
    assert_int_equal(plain.entries[2].rows, 1);
    assert_memory_equal(plain.entries[1].sum, plain.entries[2].sum, 16);
    assert_true(digest_equal(&plain, &plain));
    assert_false(digest_equal(&plain, &extra));
    extra.entry_count = plain.entry_count;
    assert_false(digest_equal(&plain, &extra));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_value),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(entries_stand_by_scope_and_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
