/* Whole requests against a store: what is judged how, what is told, what goes down. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/pretend.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

struct world {
    struct firm *f;
    struct pretend ann, phone, meg; /* Ann's tablet and phone, Meg's */
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->f = firm_new();
    pretend_enrol(&w->ann, w->f, w->f->ann, 1);
    pretend_enrol(&w->phone, w->f, w->f->ann, 2);
    pretend_enrol(&w->meg, w->f, w->f->meg, 3);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    struct buf report;
    buf_init(&report, 1 << 16);
    if (store_verify(&w->f->store, &report).code != ERR_OK) {
        fail_msg("%s", buf_text(&report));
    }
    buf_release(&report);
    pretend_clear(&w->ann);
    pretend_free(&w->ann);
    pretend_free(&w->phone);
    pretend_free(&w->meg);
    firm_free(w->f);
    free(w);
    return 0;
}

static void all_sync(struct world *w)
{
    pretend_sync(&w->ann);
    pretend_sync(&w->phone);
    pretend_sync(&w->meg);
}

static void pass(struct world *w, int64_t ms)
{
    fake_host_pass(&w->f->host, ms);
    struct pretend *all[] = {&w->ann, &w->phone, &w->meg};
    for (size_t i = 0; i < count_of(all); i++) {
        all[i]->clocks.wall_ms += ms;
        all[i]->clocks.mono_ms += ms;
    }
}

static int64_t seq_of(struct world *w, const char *table, const uint8_t id[16])
{
    char sql[128];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "SELECT _seq FROM %s WHERE id = ?1", table);
    assert_int_equal(db_prepare(w->f->db, sql, &q, NULL).code, ERR_OK);
    bind_id(&q, 1, id);
    assert_true(db_step_row(&q));
    int64_t seq = col_int(&q, 0);
    stmt_close(&q);
    return seq;
}

static struct transaction *visit(struct pretend *p, uint8_t id[16], const uint8_t customer[16])
{
    firm_new_id(p->f, id);
    const struct cell cells[] = {
        {.column = COLUMN_visit_customer_id, .value = id_value(customer)},
        {.column = COLUMN_visit_person_id, .value = id_value(p->who.person)},
        {.column = COLUMN_visit_state, .value = text_value("in_progress")},
        {.column = COLUMN_visit_checkin_at, .value = value_int(p->clocks.wall_ms)},
        {.column = COLUMN_visit_visit_day, .value = text_value("2025-11-24")},
        {.column = COLUMN_visit_tz_offset_min, .value = value_int(480)},
        {.column = COLUMN_visit_note, .value = text_value("柜台陈列 shelf is empty")}};
    return pretend_change(p, CHANGE_INSERT, TABLE_visit, id, 0, cells, count_of(cells));
}

static void set_text(struct pretend *p, const uint8_t customer[16], uint8_t column,
                     const char *text, int64_t base)
{
    const struct cell cell = {.column = column, .value = text_value(text)};
    pretend_change(p, CHANGE_UPDATE, TABLE_customer, customer, base, &cell, 1);
}

static void assert_refused(const struct pretend *p, const char *code, const char *field)
{
    const struct verdict *v = pretend_verdict(p);
    assert_int_equal(v->outcome, OUTCOME_REFUSED);
    assert_string_equal(v->code, code);
    if (field != NULL) {
        assert_string_equal(v->field, field);
    }
}

static void assert_text(const struct value *v, const char *text)
{
    assert_non_null(v);
    assert_int_equal(v->kind, VALUE_TEXT);
    assert_int_equal(v->b.size, strlen(text));
    assert_memory_equal(v->b.at, text, v->b.size);
}

/* ---- the happy path ---- */

static void a_visit_reaches_the_manager(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    all_sync(w);
    visit(&w->ann, id, w->f->customer);
    pretend_sync(&w->ann);
    const struct verdict *v = pretend_verdict(&w->ann);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_int_equal(v->row_count, 1);
    assert_int_equal(v->rows[0].seq, seq_of(w, "visit", id));
    assert_int_equal(verdict_value(v, id, COLUMN_visit_received_at)->i, w->f->host.wall_ms);
    assert_null(verdict_value(v, id, COLUMN_visit_note));
    assert_null(pretend_row(&w->ann, TABLE_visit, id, NULL)); /* not echoed */
    pretend_sync(&w->meg);
    assert_text(pretend_value(&w->meg, TABLE_visit, id, COLUMN_visit_note),
                "柜台陈列 shelf is empty");
    pretend_sync(&w->meg);
    assert_int_equal(w->meg.rows_count, 0);
    assert_true(w->meg.ended);
}

