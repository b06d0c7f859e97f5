/* The counterexamples that the rules of sync answer, each by the name of its rule: without the
 * rule, the story told here ends with a lost, doubled or misplaced value. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

/* Numbers of Ann's book run far ahead of Bob's. A customer that moves must not get a number that
 * Bob's cursor has passed, nor one below its own. */
static void never_falls_row_number(void **state)
{
    struct world *w = *state;
    struct world_device *bob = &w->devices[BOB_PHONE];
    static const char seq[] = "SELECT _seq FROM customer WHERE id = ?1";
    uint8_t id[16];
    world_customer(w, ANN, "Mover", id);
    for (int i = 0; i < 200; i++) {
        char city[16];
        struct complaint why;
        snprintf(city, sizeof city, "city%d", i);
        const struct cell cell = cell_text(COLUMN_customer_city, city);
        assert_int_equal(world_put(w, TABLE_customer, id, &cell, 1, -1, &why), ERR_OK);
    }
    world_heal(w);
    int64_t before = db_count(w, w->reader_db, seq, id);
    assert_device(bob, id, "name", "(none)");
    world_move(w, id, BOB);
    assert_true(db_count(w, w->reader_db, seq, id) > before);
    world_heal(w);
    assert_device(bob, id, "city", "city199");
    assert_device(&w->devices[ANN_PHONE], id, "name", "(none)");
    set_city(bob, id, "Bob's");
    world_heal(w);
    assert_server(w, id, "city", "Bob's");
    world_check(w);
}

enum { FILLERS = 2100 }; /* more than one part of a download */

/* All of them in one transaction, each with a note that zstd can't make much shorter, so that the
 * wire carries the parts of the download apart. */
static void touch_fillers(struct world *w, uint8_t (*ids)[16], bool create)
{
    struct complaint why = {0};
    struct err err = err_ok();
    struct server_write *write = world_write_begin(w, "test.fill");
    for (size_t i = 0; i < FILLERS && err.code == ERR_OK; i++) {
        char text[200];
        int64_t seq = 0;
        for (size_t at = 0; at < sizeof text - 17; at += 16) {
            snprintf(text + at, 17, "%016" PRIx64, fake_host_next(&w->chance));
        }
        const struct cell cells[] = {cell_text(COLUMN_customer_note, text),
                                     cell_text(COLUMN_customer_name, "Filler"),
                                     cell_text(COLUMN_customer_kind, "customer"),
                                     cell_id(COLUMN_customer_book_id, w->books[ANN])};
        if (create) {
            world_new_id(w, ids[i]);
        }
        err = server_write_put(write, catalogue_table(TABLE_customer), ids[i], cells,
                               create ? count_of(cells) : 1, -1, &seq, NULL, &why);
    }
    assert_int_equal(world_write_end(w, write, err, &why), ERR_OK);
}

/* x is set, 2,100 rows follow, then y: the row is streamed with y's number, in the second part. A
 * stream cut after the first part must still bring x. */
static void cursor_uses_done_not_pos(void **state)
{
    static const char in_between[] = "SELECT count(*) FROM cursor WHERE pos > done";
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t(*others)[16] = calloc(FILLERS, sizeof *others);
    uint8_t id[16];
    struct complaint why;
    assert_non_null(others);
    touch_fillers(w, others, true);
    everybody_holds(w, "Cut", id);
    const struct cell x = cell_text(COLUMN_customer_city, "x");
    const struct cell y = cell_text(COLUMN_customer_region, "y");
    assert_int_equal(world_put(w, TABLE_customer, id, &x, 1, -1, &why), ERR_OK);
    touch_fillers(w, others, false);
    assert_int_equal(world_put(w, TABLE_customer, id, &y, 1, -1, &why), ERR_OK);
    struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = 100000};
    for (; db_count(w, phone->db, in_between, NULL) == 0; cut.at += 10000) {
        (void)device_sync_with(phone, &cut, NULL);
        assert_true(cut.at < 1000000);
    }
    assert_device(phone, id, "region", "(null)");
    device_sync(phone);
    assert_device(phone, id, "city", "x");
    assert_device(phone, id, "region", "y");
    world_heal(w);
    world_check(w);
    free(others);
}

