/* Digests at the end of each sync: what differs is found and made equal by the rows that differ
 * alone; pending work stays on top; a repair that can't succeed ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/changelog/device/patrol.h"
#include "common/changelog/server/purge.h"
#include "tests/support/world_test.h"

static const struct client_session_options looking = {.verify = true};
static const struct fault_plan undisturbed;
static const struct client_session_options plain = {.verify = false};

static struct sync_result sync_plainly(struct world_device *d)
{
    struct sync_result result = device_sync_with(d, &undisturbed, &plain);
    assert_int_equal(result.end, SYNC_FINISHED);
    return result;
}

/* As if no trigger were there and no sum kept: what a foreign program or a broken disk does. */
static void damage(struct world_device *d, const char *sql)
{
    d->world->damaged = true;
    d->replica.applying = true;
    world_must(d->world, d->db, db_exec(d->db, sql));
    d->replica.applying = false;
}

static struct sync_result verify(struct world_device *d)
{
    struct sync_result result = device_sync_with(d, &undisturbed, &looking);
    assert_int_equal(result.end, SYNC_FINISHED);
    assert_true(result.tally.digest_equal);
    assert_true(result.tally.contents_equal);
    return result;
}

static void assert_name(struct world_device *d, const uint8_t id[16], const char *expected)
{
    struct seen seen;
    assert_string_equal(db_sees(d->world, d->db, "customer", id, "name", &seen), expected);
}

/* The rows that differ come, and no others. */
static void only_what_differs_comes(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t gone[16], stale[16], ahead[16], other[16];
    for (int i = 0; i < 60; i++) {
        world_customer(w, ANN, "Bystander", other);
    }
    everybody_holds(w, "Gone", gone);
    everybody_holds(w, "Stale", stale);
    everybody_holds(w, "Ahead", ahead);
    damage(phone, "DELETE FROM customer WHERE name = 'Gone';"
                  "UPDATE customer SET _seq = 1, name = 'Old' WHERE name = 'Stale';"
                  "UPDATE customer SET _seq = _seq + 1000 WHERE name = 'Ahead'");
    struct sync_result result = verify(phone);
    assert_int_equal(result.tally.repaired, 3);
    assert_int_equal(result.tally.pulled, 3);
    assert_name(phone, gone, "Gone");
    assert_name(phone, stale, "Stale");
    assert_name(phone, ahead, "Ahead");
    world_check(w);
}

/* A row that the server hasn't got goes; one that waits to be sent doesn't. */
static void what_the_server_lacks_goes(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], waiting[16];
    everybody_holds(w, "Here", id);
    damage(phone, "INSERT INTO customer (id, name, book_id, _scope, _seq)"
                  " SELECT randomblob(16), 'Ghost', book_id, _scope, _seq FROM customer"
                  " WHERE name = 'Here'");
    device_customer(phone, "Waiting", waiting);
    struct sync_result result = verify(phone);
    assert_int_equal(result.tally.repaired, 1);
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM customer WHERE name = 'Ghost'", NULL), 0);
    assert_name(phone, waiting, "Waiting");
    world_heal(w);
    world_check(w);
}

/* Same rows, same numbers, another value: only contents tell. */
static void a_flipped_value_is_found(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "True", id);
    damage(phone, "UPDATE customer SET name = 'Trud' WHERE name = 'True'");
    struct sync_result first = sync_plainly(phone);
    assert_int_equal(first.tally.repaired, 0);
    struct sync_result result = verify(phone);
    assert_int_equal(result.tally.repaired, 1);
    assert_name(phone, id, "True");
    assert_int_equal(verify(phone).tally.repaired, 0);
}

static struct sync_result sync_later(struct world_device *d)
{
    world_pass(d->world, PATROL_EVERY_MS);
    return sync_plainly(d);
}

