/* Backups, restores, and what devices bring back: each rule of timelines has its case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/history.h"
#include "tests/support/world_test.h"

static int64_t on_server(struct world *w, const char *sql, const uint8_t id[16])
{
    return db_count(w, w->reader_db, sql, id);
}

static int64_t on_device(struct world_device *d, const char *sql)
{
    return db_count(d->world, d->db, sql, NULL);
}

/* All devices meet the restored server, twice, as some bring what others lack. */
static void recover(struct world *w)
{
    world_heal(w);
    world_check(w);
}

static bool is_company_head(struct world *w, int64_t no)
{
    struct chain_claim *heads = NULL;
    struct arena arena;
    size_t count = 0;
    bool found = false;
    arena_init(&arena, 1u << 20);
    world_must(w, w->reader_db, chain_heads(&w->reader, &arena, &heads, &count));
    for (size_t i = 0; i < count; i++) {
        found = found || (heads[i].scope.kind == SCOPE_COMPANY && heads[i].no == no);
    }
    arena_release(&arena);
    return found;
}

static void on_noted(void *context, const char *what, const char *where)
{
    (void)what;
    (void)where;
    ++*(int *)context;
}

static int noted_findings(struct world *w)
{
    int found = 0;
    world_must(w, w->reader_db,
               chain_check_noted(&w->reader, buf_bytes(&w->ledger_text), on_noted, &found));
    return found;
}

/* ---- marks ---- */

static void test_work_is_kept_until_two_backups_hold_it(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    device_customer(ann, "Shop", customer);
    device_sync(ann);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM sent WHERE state = 1"), 1);
    world_backup(w, "b1");
    device_sync(ann);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM sent WHERE state = 1"), 1);
    world_backup(w, "b2");
    device_sync(ann);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM sent"), 0);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM proof"), 0);
}

/* The same file twice is one backup. */
static void test_a_backup_over_another_counts_once(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    char path[128];
    device_customer(ann, "Shop", customer);
    device_sync(ann);
    world_backup(w, "b1");
    remove(scratch_path(&w->scratch, "b1", path));
    world_backup(w, "b1");
    device_sync(ann);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM sent WHERE state = 1"), 1);
}

/* Marks come until the device has shown that it heard them, then no more. */
static void test_marks_are_told_once(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    const struct fault_plan lost = {.kind = FAULT_ANSWER_CUT, .at = 0};
    const struct client_session_options plain = {.verify = false};
    size_t before = device_sync_with(ann, &lost, &plain).answer_bytes;
    world_backup(w, "b1");
    world_backup(w, "b2");
    size_t told = device_sync_with(ann, &lost, &plain).answer_bytes;
    size_t again =
        device_sync_with(ann, &(struct fault_plan){.kind = FAULT_NONE}, &plain).answer_bytes;
    size_t after =
        device_sync_with(ann, &(struct fault_plan){.kind = FAULT_NONE}, &plain).answer_bytes;
    assert_true(told > before + 20);
    assert_true(again > before + 20);
    assert_true(after <= before + 4);
}

/* ---- what comes back ---- */

static void test_acknowledged_work_survives_a_restore(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t before[16];
    uint8_t after[16];
    uint8_t visit[16];
    everybody_holds(w, "Old", before);
    world_backup(w, "b1");
    device_customer(ann, "New", after);
    set_city(ann, before, "Suzhou");
    device_visit(ann, before, visit);
    device_sync(ann);
    assert_server(w, before, "city", "Suzhou");
    world_heal(w);
    world_restore(w, "b1");
    assert_server(w, before, "city", "(null)");
    assert_server(w, after, "name", "(none)");
    struct sync_result result = device_sync(ann);
    assert_true(result.tally.restored);
    assert_int_equal(result.tally.again, 3);
    assert_server(w, before, "city", "Suzhou");
    assert_server(w, after, "name", "New");
    assert_int_equal(on_server(w, "SELECT count(*) FROM visit WHERE id = ?1", visit), 1);
    recover(w);
    assert_device(ann, before, "city", "Suzhou");
    assert_device(&w->devices[BOSS_LAPTOP], after, "name", "New");
    assert_int_equal(on_server(w, "SELECT count(*) FROM quarantine", NULL), 0);
}

/* The device can't know that work whose row has left it survived: it offers it again, but doesn't
 * say that it came back. */