static void a_lost_answer_has_one_effect(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    all_sync(w);
    visit(&w->ann, id, w->f->customer);
    pretend_sync_lost(&w->ann);
    pretend_sync_lost(&w->ann);
    int64_t seq = seq_of(w, "visit", id);
    pretend_sync(&w->ann);
    const struct verdict *v = pretend_verdict(&w->ann);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_int_equal(v->rows[0].seq, seq);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM change_log WHERE device = 1"), 1);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 0); /* acknowledged */
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM verdict WHERE body IS NOT NULL"), 0);
}

static void numbers_are_the_firms(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    all_sync(w);
    firm_new_id(w->f, id);
    const struct cell cells[] = {
        {.column = COLUMN_customer_no, .value = text_value("D1-0001")},
        {.column = COLUMN_customer_name, .value = text_value("新客户")},
        {.column = COLUMN_customer_kind, .value = text_value("prospect")},
        {.column = COLUMN_customer_book_id, .value = id_value(w->f->ann_book)}};
    pretend_change(&w->ann, CHANGE_INSERT, TABLE_customer, id, 0, cells, count_of(cells));
    pretend_sync(&w->ann);
    const struct verdict *v = pretend_verdict(&w->ann);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_text(verdict_value(v, id, COLUMN_customer_no), "C-000003");
}

/* ---- two who didn't know of each other ---- */

static void different_columns_both_survive(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "上海", base);
    set_text(&w->phone, w->f->customer, COLUMN_customer_region, "East", base);
    pretend_sync(&w->ann);
    pretend_sync(&w->phone);
    const struct verdict *v = pretend_verdict(&w->phone);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_text(verdict_value(v, w->f->customer, COLUMN_customer_city), "上海");
    pretend_sync(&w->meg);
    assert_text(pretend_value(&w->meg, TABLE_customer, w->f->customer, COLUMN_customer_region),
                "East");
    assert_null(pretend_value(&w->meg, TABLE_customer, w->f->customer, COLUMN_customer_name));
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM kept_value"), 0);
}

static void the_later_edit_wins_and_the_other_is_kept(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "上海", base);
    pass(w, 60000);
    set_text(&w->phone, w->f->customer, COLUMN_customer_city, "苏州", base);
    pass(w, 60000);
    pretend_sync(&w->phone); /* the later edit comes first */
    pretend_sync(&w->ann);
    const struct verdict *v = pretend_verdict(&w->ann);
    assert_int_equal(v->outcome, OUTCOME_MERGED);
    assert_int_equal(v->loser_count, 1);
    assert_text(&v->losers[0].kept, "上海");
    assert_text(&v->losers[0].winner, "苏州");
    assert_memory_equal(v->losers[0].winner_person, w->f->ann, 16);
    assert_int_equal(v->losers[0].winner_at_ms, w->f->host.wall_ms - 60000);
    assert_text(verdict_value(v, w->f->customer, COLUMN_customer_city), "苏州");
    assert_text(
        pretend_value(&w->ann, TABLE_kept_value, v->losers[0].kept_id, COLUMN_kept_value_kept),
        "\"上海\"");
    uint8_t kept[16];
    memcpy(kept, v->losers[0].kept_id, 16);
    pretend_sync(&w->phone);
    assert_non_null(pretend_row(&w->phone, TABLE_kept_value, kept, NULL));
}

/* One column is in conflict, another points to nothing: what was kept for the first is undone. */
static void a_refused_update_keeps_nothing(void **state)
{
    struct world *w = *state;
    uint8_t nobody[16];
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    set_text(&w->phone, w->f->customer, COLUMN_customer_city, "苏州", base);
    pretend_sync(&w->phone);
    pass(w, 60000);
    firm_new_id(w->f, nobody);
    const struct cell cells[] = {{.column = COLUMN_customer_city, .value = text_value("上海")},
                                 {.column = COLUMN_customer_parent_id, .value = id_value(nobody)}};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_customer, w->f->customer, base, cells, 2);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "customer.parent_id");
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM kept_value"), 0);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM customer WHERE city = '苏州'"), 1);
}

