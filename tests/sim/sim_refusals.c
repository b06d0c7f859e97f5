/* What is refused, and to whom: a reason for each refusal while the rest goes through, and nothing
 * of anybody else's book. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

#include <stdio.h>

/* ---- the rest goes through, the reason stays ---- */

struct refusal {
    const char *what;
    const char *code;
    void (*act)(struct world *w, struct world_device *d, const uint8_t customer[16]);
};

static void cheap_order(struct world *w, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16];
    (void)w;
    device_order(d, customer, 2000, 900, true, id);
}

static void foreign_book(struct world *w, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16];
    (void)customer;
    const struct cell cells[] = {cell_text(COLUMN_customer_name, "Planted"),
                                 cell_text(COLUMN_customer_kind, "prospect"),
                                 cell_id(COLUMN_customer_book_id, w->books[BOB])};
    world_new_id(w, id);
    device_insert(d, TABLE_customer, id, cells, 3);
}

static void foreign_customer(struct world *w, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16], visit[16];
    (void)customer;
    world_customer(w, BOB, "Bob's alone", id);
    device_visit(d, id, visit);
}

static void managers_column(struct world *w, struct world_device *d, const uint8_t customer[16])
{
    (void)w;
    const struct cell cell = cell_int(COLUMN_customer_credit_limit, 1000000);
    device_update(d, TABLE_customer, customer, &cell, 1);
}

static void managers_table(struct world *w, struct world_device *d, const uint8_t customer[16])
{
    (void)customer;
    const struct cell cell = cell_text(COLUMN_product_name, "Free");
    device_update(d, TABLE_product, w->products[0], &cell, 1);
}

static void refused_alone(struct world *w, const struct refusal *r)
{
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct replica_counts counts;
    struct seen seen;
    uint8_t customer[16], visit[16];
    everybody_holds(w, "Refuse", customer);
    set_city(phone, customer, "before");
    r->act(w, phone, customer);
    device_visit(phone, customer, visit);
    struct sync_result result = device_sync(phone);
    if (result.tally.refused != 1 || result.tally.accepted != 2 ||
        strcmp(inbox_code(phone, &seen), r->code) != 0) {
        fail_msg("%s: %d refused, %d accepted, %s", r->what, (int)result.tally.refused,
                 (int)result.tally.accepted, inbox_code(phone, &seen));
    }
    world_must(w, phone->db, replica_counts(&phone->replica, &counts));
    assert_int_equal(counts.needs_you, 1);
    assert_server(w, customer, "city", "before");
    int64_t entry = db_count(w, phone->db, "SELECT id FROM inbox WHERE done IS NULL", NULL);
    world_must(w, phone->db, inbox_discard(&phone->replica, entry));
    world_heal(w);
    world_check(w);
}

static void refusals_stand_alone(void **state)
{
    static const struct refusal refusals[] = {
        {"a price below its list", "price_below_list", cheap_order},
        {"a customer in another's book", "not_found", foreign_book},
        {"a visit at another's customer", "not_found", foreign_customer},
        {"a column of managers", "not_permitted", managers_column},
        {"a table of managers", "not_permitted", managers_table},
    };
    for (size_t i = 0; i < count_of(refusals); i++) {
        refused_alone(*state, &refusals[i]);
    }
}

static void a_submitted_order_is_locked(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t customer[16], order[16];
    struct seen seen;
    everybody_holds(w, "Order", customer);
    device_order(phone, customer, 2000, 1000, true, order);
    device_sync(phone);
    assert_string_equal(inbox_code(phone, &seen), "");
    const struct cell cell = cell_text(COLUMN_sales_order_note, "and one more");
    device_update(phone, TABLE_sales_order, order, &cell, 1);
    device_sync(phone);
    assert_string_equal(inbox_code(phone, &seen), "locked");
    const struct cell draft = cell_text(COLUMN_sales_order_submit_state, "draft");
    device_update(phone, TABLE_sales_order, order, &draft, 1);
    assert_int_equal(device_sync(phone).tally.refused, 1);
    assert_string_equal(db_sees(w, w->reader_db, "sales_order", order, "submit_state", &seen),
                        "submitted");
}