static void test_what_was_not_lost_does_not_come_back(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t moved[16], stays[16];
    everybody_holds(w, "Moved", moved);
    everybody_holds(w, "Stays", stays);
    set_city(ann, moved, "Suzhou");
    world_move(w, moved, BOB);
    world_heal(w);
    assert_server(w, moved, "city", "Suzhou");
    world_backup(w, "b1");
    world_restore(w, "b1");
    struct sync_result result = device_sync(ann);
    assert_true(result.tally.restored);
    assert_int_equal(result.tally.again, 0);
    recover(w);

    world_backup(w, "b2");
    set_city(ann, stays, "Wuxi");
    device_sync(ann);
    world_restore(w, "b2");
    assert_int_equal(device_sync(ann).tally.again, 1);
    assert_server(w, stays, "city", "Wuxi");
    recover(w);
}

/* An answer is lost, a process dies, a request comes twice: at each request of the way back. */
static void test_the_way_back_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = {FAULT_REQUEST_LOST,    FAULT_TWICE,
                                            FAULT_SERVER_DIES,     FAULT_ANSWER_CUT,
                                            FAULT_SERVER_RESTARTS, FAULT_DEVICE_DIES};
    for (size_t k = 0; k < count_of(kinds); k++) {
        for (int request = 0; request < 5; request++) {
            struct world w;
            uint8_t customer[16];
            uint8_t other[16];
            world_init(&w, 100 + (uint64_t)k * 10 + (uint64_t)request);
            struct world_device *ann = &w.devices[ANN_PHONE];
            everybody_holds(&w, "Shop", customer);
            world_backup(&w, "b1");
            set_city(ann, customer, "Suzhou");
            device_customer(ann, "New", other);
            device_sync(ann);
            world_customer(&w, ANN, "Witnessed", other);
            world_heal(&w);
            set_region(ann, customer, "East"); /* waits */
            world_restore(&w, "b1");
            const struct fault_plan plan = {.kind = kinds[k], .request = request, .at = 40};
            device_sync_with(ann, &plan, NULL);
            recover(&w);
            assert_server(&w, customer, "city", "Suzhou");
            assert_server(&w, customer, "region", "East");
            assert_int_equal(
                on_server(&w, "SELECT count(*) FROM customer WHERE name = 'New'", NULL), 1);
            assert_int_equal(on_server(&w, "SELECT count(*) FROM quarantine WHERE row = ?1", other),
                             1);
            world_release(&w);
        }
    }
}

/* Whoever had seen a value that was brought back and wrote over it has no conflict with it. */
static void test_a_chain_of_edits_comes_back_without_conflicts(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct world_device *boss = &w->devices[BOSS_LAPTOP];
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    set_city(ann, customer, "Suzhou");
    device_sync(ann);
    device_sync(boss);
    world_pass(w, 60000);
    set_city(boss, customer, "Wuxi");
    device_sync(boss);
    device_sync(ann);
    world_restore(w, "b1");
    device_sync(ann);
    device_sync(boss);
    recover(w);
    assert_server(w, customer, "city", "Wuxi");
    assert_int_equal(kept(w, customer, "Suzhou"), 0);
}

static void test_a_base_of_the_lost_part_conflicts_and_is_kept(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    const struct cell lost = cell_text(COLUMN_customer_city, "Lost");
    const struct cell newer = cell_text(COLUMN_customer_city, "Newer");
    struct complaint why;
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    world_put(w, TABLE_customer, customer, &lost, 1, -1, &why);
    device_sync(ann); /* sees a number of what will be lost */
    set_city(ann, customer, "Mine");
    world_restore(w, "b1");
    for (int i = 0; i < 50; i++) { /* numbers pass those that were lost */
        uint8_t id[16];
        world_customer(w, ANN, "Filler", id);
    }
    world_pass(w, 60000);
    world_put(w, TABLE_customer, customer, &newer, 1, -1, &why);
    recover(w);
    assert_server(w, customer, "city", "Newer"); /* later, and unseen by Ann: hers is kept */
    assert_int_equal(kept(w, customer, "Mine"), 1);
}

/* What lost is kept in a row of its own, which the backup may lack while it has the row that it
 * lost in: no number of that row tells. */
