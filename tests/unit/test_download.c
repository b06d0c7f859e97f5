/* What goes down, over cuts, other roles and other holders: a small replica that only counts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/pretend.h"

#define VISITS 4500 /* three chunks */

static int set_up(void **state)
{
    *state = firm_new();
    return 0;
}

static int tear_down(void **state)
{
    firm_free(*state);
    return 0;
}

/* One transaction of the server's own. */
static void add_visits(struct firm *f, const uint8_t customer[16], int count)
{
    struct server_write *w = NULL;
    struct complaint why;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&f->store, NULL, "import", 1, &w).code, ERR_OK);
    for (int i = 0; i < count; i++) {
        uint8_t id[16];
        int64_t seq = 0;
        const struct cell cells[] = {
            {.column = COLUMN_visit_customer_id, .value = id_value(customer)},
            {.column = COLUMN_visit_person_id, .value = id_value(f->ann)},
            {.column = COLUMN_visit_state, .value = text_value("completed")},
            {.column = COLUMN_visit_checkin_at, .value = value_int(i)},
            {.column = COLUMN_visit_visit_day, .value = text_value("2025-11-24")},
            {.column = COLUMN_visit_tz_offset_min, .value = value_int(480)}};
        firm_new_id(f, id);
        struct err err = server_write_put(w, catalogue_table(TABLE_visit), id, cells,
                                          count_of(cells), 0, &seq, NULL, &why);
        assert_int_equal(err.code, ERR_OK);
    }
    assert_int_equal(server_write_end(w, &why).code, ERR_OK);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_OK);
}

static size_t visits_in(const struct pretend *p)
{
    size_t count = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        count += p->rows[i].table == TABLE_visit ? p->rows[i].count : 0;
    }
    return count;
}

static void rows_come_in_chunks(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    pretend_enrol(&ann, f, f->ann, 1);
    add_visits(f, f->customer, VISITS);
    pretend_sync(&ann);
    assert_int_equal(visits_in(&ann), VISITS);
    assert_true(ann.checkpoint_count >= 3 + VISITS / ROWS_PER_CHUNK);
    pretend_sync(&ann);
    assert_int_equal(ann.rows_count, 0);
    assert_int_equal(ann.checkpoint_count, 0);
    pretend_free(&ann);
}

/* Cut behind every checkpoint in turn, while others write: nothing is missed, and what came before
 * a cut isn't sent again. */
static void cuts_lose_nothing(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    size_t got = 0;
    size_t products = 0;
    pretend_enrol(&ann, f, f->ann, 1);
    add_visits(f, f->customer, VISITS);
    ann.cut_after = 1;
    bool last_city = false;
    for (int i = 0; i < 40 && !ann.ended; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "city %d", i < 12 ? i : 12);
        const struct cell city = {.column = COLUMN_customer_city, .value = text_value(text)};
        assert_int_equal(firm_put(f, TABLE_customer, f->customer, &city, 1).code, ERR_OK);
        pretend_sync(&ann);
        got += visits_in(&ann);
        products += pretend_row(&ann, TABLE_product, f->product, NULL) != NULL;
        const struct value *v =
            pretend_value(&ann, TABLE_customer, f->customer, COLUMN_customer_city);
        last_city = last_city || (v != NULL && bytes_equal(v->b, bytes_text("city 12")));
    }
    assert_true(ann.ended);
    assert_int_equal(got, VISITS);
    assert_int_equal(products, 1); /* a scope that is complete stays so */
    assert_true(last_city);
    pretend_free(&ann);
}

static void set_person(struct firm *f, const uint8_t person[16], uint8_t column, struct value value)
{
    const struct cell cell = {.column = column, .value = value};
    assert_int_equal(firm_put(f, TABLE_person, person, &cell, 1).code, ERR_OK);
}

static void another_role_sees_other_columns(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    assert_null(pretend_value(&ann, TABLE_product, f->product, COLUMN_product_cost));
    set_person(f, f->ann, COLUMN_person_role, text_value("manager"));
    pretend_sync(&ann);
    const struct value *cost = pretend_value(&ann, TABLE_product, f->product, COLUMN_product_cost);
    assert_non_null(cost);
    assert_int_equal(cost->i, 400);
    set_person(f, f->ann, COLUMN_person_role, text_value("rep"));
    pretend_sync(&ann);
    cost = pretend_value(&ann, TABLE_product, f->product, COLUMN_product_cost);
    assert_non_null(cost);
    assert_int_equal(cost->kind, VALUE_NULL); /* erased */
    pretend_sync(&ann);
    assert_int_equal(ann.rows_count, 0);
    pretend_free(&ann);
}