/* The same without being asked: rows are looked at now and then, and no sync reads them all. */
static void a_flipped_value_is_found_in_time(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], other[16];
    for (int i = 0; i < 60; i++) {
        world_customer(w, ANN, "Bystander", other);
    }
    everybody_holds(w, "True", id);
    (void)sync_later(phone); /* what is there is met */
    assert_int_equal(sync_later(phone).tally.requests, 1);
    damage(phone, "UPDATE customer SET name = 'Trud' WHERE name = 'True'");
    assert_int_equal(sync_plainly(phone).tally.patrol_found, 0); /* its time hasn't come */
    struct sync_result result = sync_later(phone);
    assert_in_range(result.tally.patrol_found, 1, 40); /* those beside it come as well */
    assert_int_equal(result.tally.repaired, result.tally.patrol_found);
    assert_name(phone, id, "True");
    assert_int_equal(sync_later(phone).tally.repaired, 0);
    assert_int_equal(sync_later(phone).tally.repaired, 0);
    world_heal(w);
    world_check(w);
}

/* Numbers, rows that are gone, rows that nobody made: sums that are kept beside them say nothing.
 */
static void flipped_numbers_are_found_in_time(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    static const char *const damages[] = {
        "UPDATE customer SET _seq = _seq + 1000 WHERE name = 'True'",
        "UPDATE customer SET _scope = (SELECT max(no) FROM scope WHERE no <> _scope) WHERE name = "
        "'True'",
        "DELETE FROM customer WHERE name = 'True'",
        "INSERT INTO customer (id, name, book_id, _scope, _seq)"
        " SELECT x'01020304050607080910111213141516', name, book_id, _scope, _seq FROM customer"
        " WHERE name = 'True'; DELETE FROM customer WHERE name = 'True' AND hex(id) NOT LIKE "
        "'0102%'"};
    uint8_t id[16];
    everybody_holds(w, "True", id);
    for (size_t i = 0; i < count_of(damages); i++) {
        (void)sync_later(phone);
        damage(phone, damages[i]);
        assert_int_equal(sync_plainly(phone).tally.repaired, 0);
        struct sync_result result = sync_later(phone);
        assert_true(result.tally.sums_wrong);
        assert_in_range(result.tally.repaired, 1, 2);
        assert_name(phone, id, "True");
    }
    assert_int_equal(verify(phone).tally.repaired, 0);
    world_heal(w);
    world_check(w);
}

static void overstep(struct world_device *d, void *context)
{
    const struct cell cells[] = {cell_text(COLUMN_customer_tier_manual, "A")};
    assert_true(device_update(d, TABLE_customer, context, cells, 1));
}

/* What changes by right isn't taken for damage, in whatever order it comes. */
static void what_changes_by_right_is_no_damage(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "True", id);
    (void)sync_later(phone);
    for (int i = 0; i < 6; i++) {
        char city[16];
        (void)snprintf(city, sizeof city, "City %d", i);
        const struct cell cells[] = {cell_text(COLUMN_customer_city, city)};
        assert_true(device_update(i % 2 == 0 ? phone : &w->devices[ANN_TABLET], TABLE_customer, id,
                                  cells, 1));
        assert_int_equal(sync_later(phone).tally.patrol_found, 0);
        (void)sync_later(&w->devices[ANN_TABLET]);
    }
    world_pass(w, PATROL_EVERY_MS); /* while rows are looked at, one has an edit that is refused */
    const struct fault_plan plan = {.request = 0, .meanwhile = overstep, .context = id};
    assert_int_equal(device_sync_with(phone, &plan, &plain).end, SYNC_FINISHED);
    struct sync_result result = sync_later(phone);
    assert_int_equal(result.tally.refused, 1);
    assert_int_equal(result.tally.patrol_found, 0);
    world_heal(w);
    world_check(w);
}

/* An edit made while the comparison runs stays on top, and isn't mistaken for damage. */
static void edit(struct world_device *d, void *context)
{
    const struct cell cells[] = {cell_text(COLUMN_customer_city, "Oslo")};
    assert_true(device_update(d, TABLE_customer, context, cells, 1));
}

static void pending_edits_stay_on_top(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct seen seen;
    uint8_t id[16], lost[16];
    everybody_holds(w, "Edited", id);
    everybody_holds(w, "Lost", lost);
    damage(phone, "DELETE FROM customer WHERE name = 'Lost';"
                  "UPDATE customer SET _seq = 1 WHERE name = 'Edited'");
    const struct fault_plan plan = {.request = 0, .meanwhile = edit, .context = id};
    struct sync_result result = device_sync_with(phone, &plan, &looking);
    assert_int_equal(result.end, SYNC_FINISHED);
    assert_true(result.tally.digest_equal);
    assert_name(phone, lost, "Lost");
    assert_string_equal(db_sees(w, phone->db, "customer", id, "city", &seen), "Oslo");
    world_heal(w);
    assert_string_equal(db_sees(w, w->reader_db, "customer", id, "city", &seen), "Oslo");
    world_check(w);
}