static void test_a_value_that_lost_is_kept_again(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    set_city(ann, customer, "Mine");
    world_pass(w, 1000);
    set_city(&w->devices[BOSS_LAPTOP], customer, "The boss's");
    device_sync(&w->devices[BOSS_LAPTOP]);
    world_backup(w, "b1");
    device_sync(ann);
    assert_int_equal(kept(w, customer, "Mine"), 1);
    world_restore(w, "b1");
    assert_int_equal(kept(w, customer, "Mine"), 0);
    recover(w);
    assert_server(w, customer, "city", "The boss's");
    assert_int_equal(kept(w, customer, "Mine"), 1);
}

/* Restored to the wrong backup, and then to a later one: what was seen in between says nothing of
 * what the later one holds. */
static void test_a_base_of_another_branch_has_seen_nothing(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    const struct cell region = cell_text(COLUMN_customer_region, "East");
    struct complaint why;
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    set_city(ann, customer, "First");
    device_sync(ann);
    world_backup(w, "b2");
    world_restore(w, "b1");
    world_put(w, TABLE_customer, customer, &region, 1, -1, &why);
    device_sync(laptop);
    world_pass(w, 60000);
    set_city(laptop, customer, "Second");
    world_restore(w, "b2");
    recover(w);
    assert_server(w, customer, "city", "Second"); /* later, and unseen by its author */
    assert_int_equal(kept(w, customer, "First"), 1);
}

/* Ann's edit comes back and loses: what it lost against isn't hers, and whoever has seen hers in
 * the lost part hasn't seen that. */
static void test_what_was_brought_back_in_vain_hides_nothing(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    const struct cell newer = cell_text(COLUMN_customer_city, "Newer");
    struct complaint why;
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    set_city(ann, customer, "Mine");
    device_sync(ann);
    device_sync(laptop);
    set_city(laptop, customer, "The boss's");
    world_restore(w, "b1");
    world_pass(w, 60000);
    world_put(w, TABLE_customer, customer, &newer, 1, -1, &why);
    device_sync(ann);
    device_sync(laptop);
    recover(w);
    assert_server(w, customer, "city", "Newer");
    assert_int_equal(kept(w, customer, "Mine"), 1);
    assert_int_equal(kept(w, customer, "The boss's"), 1);
}

/* A request that was cut on its way is answered as one of an unknown version would be. The device
 * then believes in an older server, for a day; what it brings back has no words in that version. */
static void test_a_device_that_believes_in_an_older_server_comes_back(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    const struct cell city = cell_text(COLUMN_customer_city, "Lost");
    struct complaint why;
    struct stmt st;
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    world_put(w, TABLE_customer, customer, &city, 1, -1, &why);
    set_region(ann, customer, "East");
    world_heal(w);
    world_must(w, ann->db,
               db_use(ann->db,
                      "UPDATE device_state SET server_protocol = 1, server_catalogue = 2,"
                      " server_older_at = ?1",
                      &st));
    bind_int(&st, 1, replica_now_ms(&ann->replica));
    world_must(w, ann->db, db_step_done(&st, "older"));
    world_restore(w, "b1");
    recover(w);
    assert_server(w, customer, "region", "East");
    assert_device(ann, customer, "city", "(null)");
}

/* The move that gave Ann the customer is lost; what she did then isn't. */
static void test_a_lost_move_refuses_nothing_that_it_allowed(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    uint8_t visit[16];
    world_customer(w, BOB, "Shop", customer);
    world_heal(w);
    world_backup(w, "b1");
    world_move(w, customer, ANN);
    device_sync(ann);
    set_city(ann, customer, "Suzhou");
    device_visit(ann, customer, visit);
    struct sync_result result = device_sync(ann);
    assert_int_equal(result.tally.accepted, 2);
    world_restore(w, "b1");
    recover(w);
    assert_server(w, customer, "city", "Suzhou");
    assert_int_equal(on_server(w, "SELECT count(*) FROM visit WHERE id = ?1", visit), 1);
    assert_device(&w->devices[BOB_PHONE], customer, "city", "Suzhou");
    assert_device(ann, customer, "city", "(none)");
}

/* The same without a word of the server's that it once accepted it: rights of now count. */
static void test_what_isnt_proven_is_judged_by_the_rights_of_now(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct seen seen;
    uint8_t customer[16];
    world_customer(w, BOB, "Shop", customer);
    world_heal(w);
    world_backup(w, "b1");
    world_move(w, customer, ANN);
    device_sync(ann);
    set_city(ann, customer, "Suzhou");
    device_sync(ann);
    world_must(w, ann->db,
               db_exec(ann->db, "UPDATE proof SET body = CAST(substr(body, 1, 12)"
                                " || x'00' || substr(body, 14) AS BLOB)"));
    world_restore(w, "b1");
    recover(w);
    assert_server(w, customer, "city", "(null)");
    assert_true(inbox_code(ann, &seen)[0] != 0);
}

