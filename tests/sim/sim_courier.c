/* Courier files: the same work by file and by sync, in any order, has one effect; what can't be
 * taken is named and leaves no trace. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sodium.h>

#include "common/changelog/server/erase.h"
#include "common/sync/courier_quarantine.h"
#include "tests/support/world_test.h"

static const struct fault_plan nothing = {.kind = FAULT_NONE};

static int64_t logged(struct world *w)
{
    return db_count(w, w->reader_db, "SELECT count(*) FROM change_log WHERE device > 0", NULL);
}

/* By file alone: the server has it at once; the device hears of it by its next sync. */
static void file_comes_first(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16], visit[16];
    everybody_holds(w, "By hand", id);
    int64_t before = logged(w);
    set_city(phone, id, "Lhasa");
    device_visit(phone, id, visit);
    assert_int_equal(device_export(phone, &file), 2);
    world_pass(w, 3 * 24 * 3600 * 1000);
    struct courier_report report = world_take(w, &file);
    assert_int_equal(report.outcomes[OUTCOME_ACCEPTED], 2);
    assert_int_equal(report.known, 0);
    assert_server(w, id, "city", "Lhasa");
    report = world_take(w, &file);
    assert_int_equal(report.known, 2);
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.accepted, 2);
    report = world_take(w, &file);
    assert_int_equal(report.known, 2);
    assert_int_equal(logged(w) - before, 2);
    buf_release(&file);
    world_heal(w);
    world_check(w);
}

static void sync_comes_first(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Both ways", id);
    int64_t before = logged(w);
    device_visit(phone, id, visit);
    assert_int_equal(device_export(phone, &file), 1);
    device_sync(phone);
    device_sync(phone);
    set_city(phone, id, "later");
    device_sync(phone);
    struct courier_report report = world_take(w, &file);
    assert_int_equal(report.known, 1);
    assert_int_equal(logged(w) - before, 2);
    device_sync(phone); /* a file with an old token makes no copy of its device */
    buf_release(&file);
    world_heal(w);
    world_check(w);
}

/* Two files, the later one holding the earlier one's work too; the earlier comes last. */
static void files_in_any_order(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf first, second;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Order", id);
    int64_t before = logged(w);
    set_city(phone, id, "one");
    assert_int_equal(device_export(phone, &first), 1);
    world_pass(w, 1000);
    set_city(phone, id, "two");
    device_visit(phone, id, visit);
    assert_int_equal(device_export(phone, &second), 3);
    world_take(w, &second);
    assert_int_equal(world_take(w, &first).known, 1);
    assert_server(w, id, "city", "two");
    assert_int_equal(logged(w) - before, 3);
    buf_release(&first);
    buf_release(&second);
    world_heal(w);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM kept_value", NULL), 0);
    world_check(w);
}

/* What was written before another's edit stays before it, however long the file travels, and though
 * somebody sets the clock between the last sync and the export. */
static void travelling_makes_nothing_younger(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16];
    everybody_holds(w, "Slow", id);
    set_city(phone, id, "earlier");
    phone->host.wall_ms += YEAR_MS;
    world_pass(w, 60000);
    assert_int_equal(device_export(phone, &file), 1);
    world_pass(w, 60000);
    set_city(&w->devices[BOSS_LAPTOP], id, "later");
    device_sync(&w->devices[BOSS_LAPTOP]);
    world_pass(w, 7 * 24 * 3600 * 1000);
    world_take(w, &file);
    buf_release(&file);
    world_heal(w);
    assert_server(w, id, "city", "later");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM kept_value", NULL), 1);
    world_check(w);
}

/* A file whose predecessor is still on its way: what rests on it waits, and stands once it has
 * come. */
static void gap_parks_until_the_rest_comes(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf second, whole;
    uint8_t id[16];
    device_sync(phone); /* brings the key that files are sealed to */
    device_customer(phone, "Gap", id);
    set_city(phone, id, "rests on the customer");
    assert_int_equal(device_export(phone, &whole), 2);
    world_must(w, phone->db, /* as if the first had gone out in a file that got lost */
               db_exec(phone->db, "UPDATE sent SET state = 3"
                                  " WHERE tx = (SELECT min(tx) FROM sent WHERE state = 0)"));
    assert_int_equal(device_export(phone, &second), 1);
    struct courier_report report = world_take(w, &second);
    assert_int_equal(report.outcomes[OUTCOME_PARKED], 1);
    assert_server(w, id, "name", "(none)");
    report = world_take(w, &whole);
    assert_int_equal(report.outcomes[OUTCOME_REFUSED], 0);
    assert_int_equal(report.known, 1);
    assert_server(w, id, "city", "rests on the customer");
    world_must(w, phone->db, db_exec(phone->db, "UPDATE sent SET state = 0 WHERE state = 3"));
    buf_release(&second);
    buf_release(&whole);
    world_heal(w);
    assert_server(w, id, "city", "rests on the customer");
    world_check(w);
}

