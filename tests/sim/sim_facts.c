/* What users may rely on, whatever the network does: one effect for each transaction, both of two
 * edits, and the later of two values with the other one kept. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

/* ---- the network ---- */

static void one_effect(struct world *w, enum fault_kind kind)
{
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct fault_plan plan = {.kind = kind};
    uint8_t customer[16], visit[16];
    everybody_holds(w, "Network", customer);
    set_city(phone, customer, "Lyon");
    device_visit(phone, customer, visit);
    (void)device_sync_with(phone, &plan, NULL);
    device_sync(phone);
    assert_server(w, customer, "city", "Lyon");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 1);
    assert_int_equal(
        db_count(w, w->reader_db, "SELECT count(*) FROM change_log WHERE device > 0", NULL), 2);
    world_heal(w);
    world_check(w);
}

static void request_is_lost(void **state)
{
    one_effect(*state, FAULT_REQUEST_LOST);
}

static void same_request_twice(void **state)
{
    one_effect(*state, FAULT_TWICE);
}

static void server_dies_before_its_commit(void **state)
{
    one_effect(*state, FAULT_SERVER_DIES);
}

static void answer_is_lost_after_the_commit(void **state)
{
    one_effect(*state, FAULT_SERVER_RESTARTS);
}

static void server_is_busy(void **state)
{
    one_effect(*state, FAULT_BUSY);
}

/* Every byte at which an answer can end, as a cut line and as a dying device. */
static void answer_ends_at_every_byte(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Bytes", id);
    struct fault_plan plan = {.kind = FAULT_ANSWER_CUT};
    size_t size = 1;
    for (plan.at = 0; plan.at < size; plan.at++) {
        char city[32], region[32];
        snprintf(city, sizeof city, "city%zu", plan.at);
        snprintf(region, sizeof region, "region%zu", plan.at);
        set_city(phone, id, city);
        set_region(&w->devices[ANN_TABLET], id, region);
        world_pass(w, 1000);
        device_sync(&w->devices[ANN_TABLET]);
        plan.kind = plan.at % 2 == 0 ? FAULT_ANSWER_CUT : FAULT_DEVICE_DIES;
        size = device_sync_with(phone, &plan, NULL).answer_bytes;
        device_sync(phone);
        assert_device(phone, id, "city", city);
        assert_device(phone, id, "region", region);
        assert_server(w, id, "city", city);
    }
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM kept_value", NULL), 0);
    world_heal(w);
    world_check(w);
}

static void pushes_in_small_requests(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct client_session_options small = {.push_tx_max = 3};
    const struct fault_plan cut = {.kind = FAULT_SERVER_RESTARTS, .request = 2};
    uint8_t id[16];
    for (int i = 0; i < 20; i++) {
        device_customer(phone, "New", id);
    }
    assert_int_equal(device_sync_with(phone, &cut, &small).end, SYNC_FAILED);
    struct sync_result rest = device_sync(phone);
    assert_true(rest.tally.accepted >= 11);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM customer", NULL), 20);
    world_heal(w);
    world_check(w);
}

static void the_writer_never_downloads_its_own_rows(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "There", id); /* a book's first download leaves out nothing */
    for (int i = 0; i < 10; i++) {
        device_customer(phone, "Mine", id);
    }
    struct sync_result first = device_sync(phone);
    struct sync_result second = device_sync(phone);
    assert_int_equal(first.tally.accepted, 10);
    assert_int_equal(first.tally.pulled, 0);
    assert_int_equal(second.tally.pulled, 0);
    assert_true(second.tally.digest_equal);
}

/* ---- two edits ---- */

static void different_columns_both_survive(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Both", id);
    set_city(&w->devices[ANN_PHONE], id, "Lyon");
    set_region(&w->devices[ANN_TABLET], id, "Rhône");
    world_heal(w);
    assert_server(w, id, "city", "Lyon");
    assert_server(w, id, "region", "Rhône");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM kept_value", NULL), 0);
    world_check(w);
}

/* The later edit wins, whichever of the two arrives first, and whatever their clocks say. */
static void later_edit_wins(struct world *w, bool later_syncs_first, size_t early, size_t late)
{
    struct world_device *first = &w->devices[early], *second = &w->devices[late];
    uint8_t id[16];
    everybody_holds(w, "Same", id);
    set_city(first, id, "earlier");
    world_pass(w, 60000);
    set_city(second, id, "later");
    world_pass(w, 60000);
    device_sync(later_syncs_first ? second : first);
    device_sync(later_syncs_first ? first : second);
    world_heal(w);
    assert_server(w, id, "city", "later");
    assert_int_equal(kept(w, id, "earlier"), 1);
    assert_int_equal(kept(w, id, "later"), 0);
}

static void same_column_later_wins_other_is_kept(void **state)
{
    struct world *w = *state;
    static const size_t pairs[][2] = {{ANN_PHONE, ANN_TABLET},   {ANN_TABLET, ANN_PHONE},
                                      {ANN_PHONE, BOSS_LAPTOP},  {BOSS_LAPTOP, ANN_TABLET},
                                      {ANN_TABLET, BOSS_LAPTOP}, {BOSS_LAPTOP, ANN_PHONE}};
    for (size_t i = 0; i < count_of(pairs); i++) {
        later_edit_wins(w, false, pairs[i][0], pairs[i][1]);
        later_edit_wins(w, true, pairs[i][0], pairs[i][1]);
    }
    world_check(w);
}