static void edit_city_meanwhile(struct world_device *d, void *context)
{
    set_city(d, context, "one");
}

/* The user edits a column, another's edit arrives under it, the user edits again: the second edit
 * was made without sight of the other's, so that one must be kept. */
static void pending_column_keeps_its_base(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Base", id);
    set_city(&w->devices[ANN_TABLET], id, "two");
    world_pass(w, 1000);
    device_sync(&w->devices[ANN_TABLET]);
    world_pass(w, 1000);
    const struct fault_plan plan = {.meanwhile = edit_city_meanwhile, .context = id};
    (void)device_sync_with(phone, &plan, NULL);
    assert_device(phone, id, "city", "one");
    world_pass(w, 1000);
    set_city(phone, id, "three");
    world_heal(w);
    assert_server(w, id, "city", "three");
    assert_int_equal(kept(w, id, "two"), 1);
    world_check(w);
}

static void edit_city_once_more(struct world_device *d, void *context)
{
    set_city(d, context, "four");
}

/* Two edits lost to another's; the third, made before either verdict, was made without sight of it
 * too: the first verdict must not lend its number to the third as a base. */
static void two_lost_edits_leave_the_third_its_base(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Thrice", id);
    set_city(phone, id, "one");
    world_pass(w, 1000);
    set_city(phone, id, "two");
    world_pass(w, 1000);
    set_city(&w->devices[ANN_TABLET], id, "three");
    device_sync(&w->devices[ANN_TABLET]);
    world_pass(w, 1000);
    const struct fault_plan plan = {.meanwhile = edit_city_once_more, .context = id};
    (void)device_sync_with(phone, &plan, NULL);
    world_heal(w);
    assert_server(w, id, "city", "four");
    assert_int_equal(kept(w, id, "three"), 1);
    world_check(w);
}

/* A copy of the file, taken before a transaction got its number, comes back after the transaction
 * was sent and its value edited again: the old value must not go over the newer one. */
static void rolled_back_copy_renumbers(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Copy", id);
    set_city(phone, id, "old");
    device_copy(phone, "before-numbering");
    device_sync(phone);
    world_pass(w, 1000);
    set_city(phone, id, "new");
    world_pass(w, 1000);
    device_sync(phone);
    device_copy_back(phone, "before-numbering");
    assert_device(phone, id, "city", "old");
    world_pass(w, 1000);
    world_heal(w);
    assert_server(w, id, "city", "new");
    assert_device(phone, id, "city", "new");
    world_check(w);
}

/* The same with a number given: the copy has sent nothing, but other work under that number. */
static void rolled_back_copy_with_other_work(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Copy", id);
    device_copy(phone, "idle");
    set_city(phone, id, "lost here");
    device_sync(phone);
    device_copy_back(phone, "idle");
    set_region(phone, id, "made after");
    world_pass(w, 1000);
    world_heal(w);
    assert_server(w, id, "city", "lost here");
    assert_server(w, id, "region", "made after");
    assert_device(phone, id, "city", "lost here");
    world_check(w);
}

/* What was sent came to something else without any column changing for it; the verdict that said so
 * went with the copy that was put away. Found at first by a random history. */
static void a_set_emptied_in_vain_is_told_again(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct cell emptied = cell_text(COLUMN_customer_tags, "[]");
    uint8_t id[16];
    everybody_holds(w, "Tags", id);
    assert_true(device_update(phone, TABLE_customer, id, &emptied, 1));
    device_copy(phone, "waiting");
    device_sync(phone);
    set_city(phone, id, "later");
    device_sync(phone);
    device_copy_back(phone, "waiting");
    set_region(phone, id, "made after");
    world_heal(w);
    assert_server(w, id, "region", "made after");
    world_check(w);
}