static void a_book_is_entered_and_left(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    uint8_t holder[16];
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    assert_int_equal(ann.enter_count, 4);
    firm_new_id(f, holder);
    const struct cell cells[] = {
        {.column = COLUMN_book_holder_book_id, .value = id_value(f->bob_book)},
        {.column = COLUMN_book_holder_person_id, .value = id_value(f->ann)}};
    assert_int_equal(firm_put(f, TABLE_book_holder, holder, cells, 2).code, ERR_OK);
    pretend_sync(&ann);
    assert_int_equal(ann.enter_count, 1);
    assert_non_null(pretend_row(&ann, TABLE_customer, f->bobs_customer, NULL));
    const struct cell back = {.column = COLUMN_book_holder_person_id, .value = id_value(f->bob)};
    assert_int_equal(firm_put(f, TABLE_book_holder, holder, &back, 1).code, ERR_OK);
    pretend_sync(&ann);
    assert_int_equal(ann.leave_count, 1);
    assert_null(pretend_row(&ann, TABLE_customer, f->bobs_customer, NULL));
    pretend_free(&ann);
}

static void all_requests_but_the_last_bring_no_rows(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    pretend_enrol(&ann, f, f->ann, 1);
    ann.flags = HELLO_MORE;
    pretend_sync(&ann);
    assert_true(ann.ended);
    assert_int_equal(ann.rows_count, 0);
    assert_int_equal(ann.enter_count, 0);
    assert_int_equal(firm_count(f, "SELECT complete_ms FROM device_key"), 0);
    ann.flags = 0;
    pretend_sync(&ann);
    assert_true(ann.rows_count > 0);
    assert_int_equal(firm_count(f, "SELECT complete_ms FROM device_key"), f->host.wall_ms);
    pretend_free(&ann);
}

/* A replica that repairs a scope asks from zero, and gets what it wrote itself as well. */
static void a_repair_brings_own_rows_too(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    const struct cell city = {.column = COLUMN_customer_city, .value = text_value("上海")};
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 100, &city, 1);
    pretend_sync(&ann);
    assert_null(pretend_row(&ann, TABLE_customer, f->customer, NULL));
    for (size_t i = 0; i < ann.cursor_count; i++) {
        ann.cursors[i].done = ann.cursors[i].pos = ann.cursors[i].goal = 0;
    }
    pretend_sync(&ann);
    const struct rows *group = NULL;
    assert_non_null(pretend_row(&ann, TABLE_customer, f->customer, &group));
    assert_true(group->whole);
    pretend_free(&ann);
}

static void damage_is_found(void **state)
{
    struct firm *f = *state;
    static const char *const damages[] = {
        "UPDATE scope SET counter = 0 WHERE kind = 3",
        "UPDATE product SET _seq = (SELECT _seq FROM price_list)",
        "UPDATE customer SET book_id = x'00000000000000000000000000000000'",
        "UPDATE price_item SET _made = NULL",
        "UPDATE change_row SET no = no + 1000",
    };
    struct buf report;
    buf_init(&report, 1 << 16);
    assert_int_equal(store_verify(&f->store, &report).code, ERR_OK);
    assert_int_equal(report.size, 0);
    for (size_t i = 0; i < count_of(damages); i++) {
        assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
        assert_int_equal(db_exec(f->db, damages[i]).code, ERR_OK);
        buf_clear(&report);
        if (store_verify(&f->store, &report).code != ERR_CORRUPT || report.size == 0) {
            fail_msg("not found: %s", damages[i]);
        }
        assert_int_equal(db_end(f->db, err_make(ERR_CANCELLED, 0, "test")).code, ERR_CANCELLED);
    }
    buf_release(&report);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(rows_come_in_chunks),
                                       TEST(cuts_lose_nothing),
                                       TEST(another_role_sees_other_columns),
                                       TEST(a_book_is_entered_and_left),
                                       TEST(all_requests_but_the_last_bring_no_rows),
                                       TEST(a_repair_brings_own_rows_too),
                                       TEST(damage_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