static void a_lost_value_is_restored(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Restore", id);
    set_city(phone, id, "mine");
    world_pass(w, 60000);
    set_city(&w->devices[ANN_TABLET], id, "theirs");
    world_pass(w, 60000);
    device_sync(&w->devices[ANN_TABLET]);
    device_sync(phone);
    assert_device(phone, id, "city", "theirs");
    int64_t entry =
        db_count(w, phone->db, "SELECT id FROM inbox WHERE kind = 'merged' AND done IS NULL", NULL);
    assert_int_not_equal(entry, 0);
    world_must(w, phone->db, inbox_restore(&phone->replica, entry));
    assert_device(phone, id, "city", "mine");
    world_heal(w);
    assert_server(w, id, "city", "mine");
    world_check(w);
}

static void own_edits_in_a_row_are_no_conflict(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Alone", id);
    for (int i = 0; i < 5; i++) {
        char city[16];
        snprintf(city, sizeof city, "city%d", i);
        set_city(phone, id, city);
        world_pass(w, 1000);
    }
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.accepted, 5);
    assert_server(w, id, "city", "city4");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM kept_value", NULL), 0);
}

static void tags_of_both_stand(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    struct complaint why;
    world_customer(w, ANN, "Tags", id);
    const struct cell start = cell_text(COLUMN_customer_tags, "[\"old\",\"stays\"]");
    assert_int_equal(world_put(w, TABLE_customer, id, &start, 1, -1, &why), ERR_OK);
    world_heal(w);
    const struct cell phone = cell_text(COLUMN_customer_tags, "[\"phone\",\"stays\"]");
    const struct cell tablet = cell_text(COLUMN_customer_tags, "[\"old\",\"stays\",\"tablet\"]");
    device_update(&w->devices[ANN_PHONE], TABLE_customer, id, &phone, 1);
    device_update(&w->devices[ANN_TABLET], TABLE_customer, id, &tablet, 1);
    world_heal(w);
    assert_server(w, id, "tags", "[\"phone\",\"stays\",\"tablet\"]");
    world_check(w);
}

/* Latitude and longitude are one place: half of one with half of another would be nowhere. */
static void a_group_is_one_value(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Place", id);
    const struct cell first[] = {{.column = COLUMN_customer_lat, .value = value_real(1)},
                                 {.column = COLUMN_customer_lng, .value = value_real(1)}};
    const struct cell second[] = {{.column = COLUMN_customer_lat, .value = value_real(2)},
                                  {.column = COLUMN_customer_lng, .value = value_real(2)}};
    device_update(&w->devices[ANN_PHONE], TABLE_customer, id, first, 2);
    world_pass(w, 1000);
    device_update(&w->devices[ANN_TABLET], TABLE_customer, id, second, 2);
    world_heal(w);
    assert_server(w, id, "lat + lng", "4.0");
    world_check(w);
}

static void edit_and_delete_meet(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *tablet = &w->devices[ANN_TABLET];
    uint8_t customer[16], contact[16];
    struct seen seen;
    everybody_holds(w, "Meet", customer);
    const struct cell cells[] = {cell_id(COLUMN_contact_customer_id, customer),
                                 cell_text(COLUMN_contact_name, "Li")};
    const struct cell title = cell_text(COLUMN_contact_title, "buyer");
    world_new_id(w, contact);
    device_insert(phone, TABLE_contact, contact, cells, 2);
    world_heal(w);
    device_update(tablet, TABLE_contact, contact, &title, 1);
    device_sync(tablet);
    device_delete(phone, TABLE_contact, contact); /* of a row that it hasn't seen changed */
    device_sync(phone);
    assert_string_equal(inbox_code(phone, &seen), "changed_since");
    assert_string_equal(db_sees(w, w->reader_db, "contact", contact, "title", &seen), "buyer");
    assert_string_equal(db_sees(w, phone->db, "contact", contact, "title", &seen), "buyer");
    device_delete(phone, TABLE_contact, contact);
    device_sync(phone);
    const struct cell other = cell_text(COLUMN_contact_title, "late");
    device_update(tablet, TABLE_contact, contact, &other, 1);
    device_sync(tablet);
    assert_string_equal(inbox_code(tablet, &seen), "deleted");
    assert_string_equal(db_sees(w, tablet->db, "contact", contact, "title", &seen), "(none)");
    world_heal(w);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(request_is_lost),
        WORLD_TEST(same_request_twice),
        WORLD_TEST(server_dies_before_its_commit),
        WORLD_TEST(answer_is_lost_after_the_commit),
        WORLD_TEST(server_is_busy),
        WORLD_TEST(answer_ends_at_every_byte),
        WORLD_TEST(pushes_in_small_requests),
        WORLD_TEST(the_writer_never_downloads_its_own_rows),
        WORLD_TEST(different_columns_both_survive),
        WORLD_TEST(same_column_later_wins_other_is_kept),
        WORLD_TEST(a_lost_value_is_restored),
        WORLD_TEST(own_edits_in_a_row_are_no_conflict),
        WORLD_TEST(tags_of_both_stand),
        WORLD_TEST(a_group_is_one_value),
        WORLD_TEST(edit_and_delete_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