static void a_wrong_clock_changes_no_result(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    w->ann.clocks.wall_ms += 365 * DAY_MS; /* a year ahead */
    memset(w->ann.clocks.boot, 0, 16);     /* and no monotonic clock to go by */
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "earlier", base);
    pass(w, 60000);
    set_text(&w->phone, w->f->customer, COLUMN_customer_city, "later", base);
    pass(w, 60000);
    pretend_sync(&w->phone);
    pretend_sync(&w->ann);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_MERGED);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM customer WHERE city = 'later'"), 1);
}

static void an_own_earlier_write_is_no_conflict(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "one", base);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "two", base);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 2);
    assert_int_equal(w->ann.verdicts[1].outcome, OUTCOME_ACCEPTED);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM kept_value"), 0);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM customer WHERE city = 'two'"), 1);
}

static void tags_are_joined(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    const struct cell mine = {
        .column = COLUMN_customer_tags, .has_old = true, .value = text_value("[\"vip\"]")};
    const struct cell theirs = {
        .column = COLUMN_customer_tags, .has_old = true, .value = text_value("[\"茶\"]")};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_customer, w->f->customer, base, &mine, 1);
    pretend_change(&w->phone, CHANGE_UPDATE, TABLE_customer, w->f->customer, base, &theirs, 1);
    pretend_sync(&w->ann);
    pretend_sync(&w->phone);
    const struct verdict *v = pretend_verdict(&w->phone);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_text(verdict_value(v, w->f->customer, COLUMN_customer_tags), "[\"vip\",\"茶\"]");
}

/* ---- what is refused ---- */

static void what_lies_outside_was_never_there(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    uint8_t never[16] = {1, 2, 3};
    all_sync(w);
    set_text(&w->ann, w->f->bobs_customer, COLUMN_customer_city, "x", 1);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "customer");
    set_text(&w->ann, never, COLUMN_customer_city, "x", 1);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "customer");
    visit(&w->ann, id, w->f->bobs_customer);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "visit.customer_id");
    visit(&w->ann, id, never);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "visit.customer_id");
}

static void rights_are_by_column(void **state)
{
    struct world *w = *state;
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    const struct cell limit = {.column = COLUMN_customer_credit_limit, .value = value_int(1)};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_customer, w->f->customer, base, &limit, 1);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_permitted", "customer.credit_limit");
    pretend_change(&w->meg, CHANGE_UPDATE, TABLE_customer, w->f->customer, base, &limit, 1);
    pretend_sync(&w->meg);
    assert_int_equal(pretend_verdict(&w->meg)->outcome, OUTCOME_ACCEPTED);
    const struct cell name = {.column = COLUMN_product_name, .value = text_value("x")};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_product, w->f->product, 99, &name, 1);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_permitted", "product");
}

static void facts_name_their_author(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    all_sync(w);
    struct transaction *tx = visit(&w->ann, id, w->f->customer);
    tx->changes[0].cells[1].value = id_value(w->f->bob);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_permitted", "visit.person_id");
}

static void a_refusal_leaves_nothing_and_the_rest_goes_on(void **state)
{
    struct world *w = *state;
    uint8_t good[16];
    uint8_t bad[16];
    all_sync(w);
    struct transaction *tx = visit(&w->ann, bad, w->f->customer);
    const struct cell wrong = {.column = 60, .value = value_int(1)};
    pretend_and(&w->ann, tx, CHANGE_UPDATE, TABLE_customer, w->f->customer, 1, &wrong, 1);
    visit(&w->ann, good, w->f->customer);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 2);
    assert_string_equal(w->ann.verdicts[0].code, "unknown_column");
    assert_int_equal(w->ann.verdicts[1].outcome, OUTCOME_ACCEPTED);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
}