/* The copy and what came after it look alike to the server until a number means two things. With
 * small requests the verdicts of all numbers arrive before this copy has sent its own third one. */
static void verdicts_wait_for_their_transaction(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct client_session_options small = {.push_tx_max = 1};
    const struct fault_plan nothing = {.kind = FAULT_NONE};
    uint8_t id[16];
    everybody_holds(w, "Copy", id);
    set_region(phone, id, "first");
    set_region(phone, id, "second");
    device_copy(phone, "two-waiting");
    set_city(phone, id, "of the lost file");
    device_sync(phone);
    device_copy_back(phone, "two-waiting");
    world_pass(w, 1000);
    set_city(phone, id, "of the copy");
    assert_int_equal(device_sync_with(phone, &nothing, &small).end, SYNC_FINISHED);
    world_heal(w);
    assert_server(w, id, "city", "of the copy");
    assert_int_equal(kept(w, id, "of the lost file"), 1);
    world_check(w);
}

/* Two managers with one page open each. */
static void server_write_needs_base(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    struct complaint why;
    everybody_holds(w, "Page", id);
    int64_t base = db_count(w, w->reader_db, "SELECT _seq FROM customer WHERE id = ?1", id);
    const struct cell first = cell_text(COLUMN_customer_city, "first");
    const struct cell second = cell_text(COLUMN_customer_city, "second");
    assert_int_equal(world_put(w, TABLE_customer, id, &first, 1, base, &why), ERR_OK);
    assert_int_equal(world_put(w, TABLE_customer, id, &second, 1, base, &why), ERR_REFUSED);
    assert_string_equal(why.code, "changed_since");
    assert_server(w, id, "city", "first");
}

/* The tablet sets city; the phone pushes region and hears the row's new number, then the line
 * drops. The number must have brought the city along, or the phone's next edit of it would pass
 * for one that saw it. */
static void verdict_carries_unseen_columns(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Unseen", id);
    set_city(&w->devices[ANN_TABLET], id, "theirs");
    device_sync(&w->devices[ANN_TABLET]);
    set_region(phone, id, "mine");
    set_region(phone, id, "mine again");
    const struct client_session_options small = {.push_tx_max = 1};
    const struct fault_plan lost = {.kind = FAULT_REQUEST_LOST, .request = 1};
    struct sync_result result = device_sync_with(phone, &lost, &small);
    assert_int_equal(result.end, SYNC_FAILED);
    assert_device(phone, id, "city", "theirs");
    world_pass(w, 1000);
    set_city(phone, id, "seen and changed");
    world_heal(w);
    assert_server(w, id, "city", "seen and changed");
    assert_int_equal(kept(w, id, "theirs"), 0);
    world_check(w);
}

/* The laptop holds both books: the rows come in the new one, the departure of the old one follows
 * and must not take them away. */
static void departure_respects_held_scope(void **state)
{
    struct world *w = *state;
    struct world_device *boss = &w->devices[BOSS_LAPTOP];
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Moved", id);
    device_visit(&w->devices[ANN_PHONE], id, visit);
    world_heal(w);
    world_move(w, id, BOB);
    device_sync(boss);
    assert_device(boss, id, "name", "Moved");
    assert_string_not_equal(db_sees(w, boss->db, "visit", visit, "state", &seen), "(none)");
    world_heal(w);
    assert_device(&w->devices[ANN_TABLET], id, "name", "(none)");
    assert_device(&w->devices[BOB_PHONE], id, "name", "Moved");
    world_check(w);
}

/* Away and back before anybody looked: the departure is gone, the row stays where it is. */
static void coming_back_removes_the_departure(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Boomerang", id);
    device_sync(&w->devices[BOB_PHONE]);
    world_move(w, id, BOB);
    device_sync(&w->devices[ANN_TABLET]); /* one of Ann's saw it leave, the other didn't */
    world_move(w, id, ANN);
    world_heal(w);
    assert_device(&w->devices[ANN_PHONE], id, "name", "Boomerang");
    assert_device(&w->devices[ANN_TABLET], id, "name", "Boomerang");
    assert_device(&w->devices[BOB_PHONE], id, "name", "(none)");
    world_check(w);
}