/* What rests on refused work is held, not refused for reasons of its own. */
static void what_rests_on_refused_work_is_held(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    const struct cell cells[] = {cell_text(COLUMN_customer_name, "Planted"),
                                 cell_text(COLUMN_customer_kind, "prospect"),
                                 cell_id(COLUMN_customer_book_id, w->books[BOB])};
    uint8_t visit[16];
    struct seen seen;
    world_new_id(w, id);
    device_sync(phone);
    device_insert(phone, TABLE_customer, id, cells, 3);
    device_visit(phone, id, visit);
    assert_int_equal(device_sync(phone).tally.refused, 2);
    assert_string_equal(inbox_code(phone, &seen), "held");
}

/* ---- whose is what ---- */

static bool file_holds(const char *path, const char *text)
{
    FILE *file = fopen(path, "rb");
    size_t size = strlen(text), at = 0;
    for (int c = file ? fgetc(file) : EOF; c != EOF && at < size; c = fgetc(file)) {
        at = c == text[at] ? at + 1 : c == text[0];
    }
    if (file != NULL) {
        fclose(file);
    }
    return at == size;
}

static void nothing_of_another_book_in_the_file(void **state)
{
    struct world *w = *state;
    struct world_device *bob = &w->devices[BOB_PHONE];
    uint8_t id[16], memo[16];
    struct seen seen;
    everybody_holds(w, "Qwertz-Kontor", id);
    const struct cell cells[] = {cell_id(COLUMN_memo_person_id, w->people[ANN]),
                                 cell_text(COLUMN_memo_text, "Zypressenholz")};
    world_new_id(w, memo);
    device_insert(&w->devices[ANN_PHONE], TABLE_memo, memo, cells, 2);
    world_heal(w);
    device_restart(bob); /* all of it is in the one file then */
    device_restart(&w->devices[BOSS_LAPTOP]);
    device_restart(&w->devices[ANN_PHONE]);
    assert_true(file_holds(w->devices[ANN_PHONE].path, "Qwertz-Kontor"));
    assert_false(file_holds(bob->path, "Qwertz-Kontor"));
    assert_true(file_holds(w->devices[BOSS_LAPTOP].path, "Qwertz-Kontor"));
    assert_false(file_holds(w->devices[BOSS_LAPTOP].path, "Zypressenholz"));
    assert_string_equal(db_sees(w, w->devices[ANN_TABLET].db, "memo", memo, "text", &seen),
                        "Zypressenholz");
    world_check(w);
}

static void a_rep_does_not_see_costs(void **state)
{
    struct world *w = *state;
    struct seen seen;
    world_heal(w);
    assert_string_equal(
        db_sees(w, w->devices[ANN_PHONE].db, "product", w->products[0], "cost", &seen), "(null)");
    assert_string_equal(
        db_sees(w, w->devices[BOSS_LAPTOP].db, "product", w->products[0], "cost", &seen), "500");
}

/* Others' value came to lie below the phone's edit, with the verdict on an earlier one. The edit is
 * accepted; the delete on top of it isn't, and must give back what was accepted. */
static void a_refused_delete_gives_back_what_was_accepted(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visit[16];
    everybody_holds(w, "Below", id);
    device_visit(phone, id, visit);
    device_sync(phone);
    const struct cell theirs = cell_text(COLUMN_customer_note, "theirs");
    const struct cell mine = cell_text(COLUMN_customer_note, "mine");
    device_update(&w->devices[ANN_TABLET], TABLE_customer, id, &theirs, 1);
    device_sync(&w->devices[ANN_TABLET]);
    world_pass(w, 60000);
    set_region(phone, id, "first");
    device_update(phone, TABLE_customer, id, &mine, 1);
    device_delete(phone, TABLE_customer, id);
    device_sync(phone);
    assert_server(w, id, "note", "mine");
    assert_device(phone, id, "note", "mine");
    world_heal(w);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(refusals_stand_alone),
        WORLD_TEST(a_submitted_order_is_locked),
        WORLD_TEST(what_rests_on_refused_work_is_held),
        WORLD_TEST(nothing_of_another_book_in_the_file),
        WORLD_TEST(a_rep_does_not_see_costs),
        WORLD_TEST(a_refused_delete_gives_back_what_was_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
