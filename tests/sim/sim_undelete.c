/* A row that was deleted by mistake comes back by a decision of its own, and by nothing else: not
 * by an old edit, not by a copy of the row, not by a device that never heard of the delete. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/changelog/server/erase.h"
#include "common/changelog/server/purge.h"
#include "tests/support/world_test.h"

static void must_delete(struct world *w, uint16_t table, const uint8_t id[16])
{
    struct complaint why = {0};
    assert_int_equal(world_delete(w, table, id, -1, &why), ERR_OK);
}

static void must_undelete(struct world *w, uint16_t table, const uint8_t id[16])
{
    struct complaint why = {0};
    assert_int_equal(world_undelete(w, table, id, &why), ERR_OK);
}

static void assert_refused(struct world *w, uint16_t table, const uint8_t id[16], const char *code)
{
    struct complaint why = {0};
    assert_int_equal(world_undelete(w, table, id, &why), ERR_REFUSED);
    assert_string_equal(why.code, code);
}

/* All who hold its scope had let go of it; all get it whole, under a number of its own. */
static void everybody_gets_it_back(void **state)
{
    static const char seq[] = "SELECT _seq FROM customer WHERE id = ?1";
    static const char entered[] = "SELECT _entered FROM customer WHERE id = ?1";
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Back", id);
    set_city(&w->devices[ANN_PHONE], id, "Nice");
    world_heal(w);
    must_delete(w, TABLE_customer, id);
    world_heal(w);
    assert_device(&w->devices[ANN_TABLET], id, "name", "(none)");
    int64_t deleted = db_count(w, w->reader_db, seq, id);
    must_undelete(w, TABLE_customer, id);
    assert_true(db_count(w, w->reader_db, seq, id) > deleted);
    assert_true(db_count(w, w->reader_db, entered, id) > deleted);
    world_heal(w);
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        assert_device(&w->devices[i], id, "city", i == BOB_PHONE ? "(none)" : "Nice");
    }
    world_check(w);
}

/* Its own verdict told the device of the delete; what comes later it gets like anybody. */
static void who_deleted_it_gets_it_back(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t customer[16], contact[16];
    everybody_holds(w, "Whose", customer);
    const struct cell cells[] = {cell_text(COLUMN_contact_name, "Zoe"),
                                 cell_id(COLUMN_contact_customer_id, customer)};
    world_new_id(w, contact);
    assert_true(device_insert(phone, TABLE_contact, contact, cells, count_of(cells)));
    device_sync(phone);
    assert_true(device_delete(phone, TABLE_contact, contact));
    device_sync(phone);
    must_undelete(w, TABLE_contact, contact);
    world_heal(w);
    struct seen seen;
    assert_string_equal(db_sees(w, phone->db, "contact", contact, "name", &seen), "Zoe");
    world_check(w);
}

/* The edit was made before its author heard of the delete: refused, and it stays so when the row
 * lives again. Sending it again is a decision too. */
static void an_old_edit_brings_nothing_back(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why = {0};
    struct seen seen;
    uint8_t id[16];
    everybody_holds(w, "Old edit", id);
    set_city(phone, id, "Lost");
    must_delete(w, TABLE_customer, id);
    device_sync(phone);
    assert_string_equal(inbox_code(phone, &seen), "deleted");
    world_heal(w);
    assert_server(w, id, "name", "(none)");
    must_undelete(w, TABLE_customer, id);
    world_heal(w);
    assert_server(w, id, "city", "(null)");
    assert_device(phone, id, "city", "(null)");
    assert_string_equal(inbox_code(phone, &seen), "deleted");
    int64_t entry = db_count(w, phone->db, "SELECT id FROM inbox WHERE done IS NULL", NULL);
    world_must(w, phone->db, inbox_resend(&phone->replica, entry, NULL, 0, &why));
    world_heal(w);
    assert_server(w, id, "city", "Lost");
    world_check(w);
}

/* Deleted and brought back while the tablet was away: its edit meets a row that lives. */
static void an_edit_that_missed_both_is_judged(void **state)
{
    struct world *w = *state;
    struct world_device *tablet = &w->devices[ANN_TABLET];
    uint8_t id[16];
    everybody_holds(w, "Missed", id);
    set_city(tablet, id, "Kept");
    must_delete(w, TABLE_customer, id);
    must_undelete(w, TABLE_customer, id);
    world_heal(w);
    assert_server(w, id, "city", "Kept");
    world_check(w);
}