static struct transaction *order(struct world *w, uint8_t id[16], uint8_t line[16], int64_t price,
                                 const char *state)
{
    struct pretend *p = &w->ann;
    firm_new_id(w->f, id);
    firm_new_id(w->f, line);
    const struct cell head[] = {
        {.column = COLUMN_sales_order_customer_id, .value = id_value(w->f->customer)},
        {.column = COLUMN_sales_order_person_id, .value = id_value(w->f->ann)},
        {.column = COLUMN_sales_order_order_at, .value = value_int(p->clocks.wall_ms)},
        {.column = COLUMN_sales_order_order_day, .value = text_value("2025-11-24")},
        {.column = COLUMN_sales_order_currency, .value = text_value("CNY")},
        {.column = COLUMN_sales_order_subtotal, .value = value_int(2 * price)},
        {.column = COLUMN_sales_order_total, .value = value_int(2 * price)},
        {.column = COLUMN_sales_order_submit_state, .value = text_value(state)}};
    const struct cell item[] = {
        {.column = COLUMN_order_line_order_id, .value = id_value(id)},
        {.column = COLUMN_order_line_line_no, .value = value_int(1)},
        {.column = COLUMN_order_line_product_id, .value = id_value(w->f->product)},
        {.column = COLUMN_order_line_quantity, .value = value_int(2000)},
        {.column = COLUMN_order_line_price, .value = value_int(price)},
        {.column = COLUMN_order_line_amount, .value = value_int(2 * price)}};
    struct transaction *tx =
        pretend_change(p, CHANGE_INSERT, TABLE_sales_order, id, 0, head, count_of(head));
    pretend_and(p, tx, CHANGE_INSERT, TABLE_order_line, line, 0, item, count_of(item));
    return tx;
}

static void prices_hold(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    uint8_t line[16];
    all_sync(w);
    order(w, id, line, 999, "draft");
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "price_below_list", "order_line.price");
    struct transaction *tx = order(w, id, line, 1000, "submitted");
    tx->changes[0].cells[6].value = value_int(1999);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "total_wrong", "sales_order.total");
    order(w, id, line, 1000, "submitted");
    pretend_sync(&w->ann);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_ACCEPTED);
    assert_text(verdict_value(pretend_verdict(&w->ann), id, COLUMN_sales_order_no), "SO-000001");
}

static void an_order_is_held_to_the_price_of_its_time(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    uint8_t line[16];
    all_sync(w);
    order(w, id, line, 1000, "draft"); /* offline, at the price of then */
    pass(w, 60000);
    const struct cell raised = {.column = COLUMN_price_item_price, .value = value_int(1200)};
    assert_int_equal(firm_put(w->f, TABLE_price_item, w->f->item, &raised, 1).code, ERR_OK);
    pass(w, 60000);
    pretend_sync(&w->ann);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_ACCEPTED);
    order(w, id, line, 1000, "draft");
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "price_below_list", "order_line.price");
}

static void a_submitted_order_is_locked(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    uint8_t line[16];
    all_sync(w);
    order(w, id, line, 1000, "submitted");
    pretend_sync(&w->ann);
    int64_t base = seq_of(w, "order_line", line);
    const struct cell more = {.column = COLUMN_order_line_note, .value = text_value("more")};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_order_line, line, base, &more, 1);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "locked", "order_line");
    pretend_change(&w->ann, CHANGE_DELETE, TABLE_sales_order, id, base, NULL, 0);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "locked", "sales_order");
}

static void deletes(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    all_sync(w);
    visit(&w->ann, id, w->f->customer);
    pretend_sync(&w->ann);
    int64_t base = seq_of(w, "customer", w->f->customer);
    pretend_change(&w->meg, CHANGE_DELETE, TABLE_customer, w->f->customer, base, NULL, 0);
    pretend_sync(&w->meg);
    assert_refused(&w->meg, "has_children", "customer");
    base = seq_of(w, "visit", id);
    const struct cell note = {.column = COLUMN_visit_note, .value = text_value("edited")};
    pretend_change(&w->ann, CHANGE_UPDATE, TABLE_visit, id, base, &note, 1);
    pretend_sync(&w->ann);
    pretend_change(&w->meg, CHANGE_DELETE, TABLE_visit, id, base, NULL, 0);
    pretend_sync(&w->meg);
    assert_refused(&w->meg, "changed_since", "visit");
    pretend_change(&w->ann, CHANGE_DELETE, TABLE_visit, id, seq_of(w, "visit", id), NULL, 0);
    pretend_sync(&w->ann);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_ACCEPTED);
    pretend_sync(&w->meg);
    assert_int_equal(pretend_value(&w->meg, TABLE_visit, id, COLUMN_DELETED)->kind, VALUE_INT);
    pretend_change(&w->meg, CHANGE_UPDATE, TABLE_visit, id, base, &note, 1);
    pretend_sync(&w->meg);
    assert_refused(&w->meg, "deleted", "visit");
}

/* ---- order among transactions ---- */

