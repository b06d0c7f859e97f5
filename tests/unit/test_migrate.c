/* Migrations: a file of any age ends with the schema of today, or stays as it was. */
#include "common/db/migrate.h"

#include <setjmp.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

static const char *const one[] = {"CREATE TABLE a (x INTEGER) STRICT;", NULL};
static const char *const three[] = {
    "CREATE TABLE a (x INTEGER) STRICT;", "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7;",
    "CREATE TABLE b (z INTEGER) STRICT; INSERT INTO b VALUES (1);", NULL};
static const char *const broken[] = {"CREATE TABLE a (x INTEGER) STRICT;",
                                     "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7;",
                                     "CREATE TABLE b (z INTEGER) STRICT; INSERT INTO nowhere"
                                     " VALUES (1);",
                                     NULL};

struct file {
    struct scratch scratch;
    struct db *db;
};

static int make(void **state)
{
    struct file *f = calloc(1, sizeof *f);
    const struct db_options options = {.mode = DB_CREATE};
    char path[128];
    scratch_init(&f->scratch);
    assert_int_equal(db_open(&f->db, scratch_path(&f->scratch, "m.db", path), &options).code,
                     ERR_OK);
    *state = f;
    return 0;
}

static int drop(void **state)
{
    struct file *f = *state;
    db_close(f->db);
    scratch_release(&f->scratch);
    free(f);
    return 0;
}

static int64_t one_of(struct file *f, const char *sql)
{
    int64_t n = -1;
    struct err err = db_one_int(f->db, sql, &n);
    assert_true(err.code == ERR_OK || err.code == ERR_NOT_FOUND);
    return n;
}

static int64_t version_of(struct file *f, const char *const *list)
{
    int64_t version = -1;
    assert_int_equal(migrations_version(f->db, list, 1, &version).code, ERR_OK);
    return version;
}

static void a_new_file_runs_all(void **state)
{
    struct file *f = *state;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(db_end(f->db, migrations_run(f->db, three, 0)).code, ERR_OK);
    assert_int_equal(version_of(f, three), 3);
    assert_int_equal(one_of(f, "SELECT z FROM b"), 1);
}

static void an_unnumbered_file_begins_behind_the_first(void **state)
{
    struct file *f = *state;
    assert_int_equal(
        db_exec(f->db, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (5)").code, ERR_OK);
    assert_int_equal(version_of(f, three), 1);
    assert_int_equal(migrations_raise(f->db, three, 1).code, ERR_OK);
    assert_int_equal(version_of(f, three), 3);
    assert_int_equal(one_of(f, "SELECT x * 10 + y FROM a"), 57);
    assert_int_equal(migrations_raise(f->db, three, 1).code, ERR_OK);
    assert_int_equal(one_of(f, "SELECT count(*) FROM b"), 1);
}

static void one_that_fails_leaves_nothing(void **state)
{
    struct file *f = *state;
    assert_int_equal(db_exec(f->db, one[0]).code, ERR_OK);
    assert_int_not_equal(migrations_raise(f->db, broken, 1).code, ERR_OK);
    assert_int_equal(version_of(f, broken), 1);
    assert_int_equal(one_of(f, "SELECT count(*) FROM pragma_table_info('a')"), 1);
    assert_int_equal(one_of(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    assert_int_equal(migrations_raise(f->db, three, 1).code, ERR_OK);
}

static void a_newer_file_is_refused(void **state)
{
    struct file *f = *state;
    int64_t version = 0;
    assert_int_equal(db_exec(f->db, one[0]).code, ERR_OK);
    assert_int_equal(migrations_raise(f->db, three, 1).code, ERR_OK);
    assert_int_equal(migrations_version(f->db, one, 1, &version).code, ERR_VERSION);
    assert_int_equal(migrations_raise(f->db, one, 1).code, ERR_VERSION);
    assert_int_equal(one_of(f, "SELECT z FROM b"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_file_runs_all, make, drop),
        cmocka_unit_test_setup_teardown(an_unnumbered_file_begins_behind_the_first, make, drop),
        cmocka_unit_test_setup_teardown(one_that_fails_leaves_nothing, make, drop),
        cmocka_unit_test_setup_teardown(a_newer_file_is_refused, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