/* Rows that only devices hold: in quarantine, once, and gone from the devices after that. */
static void test_what_nobody_wrote_goes_to_quarantine(void **state)
{
    struct world *w = *state;
    const struct cell city = cell_text(COLUMN_customer_city, "Lost");
    struct complaint why;
    uint8_t old[16];
    uint8_t lost[16];
    everybody_holds(w, "Old", old);
    world_backup(w, "b1");
    world_customer(w, ANN, "Lost", lost);
    world_put(w, TABLE_customer, old, &city, 1, -1, &why);
    world_heal(w);
    assert_device(&w->devices[ANN_PHONE], lost, "name", "Lost");
    world_restore(w, "b1");
    recover(w);
    assert_int_equal(on_server(w, "SELECT count(*) FROM quarantine WHERE row = ?1", lost), 1);
    assert_int_equal(on_server(w, "SELECT count(*) FROM quarantine WHERE row = ?1", old), 1);
    assert_device(&w->devices[ANN_PHONE], lost, "name", "(none)");
    assert_device(&w->devices[ANN_PHONE], old, "city", "(null)");
    assert_server(w, old, "city", "(null)");
}

/* A row that was deleted in the lost part is there again. */
static void test_a_lost_delete_is_undone_everywhere(void **state)
{
    struct world *w = *state;
    struct complaint why;
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    assert_int_equal(world_delete(w, TABLE_customer, customer, -1, &why), ERR_OK);
    world_heal(w);
    assert_device(&w->devices[ANN_PHONE], customer, "name", "(none)");
    world_restore(w, "b1");
    recover(w);
    assert_device(&w->devices[ANN_PHONE], customer, "name", "Shop");
}

/* Work that the device itself deleted goes the same way again. */
static void test_a_delete_comes_back_too(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    uint8_t order[16];
    everybody_holds(w, "Shop", customer);
    device_order(ann, customer, 1, 1000, false, order);
    device_sync(ann);
    world_backup(w, "b1");
    set_city(ann, customer, "Suzhou");
    device_sync(ann);
    world_restore(w, "b1");
    recover(w);
    assert_server(w, customer, "city", "Suzhou");
}

/* The restore itself stands in the company's chain, behind what the backup held; the log goes on
 * from there, and what it tells of a row knows nothing of the break. */
static void test_a_timeline_is_an_entry_of_the_chain(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct history history;
    struct arena arena;
    uint8_t customer[16];
    device_customer(ann, "Shop", customer);
    device_sync(ann);
    world_backup(w, "b1");
    int64_t last = on_server(w, "SELECT max(no) FROM change_log", NULL);
    set_city(ann, customer, "lost");
    device_sync(ann);
    world_restore(w, "b1");
    int64_t no = on_server(w,
                           "SELECT no FROM change_log WHERE intent = 'timeline' AND device = 0"
                           " AND person IS NULL AND received_at IN (SELECT began_at FROM timeline)",
                           NULL);
    assert_int_equal(no, last + 1);
    assert_true(is_company_head(w, no));
    recover(w); /* looks through the store, its chains too */
    assert_int_equal(noted_findings(w), 0);
    arena_init(&arena, 1u << 20);
    world_must(w, w->reader_db,
               history_read(&w->reader, catalogue_table(TABLE_customer), customer, INT64_MAX,
                            &arena, &history));
    assert_int_equal(history.first->act, HISTORY_MADE);
    assert_true(history.first->no <= last);
    assert_int_equal(history.first->next->act, HISTORY_CHANGED);
    assert_true(history.first->next->no > no);
    assert_null(history.first->next->next);
    arena_release(&arena);
}

static void take_picture(struct world_device *d, const uint8_t customer[16], const char *sha256)
{
    const struct cell cells[] = {
        cell_id(COLUMN_media_customer_id, customer),
        cell_text(COLUMN_media_kind, "photo"),
        cell_text(COLUMN_media_sha256, sha256),
        cell_text(COLUMN_media_format, "png"),
        cell_int(COLUMN_media_size, 100),
        cell_int(COLUMN_media_width, 10),
        cell_int(COLUMN_media_height, 10),
        cell_int(COLUMN_media_taken_at, 1),
        cell_text(COLUMN_media_taken_day, "2026-01-05"),
    };
    uint8_t id[16];
    world_new_id(d->world, id);
    assert_true(device_insert(d, TABLE_media, id, cells, count_of(cells)));
}

