/* Versions of rows survive packing, and answer what judging and downloads ask. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/server/rowmeta.h"

static struct version version(int64_t seq, uint32_t author)
{
    return (struct version){.seq = seq,
                            .effective_ms = INT64_C(1764000000000) + seq,
                            .author = author,
                            .epoch = 3,
                            .device_seq = (uint64_t)seq * 1000};
}

static struct row_meta through_bytes(const struct row_meta *meta, struct arena *arena)
{
    struct buf made;
    struct buf cols;
    struct row_meta out;
    buf_init(&made, 1024);
    buf_init(&cols, 65536);
    rowmeta_put_made(meta, &made);
    rowmeta_put_cols(meta, &cols);
    assert_true(rowmeta_read(buf_bytes(&made), buf_bytes(&cols), arena, &out));
    buf_release(&made);
    buf_release(&cols);
    return out;
}

static void assert_version(const struct version *v, int64_t seq, uint32_t author)
{
    assert_int_equal(v->seq, seq);
    assert_int_equal(v->author, author);
    assert_int_equal(v->effective_ms, INT64_C(1764000000000) + seq);
    assert_int_equal(v->epoch, 3);
    assert_int_equal(v->device_seq, seq * 1000);
}

static void columns_keep_their_last_write(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct row_meta meta = {.made = version(10, 1)};
    struct version second = version(20, 2);
    struct version third = version(30, 0);
    assert_true(rowmeta_set(&meta, 0x0e, &second, &arena)); /* columns 1, 2, 3 */
    assert_true(rowmeta_set(&meta, 0x04, &third, &arena));  /* column 2 again */
    meta = through_bytes(&meta, &arena);
    assert_version(rowmeta_of(&meta, 1), 20, 2);
    assert_version(rowmeta_of(&meta, 2), 30, 0);
    assert_version(rowmeta_of(&meta, 62), 10, 1);
    assert_int_equal(rowmeta_newer(&meta, 0x1f, 10), 0x0e);
    assert_int_equal(rowmeta_newer(&meta, 0x1f, 20), 0x04);
    assert_int_equal(rowmeta_newer(&meta, 0x1f, 9), 0x1f);
    assert_version(rowmeta_at(&meta, 30), 30, 0);
    assert_null(rowmeta_at(&meta, 31));
    arena_release(&arena);
}

static void a_group_without_columns_goes(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct row_meta meta = {.made = version(1, 1)};
    for (int64_t seq = 2; seq < 100; seq++) { /* one column, ever again */
        struct version at = version(seq, 1);
        assert_true(rowmeta_set(&meta, 0x02, &at, &arena));
    }
    assert_int_equal(meta.group_count, 1);
    struct version all = version(200, 7);
    assert_true(rowmeta_set(&meta, UINT64_C(0x7fffffffffffffff), &all, &arena));
    meta = through_bytes(&meta, &arena);
    assert_int_equal(meta.group_count, 1);
    assert_version(rowmeta_of(&meta, 0), 200, 7);
    arena_release(&arena);
}

static void one_transaction_is_one_group(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct row_meta meta = {.made = version(1, 1)};
    struct version at = version(2, 1);
    assert_true(rowmeta_set(&meta, 0x02, &at, &arena));
    assert_true(rowmeta_set(&meta, 0x08, &at, &arena));
    assert_int_equal(meta.group_count, 1);
    assert_int_equal(meta.groups[0].columns, 0x0a);
    arena_release(&arena);
}

static void broken_bytes_are_told(void **state)
{
    (void)state;
    struct arena arena;
    struct row_meta meta;
    arena_init(&arena, 1 << 20);
    const uint8_t good[] = {1, 2, 3, 4, 5};
    const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const uint8_t group[] = {2, 1, 2, 3, 4, 5};
    assert_true(rowmeta_read(bytes_of(good, 5), bytes_of(group, 6), &arena, &meta));
    assert_false(rowmeta_read(bytes_of(good, 4), bytes_of(NULL, 0), &arena, &meta));
    assert_false(rowmeta_read(bytes_of(endless, 11), bytes_of(NULL, 0), &arena, &meta));
    for (size_t size = 1; size < sizeof group; size++) {
        assert_false(rowmeta_read(bytes_of(good, 5), bytes_of(group, size), &arena, &meta));
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns_keep_their_last_write),
                                       cmocka_unit_test(a_group_without_columns_goes),
                                       cmocka_unit_test(one_transaction_is_one_group),
                                       cmocka_unit_test(broken_bytes_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