static void what_rests_on_a_refused_one_is_held(void **state)
{
    struct world *w = *state;
    uint8_t a[16];
    uint8_t b[16];
    all_sync(w);
    visit(&w->ann, a, w->f->bobs_customer);
    uint64_t before = w->ann.next_seq - 1;
    struct transaction *tx = visit(&w->ann, b, w->f->customer);
    tx->rests_on = &before;
    tx->rest_count = 1;
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 2);
    assert_string_equal(w->ann.verdicts[1].code, "held");
    assert_int_equal(w->ann.verdicts[1].detail.size, 1);
}

static void what_waits_is_judged_when_it_can(void **state)
{
    struct world *w = *state;
    uint8_t a[16];
    uint8_t b[16];
    all_sync(w);
    uint64_t missing = w->ann.next_seq++;
    struct transaction *tx = visit(&w->ann, b, w->f->customer);
    tx->rests_on = &missing;
    tx->rest_count = 1;
    pretend_sync(&w->ann);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_PARKED);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 0);
    tx = visit(&w->ann, a, w->f->customer);
    tx->device_seq = missing;
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 2);
    assert_int_equal(w->ann.verdicts[1].outcome, OUTCOME_ACCEPTED);
    assert_int_equal(w->ann.verdicts[1].device_seq, missing + 1);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 2);
}

/* ---- scopes ---- */

static void nobody_gets_anothers_book(void **state)
{
    struct world *w = *state;
    pretend_sync(&w->ann);
    assert_non_null(pretend_row(&w->ann, TABLE_customer, w->f->customer, NULL));
    assert_null(pretend_row(&w->ann, TABLE_customer, w->f->bobs_customer, NULL));
    assert_null(pretend_value(&w->ann, TABLE_product, w->f->product, COLUMN_product_cost));
    assert_non_null(pretend_value(&w->ann, TABLE_product, w->f->product, COLUMN_product_sku));
    pretend_sync(&w->meg);
    assert_non_null(pretend_row(&w->meg, TABLE_customer, w->f->bobs_customer, NULL));
    assert_int_equal(pretend_value(&w->meg, TABLE_product, w->f->product, COLUMN_product_cost)->i,
                     400);
}

static void move(struct world *w, const uint8_t customer[16], const uint8_t book[16])
{
    struct server_write *sw = NULL;
    int64_t rows = 0;
    struct complaint why;
    assert_int_equal(db_begin(w->f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&w->f->store, NULL, "move", w->f->host.wall_ms, &sw).code,
                     ERR_OK);
    assert_int_equal(server_write_move(sw, customer, book, &rows).code, ERR_OK);
    assert_int_equal(server_write_end(sw, &why).code, ERR_OK);
    assert_int_equal(db_end(w->f->db, err_ok()).code, ERR_OK);
}

static void a_moved_customer_leaves_and_comes(void **state)
{
    struct world *w = *state;
    struct pretend bob;
    uint8_t id[16];
    all_sync(w);
    pretend_enrol(&bob, w->f, w->f->bob, 4);
    pretend_sync(&bob);
    visit(&w->ann, id, w->f->customer);
    pretend_sync(&w->ann);
    int64_t before = seq_of(w, "visit", id);
    move(w, w->f->customer, w->f->bob_book);
    assert_true(seq_of(w, "visit", id) > before);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.departure_count, 2);
    assert_null(pretend_row(&w->ann, TABLE_visit, id, NULL));
    pretend_sync(&bob);
    const struct rows *group = NULL;
    assert_non_null(pretend_row(&bob, TABLE_visit, id, &group));
    assert_true(group->whole);
    pretend_sync(&w->meg); /* holds both */
    assert_int_equal(w->meg.departure_count, 2);
    assert_non_null(pretend_row(&w->meg, TABLE_visit, id, NULL));
    move(w, w->f->customer, w->f->ann_book);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.departure_count, 0);
    assert_non_null(pretend_row(&w->ann, TABLE_visit, id, NULL));
    pretend_free(&bob);
}

