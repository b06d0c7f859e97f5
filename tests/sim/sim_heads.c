/* A change log that was changed, cut or made anew behind the server's back: devices hold heads of
 * it, and show them once a day; backups were made with others; the ledger knows where it ended. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/work.h"
#include "tests/support/world_test.h"

#define DAY (INT64_C(86400) * 1000)

static int64_t alarms(struct world *w)
{
    return db_count(w, w->reader_db, "SELECT count(*) FROM chain_alarm", NULL);
}

static void verify_says(struct world *w, const char *text)
{
    struct buf report;
    buf_init(&report, 1 << 20);
    struct err err = store_verify(&w->reader, &report);
    if (text == NULL && err.code != ERR_OK) {
        world_fail(w, "verify: %s", buf_text(&report));
    }
    if (text != NULL && strstr(buf_text(&report), text) == NULL) {
        world_fail(w, "verify doesn't say \"%s\": %s", text, buf_text(&report));
    }
    buf_release(&report);
}

static void a_day_with_nothing_raises_no_alarm(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Long known", id);
    for (int day = 0; day < 3; day++) {
        assert_true(set_city(&w->devices[ANN_PHONE], id, day % 2 == 0 ? "Here" : "There"));
        world_heal(w);
        world_pass(w, DAY);
    }
    world_heal(w);
    assert_int_equal(alarms(w), 0);
    assert_true(db_count(w, w->devices[BOB_PHONE].db,
                         "SELECT count(*) FROM cursor WHERE head IS NOT NULL", NULL) > 0);
    verify_says(w, NULL);
}

static void on_noted(void *context, const char *what, const char *where)
{
    (void)where;
    assert_non_null(strstr(what, "cut or replaced: the ledger"));
    ++*(int *)context;
}

static int ledger_findings(struct world *w)
{
    int found = 0;
    world_must(w, w->reader_db,
               chain_check_noted(&w->reader, buf_bytes(&w->ledger_text), on_noted, &found));
    return found;
}

static void keep_heads(struct world *w)
{
    world_must(w, w->writer_db,
               db_exec(w->writer_db, "CREATE TABLE temp.kept AS SELECT no, head FROM scope"));
}

/* The last entry goes with everything that the file says of it: it fits itself again. */
static void cut_last_entry(struct world *w)
{
    world_must(w, w->writer_db,
               db_exec(w->writer_db,
                       "DELETE FROM change_row WHERE no = (SELECT max(no) FROM change_log);"
                       "DELETE FROM change_log WHERE no = (SELECT max(no) FROM change_log);"
                       "UPDATE scope SET head = (SELECT head FROM kept WHERE kept.no = scope.no)"));
    world_restart_server(w);
}

static void a_tail_cut_cleanly_is_known_to_devices(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Long known", id);
    keep_heads(w);
    assert_true(set_city(&w->devices[ANN_PHONE], id, "Hidden"));
    world_heal(w);
    cut_last_entry(w);
    verify_says(w, NULL);
    world_pass(w, DAY);
    device_sync(&w->devices[BOSS_LAPTOP]);
    assert_int_equal(alarms(w), 1);
    world_pass(w, DAY);
    device_sync(&w->devices[BOSS_LAPTOP]); /* said once */
    assert_int_equal(alarms(w), 1);
    verify_says(w, "cut or replaced: device D");
}

/* No device has to come: the record of a backup that held the entry tells, and so does the ledger
 * where that record is gone as well. */
static void a_tail_cut_is_known_to_a_backup(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Long known", id);
    world_backup(w, "before");
    keep_heads(w);
    assert_true(set_city(&w->devices[ANN_PHONE], id, "Hidden"));
    world_heal(w);
    world_backup(w, "held");
    verify_says(w, NULL);
    assert_int_equal(ledger_findings(w), 0);
    cut_last_entry(w);
    verify_says(w, "cut or replaced: backup held holds another head: book:");
    assert_int_equal(ledger_findings(w), 1);
    world_must(w, w->writer_db, db_exec(w->writer_db, "DELETE FROM backup WHERE file = 'held'"));
    verify_says(w, NULL);
    assert_int_equal(ledger_findings(w), 1);
}

/* The whole file of an hour ago: all of it fits, and it has no record of the backup made since. */
static void a_store_replaced_by_an_older_file_is_known(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Long known", id);
    world_backup(w, "first");
    world_store_copy(w, "older");
    assert_true(set_city(&w->devices[ANN_PHONE], id, "Hidden"));
    world_heal(w);
    world_backup(w, "second");
    assert_int_equal(ledger_findings(w), 0);
    world_store_serve(w, "older");
    verify_says(w, NULL);
    assert_int_equal(ledger_findings(w), 1);
}

/* All hashes made anew over a changed value: nothing in the file is wrong. */
static void a_chain_made_anew_is_known_to_devices(void **state)
{
    struct world *w = *state;
    uint8_t id[16];
    everybody_holds(w, "Long known", id);
    world_pass(w, DAY);
    world_heal(w);
    world_must(w, w->writer_db,
               db_exec(w->writer_db, "UPDATE change_log SET code = 'other' WHERE no = 1;"
                                     "UPDATE scope SET head = NULL"));
    world_restart_server(w);
    int64_t last = db_count(w, w->writer_db, "SELECT max(no) FROM change_log", NULL);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err = err_ok();
    for (int64_t no = 1; no <= last && err.code == ERR_OK; no++) {
        err = work_log_close(&w->writer, no);
    }
    err = err.code == ERR_OK ? scopes_save(&w->writer) : err;
    world_must(w, w->writer_db, db_end(w->writer_db, err));
    world_restart_server(w);
    verify_says(w, NULL);
    world_pass(w, DAY);
    device_sync(&w->devices[ANN_PHONE]);
    assert_true(alarms(w) > 0);
    verify_says(w, "cut or replaced: device D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_day_with_nothing_raises_no_alarm),
        WORLD_TEST(a_tail_cut_cleanly_is_known_to_devices),
        WORLD_TEST(a_tail_cut_is_known_to_a_backup),
        WORLD_TEST(a_store_replaced_by_an_older_file_is_known),
        WORLD_TEST(a_chain_made_anew_is_known_to_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