/* A sync that finds nothing asks nothing; the sum alone costs about ten bytes. */
static void nothing_to_repair_costs_nothing(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Quiet", id);
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        struct sync_result result = sync_plainly(&w->devices[i]);
        assert_true(result.tally.digest_asked && result.tally.digest_equal);
        assert_int_equal(result.tally.requests, 1);
        assert_int_equal(result.tally.repaired, 0);
    }
}

/* Sums of the server that its rows don't bear out: nothing can make them equal. It ends, says so,
 * and isn't tried again by each sync. */
static void a_repair_that_cannot_succeed_ends(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Fine", id);
    world_must(w, w->writer_db,
               db_exec(w->writer_db, "UPDATE scope SET rows = rows + 1 WHERE rows > 0"));
    struct sync_result first = sync_plainly(phone);
    assert_false(first.tally.digest_equal);
    assert_true(first.tally.gave_up);
    assert_true(first.tally.requests < 20);
    assert_int_equal(first.tally.repaired, 0);
    struct sync_result second = sync_plainly(phone);
    assert_false(second.tally.digest_equal);
    assert_false(second.tally.gave_up);
    assert_int_equal(second.tally.requests, 1);
    assert_name(phone, id, "Fine");
}

/* Sums that a device keeps wrongly cost a scan, and no question. */
static void sums_kept_wrong_here_are_made_anew(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Counted", id);
    damage(phone, "UPDATE scope SET rows = rows + 1; DELETE FROM digest_part");
    struct sync_result result = sync_plainly(phone);
    assert_true(result.tally.digest_equal);
    assert_int_equal(result.tally.requests, 1);
    world_check(w);
}

static struct purge_tally purge(struct world *w)
{
    struct purge_tally tally = {.tombstones = 0};
    bool more = true;
    while (more) {
        world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
        struct err err = store_purge(&w->writer, w->server.wall_ms, &tally, &more);
        world_must(w, w->writer_db, db_end(w->writer_db, err));
    }
    return tally;
}

static int64_t purged_to(struct world *w)
{
    return db_count(w, w->reader_db, "SELECT max(purged_to) FROM scope", NULL);
}

/* A device that hasn't passed a tombstone holds it back, until it has been silent for 400 days.
 * When it comes then, it uploads first; what nobody knows any more goes there too. */
static void purged_rows_do_not_resurrect(void **state)
{
    struct world *w = *state;
    struct world_device *tablet = &w->devices[ANN_TABLET];
    struct complaint why = {0};
    uint8_t doomed[16], kept[16];
    everybody_holds(w, "Doomed", doomed);
    everybody_holds(w, "Kept", kept);
    assert_int_equal(world_delete(w, TABLE_customer, doomed, -1, &why), ERR_OK);
    assert_true(set_city(tablet, kept, "Nice"));
    assert_true(set_city(tablet, doomed, "Lost"));
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        for (int times = 0; times < 2 && i != ANN_TABLET; times++) {
            sync_plainly(&w->devices[i]); /* the second hello shows what the first brought */
        }
    }
    assert_int_equal(purge(w).tombstones, 0);
    assert_int_equal(purged_to(w), 0);
    world_pass(w, PURGE_SILENT_MS_MAX + 1000);
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        if (i != ANN_TABLET) {
            sync_plainly(&w->devices[i]);
        }
    }
    assert_int_equal(purge(w).tombstones, 1);
    assert_true(purged_to(w) > 0);
    assert_name(tablet, doomed, "Doomed");
    struct sync_result result = sync_plainly(tablet);
    assert_true(result.tally.digest_equal);
    assert_int_equal(result.tally.repaired, 1);
    assert_name(tablet, doomed, "(none)");
    assert_server(w, kept, "city", "Nice");
    world_pass(w, INT64_C(31) * 24 * 3600 * 1000); /* what waited for its parent is decided */
    world_heal(w);
    world_check(w);
    assert_server(w, doomed, "name", "(none)");
}