/* Offline work on a customer that was moved meanwhile: its author couldn't know. */
static void work_from_before_a_move_is_taken_in(void **state)
{
    struct world *w = *state;
    uint8_t early[16];
    uint8_t late[16];
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    visit(&w->ann, early, w->f->customer);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "苏州", base);
    move(w, w->f->customer, w->f->bob_book);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.verdict_count, 2);
    assert_int_equal(w->ann.verdicts[0].outcome, OUTCOME_ACCEPTED);
    assert_int_equal(w->ann.verdicts[1].outcome, OUTCOME_ACCEPTED);
    assert_int_equal(w->ann.verdicts[0].row_count, 0); /* in a book that isn't hers */
    assert_null(pretend_row(&w->ann, TABLE_visit, early, NULL));
    visit(&w->ann, late, w->f->customer); /* now she knows */
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "proposal", "");
    visit(&w->phone, late, w->f->customer);
    pass(w, 15 * DAY_MS); /* she doesn't, but comes too late */
    pretend_sync(&w->phone);
    assert_refused(&w->phone, "proposal", "");
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM proposal"), 4); /* hers, and Bob's */
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
    pretend_sync(&w->meg);
    assert_non_null(pretend_row(&w->meg, TABLE_visit, early, NULL));
}

/* What a wider role sees beside comes alone: not whole rows, and nothing of what has no value. */
static void only_columns_gained_are_filled_in(void **state)
{
    struct world *w = *state;
    uint8_t other[16];
    const struct rows *group = NULL;
    const struct cell product[] = {
        {.column = COLUMN_product_sku, .value = text_value("TEA-2")},
        {.column = COLUMN_product_name, .value = text_value("without a cost")},
        {.column = COLUMN_product_active, .value = value_int(1)}};
    const struct cell roles[] = {{.column = COLUMN_person_role, .value = text_value("manager")},
                                 {.column = COLUMN_person_role, .value = text_value("rep")}};
    firm_new_id(w->f, other);
    assert_int_equal(firm_put(w->f, TABLE_product, other, product, 3).code, ERR_OK);
    all_sync(w);
    assert_int_equal(firm_put(w->f, TABLE_person, w->f->ann, &roles[0], 1).code, ERR_OK);
    pretend_sync(&w->ann);
    assert_non_null(pretend_row(&w->ann, TABLE_product, w->f->product, &group));
    assert_int_equal(group->whole, 0);
    assert_int_equal(group->column_count, 1);
    assert_int_equal(group->columns[0], COLUMN_product_cost);
    assert_int_equal(group->rows[0].values[0].i, 400);
    assert_null(pretend_row(&w->ann, TABLE_product, other, NULL));
    assert_null(pretend_row(&w->ann, TABLE_price_item, w->f->item, NULL));
    assert_null(pretend_row(&w->ann, TABLE_customer, w->f->customer, NULL));
    assert_int_equal(firm_put(w->f, TABLE_person, w->f->ann, &roles[1], 1).code, ERR_OK);
    pretend_sync(&w->ann);
    assert_non_null(pretend_row(&w->ann, TABLE_product, w->f->product, &group));
    assert_int_equal(group->column_count, 1);
    assert_int_equal(group->rows[0].values[0].kind, VALUE_NULL);
}

/* Once a device has shown that it heard of a move, it can't say that it hadn't; and a device that
 * wasn't there can't have been taken by surprise. */
static void what_was_heard_is_not_taken_back(void **state)
{
    struct world *w = *state;
    struct pretend late;
    struct cursor before[PRETEND_MAX];
    all_sync(w);
    int64_t base = seq_of(w, "customer", w->f->customer);
    memcpy(before, w->ann.cursors, sizeof before);
    move(w, w->f->customer, w->f->bob_book);
    pretend_sync(&w->ann);
    pretend_sync(&w->ann); /* shows its cursor behind the departure */
    memcpy(w->ann.cursors, before, sizeof before);
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "back-dated", base);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "proposal", "");
    pass(w, 1000);
    pretend_enrol(&late, w->f, w->f->ann, 9);
    memcpy(late.cursors, before, sizeof before);
    late.cursor_count = w->ann.cursor_count;
    set_text(&late, w->f->customer, COLUMN_customer_city, "never held", base);
    pretend_sync(&late);
    assert_refused(&late, "proposal", "");
    pretend_free(&late);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM customer WHERE city IS NOT NULL"), 0);
}