/* Who brought a picture stood in the store: each is asked for once more, but for those that no row
 * names any longer. */
static void test_pictures_are_asked_for_again(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    uint8_t customer[16];
    device_customer(ann, "Shop", customer);
    device_sync(ann);
    world_backup(w, "b1");
    take_picture(ann, customer, "named");
    device_sync(ann);
    world_must(w, ann->db,
               db_exec(ann->db, "INSERT INTO blob (sha256, size, uploaded_at)"
                                " VALUES ('named', 100, 1), ('unnamed', 100, 1)"));
    device_sync(ann);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM blob WHERE uploaded_at IS NULL"), 0);
    world_restore(w, "b1");
    recover(w);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM blob WHERE uploaded_at IS NULL"), 1);
    assert_int_equal(on_device(ann, "SELECT count(*) FROM blob WHERE uploaded_at IS NULL AND"
                                    " sha256 = 'named'"),
                     1);
}

static void test_two_restores(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct world_device *tablet = &w->devices[ANN_TABLET];
    uint8_t customer[16];
    everybody_holds(w, "Shop", customer);
    world_backup(w, "b1");
    set_city(ann, customer, "Suzhou");
    device_sync(ann);
    device_sync(tablet);
    world_restore(w, "b1");
    device_sync(ann); /* comes back into the second timeline, the tablet doesn't */
    set_region(ann, customer, "East");
    device_sync(ann);
    world_restore(w, "b1");
    assert_int_equal(on_server(w, "SELECT timeline FROM store_state", NULL), 3);
    recover(w);
    assert_server(w, customer, "city", "Suzhou");
    assert_server(w, customer, "region", "East");
    assert_device(tablet, customer, "city", "Suzhou");
    assert_int_equal(kept(w, customer, "Suzhou"), 0);
}

/* ---- the ledger ---- */

static void test_revoked_stays_revoked(void **state)
{
    struct world *w = *state;
    struct world_device *bob = &w->devices[BOB_PHONE];
    world_backup(w, "b1");
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(
        w, w->writer_db,
        db_end(w->writer_db, store_revoke(&w->writer, bob->replica.device, w->server.wall_ms)));
    world_restore(w, "b1");
    w->allows_faults = true;
    struct sync_result result =
        device_sync_with(bob, &(struct fault_plan){.kind = FAULT_NONE}, NULL);
    assert_int_equal(result.end, SYNC_FAILED);
    assert_string_equal(result.code, "device_revoked");
}

static struct err try_secret(struct world *w, const uint8_t secret[20], uint8_t key)
{
    struct enrol request = {.name = bytes_text("x"), .app = bytes_text("x")};
    struct enrolled who;
    struct arena arena;
    arena_init(&arena, 1u << 20);
    memcpy(request.secret, secret, sizeof request.secret);
    memset(request.public_key, key, sizeof request.public_key);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err =
        db_end(w->writer_db, store_enrol(&w->writer, &request, w->server.wall_ms, &arena, &who));
    arena_release(&arena);
    return err;
}

static void test_used_stays_used(void **state)
{
    struct world *w = *state;
    static const uint8_t secret[20] = {7};
    uint8_t hash[32];
    crypto_hash_sha256(hash, secret, sizeof secret);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               db_end(w->writer_db, store_invite(&w->writer, w->people[ANN], hash,
                                                 w->server.wall_ms, w->server.wall_ms + 1000000)));
    world_backup(w, "b1");
    assert_int_equal(try_secret(w, secret, 1).code, ERR_OK);
    world_restore(w, "b1");
    assert_int_equal(try_secret(w, secret, 2).code, ERR_AUTH);
}

static void test_a_device_enrolled_after_the_backup_comes_back(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_TABLET];
    uint8_t customer[16];
    world_backup(w, "b1");
    device_enrol(ann);
    device_sync(ann);
    device_customer(ann, "New", customer);
    device_sync(ann);
    world_restore(w, "b1");
    assert_int_equal(
        on_server(w, "SELECT count(*) FROM device_key WHERE device = ?1", ann->replica.device), 0);
    assert_int_equal(device_come_back(ann).code, ERR_OK);
    assert_int_equal(device_come_back(ann).code, ERR_OK); /* its answer was lost */
    recover(w);
    assert_server(w, customer, "name", "New");
}