/* How much waits for a device, and since when, as `device list` tells it. */
static int64_t waits_for(struct world *w, const struct world_device *d, int64_t *since_ms)
{
    struct buf sql;
    buf_init(&sql, (size_t)16 * 1024);
    buf_put_text(&sql, "SELECT count(*), coalesce(min(since), 0) FROM (");
    purge_put_waiting(&sql, w->server.wall_ms);
    buf_printf(&sql, ") w WHERE device = %u", d->replica.number);
    struct stmt q;
    world_must(w, w->reader_db, db_prepare(w->reader_db, buf_text(&sql), &q, NULL));
    assert_true(db_step_row(&q));
    int64_t count = col_int(&q, 0);
    *since_ms = col_int(&q, 1);
    stmt_close(&q);
    buf_release(&sql);
    return count;
}

static void sync_all_but(struct world *w, size_t silent)
{
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        for (int times = 0; times < 2 && i != silent; times++) {
            sync_plainly(&w->devices[i]); /* the second hello shows what the first brought */
        }
    }
}

static void what_a_device_holds_back_is_told(void **state)
{
    struct world *w = *state;
    struct complaint why = {0};
    uint8_t doomed[16];
    int64_t since = 0;
    everybody_holds(w, "Doomed", doomed);
    world_pass(w, 1000);
    int64_t deleted_ms = w->server.wall_ms;
    assert_int_equal(world_delete(w, TABLE_customer, doomed, -1, &why), ERR_OK);
    world_pass(w, INT64_C(24) * 3600 * 1000);
    sync_all_but(w, ANN_TABLET);
    assert_int_equal(waits_for(w, &w->devices[ANN_PHONE], &since), 0);
    assert_int_equal(waits_for(w, &w->devices[ANN_TABLET], &since), 1);
    assert_int_equal(since, deleted_ms);
    sync_plainly(&w->devices[ANN_TABLET]);
    sync_plainly(&w->devices[ANN_TABLET]);
    assert_int_equal(waits_for(w, &w->devices[ANN_TABLET], &since), 0);
    assert_int_equal(purge(w).tombstones, 1);
}

/* Ann's book goes to Bob: her devices don't hold it any more, whatever they had acknowledged of
 * it. */
static void a_scope_that_was_left_holds_nothing_back(void **state)
{
    struct world *w = *state;
    struct complaint why = {0};
    uint8_t doomed[16];
    int64_t since = 0;
    everybody_holds(w, "Doomed", doomed);
    world_give(w, ANN, BOB);
    sync_all_but(w, ANN_TABLET);
    assert_int_equal(world_delete(w, TABLE_customer, doomed, -1, &why), ERR_OK);
    world_pass(w, INT64_C(24) * 3600 * 1000);
    sync_all_but(w, ANN_TABLET);
    assert_int_equal(waits_for(w, &w->devices[ANN_PHONE], &since), 0);
    assert_int_equal(waits_for(w, &w->devices[ANN_TABLET], &since), 1);
    assert_int_equal(purge(w).tombstones, 0);
    sync_plainly(&w->devices[ANN_TABLET]);
    sync_plainly(&w->devices[ANN_TABLET]);
    assert_int_equal(waits_for(w, &w->devices[ANN_TABLET], &since), 0);
    assert_int_equal(purge(w).tombstones, 1);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(only_what_differs_comes),
        WORLD_TEST(what_the_server_lacks_goes),
        WORLD_TEST(a_flipped_value_is_found),
        WORLD_TEST(a_flipped_value_is_found_in_time),
        WORLD_TEST(flipped_numbers_are_found_in_time),
        WORLD_TEST(what_changes_by_right_is_no_damage),
        WORLD_TEST(pending_edits_stay_on_top),
        WORLD_TEST(nothing_to_repair_costs_nothing),
        WORLD_TEST(a_repair_that_cannot_succeed_ends),
        WORLD_TEST(sums_kept_wrong_here_are_made_anew),
        WORLD_TEST(purged_rows_do_not_resurrect),
        WORLD_TEST(what_a_device_holds_back_is_told),
        WORLD_TEST(a_scope_that_was_left_holds_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