/* A17: an id outside the scopes is answered like one that never was, whatever is done to it. */
static void a_guessed_id_was_never_there(void **state)
{
    struct world *w = *state;
    uint8_t nobodys[16], visit_id[16];
    all_sync(w);
    firm_new_id(w->f, nobodys);
    const uint8_t *const ids[] = {nobodys, w->f->bobs_customer};
    for (size_t i = 0; i < count_of(ids); i++) {
        set_text(&w->ann, ids[i], COLUMN_customer_city, "guessed", 0);
        pretend_sync(&w->ann);
        assert_refused(&w->ann, "not_found", "customer");
        pretend_change(&w->ann, CHANGE_DELETE, TABLE_customer, ids[i], 0, NULL, 0);
        pretend_sync(&w->ann);
        assert_refused(&w->ann, "not_found", "customer");
        visit(&w->ann, visit_id, ids[i]);
        pretend_sync(&w->ann);
        assert_refused(&w->ann, "not_found", "visit.customer_id");
    }
    const struct cell cells[] = {
        {.column = COLUMN_customer_name, .value = text_value("Taken over")},
        {.column = COLUMN_customer_kind, .value = text_value("customer")},
        {.column = COLUMN_customer_book_id, .value = id_value(w->f->ann_book)}};
    pretend_change(&w->ann, CHANGE_INSERT, TABLE_customer, w->f->bobs_customer, 0, cells, 3);
    pretend_sync(&w->ann);
    assert_refused(&w->ann, "not_found", "customer");
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM proposal"), 0);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM change_log WHERE outcome = 3"), 7);
}

/* A row is streamed at its last number; what of it is newer than `done` must come even if the
 * stream was cut behind an older checkpoint. */
static void a_pass_goes_on_where_it_was_cut(void **state)
{
    struct world *w = *state;
    all_sync(w);
    struct cursor *book = NULL;
    for (size_t i = 0; i < w->phone.cursor_count; i++) {
        if (w->phone.cursors[i].scope.kind == SCOPE_BOOK) {
            book = &w->phone.cursors[i];
        }
    }
    if (book == NULL) {
        fail_msg("the phone holds no book");
        return;
    }
    int64_t done = book->done;
    set_text(&w->ann, w->f->customer, COLUMN_customer_city, "x", done);
    pretend_sync(&w->ann);
    book->pos = done; /* a pass began, its first checkpoint is stored, its end is not */
    book->goal = done + 1;
    set_text(&w->ann, w->f->customer, COLUMN_customer_region, "y", done);
    pretend_sync(&w->ann);
    pretend_sync(&w->phone);
    assert_text(pretend_value(&w->phone, TABLE_customer, w->f->customer, COLUMN_customer_city),
                "x");
    assert_text(pretend_value(&w->phone, TABLE_customer, w->f->customer, COLUMN_customer_region),
                "y");
    assert_int_equal(book->done, done + 1);
    assert_int_equal(book->goal, 0);
}

/* ---- epochs ---- */

static void any_number_of_answers_may_be_lost(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        pretend_sync_lost(&w->ann);
    }
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_OK);
    pretend_sync_lost(&w->ann);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_OK);
}

static void a_copy_taken_earlier_opens_a_new_epoch(void **state)
{
    struct world *w = *state;
    uint8_t a[16];
    uint8_t b[16];
    all_sync(w);
    struct pretend copy = w->ann;
    visit(&w->ann, a, w->f->customer);
    pretend_sync(&w->ann);
    pretend_sync(&w->ann);
    pretend_sync(&w->ann);
    uint8_t live_token[16];
    memcpy(live_token, w->ann.token, 16);
    memcpy(w->ann.token, copy.token, 16); /* rolled back */
    w->ann.verdict_seen = copy.verdict_seen;
    w->ann.next_seq = copy.next_seq;
    memcpy(w->ann.cursors, copy.cursors, sizeof copy.cursors);
    visit(&w->ann, b, w->f->customer);
    pretend_sync_lost(&w->ann);
    pretend_sync_lost(&w->ann); /* again: the answer was lost */
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_NEW_EPOCH);
    assert_int_equal(w->ann.epoch, 2);
    w->ann.next_seq = 1;
    visit(&w->ann, b, w->f->customer);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_OK);
    assert_int_equal(pretend_verdict(&w->ann)->outcome, OUTCOME_ACCEPTED);
    assert_int_equal(pretend_verdict(&w->ann)->epoch, 2);
    assert_non_null(pretend_row(&w->ann, TABLE_visit, a, NULL)); /* its own, of the lost epoch */
    memcpy(w->ann.token, live_token, 16);
    w->ann.epoch = 1;
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_REENROL); /* two live copies */
}