static void test_a_revoked_one_doesnt(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_TABLET];
    world_backup(w, "b1");
    device_enrol(ann);
    device_sync(ann);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(
        w, w->writer_db,
        db_end(w->writer_db, store_revoke(&w->writer, ann->replica.device, w->server.wall_ms)));
    world_restore(w, "b1");
    assert_int_equal(device_come_back(ann).code, ERR_AUTH);
}

/* ---- two servers ---- */

static void test_an_old_server_stops_writing(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    struct world_device *bob = &w->devices[BOB_PHONE];
    uint8_t customer[16];
    world_backup(w, "b1");
    world_store_copy(w, "old");
    world_restore(w, "b1");
    device_sync(ann);
    device_customer(ann, "New", customer);
    world_store_serve(w, "old");
    w->allows_faults = true;
    struct sync_result result =
        device_sync_with(ann, &(struct fault_plan){.kind = FAULT_NONE}, NULL);
    assert_int_equal(result.end, SYNC_FAILED);
    assert_string_equal(result.code, "superseded");
    assert_server(w, customer, "name", "(none)");
    assert_int_equal(device_sync_with(bob, &(struct fault_plan){.kind = FAULT_NONE}, NULL).end,
                     SYNC_FAILED);
    world_restart_server(w); /* it remembers */
    assert_int_equal(device_sync_with(bob, &(struct fault_plan){.kind = FAULT_NONE}, NULL).end,
                     SYNC_FAILED);
    world_store_serve(w, "store.db");
    w->allows_faults = false;
    recover(w);
    assert_server(w, customer, "name", "New");
}

/* A device can't stop a server by a timeline that it made up. */
static void test_a_made_up_timeline_stops_nobody(void **state)
{
    struct world *w = *state;
    struct world_device *ann = &w->devices[ANN_PHONE];
    world_must(
        w, ann->db,
        db_exec(ann->db, "UPDATE device_state SET timeline = 9, timeline_id = zeroblob(16)"));
    w->allows_faults = true;
    device_sync_with(ann, &(struct fault_plan){.kind = FAULT_NONE}, NULL);
    assert_int_equal(w->fault_status, 503);
    w->allows_faults = false;
    device_sync(&w->devices[BOB_PHONE]);
    assert_int_equal(on_server(w, "SELECT superseded FROM store_state", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_work_is_kept_until_two_backups_hold_it),
        WORLD_TEST(test_a_backup_over_another_counts_once),
        WORLD_TEST(test_marks_are_told_once),
        WORLD_TEST(test_acknowledged_work_survives_a_restore),
        WORLD_TEST(test_what_was_not_lost_does_not_come_back),
        cmocka_unit_test(test_the_way_back_may_be_cut_anywhere),
        WORLD_TEST(test_a_chain_of_edits_comes_back_without_conflicts),
        WORLD_TEST(test_a_base_of_the_lost_part_conflicts_and_is_kept),
        WORLD_TEST(test_a_value_that_lost_is_kept_again),
        WORLD_TEST(test_a_base_of_another_branch_has_seen_nothing),
        WORLD_TEST(test_what_was_brought_back_in_vain_hides_nothing),
        WORLD_TEST(test_a_device_that_believes_in_an_older_server_comes_back),
        WORLD_TEST(test_a_lost_move_refuses_nothing_that_it_allowed),
        WORLD_TEST(test_what_isnt_proven_is_judged_by_the_rights_of_now),
        WORLD_TEST(test_what_nobody_wrote_goes_to_quarantine),
        WORLD_TEST(test_a_lost_delete_is_undone_everywhere),
        WORLD_TEST(test_a_delete_comes_back_too),
        WORLD_TEST(test_a_timeline_is_an_entry_of_the_chain),
        WORLD_TEST(test_pictures_are_asked_for_again),
        WORLD_TEST(test_two_restores),
        WORLD_TEST(test_revoked_stays_revoked),
        WORLD_TEST(test_used_stays_used),
        WORLD_TEST(test_a_device_enrolled_after_the_backup_comes_back),
        WORLD_TEST(test_a_revoked_one_doesnt),
        WORLD_TEST(test_an_old_server_stops_writing),
        WORLD_TEST(test_a_made_up_timeline_stops_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