/* What was written before its author could know of the move is judged with the old rights. */
static void edit_before_a_move_counts(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Handed over", id);
    set_city(phone, id, "Ann's last word");
    device_visit(phone, id, visit);
    world_pass(w, 3600000);
    world_move(w, id, BOB);
    world_heal(w);
    assert_server(w, id, "city", "Ann's last word");
    assert_device(&w->devices[BOB_PHONE], id, "city", "Ann's last word");
    assert_string_equal(db_sees(w, w->reader_db, "visit", visit, "state", &seen), "completed");
    assert_device(phone, id, "name", "(none)");
    world_check(w);
}

/* Here the delete finds a child and is refused. */
static void delete_with_living_children(void **state)
{
    struct world *w = *state;
    struct complaint why;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Parent", id);
    device_visit(&w->devices[ANN_PHONE], id, visit);
    device_sync(&w->devices[ANN_PHONE]);
    assert_int_equal(world_delete(w, TABLE_customer, id, -1, &why), ERR_REFUSED);
    assert_string_equal(why.code, "has_children");
    world_heal(w);
    world_check(w);
}

/* Here the visit is still on its way when the customer goes: a fact is accepted all the same. */
static void fact_under_a_deleted_parent(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why;
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Gone", id);
    device_visit(phone, id, visit);
    assert_int_equal(world_delete(w, TABLE_customer, id, -1, &why), ERR_OK);
    world_heal(w);
    assert_string_equal(inbox_code(phone, &seen), "");
    assert_string_equal(db_sees(w, w->reader_db, "visit", visit, "state", &seen), "completed");
}

/* An age is a difference on one clock, so an error of that clock falls out; with the stamp itself,
 * a year ahead would give each edit the time of its upload. */
static void effective_time_is_receipt_less_age(void **state)
{
    struct world *w = *state;
    struct world_device *ahead = &w->devices[ANN_TABLET]; /* its clock runs a year ahead */
    struct world_device *right = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Clock", id);
    set_city(ahead, id, "earlier");
    world_pass(w, 60000);
    set_city(right, id, "later");
    world_pass(w, 60000);
    device_sync(right);
    device_sync(ahead); /* arrives last, was written first */
    world_heal(w);
    assert_server(w, id, "city", "later");
    assert_int_equal(kept(w, id, "earlier"), 1);
    world_check(w);
}

/* A jump of the wall clock within one boot: the monotonic clock tells the age. */
static void clock_jump_changes_nothing(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Jump", id);
    set_city(phone, id, "earlier");
    phone->host.wall_ms -= 10 * YEAR_MS;
    world_pass(w, 60000);
    set_city(&w->devices[BOSS_LAPTOP], id, "later");
    world_pass(w, 60000);
    world_heal(w);
    assert_server(w, id, "city", "later");
    assert_int_equal(kept(w, id, "earlier"), 1);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(never_falls_row_number),
        WORLD_TEST(cursor_uses_done_not_pos),
        WORLD_TEST(pending_column_keeps_its_base),
        WORLD_TEST(two_lost_edits_leave_the_third_its_base),
        WORLD_TEST(rolled_back_copy_renumbers),
        WORLD_TEST(rolled_back_copy_with_other_work),
        WORLD_TEST(a_set_emptied_in_vain_is_told_again),
        WORLD_TEST(verdicts_wait_for_their_transaction),
        WORLD_TEST(server_write_needs_base),
        WORLD_TEST(verdict_carries_unseen_columns),
        WORLD_TEST(departure_respects_held_scope),
        WORLD_TEST(coming_back_removes_the_departure),
        WORLD_TEST(edit_before_a_move_counts),
        WORLD_TEST(delete_with_living_children),
        WORLD_TEST(fact_under_a_deleted_parent),
        WORLD_TEST(effective_time_is_receipt_less_age),
        WORLD_TEST(clock_jump_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
