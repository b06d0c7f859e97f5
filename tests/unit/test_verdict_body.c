/* What a stored verdict says comes back as it was, and a damaged one is named so. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/server/verdict_body.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

struct fixture {
    struct arena arena;
    struct buf body;
    struct cell cells[3];
    struct verdict_row rows[2];
    struct loser loser;
    struct verdict told;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    arena_init(&f->arena, ARENA_BYTES);
    buf_init(&f->body, ARENA_BYTES);
    f->cells[0] = (struct cell){.column = 3, .value = value_int(-7)};
    f->cells[1] = (struct cell){.column = 4, .value = value_text(bytes_text("卖得好"))};
    f->cells[2] = (struct cell){.column = 63, .value = value_null()};
    f->rows[0] = (struct verdict_row){.table = 15,
                                      .id = {1, 2},
                                      .scope = {.kind = SCOPE_BOOK, .id = {9}},
                                      .seq = 1234567,
                                      .unseen_count = 3,
                                      .unseen = f->cells};
    f->rows[1] = (struct verdict_row){
        .table = 2, .id = {3}, .scope = {.kind = SCOPE_USER, .id = {8}}, .seq = 1};
    f->told = (struct verdict){.number = 5,
                               .epoch = 2,
                               .device_seq = 77,
                               .outcome = OUTCOME_ACCEPTED,
                               .row_count = 2,
                               .rows = f->rows};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->arena);
    buf_release(&f->body);
    free(f);
    return 0;
}

static void check_rows(const struct fixture *f, const struct verdict *got)
{
    assert_int_equal(got->number, 5);
    assert_int_equal(got->epoch, 2);
    assert_int_equal(got->device_seq, 77);
    assert_int_equal(got->outcome, f->told.outcome);
    assert_int_equal(got->row_count, 2);
    for (size_t i = 0; i < got->row_count; i++) {
        const struct verdict_row *row = &got->rows[i];
        assert_int_equal(row->table, f->rows[i].table);
        assert_memory_equal(row->id, f->rows[i].id, sizeof row->id);
        assert_int_equal(row->scope.kind, f->rows[i].scope.kind);
        assert_memory_equal(row->scope.id, f->rows[i].scope.id, sizeof row->scope.id);
        assert_int_equal(row->seq, f->rows[i].seq);
        assert_int_equal(row->unseen_count, f->rows[i].unseen_count);
        for (size_t k = 0; k < row->unseen_count; k++) {
            assert_int_equal(row->unseen[k].column, f->cells[k].column);
            assert_true(value_equal(&row->unseen[k].value, &f->cells[k].value));
        }
    }
}

static struct err again(struct fixture *f, struct verdict *got)
{
    *got = (struct verdict){.number = f->told.number,
                            .epoch = f->told.epoch,
                            .device_seq = f->told.device_seq,
                            .outcome = f->told.outcome};
    return verdict_body_take(buf_bytes(&f->body), &f->arena, got);
}

static void accepted(void **state)
{
    struct fixture *f = *state;
    struct verdict got;
    assert_int_equal(verdict_body_put(&f->told, &f->body).code, ERR_OK);
    assert_int_equal(again(f, &got).code, ERR_OK);
    check_rows(f, &got);
    assert_int_equal(got.loser_count, 0);
}

static void without_rows(void **state)
{
    struct fixture *f = *state;
    struct verdict got;
    f->told.row_count = 0;
    assert_int_equal(verdict_body_put(&f->told, &f->body).code, ERR_OK);
    assert_true(f->body.size > 0); /* an empty body would be taken for none */
    assert_int_equal(again(f, &got).code, ERR_OK);
    assert_int_equal(got.row_count, 0);
    assert_int_equal(got.device_seq, 77);
}

static void merged(void **state)
{
    struct fixture *f = *state;
    struct verdict got;
    f->loser = (struct loser){.table = 15,
                              .column = 4,
                              .kept = value_text(bytes_text("ours")),
                              .winner = value_text(bytes_text("theirs")),
                              .winner_at_ms = 9};
    f->told.outcome = OUTCOME_MERGED;
    f->told.losers = &f->loser;
    f->told.loser_count = 1;
    assert_int_equal(verdict_body_put(&f->told, &f->body).code, ERR_OK);
    assert_int_equal(again(f, &got).code, ERR_OK);
    check_rows(f, &got);
    assert_int_equal(got.loser_count, 1);
    assert_true(value_equal(&got.losers[0].winner, &f->loser.winner));
}

static void refused(void **state)
{
    struct fixture *f = *state;
    struct verdict got;
    f->told = (struct verdict){.number = 5,
                               .epoch = 2,
                               .device_seq = 77,
                               .outcome = OUTCOME_REFUSED,
                               .code = "locked",
                               .detail = bytes_text("why")};
    assert_int_equal(verdict_body_put(&f->told, &f->body).code, ERR_OK);
    assert_int_equal(again(f, &got).code, ERR_OK);
    assert_string_equal(got.code, "locked");
    assert_true(bytes_equal(got.detail, bytes_text("why")));
}

/* Cut anywhere but between two rows. */
static void damaged(void **state)
{
    struct fixture *f = *state;
    struct verdict first = f->told;
    first.row_count = 1;
    assert_int_equal(verdict_body_put(&first, &f->body).code, ERR_OK);
    size_t between = f->body.size;
    buf_clear(&f->body);
    assert_int_equal(verdict_body_put(&f->told, &f->body).code, ERR_OK);
    for (size_t size = 0; size < f->body.size; size++) {
        struct verdict got = {.number = 5};
        struct err err = verdict_body_take(bytes_of(f->body.at, size), &f->arena, &got);
        assert_int_equal(err.code, size == between ? ERR_OK : ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(without_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(merged, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