/* The device opened an epoch between the export and the file's arrival. */
static void file_of_an_older_epoch(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Epochs", id);
    int64_t before = logged(w);
    device_copy(phone, "idle");
    set_city(phone, id, "of the lost file");
    device_sync(phone);
    device_copy_back(phone, "idle");
    device_visit(phone, id, visit);
    set_region(phone, id, "of the copy");
    assert_int_equal(device_export(phone, &file), 2);
    struct courier_report report;
    assert_int_equal(world_import(w, &file, &report).code, ERR_REFUSED);
    assert_int_equal(report.refusal, COURIER_SET_BACK);
    assert_int_equal(logged(w) - before, 1);
    buf_release(&file);
    world_pass(w, 1000);
    world_heal(w);
    assert_int_equal(logged(w) - before, 3);
    world_check(w);
}

/* Refused and merged work comes back to its author by the next sync. */
static void verdicts_of_a_file_reach_the_device(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why;
    struct buf file;
    uint8_t gone[16], id[16];
    everybody_holds(w, "Gone", gone);
    everybody_holds(w, "Merged", id);
    set_city(phone, gone, "too late");
    set_city(phone, id, "earlier");
    device_export(phone, &file);
    world_pass(w, 60000);
    set_city(&w->devices[BOSS_LAPTOP], id, "later");
    device_sync(&w->devices[BOSS_LAPTOP]);
    assert_int_equal(world_delete(w, TABLE_customer, gone, -1, &why), ERR_OK);
    struct courier_report report = world_take(w, &file);
    buf_release(&file);
    assert_int_equal(report.outcomes[OUTCOME_REFUSED], 1);
    assert_int_equal(report.outcomes[OUTCOME_MERGED], 1);
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.refused, 1);
    assert_int_equal(result.tally.merged, 1);
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM inbox WHERE code = 'deleted'", NULL), 1);
    world_heal(w);
    world_check(w);
}

/* The device enrolled again before its file came: the work is known by its family. */
static void file_of_a_former_device(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Former", id);
    int64_t before = logged(w);
    device_visit(phone, id, visit);
    device_export(phone, &file);
    device_enrol_again(phone);
    device_sync(phone);
    assert_int_equal(world_take(w, &file).known, 1);
    assert_int_equal(logged(w) - before, 1);
    buf_release(&file);
    world_heal(w);
    world_check(w);
}

/* Ann helps out in Bob's book for a while. A file from before doesn't name the book, which says
 * nothing of whether her phone has heard that she doesn't help any more. */
static void an_old_file_has_heard_of_nothing(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why;
    struct buf file;
    uint8_t mine[16], his[16], holder[16];
    device_sync(phone);
    device_customer(&w->devices[BOB_PHONE], "His", his);
    device_sync(&w->devices[BOB_PHONE]);
    device_customer(phone, "Mine", mine);
    assert_int_equal(device_export(phone, &file), 1);
    const struct cell cells[] = {cell_id(COLUMN_book_holder_book_id, w->books[BOB]),
                                 cell_id(COLUMN_book_holder_person_id, w->people[ANN])};
    world_new_id(w, holder);
    assert_int_equal(world_put(w, TABLE_book_holder, holder, cells, 2, -1, &why), ERR_OK);
    device_sync(phone);
    device_sync(phone);
    set_city(phone, his, "Helped");
    assert_int_equal(world_delete(w, TABLE_book_holder, holder, -1, &why), ERR_OK);
    assert_int_equal(world_take(w, &file).known, 1);
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.accepted, 1);
    assert_server(w, his, "city", "Helped");
    buf_release(&file);
    world_heal(w);
    world_check(w);
}

/* A revoked device's work waits for an admin, each transaction once. */
static void revoked_work_goes_into_quarantine(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Revoked", id);
    int64_t before = logged(w);
    set_city(phone, id, "judged before");
    device_sync(phone);
    device_visit(phone, id, visit);
    device_export(phone, &file);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err = store_revoke(&w->writer, phone->replica.device, w->server.wall_ms);
    world_must(w, w->writer_db, db_end(w->writer_db, err));
    assert_int_equal(world_take(w, &file).quarantined, 1);
    assert_int_equal(world_take(w, &file).quarantined, 0);
    assert_int_equal(logged(w) - before, 1);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 0);
    assert_int_equal(db_count(w, w->reader_db,
                              "SELECT count(*) FROM quarantine WHERE kind = 'revoked'"
                              " AND state = 'waiting'",
                              NULL),
                     1);
    struct complaint why = {0};
    int64_t no = db_count(w, w->reader_db, "SELECT no FROM quarantine", NULL);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    err = courier_release(&w->writer, no, NULL, "root", w->server.wall_ms, &why);
    world_must(w, w->writer_db, db_end(w->writer_db, err));
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 1);
    assert_int_equal(logged(w) - before, 2);
    assert_int_equal(world_take(w, &file).quarantined, 0);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    err = courier_discard(&w->writer, no, "root", w->server.wall_ms);
    assert_int_equal(db_end(w->writer_db, err).code, ERR_NOT_FOUND);
    buf_release(&file);
}