/* A delete that was made before somebody decided otherwise didn't see that decision. */
static void an_old_delete_does_not_take_it_again(void **state)
{
    struct world *w = *state;
    struct world_device *tablet = &w->devices[ANN_TABLET];
    struct seen seen;
    uint8_t id[16];
    everybody_holds(w, "Stays", id);
    assert_true(device_delete(tablet, TABLE_customer, id));
    must_delete(w, TABLE_customer, id);
    must_undelete(w, TABLE_customer, id);
    device_sync(tablet);
    assert_string_equal(inbox_code(tablet, &seen), "changed_since");
    world_heal(w);
    assert_device(tablet, id, "name", "Stays");
    assert_server(w, id, "name", "Stays");
    world_check(w);
}

/* A tombstone of before must not be counted, nor purged with its row. */
static void a_purge_leaves_it(void **state)
{
    struct world *w = *state;
    struct purge_tally tally = {.tombstones = 0};
    bool more = true;
    uint8_t id[16];
    everybody_holds(w, "Purge", id);
    must_delete(w, TABLE_customer, id);
    must_undelete(w, TABLE_customer, id);
    world_heal(w);
    world_pass(w, PURGE_SILENT_MS_MAX + 1000);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               db_end(w->writer_db, store_purge(&w->writer, w->server.wall_ms, &tally, &more)));
    assert_int_equal(tally.tombstones, 0);
    world_heal(w);
    assert_server(w, id, "name", "Purge");
    world_check(w);
}

static void a_contact(struct world *w, const uint8_t customer[16], uint8_t id[16])
{
    struct complaint why = {0};
    const struct cell cells[] = {cell_text(COLUMN_contact_name, "Zoe"),
                                 cell_id(COLUMN_contact_customer_id, customer)};
    world_new_id(w, id);
    assert_int_equal(world_put(w, TABLE_contact, id, cells, 2, -1, &why), ERR_OK);
}

static void its_place_must_be_there(void **state)
{
    struct world *w = *state;
    uint8_t id[16], never[16], contact[16];
    everybody_holds(w, "Parent", id);
    world_new_id(w, never);
    assert_refused(w, TABLE_customer, never, "not_found");
    assert_refused(w, TABLE_customer, id, "state");

    a_contact(w, id, contact);
    must_delete(w, TABLE_contact, contact);
    must_delete(w, TABLE_customer, id);
    assert_refused(w, TABLE_contact, contact, "deleted"); /* its customer first */
    must_undelete(w, TABLE_customer, id);
    must_undelete(w, TABLE_contact, contact);
    world_heal(w);
    world_check(w);
}

static void its_number_may_be_taken(void **state)
{
    struct world *w = *state;
    uint8_t a[16], b[16];
    struct complaint why = {0};
    const struct cell sku[] = {cell_text(COLUMN_product_sku, "ONE"),
                               cell_text(COLUMN_product_name, "One"),
                               cell_int(COLUMN_product_active, 1)};
    world_new_id(w, a);
    world_new_id(w, b);
    assert_int_equal(world_put(w, TABLE_product, a, sku, count_of(sku), -1, &why), ERR_OK);
    must_delete(w, TABLE_product, a);
    assert_int_equal(world_put(w, TABLE_product, b, sku, count_of(sku), -1, &why), ERR_OK);
    assert_refused(w, TABLE_product, a, "duplicate");
    world_heal(w);
    world_check(w);
}

static void what_was_erased_stays_so(void **state)
{
    struct world *w = *state;
    uint8_t id[16], contact[16];
    int64_t job = 0;
    everybody_holds(w, "Erased", id);
    a_contact(w, id, contact);
    must_delete(w, TABLE_contact, contact);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               db_end(w->writer_db, erase_begin(&w->writer, catalogue_table(TABLE_contact), contact,
                                                w->server.wall_ms, &job)));
    assert_refused(w, TABLE_contact, contact, "erased");
    world_heal(w);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(everybody_gets_it_back),
        WORLD_TEST(who_deleted_it_gets_it_back),
        WORLD_TEST(an_old_edit_brings_nothing_back),
        WORLD_TEST(an_edit_that_missed_both_is_judged),
        WORLD_TEST(an_old_delete_does_not_take_it_again),
        WORLD_TEST(a_purge_leaves_it),
        WORLD_TEST(its_place_must_be_there),
        WORLD_TEST(its_number_may_be_taken),
        WORLD_TEST(what_was_erased_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
