/* What the triggers write into the outbox, and what they don't. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/device/capture.h"
#include "common/changelog/device/outbox.h"
#include "tests/support/device.h"
#include "tests/support/scratch.h"

#define ID1 "x'01010101010101010101010101010101'"
#define ID2 "x'02020202020202020202020202020202'"
/* everything about a log, in one line */
#define LOG                                                                                        \
    "SELECT group_concat(key || ':' || tx || ' op' || op || ' cols' || cols || ' base' || base ||" \
    " iif(old IS NULL, '', ' ' || hex(old)) || iif(stamp IS NULL, '', '*'), '; ') FROM outbox"

static int setup(void **state)
{
    static struct device d;
    device_init(&d, 1, NULL);
    *state = &d;
    return 0;
}

static int teardown(void **state)
{
    device_release(*state);
    return 0;
}

/* Each script starts on a device of its own; the log tells what was captured. */
static void scripts(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *sql[4];
        const char *log;
    } cases[] = {
        {"an insert logs no values",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')"},
         "1:1 op1 cols0 base0*"},
        {"an update logs the old values of what changed",
         {"INSERT INTO memo (id, title, text) VALUES (" ID1 ", 'a', 't')",
          "UPDATE memo SET title = 'b', text = 't'"},
         "1:1 op1 cols0 base0*; 2:2 op2 cols4 base0 6161*"},
        {"an update to the same values logs nothing",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')", "UPDATE memo SET title = 'a'"},
         "1:1 op1 cols0 base0*"},
        {"a delete logs the scope, then all that wasn't NULL",
         {"INSERT INTO memo (id, title, remind_at) VALUES (" ID1 ", 'a', 5)", "DELETE FROM memo"},
         "1:1 op1 cols0 base0*; 2:2 op3 cols20 base0 F6616105*"},
        {"one transaction: one number, one stamp",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a');"
          "INSERT INTO memo (id, title) VALUES (" ID2 ", 'b')",
          "UPDATE memo SET title = 'c'"},
         "1:1 op1 cols0 base0*; 2:1 op1 cols0 base0; 3:3 op2 cols4 base0 6161*;"
         " 4:3 op2 cols4 base0 6162"},
        {"an upsert is an update",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')",
          "INSERT INTO memo (id, title) VALUES (" ID1 ", 'b')"
          " ON CONFLICT (id) DO UPDATE SET title = excluded.title"},
         "1:1 op1 cols0 base0*; 2:2 op2 cols4 base0 6161*"},
        {"a row that is replaced is deleted first",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')",
          "INSERT OR REPLACE INTO memo (id, title) VALUES (" ID1 ", 'b')"},
         "1:1 op1 cols0 base0*; 2:2 op3 cols4 base0 F66161*; 3:2 op1 cols0 base0"},
        {"numbers and scopes are the server's affair",
         {"INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')",
          "UPDATE memo SET _seq = 9, _scope = 1", "UPDATE memo SET title = 'b'"},
         "1:1 op1 cols0 base0*; 2:2 op2 cols4 base9 6161*"},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct device d;
        device_init(&d, i, NULL);
        for (size_t k = 0; k < count_of(cases[i].sql) && cases[i].sql[k] != NULL; k++) {
            device_run(&d, "test", cases[i].sql[k]);
        }
        const char *log = device_text(&d, LOG);
        if (strcmp(log, cases[i].log) != 0) {
            fail_msg("%s:\n%s\n%s", cases[i].what, log, cases[i].log);
        }
        device_release(&d);
    }
}

static void server_rows_are_silent(void **state)
{
    struct device *d = *state;
    capture_pause(&d->r);
    OK(db_exec(d->db, "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a');"
                      "UPDATE memo SET title = 'b'; DELETE FROM memo"));
    capture_resume(&d->r);
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 0);
}

/* More would be saved here and never be taken by the server. */
static void a_transaction_is_bounded(void **state)
{
    struct device *d = *state;
    static const char many[] = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
                               " WHERE i < 10001) INSERT INTO memo (id, title)"
                               " SELECT CAST(printf('%016d', i) AS BLOB), 'm' FROM n";
    OK(replica_begin(&d->r, "test"));
    struct err err = db_exec(d->db, many);
    assert_int_not_equal(err.code, ERR_OK);
    assert_non_null(strstr(db_message(d->db), "10,000"));
    assert_int_equal(replica_end(&d->r, err).code, err.code);
    assert_int_equal(device_int(d, "SELECT count(*) FROM memo"), 0);
    device_run(d, "test", "INSERT INTO memo (id, title) VALUES (" ID2 ", 'b')");
}