/* What a revoked device's file says of somebody who was erased meanwhile waits for nobody. */
static void revoked_work_on_the_erased_is_not_kept(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf file;
    uint8_t id[16];
    int64_t job = 0;
    everybody_holds(w, "Forgotten", id);
    set_city(phone, id, "SECRET");
    device_export(phone, &file);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err = store_revoke(&w->writer, phone->replica.device, w->server.wall_ms);
    if (err.code == ERR_OK) {
        err = erase_begin(&w->writer, catalogue_table(TABLE_customer), id, w->server.wall_ms, &job);
    }
    world_must(w, w->writer_db, db_end(w->writer_db, err));
    assert_int_equal(world_take(w, &file).quarantined, 0);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM quarantine", NULL), 0);
    buf_release(&file);
}

/* ---- what isn't taken ---- */

static enum courier_fault import_fault(struct world *w, const struct buf *file)
{
    struct courier_report report;
    int64_t before = logged(w);
    assert_int_equal(world_import(w, file, &report).code, ERR_REFUSED);
    assert_int_equal(report.refusal, COURIER_NOT_OPENED);
    assert_int_equal(logged(w), before);
    return report.fault;
}

static void bad_files_are_named(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct courier_report report;
    struct buf file;
    uint8_t id[16];
    everybody_holds(w, "Bad", id);
    set_city(phone, id, "never");
    device_export(phone, &file);
    size_t size = file.size;
    for (file.size = 0; file.size < size; file.size++) {
        enum courier_fault fault = import_fault(w, &file);
        assert_int_equal(fault, file.size == 0 ? COURIER_FOREIGN : COURIER_TRUNCATED);
    }
    for (size_t i = 0; i < size; i++) { /* each byte is under the signature */
        file.at[i] ^= 0x20;
        enum courier_fault fault = import_fault(w, &file);
        assert_true(fault == COURIER_DAMAGED || (i < 8 && fault == COURIER_FOREIGN) ||
                    (i >= 8 && i < 12 && fault == COURIER_NEWER) ||
                    (i >= 100 && i < 108 && fault == COURIER_TRUNCATED));
        file.at[i] ^= 0x20;
    }
    uint8_t secret[32];
    memcpy(secret, w->writer.courier_secret, sizeof secret);
    w->writer.courier_secret[5] ^= 1;
    assert_int_equal(import_fault(w, &file), COURIER_OTHER_SERVER);
    memcpy(w->writer.courier_secret, secret, sizeof secret);
    w->writer.timeline.counter++; /* as after a restore */
    assert_int_equal(world_import(w, &file, &report).code, ERR_REFUSED);
    assert_int_equal(report.refusal, COURIER_OTHER_TIMELINE);
    w->writer.timeline.counter--;
    phone->secret_key[0] ^= 1; /* signed with a key that the server doesn't know */
    uint8_t seed[32] = {1};
    uint8_t public_key[32];
    (void)crypto_sign_seed_keypair(public_key, phone->secret_key, seed);
    buf_release(&file);
    device_export(phone, &file);
    assert_int_equal(world_import(w, &file, &report).code, ERR_REFUSED);
    assert_int_equal(report.refusal, COURIER_UNKNOWN_DEVICE);
    buf_release(&file);
    assert_int_equal(device_sync_with(phone, &nothing, NULL).tally.accepted, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(file_comes_first),
        WORLD_TEST(sync_comes_first),
        WORLD_TEST(files_in_any_order),
        WORLD_TEST(travelling_makes_nothing_younger),
        WORLD_TEST(gap_parks_until_the_rest_comes),
        WORLD_TEST(file_of_an_older_epoch),
        WORLD_TEST(verdicts_of_a_file_reach_the_device),
        WORLD_TEST(file_of_a_former_device),
        WORLD_TEST(an_old_file_has_heard_of_nothing),
        WORLD_TEST(revoked_work_goes_into_quarantine),
        WORLD_TEST(revoked_work_on_the_erased_is_not_kept),
        WORLD_TEST(bad_files_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
