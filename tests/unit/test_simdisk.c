/* The disk that the simulator stands on: what was said to be saved must survive it, and what it
 * breaks must show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/db.h"
#include "tests/support/fake_host.h"
#include "tests/support/simdisk.h"

static uint64_t chance(void *context, uint64_t n)
{
    return fake_host_next(context) % n;
}

struct bench {
    struct fake_host host;
    struct simdisk *disk;
    struct db *db;
};

static struct err try_open(struct bench *b, enum db_mode mode)
{
    const struct db_options options = {.mode = mode, .vfs = simdisk_name(b->disk)};
    return db_open(&b->db, "file.db", &options);
}

static void must(struct err err)
{
    assert_int_equal(err.code, ERR_OK);
}

static void begin(struct bench *b, uint64_t seed)
{
    fake_host_init(&b->host, seed, 0);
    b->disk = simdisk_new("test-disk", chance, &b->host);
    must(try_open(b, DB_CREATE));
    must(db_exec(b->db, "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)"));
}

static void end(struct bench *b)
{
    db_close(b->db);
    simdisk_free(b->disk);
}

static void come_back(struct bench *b, bool power_was_cut)
{
    simdisk_die(b->disk);
    db_close(b->db);
    simdisk_restart(b->disk, power_was_cut);
    must(try_open(b, DB_WRITE));
}

static struct err save(struct bench *b)
{
    return db_exec(b->db, "INSERT INTO t (text) VALUES (hex(zeroblob(3000)))");
}

static int64_t saved(struct bench *b)
{
    int64_t count = -1;
    must(db_one_int(b->db, "SELECT count(*) FROM t", &count));
    return count;
}

static bool is_sound(struct bench *b)
{
    struct buf report;
    buf_init(&report, 65536);
    struct err err = db_integrity(b->db, &report);
    buf_release(&report);
    return err.code == ERR_OK;
}

/* Power is cut at the n-th write or sync, for every n, in a run long enough for checkpoints. */
static void saved_stays_saved(void **state)
{
    (void)state;
    bool struck = true;
    for (int64_t n = 0; struck; n += 1 + n / 50) {
        struct bench b;
        int64_t said = 0;
        begin(&b, (uint64_t)n);
        const struct simdisk_fault dies = {
            .operations = SIMDISK_ANY, .after = n, .effect = SIMDISK_DIES};
        must(db_exec(b.db, "PRAGMA wal_autocheckpoint = 20"));
        simdisk_arm(b.disk, &dies);
        for (int i = 0; i < 60; i++) {
            said += save(&b).code == ERR_OK;
        }
        struck = simdisk_is_dead(b.disk);
        come_back(&b, true);
        assert_true(is_sound(&b));
        assert_in_range(saved(&b), said, said + 1);
        end(&b);
    }
}

/* Without syncs a cut of power must be able to lose something, or this disk is too kind. */
static void what_was_not_synced_can_be_lost(void **state)
{
    (void)state;
    int lost = 0, kept = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bench b;
        begin(&b, seed);
        must(db_exec(b.db, "PRAGMA synchronous = NORMAL"));
        must(save(&b));
        come_back(&b, true);
        assert_true(is_sound(&b));
        lost += saved(&b) == 0;
        kept += saved(&b) == 1;
        end(&b);
    }
    assert_true(lost > 0);
    assert_int_equal(lost + kept, 20);
}

static void a_dying_process_loses_no_write(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    must(db_exec(b.db, "PRAGMA synchronous = OFF"));
    must(save(&b));
    come_back(&b, false);
    assert_int_equal(saved(&b), 1);
    assert_int_equal(simdisk_counts(b.disk)->lost_sectors, 0);
    end(&b);
}

static void a_failing_sync_is_told_and_forgets(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bench b;
        begin(&b, seed);
        const struct simdisk_fault fails = {.operations = SIMDISK_SYNC, .effect = SIMDISK_EIO};
        must(save(&b));
        simdisk_arm(b.disk, &fails);
        assert_int_equal(save(&b).code, ERR_IO);
        assert_int_equal(simdisk_struck(b.disk), 1);
        come_back(&b, true);
        assert_true(is_sound(&b));
        assert_in_range(saved(&b), 1, 2);
        end(&b);
    }
}