static void a_number_with_other_content_is_not_judged(void **state)
{
    struct world *w = *state;
    uint8_t a[16];
    uint8_t b[16];
    all_sync(w);
    visit(&w->ann, a, w->f->customer);
    pretend_sync(&w->ann);
    w->ann.next_seq--;
    visit(&w->ann, b, w->f->customer);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_NEW_EPOCH);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
    w->ann.next_seq = 1;
    struct transaction *tx = visit(&w->ann, b, w->f->customer);
    pretend_sync_lost(&w->ann);
    tx->device_seq = 1;
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_OK);
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 2);
}

static void a_known_transaction_keeps_its_verdict_in_a_new_epoch(void **state)
{
    struct world *w = *state;
    uint8_t a[16];
    all_sync(w);
    visit(&w->ann, a, w->f->customer);
    pretend_sync_lost(&w->ann); /* judged; then the device falls back before it was numbered */
    memset(w->ann.token, 0x55, 16);
    pretend_sync_lost(&w->ann);
    struct transaction tx = w->ann.txs[0];
    w->ann.tx_count = 0;
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.answer.status, ANSWER_NEW_EPOCH);
    tx.device_seq = 7;
    w->ann.txs[0] = tx;
    w->ann.tx_count = 1;
    pretend_sync(&w->ann);
    const struct verdict *v = pretend_verdict(&w->ann);
    assert_int_equal(v->device_seq, 7);
    assert_int_equal(v->epoch, 2);
    assert_int_equal(v->rows[0].seq, seq_of(w, "visit", a));
    assert_int_equal(firm_count(w->f, "SELECT count(*) FROM visit"), 1);
}

/* ---- bad input ---- */

static void garbage_is_refused(void **state)
{
    struct world *w = *state;
    static const uint8_t garbage[] = {1, 2, 3, 4};
    pretend_send_bytes(&w->ann, bytes_of(garbage, sizeof garbage));
    assert_int_equal(w->ann.fault_status, 400);
    assert_string_equal(w->ann.fault.code, "malformed");
    pretend_send_bytes(&w->ann, bytes_of(NULL, 0));
    assert_int_equal(w->ann.fault_status, 400);
    uint8_t *large = calloc(1, PUSH_BYTES_MAX + 1);
    pretend_send_bytes(&w->ann, bytes_of(large, PUSH_BYTES_MAX + 1));
    assert_int_equal(w->ann.fault_status, 413);
    assert_string_equal(w->ann.fault.code, "too_large");
    free(large);
}

static void a_revoked_device_gets_nothing(void **state)
{
    struct world *w = *state;
    assert_int_equal(store_revoke(&w->f->store, w->ann.who.device, 1).code, ERR_OK);
    pretend_sync(&w->ann);
    assert_int_equal(w->ann.fault_status, 401);
    assert_string_equal(w->ann.fault.code, "device_revoked");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_visit_reaches_the_manager),
                                       TEST(a_lost_answer_has_one_effect),
                                       TEST(numbers_are_the_firms),
                                       TEST(different_columns_both_survive),
                                       TEST(the_later_edit_wins_and_the_other_is_kept),
                                       TEST(a_wrong_clock_changes_no_result),
                                       TEST(an_own_earlier_write_is_no_conflict),
                                       TEST(a_refused_update_keeps_nothing),
                                       TEST(tags_are_joined),
                                       TEST(what_lies_outside_was_never_there),
                                       TEST(rights_are_by_column),
                                       TEST(facts_name_their_author),
                                       TEST(a_refusal_leaves_nothing_and_the_rest_goes_on),
                                       TEST(prices_hold),
                                       TEST(an_order_is_held_to_the_price_of_its_time),
                                       TEST(a_submitted_order_is_locked),
                                       TEST(deletes),
                                       TEST(what_rests_on_a_refused_one_is_held),
                                       TEST(what_waits_is_judged_when_it_can),
                                       TEST(nobody_gets_anothers_book),
                                       TEST(a_moved_customer_leaves_and_comes),
                                       TEST(what_was_heard_is_not_taken_back),
                                       TEST(only_columns_gained_are_filled_in),
                                       TEST(a_guessed_id_was_never_there),
                                       TEST(work_from_before_a_move_is_taken_in),
                                       TEST(a_pass_goes_on_where_it_was_cut),
                                       TEST(any_number_of_answers_may_be_lost),
                                       TEST(a_copy_taken_earlier_opens_a_new_epoch),
                                       TEST(a_number_with_other_content_is_not_judged),
                                       TEST(a_known_transaction_keeps_its_verdict_in_a_new_epoch),
                                       TEST(garbage_is_refused),
                                       TEST(a_revoked_device_gets_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
