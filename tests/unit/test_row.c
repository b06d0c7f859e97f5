/* Rows by catalogue: what goes in comes out, and what mustn't go in says why. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/device/replica.h"
#include "common/changelog/device/row.h"

static const uint8_t id_a[16] = "aaaaaaaaaaaaaaa";
static const uint8_t id_b[16] = "bbbbbbbbbbbbbbb";

struct fixture {
    struct db *db;
    struct arena arena;
    struct complaint why;
    const struct table *customer;
};

static int setup(void **state)
{
    static const struct db_options options = {.mode = DB_CREATE};
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    arena_init(&f->arena, 1u << 20);
    f->customer = catalogue_table(TABLE_customer);
    return db_open(&f->db, ":memory:", &options).code == ERR_OK &&
                   catalogue_create(f->db, false).code == ERR_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_close(f->db);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static struct cell cell(uint8_t column, struct value value)
{
    return (struct cell){.column = column, .value = value};
}

static struct cell text_cell(uint8_t column, const char *text)
{
    return cell(column, value_text(bytes_text(text)));
}

static enum err_code put(struct fixture *f, const uint8_t id[16], const char *name)
{
    const struct cell cells[] = {
        text_cell(COLUMN_customer_name, name),
        text_cell(COLUMN_customer_kind, "customer"),
        cell(COLUMN_customer_book_id, value_blob(bytes_of(id_b, 16))),
        cell(COLUMN_customer_lat, value_real(31.5)),
        cell(COLUMN_customer_credit_limit, value_int(500)),
    };
    return row_insert(f->db, f->customer, id, cells, count_of(cells), &f->why).code;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct stored_row row;
    assert_int_equal(put(f, id_a, "华润万家"), ERR_OK);
    assert_int_equal(row_get(f->db, f->customer, id_a, &f->arena, &row).code, ERR_OK);
    assert_memory_equal(row.id, id_a, 16);
    assert_true(row.seq == 0 && row.scope == 0 && row.deleted_at == 0);
    struct value name = value_text(bytes_text("华润万家"));
    assert_true(value_equal(stored_value(&row, f->customer, COLUMN_customer_name), &name));
    assert_true(stored_value(&row, f->customer, COLUMN_customer_lat)->d == 31.5);
    assert_int_equal(stored_value(&row, f->customer, COLUMN_customer_credit_limit)->i, 500);
    assert_int_equal(stored_value(&row, f->customer, COLUMN_customer_city)->kind, VALUE_NULL);
    assert_null(stored_value(&row, f->customer, 61));

    const struct cell change[] = {text_cell(COLUMN_customer_city, "上海"),
                                  cell(COLUMN_customer_lat, value_null())};
    assert_int_equal(row_update(f->db, f->customer, id_a, change, 2, &f->why).code, ERR_OK);
    assert_int_equal(row_get(f->db, f->customer, id_a, &f->arena, &row).code, ERR_OK);
    assert_int_equal(stored_value(&row, f->customer, COLUMN_customer_lat)->kind, VALUE_NULL);
    assert_true(value_equal(stored_value(&row, f->customer, COLUMN_customer_name), &name));

    assert_int_equal(row_delete(f->db, f->customer, id_a).code, ERR_OK);
    assert_int_equal(row_get(f->db, f->customer, id_a, &f->arena, &row).code, ERR_NOT_FOUND);
}

static void test_rows_that_are_or_are_not_there(void **state)
{
    struct fixture *f = *state;
    const struct cell change = text_cell(COLUMN_customer_city, "Lyon");
    assert_int_equal(put(f, id_a, "A"), ERR_OK);
    assert_int_equal(put(f, id_a, "A"), ERR_EXISTS);
    assert_int_equal(row_update(f->db, f->customer, id_b, &change, 1, &f->why).code, ERR_NOT_FOUND);
    assert_int_equal(row_update(f->db, f->customer, id_b, NULL, 0, &f->why).code, ERR_OK);
    assert_int_equal(row_delete(f->db, f->customer, id_b).code, ERR_NOT_FOUND);
}

static void test_complaints(void **state)
{
    struct fixture *f = *state;
    const struct cell name = text_cell(COLUMN_customer_name, "A");
    const struct {
        const char *what;
        bool insert;
        struct cell cells[2];
        size_t count;
        const char *code;
        const char *field;
    } cases[] = {
        {"a column missing", true, {name}, 1, "required", "kind"},
        {"a column that isn't", false, {cell(61, value_null())}, 1, "unknown_column", "customer"},
        {"the deletion",
         false,
         {cell(COLUMN_DELETED, value_int(1))},
         1,
         "unknown_column",
         "customer"},
        {"a column twice", false, {name, name}, 2, "duplicate", "name"},
        {"the book by hand",
         false,
         {cell(COLUMN_customer_book_id, value_blob(bytes_of(id_a, 16)))},
         1,
         "once",
         "book_id"},
        {"a value that doesn't fit",
         false,
         {text_cell(COLUMN_customer_kind, "friend")},
         1,
         "not_a_choice",
         "kind"},
    };
    assert_int_equal(put(f, id_a, "A"), ERR_OK);
    for (size_t i = 0; i < count_of(cases); i++) {
        struct err err = (cases[i].insert ? row_insert : row_update)(
            f->db, f->customer, cases[i].insert ? id_b : id_a, cases[i].cells, cases[i].count,
            &f->why);
        if (err.code != ERR_INVALID || strcmp(f->why.code, cases[i].code) != 0 ||
            strcmp(f->why.field, cases[i].field) != 0) {
            fail_msg("%s: %s %s %s", cases[i].what, err_name(err.code), f->why.code, f->why.field);
        }
    }
}

static void test_every_table_takes_every_column(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        struct cell cells[COLUMNS_MAX];
        struct stored_row row;
        for (size_t j = 0; j < t->column_count; j++) {
            const struct column *c = &t->columns[j];
            const char *text = c->type == TYPE_DAY                            ? "2025-01-31"
                               : c->type == TYPE_TAGS || c->type == TYPE_JSON ? "[]"
                                                                              : "x";
            struct bytes choice = bytes_of(c->choices, c->choices ? strcspn(c->choices, " ") : 0);
            const char *sql = column_sql_type(c);
            cells[j] = cell(c->number, sql[0] == 'B'          ? value_blob(bytes_of(id_b, 16))
                                       : sql[0] == 'I'        ? value_int(1)
                                       : sql[0] == 'R'        ? value_real(1)
                                       : c->type == TYPE_ENUM ? value_text(choice)
                                                              : value_text(bytes_text(text)));
        }
        struct err err = row_insert(f->db, t, id_a, cells, t->column_count, &f->why);
        if (err.code != ERR_OK) {
            fail_msg("%s: %s %s %s", t->name, err_name(err.code), f->why.code, f->why.field);
        }
        assert_int_equal(row_get(f->db, t, id_a, &f->arena, &row).code, ERR_OK);
        for (size_t j = 0; j < t->column_count; j++) {
            assert_true(value_equal(&row.values[j], &cells[j].value));
        }
    }
}

static void test_a_full_arena_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct arena tiny;
    struct stored_row row;
    arena_init(&tiny, 64);
    assert_int_equal(put(f, id_a, "A"), ERR_OK);
    assert_int_equal(row_get(f->db, f->customer, id_a, &tiny, &row).code, ERR_LIMIT);
    arena_release(&tiny);
    assert_int_equal(row_get(f->db, f->customer, id_a, &f->arena, &row).code, ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_round_trip),
        T(test_rows_that_are_or_are_not_there),
        T(test_complaints),
        T(test_every_table_takes_every_column),
        T(test_a_full_arena_is_an_error),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