/* What a failed sync left behind must not take down with it what is saved afterwards. */
static void saved_after_a_failing_sync_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct bench b;
        begin(&b, seed);
        const struct simdisk_fault fails = {
            .operations = SIMDISK_SYNC, .after = (int64_t)(seed % 3), .effect = SIMDISK_EIO};
        int64_t said = 0, tried = 6;
        simdisk_arm(b.disk, &fails);
        for (int i = 0; i < 3; i++) {
            said += save(&b).code == ERR_OK;
        }
        come_back(&b, false); /* the program ends, and is started again */
        for (int i = 0; i < 3; i++) {
            said += save(&b).code == ERR_OK;
        }
        come_back(&b, true);
        assert_true(is_sound(&b));
        assert_in_range(saved(&b), said, tried);
        end(&b);
    }
}

static void a_full_disk_takes_nothing_and_recovers(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    must(save(&b));
    simdisk_set_room(b.disk, simdisk_size(b.disk, "file.db") + simdisk_size(b.disk, "file.db-wal"));
    assert_int_equal(save(&b).code, ERR_FULL);
    assert_int_equal(saved(&b), 1);
    simdisk_heal(b.disk);
    must(save(&b));
    assert_int_equal(saved(&b), 2);
    end(&b);
}

static void reading_goes_on_where_writing_may_not(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    must(save(&b));
    db_close(b.db);
    simdisk_set_read_only(b.disk, true);
    assert_int_equal(try_open(&b, DB_WRITE).code, ERR_READONLY);
    simdisk_set_read_only(b.disk, false);
    must(try_open(&b, DB_WRITE));
    simdisk_set_read_only(b.disk, true);
    assert_int_equal(save(&b).code, ERR_READONLY);
    assert_int_equal(saved(&b), 1);
    end(&b);
}

static void rot_is_found(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    must(save(&b));
    db_close(b.db);
    assert_false(simdisk_has(b.disk, "file.db-wal"));
    assert_true(simdisk_rot(b.disk, "file.db", 4096 + 3, 1)); /* cells of the second page */
    must(try_open(&b, DB_WRITE));
    assert_false(is_sound(&b));
    end(&b);
}

static void a_reader_keeps_its_snapshot(void **state)
{
    (void)state;
    struct bench b;
    struct db *reader = NULL;
    int64_t count = -1;
    begin(&b, 1);
    const struct db_options options = {.mode = DB_READ, .vfs = simdisk_name(b.disk)};
    must(db_open(&reader, "file.db", &options));
    must(db_begin(reader, DB_LOCK_READ));
    must(db_one_int(reader, "SELECT count(*) FROM t", &count));
    must(db_begin(b.db, DB_LOCK_WRITE));
    must(save(&b));
    struct db *other = NULL;
    const struct db_options writes = {.mode = DB_WRITE, .vfs = simdisk_name(b.disk)};
    must(db_open(&other, "file.db", &writes));
    assert_int_equal(db_begin(other, DB_LOCK_WRITE).code, ERR_BUSY);
    must(db_end(b.db, err_ok()));
    must(db_one_int(reader, "SELECT count(*) FROM t", &count));
    assert_int_equal(count, 0);
    must(db_end(reader, err_ok()));
    must(db_one_int(reader, "SELECT count(*) FROM t", &count));
    assert_int_equal(count, 1);
    db_close(other);
    db_close(reader);
    end(&b);
}

static void an_image_is_the_whole_disk(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, 1);
    must(save(&b));
    struct simdisk_image *image = simdisk_save(b.disk);
    must(save(&b));
    db_close(b.db);
    simdisk_load(b.disk, image);
    simdisk_image_free(image);
    must(try_open(&b, DB_WRITE));
    assert_int_equal(saved(&b), 1);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_stays_saved),
        cmocka_unit_test(what_was_not_synced_can_be_lost),
        cmocka_unit_test(a_dying_process_loses_no_write),
        cmocka_unit_test(a_failing_sync_is_told_and_forgets),
        cmocka_unit_test(saved_after_a_failing_sync_stays),
        cmocka_unit_test(a_full_disk_takes_nothing_and_recovers),
        cmocka_unit_test(reading_goes_on_where_writing_may_not),
        cmocka_unit_test(rot_is_found),
        cmocka_unit_test(a_reader_keeps_its_snapshot),
        cmocka_unit_test(an_image_is_the_whole_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
