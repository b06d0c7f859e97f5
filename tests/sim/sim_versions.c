/* Devices of several ages at one server. Nobody is told what its program can't know, and a program
 * that learns more is sent just what it gained. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

#include <stdio.h>

/* From now on `d` says what a program of catalogue 1 and protocol 1 would say, until it hears that
 * the server knows more. */
static void grow_old(struct world_device *d)
{
    char sql[160];
    snprintf(sql, sizeof sql,
             "UPDATE device_state SET server_protocol = 1, server_catalogue = %d,"
             " server_older_at = %" PRId64,
             1, replica_now_ms(&d->replica));
    world_must(d->world, d->db, db_exec(d->db, sql));
}

static void picture(struct world_device *d, const uint8_t customer[16], uint8_t id[16])
{
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const struct cell cells[] = {cell_id(COLUMN_media_customer_id, customer),
                                 cell_text(COLUMN_media_kind, "photo"),
                                 cell_text(COLUMN_media_sha256, hash),
                                 cell_text(COLUMN_media_format, "jpeg"),
                                 cell_int(COLUMN_media_size, 1000),
                                 cell_int(COLUMN_media_width, 10),
                                 cell_int(COLUMN_media_height, 10),
                                 cell_int(COLUMN_media_taken_at, replica_now_ms(&d->replica)),
                                 cell_text(COLUMN_media_taken_day, "2025-11-25")};
    world_new_id(d->world, id);
    assert_true(device_insert(d, TABLE_media, id, cells, count_of(cells)));
}

static int64_t pictures(struct world_device *d)
{
    return db_count(d->world, d->db, "SELECT count(*) FROM media", NULL);
}

/* An old device's digest fits although the server holds rows of a table that it doesn't know. When
 * its program grows, that table's rows come, and none of those that it has. */
static void a_new_table_resends_nothing(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *tablet = &w->devices[ANN_TABLET];
    struct world_device *bob = &w->devices[BOB_PHONE];
    uint8_t id[16], shot[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Lisbon Tiles", id);
    for (int i = 0; i < 20; i++) {
        device_visit(tablet, id, visit);
    }
    picture(tablet, id, shot);
    device_sync(tablet);
    grow_old(phone);
    struct sync_result old = device_sync(phone);
    assert_true(old.tally.digest_equal);
    assert_int_equal(old.tally.requests, 1);
    assert_int_equal(old.tally.pulled, 20);
    assert_int_equal(pictures(phone), 0);
    struct sync_result grown = device_sync(phone); /* the old answer named the server's catalogue */
    assert_int_equal(grown.tally.pulled, 1);
    assert_int_equal(pictures(phone), 1);
    assert_string_equal(db_sees(w, phone->db, "media", shot, "format", &seen), "jpeg");
    assert_int_equal(device_sync(phone).tally.pulled, 0);
    assert_int_equal(device_sync(bob).tally.pulled, 0);
    world_heal(w);
    world_check(w);
}

/* A new column: only rows in which it has a value, and of them only that value. A pending edit
 * beside it stays; so does what an older program can't name. */
static void a_new_column_sends_itself_alone(void **state)
{
    struct world *w = *state;
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    struct complaint why = {0};
    const struct cell role = cell_text(COLUMN_person_role, "manager");
    struct seen seen;
    uint8_t id[16];
    everybody_holds(w, "Lisbon Tiles", id);
    struct world_device *phone = &w->devices[ANN_PHONE];
    set_city(phone, id, "pending");
    /* `cost` of products is what a rep doesn't see: a wider sight is given in the same manner */
    assert_int_equal(world_put(w, TABLE_person, w->people[ANN], &role, 1, -1, &why), ERR_OK);
    struct sync_result wider = device_sync(phone);
    assert_string_equal(db_sees(w, phone->db, "product", w->products[0], "cost", &seen), "500");
    assert_string_equal(db_sees(w, phone->db, "product", w->products[0], "name", &seen), "SKU0");
    assert_true(wider.tally.pulled <= WORLD_PRODUCTS + 1); /* and the person's own row */
    assert_device(phone, id, "city", "pending");
    assert_int_equal(device_sync(laptop).tally.pulled, 2); /* the city, the person */
    world_heal(w);
    world_check(w);
}

/* A cut in the middle of it loses nothing. */
static void a_back_fill_that_was_cut_goes_on(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *tablet = &w->devices[ANN_TABLET];
    uint8_t id[16], shot[16];
    everybody_holds(w, "Lisbon Tiles", id);
    picture(tablet, id, shot);
    device_sync(tablet);
    for (size_t at = 0; at < 2000; at += 23) {
        struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = at};
        grow_old(phone);
        device_sync(phone);
        world_must(w, phone->db, db_exec(phone->db, "UPDATE device_state SET cursors_under = 1"));
        if (device_sync_with(phone, &cut, NULL).end == SYNC_FINISHED) {
            break;
        }
        device_sync(phone);
        assert_int_equal(pictures(phone), 1);
        world_pass(w, 1000);
    }
    world_heal(w);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_new_table_resends_nothing),
        WORLD_TEST(a_new_column_sends_itself_alone),
        WORLD_TEST(a_back_fill_that_was_cut_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