static void rollback_forgets_the_number(void **state)
{
    struct device *d = *state;
    OK(replica_begin(&d->r, "test"));
    OK(db_exec(d->db, "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')"));
    assert_int_equal(replica_end(&d->r, err_make(ERR_CANCELLED, 0, "test")).code, ERR_CANCELLED);
    device_run(d, "test", "INSERT INTO memo (id, title) VALUES (" ID2 ", 'b')");
    assert_string_equal(device_text(d, LOG), "1:1 op1 cols0 base0*");
}

/* Example of sync.md §2: numbers are never given twice, also once the outbox is empty. */
static void keys_are_never_reused(void **state)
{
    struct device *d = *state;
    device_run(d, "test", "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')");
    OK(outbox_refresh(&d->r));
    OK(outbox_remove(&d->r, 1));
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 0);
    device_run(d, "test", "UPDATE memo SET title = 'b'");
    assert_string_equal(device_text(d, LOG), "2:2 op2 cols4 base0 6161*");
}

static void an_id_is_for_life(void **state)
{
    struct device *d = *state;
    device_run(d, "test", "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')");
    assert_int_not_equal(db_exec(d->db, "UPDATE memo SET id = " ID2).code, ERR_OK);
    assert_non_null(strstr(db_message(d->db), "for life"));
}

/* The clock goes back: stamps go on, what the clocks said is kept as it was. */
static void stamps_only_rise(void **state)
{
    struct device *d = *state;
    device_run(d, "memo.new", "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')");
    fake_host_pass(&d->machine, -100000);
    device_run(d, "memo.edit", "UPDATE memo SET title = 'b'");
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox a, outbox b WHERE a.key < b.key"
                                   " AND a.stamp < b.stamp AND a.wall = b.wall + 100000"
                                   " AND a.boot = b.boot AND b.intent = 'memo.edit'"),
                     1);
}

static void the_index_follows_the_table(void **state)
{
    struct device *d = *state;
    static const uint8_t id1[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    device_run(d, "test",
               "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a');"
               "INSERT INTO memo (id, title) VALUES (" ID2 ", 'b')");
    OK(outbox_refresh(&d->r));
    device_run(d, "test", "UPDATE memo SET title = 'c', remind_at = 7");
    OK(outbox_refresh(&d->r));
    const struct outbox_entry *e = outbox_of_row(&d->r, TABLE_memo, id1);
    assert_int_equal(e->op, CHANGE_INSERT);
    e = outbox_next(&d->r, e);
    assert_int_equal(e->key, 3);
    assert_null(outbox_next(&d->r, e));

    struct outbox_old old;
    OK(outbox_old(&d->r, e, &d->arena, &old));
    assert_int_equal(old.cols, 1 << COLUMN_memo_title | 1 << COLUMN_memo_remind_at);
    assert_memory_equal(old.values[COLUMN_memo_title].b.at, "a", 1);
    assert_int_equal(old.values[COLUMN_memo_remind_at].kind, VALUE_NULL);

    OK(outbox_remove(&d->r, 1));
    e = outbox_of_row(&d->r, TABLE_memo, id1);
    assert_int_equal(e->op, CHANGE_UPDATE);
    OK(outbox_remove(&d->r, 3));
    assert_null(outbox_of_row(&d->r, TABLE_memo, id1));
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 0);
}

/* Taken out in any order: neighbours go together, nothing else goes, and no key comes again. */
static void many_go_from_the_outbox_together(void **state)
{
    struct device *d = *state;
    for (int i = 0; i < 6; i++) {
        device_run(d, "test",
                   i == 0 ? "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')"
                          : "UPDATE memo SET title = title || 'a'");
    }
    OK(outbox_refresh(&d->r));
    OK(outbox_remove_later(&d->r, 2));
    OK(outbox_remove_later(&d->r, 3));
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 6);
    OK(outbox_remove_later(&d->r, 6));
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 4);
    OK(outbox_remove_later(&d->r, 5));
    OK(outbox_remove_rest(&d->r));
    assert_string_equal(device_text(d, "SELECT group_concat(key) FROM outbox"), "1,4");
    OK(outbox_remove_later(&d->r, 4));
    OK(outbox_remove_later(&d->r, 1));
    OK(outbox_refresh(&d->r)); /* which forgets the index */
    assert_int_equal(device_int(d, "SELECT count(*) FROM outbox"), 0);
    device_run(d, "test", "UPDATE memo SET title = 'b'");
    assert_int_equal(device_int(d, "SELECT key FROM outbox"), 7);
}

static void human_numbers_carry_the_device(void **state)
{
    struct device *d = *state;
    char no[24];
    OK(replica_begin(&d->r, "test"));
    OK(replica_new_no(&d->r, no));
    assert_string_equal(no, "D7-0001");
    OK(replica_new_no(&d->r, no));
    assert_string_equal(no, "D7-0002");
    OK(replica_end(&d->r, err_ok()));
}

/* A file of an older program: its work is frozen under the catalogue it was captured with. */
static void an_older_file_is_brought_up(void **state)
{
    struct device *d = *state;
    char path[128];
    struct scratch scratch;
    struct device old;
    scratch_init(&scratch);
    device_init(&old, 1, scratch_path(&scratch, "replica.db", path));
    device_run(&old, "test", "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a')");
    OK(db_exec(old.db, "UPDATE device_state SET catalogue = catalogue - 1;"
                       "DROP TRIGGER lw_insert_memo"));
    device_reopen(&old, path);
    assert_int_equal(device_int(&old, "SELECT count(*) FROM sent"), 1);
    assert_int_equal(device_int(&old, "SELECT catalogue FROM device_state"), CATALOGUE_VERSION);
    device_run(&old, "test", "INSERT INTO memo (id, title) VALUES (" ID2 ", 'b')");
    assert_int_equal(device_int(&old, "SELECT count(*) FROM outbox"), 2);
    device_release(&old);
    scratch_release(&scratch);

    struct replica newer;
    struct host host = fake_host_as_host(&d->machine);
    OK(db_exec(d->db, "UPDATE device_state SET catalogue = catalogue + 1"));
    assert_int_equal(replica_open(&newer, d->db, &host).code, ERR_VERSION);
}

/* Whoever can write the file can plant a trigger: it must be gone before the next save. */
static void foreign_triggers_are_taken_out(void **state)
{
    static const char *const plants[] = {
        "CREATE TRIGGER steal AFTER INSERT ON memo BEGIN UPDATE memo SET text = 'stolen'; END",
        "CREATE TRIGGER \"a\"\"b\" AFTER INSERT ON memo BEGIN DELETE FROM outbox; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TRIGGER lw_insert_memo",
        ("DROP TRIGGER lw_insert_memo; CREATE TRIGGER lw_insert_memo AFTER INSERT ON memo BEGIN"
         " SELECT 1; END"),
        "DROP TABLE memo; CREATE VIEW memo AS SELECT 1 AS id",
    };
    (void)state;
    for (size_t i = 0; i < count_of(plants); i++) {
        struct scratch scratch;
        struct device d;
        char path[128];
        scratch_init(&scratch);
        scratch_path(&scratch, "replica.db", path);
        device_init(&d, 1, path);
        assert_false(d.r.renewed);
        device_reopen(&d, path);
        assert_false(d.r.renewed);
        OK(db_exec(d.db, plants[i]));
        device_reopen(&d, path);
        assert_true(d.r.renewed);
        device_run(&d, "test", "INSERT INTO memo (id, title, text) VALUES (" ID1 ", 'a', 'mine')");
        assert_string_equal(device_text(&d, "SELECT text FROM memo"), "mine");
        assert_int_equal(device_int(&d, "SELECT count(*) FROM outbox"), 1);
        device_reopen(&d, path);
        assert_false(d.r.renewed);
        device_release(&d);
        scratch_release(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts),
        cmocka_unit_test_setup_teardown(server_rows_are_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(rollback_forgets_the_number, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_never_reused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_transaction_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_is_for_life, setup, teardown),
        cmocka_unit_test_setup_teardown(stamps_only_rise, setup, teardown),
        cmocka_unit_test_setup_teardown(many_go_from_the_outbox_together, setup, teardown),
        cmocka_unit_test_setup_teardown(the_index_follows_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(human_numbers_carry_the_device, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_file_is_brought_up, setup, teardown),
        cmocka_unit_test(foreign_triggers_are_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
