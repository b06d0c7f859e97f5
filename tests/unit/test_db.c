/* The SQLite driver: what it gives back, what it refuses, and what it calls each failure. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/db.h"
#include "tests/support/scratch.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 50};

struct fixture {
    struct scratch scratch;
    char path[128];
    struct db *db;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    scratch_init(&f->scratch);
    scratch_path(&f->scratch, "test.db", f->path);
    *state = f;
    return db_open(&f->db, f->path, &options).code == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_close(f->db);
    scratch_release(&f->scratch);
    free(f);
    return 0;
}

static void assert_ok(struct db *db, struct err err)
{
    if (err.code != ERR_OK) {
        fail_msg("%s %d in %s: %s", err_name(err.code), err.cause, err.where, db_message(db));
    }
}

static void must(struct db *db, const char *sql)
{
    assert_ok(db, db_exec(db, sql));
}

static int64_t one(struct db *db, const char *sql)
{
    int64_t value = INT64_MIN;
    assert_ok(db, db_one_int(db, sql, &value));
    return value;
}

static char *one_text(struct db *db, const char *sql)
{
    struct stmt st;
    assert_ok(db, db_use(db, sql, &st));
    assert_true(db_step_row(&st));
    char *text = strdup(col_text(&st, 0));
    stmt_reset(&st);
    return text;
}

/* ---- connections ---- */

static void test_pragmas(void **state)
{
    struct fixture *f = *state;
    char *mode = one_text(f->db, "PRAGMA journal_mode");
    assert_string_equal(mode, "wal");
    free(mode);
    assert_int_equal(one(f->db, "PRAGMA synchronous"), 2);
    assert_int_equal(one(f->db, "PRAGMA recursive_triggers"), 1);
    assert_int_equal(one(f->db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(one(f->db, "PRAGMA cell_size_check"), 1);
    assert_int_equal(one(f->db, "PRAGMA foreign_keys"), 0);
}

static void test_open_failures(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct db *db = NULL;
    struct db_options must_exist = {.mode = DB_WRITE};
    scratch_path(&f->scratch, "nothing.db", path);
    assert_int_equal(db_open(&db, path, &must_exist).code, ERR_NOT_FOUND);
    assert_null(db);
    must_exist.mode = DB_READ;
    assert_int_equal(db_open(&db, path, &must_exist).code, ERR_NOT_FOUND);

    FILE *file = fopen(scratch_path(&f->scratch, "text.db", path), "w");
    for (int i = 0; i < 200; i++) {
        fputs("This is a letter, not a database.\n", file);
    }
    fclose(file);
    assert_int_equal(db_open(&db, path, &options).code, ERR_CORRUPT);
    assert_int_equal(db_open(&db, path, &must_exist).code, ERR_CORRUPT);
    assert_null(db);
}

/* Root may write anywhere, so the child gives that up first. */
static int as_nobody(int (*work)(const char *path), const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(99);
        }
        _exit(work(path));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int code_of_write(const char *path)
{
    struct db *db = NULL;
    struct err err = db_open(&db, path, &options);
    if (err.code == ERR_OK) {
        err = db_exec(db, "INSERT INTO t VALUES (2)");
    }
    db_close(db);
    return (int)err.code;
}

static int code_of_read(const char *path)
{
    struct db *db = NULL;
    struct db_options reading = {.mode = DB_READ};
    struct err err = db_open(&db, path, &reading);
    int64_t count = 0;
    if (err.code == ERR_OK) {
        err = db_one_int(db, "SELECT count(*) FROM t", &count);
    }
    db_close(db);
    return err.code == ERR_OK && count != 1 ? 97 : (int)err.code;
}

static void test_directory_that_cant_be_written(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    db_close(f->db); /* takes -wal and -shm away */
    f->db = NULL;
    assert_int_equal(chmod(f->path, 0644), 0);
    assert_int_equal(chmod(f->scratch.dir, 0555), 0);
    assert_int_equal(as_nobody(code_of_write, f->path), ERR_READONLY);
    assert_int_equal(as_nobody(code_of_read, f->path), ERR_OK);
    char path[128];
    scratch_path(&f->scratch, "new.db", path);
    assert_int_equal(as_nobody(code_of_write, path), ERR_READONLY);
    chmod(f->scratch.dir, 0755);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (x); INSERT INTO t VALUES (1); PRAGMA max_page_count = 4");
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    struct err err = db_exec(f->db, "INSERT INTO t VALUES (zeroblob(100000))");
    assert_int_equal(err.code, ERR_FULL);
    assert_int_equal(db_end(f->db, err).code, ERR_FULL);
    assert_false(db_in_transaction(f->db));
    assert_int_equal(one(f->db, "SELECT count(*) FROM t"), 1);
}

static void test_busy(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;
    must(f->db, "CREATE TABLE t (x)");
    assert_ok(f->db, db_open(&other, f->path, &options));
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    assert_int_equal(db_begin(other, DB_LOCK_WRITE).code, ERR_BUSY);
    assert_true(err_is_retryable(ERR_BUSY));
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_ok(other, db_begin(other, DB_LOCK_WRITE));
    assert_ok(other, db_end(other, err_ok()));
    db_close(other);
}

static void test_data_version(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;
    must(f->db, "CREATE TABLE t (x)");
    assert_ok(f->db, db_open(&other, f->path, &options));
    int64_t before = db_data_version(f->db);
    must(f->db, "INSERT INTO t VALUES (1)");
    assert_int_equal(db_data_version(f->db), before);
    must(other, "INSERT INTO t VALUES (1)");
    assert_int_not_equal(db_data_version(f->db), before);
    db_close(other);
}

static void test_integrity(void **state)
{
    struct fixture *f = *state;
    struct buf report;
    buf_init(&report, 65536);
    must(f->db, "CREATE TABLE t (x); CREATE INDEX t_x ON t (x)");
    must(f->db, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 5000)"
                " INSERT INTO t SELECT i FROM n");
    assert_ok(f->db, db_integrity(f->db, &report));
    assert_int_equal(report.size, 0);
    db_close(f->db);
    FILE *file = fopen(f->path, "r+b");
    for (long page = 3; page < 6; page++) {
        fseek(file, page * 4096 + 100, SEEK_SET);
        for (int i = 0; i < 3000; i++) {
            fputc(0xa5, file);
        }
    }
    fclose(file);
    assert_ok(NULL, db_open(&f->db, f->path, &options));
    assert_int_equal(db_integrity(f->db, &report).code, ERR_CORRUPT);
    assert_true(report.size > 0);
    buf_release(&report);
}

/* ---- statements ---- */

static void test_values_come_back(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (k INTEGER PRIMARY KEY, v ANY) STRICT");
    const struct value values[] = {
        value_null(),
        value_int(INT64_MIN),
        value_int(INT64_MAX),
        value_real(-0.5),
        value_text(bytes_text("客户 Kunde")),
        value_text(bytes_of(NULL, 0)),
        value_blob(bytes_of("\0\1\2", 3)),
        value_blob(bytes_of(NULL, 0)),
    };
    for (size_t i = 0; i < count_of(values); i++) {
        struct stmt st;
        assert_ok(f->db, db_use(f->db, "INSERT INTO t VALUES (?1, ?2)", &st));
        bind_int(&st, 1, (int64_t)i);
        bind_value(&st, 2, &values[i]);
        assert_ok(f->db, db_step_done(&st, "test"));
        assert_int_equal(db_changes(f->db), 1);
    }
    struct stmt st;
    size_t i = 0;
    assert_ok(f->db, db_use(f->db, "SELECT v FROM t ORDER BY k", &st));
    for (; db_step_row(&st); i++) {
        struct value v = col_value(&st, 0);
        assert_int_equal(v.kind, values[i].kind);
        assert_int_equal(col_is_null(&st, 0), v.kind == VALUE_NULL);
        if (v.kind == VALUE_INT) {
            assert_true(v.i == values[i].i);
        } else if (v.kind == VALUE_REAL) {
            assert_true(v.d == values[i].d && col_real(&st, 0) == v.d);
        } else if (v.kind != VALUE_NULL) {
            assert_true(bytes_equal(v.b, values[i].b));
            assert_true(bytes_equal(col_bytes(&st, 0), values[i].b));
        }
    }
    assert_ok(f->db, stmt_err(&st, "test"));
    assert_int_equal(i, count_of(values));
}

static void test_ids(void **state)
{
    struct fixture *f = *state;
    uint8_t id[16];
    struct stmt st;
    assert_ok(f->db,
              db_use(f->db, "SELECT zeroblob(16), zeroblob(15), 'sixteen bytes ok', NULL", &st));
    assert_true(db_step_row(&st));
    assert_true(col_id(&st, 0, id));
    assert_false(col_id(&st, 1, id));
    assert_false(col_id(&st, 2, id));
    assert_false(col_id(&st, 3, id));
    assert_int_equal(col_count(&st), 4);
    assert_string_equal(col_text(&st, 3), "");
    stmt_reset(&st);
}

static void test_errors_stick_and_name_their_step(void **state)
{
    struct fixture *f = *state;
    struct stmt st;
    must(f->db, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT NOT NULL) STRICT");
    static const char insert[] = "INSERT INTO t VALUES (?1, ?2)";
    assert_ok(f->db, db_use(f->db, insert, &st));
    bind_int(&st, 3, 1); /* there is no third */
    bind_int(&st, 1, 1);
    struct err err = db_step_done(&st, "row_put");
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_string_equal(err.where, "row_put");
    assert_int_equal(one(f->db, "SELECT count(*) FROM t"), 0);

    assert_ok(f->db, db_use(f->db, insert, &st)); /* anew: the error is gone, the bindings too */
    bind_int(&st, 1, 1);
    assert_int_equal(db_step_done(&st, "row_put").code, ERR_INVALID); /* NOT NULL */
    for (int i = 0; i < 2; i++) {
        assert_ok(f->db, db_use(f->db, insert, &st));
        bind_int(&st, 1, 1);
        bind_text(&st, 2, "x");
        err = db_step_done(&st, "row_put");
    }
    assert_int_equal(err.code, ERR_EXISTS);
    assert_non_null(strstr(db_message(f->db), "UNIQUE"));

    assert_int_equal(db_use(f->db, "SELECT nothing FROM nowhere", &st).code, ERR_INVALID);
    assert_false(db_step_row(&st));
    int64_t value;
    assert_int_equal(db_one_int(f->db, "SELECT k FROM t WHERE k = 9", &value).code, ERR_NOT_FOUND);
}

static void test_more_texts_than_places(void **state)
{
    struct fixture *f = *state;
    char sql[64]; /* one buffer: the address says nothing about the content */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 700; i++) {
            struct stmt st;
            snprintf(sql, sizeof sql, "SELECT %d + ?1", i);
            assert_ok(f->db, db_use(f->db, sql, &st));
            bind_int(&st, 1, 1000);
            memset(sql, 'x', sizeof sql - 1);
            assert_true(db_step_row(&st));
            assert_int_equal(col_int(&st, 0), i + 1000);
            stmt_reset(&st);
        }
    }
}

static void test_a_statement_in_use_is_not_evicted(void **state)
{
    struct fixture *f = *state;
    struct stmt outer;
    int rows = 0;
    assert_ok(f->db, db_use(f->db, "SELECT value FROM json_each('[1,2,3]')", &outer));
    while (db_step_row(&outer)) {
        rows++;
        for (int i = 0; i < 400; i++) {
            char sql[64];
            snprintf(sql, sizeof sql, "SELECT %d", i);
            assert_int_equal(one(f->db, sql), i);
        }
        assert_int_equal(col_int(&outer, 0), rows);
    }
    assert_int_equal(rows, 3);
}

static void test_prepare_walks_a_script(void **state)
{
    struct fixture *f = *state;
    struct stmt st;
    const char *tail = NULL;
    assert_ok(f->db, db_prepare(f->db, "SELECT 1 AS one; SELECT 2", &st, &tail));
    assert_string_equal(col_name(&st, 0), "one");
    assert_string_equal(tail, " SELECT 2");
    stmt_close(&st);
    assert_int_equal(db_prepare(f->db, " -- nothing", &st, NULL).code, ERR_INVALID);
    stmt_close(&st);
    assert_int_equal(db_prepare(f->db, "SELEKT", &st, NULL).code, ERR_INVALID);
    stmt_close(&st);
}

/* ---- transactions ---- */

/* SQLite rolls back by itself where the disk is full. What a caller does after that, not having
 * looked, must not be saved as statements of their own. */
static void test_nothing_is_saved_behind_an_undone_transaction(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (x)");
    must(f->db, "PRAGMA max_page_count = 4");
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "INSERT INTO t VALUES (1)");
    assert_int_equal(db_exec(f->db, "INSERT INTO t VALUES (zeroblob(100000))").code, ERR_FULL);
    assert_false(db_in_transaction(f->db));
    assert_int_equal(db_exec(f->db, "INSERT INTO t VALUES (2)").code, ERR_FULL);
    int64_t rows = 0;
    assert_int_equal(db_one_int(f->db, "SELECT count(*) FROM t", &rows).code, ERR_FULL);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_FULL);
    assert_int_equal(one(f->db, "SELECT count(*) FROM t"), 0);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "INSERT INTO t VALUES (3)");
    assert_ok(f->db, db_end(f->db, err_ok()));
}

static void test_savepoints_nest(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (x)");
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    assert_ok(f->db, db_savepoint(f->db));
    must(f->db, "INSERT INTO t VALUES (1)");
    assert_ok(f->db, db_savepoint(f->db));
    must(f->db, "INSERT INTO t VALUES (2)");
    assert_ok(f->db, db_savepoint_end(f->db, false));
    assert_ok(f->db, db_savepoint_end(f->db, true));
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(one(f->db, "SELECT sum(x) FROM t"), 1);
}

static void test_end_keeps_the_first_error(void **state)
{
    struct fixture *f = *state;
    must(f->db, "CREATE TABLE t (x)");
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "INSERT INTO t VALUES (1)");
    struct err err = db_end(f->db, err_make(ERR_REFUSED, 7, "rule"));
    assert_int_equal(err.code, ERR_REFUSED);
    assert_int_equal(err.cause, 7);
    assert_int_equal(one(f->db, "SELECT count(*) FROM t"), 0);
}

struct ends {
    int committed, undone;
};

static void on_end(void *context, bool committed)
{
    struct ends *e = context;
    e->committed += committed;
    e->undone += !committed;
}

static void test_transaction_ends_are_told(void **state)
{
    struct fixture *f = *state;
    struct ends e = {0};
    must(f->db, "CREATE TABLE t (x UNIQUE)");
    db_on_transaction_end(f->db, on_end, &e);
    must(f->db, "INSERT INTO t VALUES (1)"); /* alone: a transaction too */
    assert_int_equal(e.committed, 1);
    assert_int_equal(db_exec(f->db, "INSERT INTO t VALUES (1)").code, ERR_EXISTS);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "INSERT INTO t VALUES (2)");
    assert_int_equal(e.committed, 1); /* not before it is durable */
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(e.committed, 2);
    int undone = e.undone;
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "INSERT INTO t VALUES (3)");
    assert_int_equal(db_end(f->db, err_make(ERR_REFUSED, 0, "")).code, ERR_REFUSED);
    assert_int_equal(e.committed, 2);
    assert_int_equal(e.undone, undone + 1);
}

/* ---- functions ---- */

static void shout(struct db_call *call)
{
    int *calls = call->context;
    ++*calls;
    if (call->count != 1 || call->args[0].kind != VALUE_TEXT) {
        call->error = "shout takes a text";
        return;
    }
    buf_put(call->scratch, call->args[0].b);
    buf_put_text(call->scratch, "!");
    call->answer = value_text(buf_bytes(call->scratch));
}

static void test_functions_work_in_triggers(void **state)
{
    struct fixture *f = *state;
    int calls = 0;
    assert_ok(f->db, db_define(f->db, "shout", -1, shout, &calls));
    must(f->db, "CREATE TABLE t (x TEXT); CREATE TABLE log (x TEXT);"
                "CREATE TRIGGER t_in AFTER INSERT ON t BEGIN"
                " INSERT INTO log VALUES (shout(new.x)); END");
    must(f->db, "INSERT INTO t VALUES ('a'), ('a')");
    assert_int_equal(calls, 2); /* once a row, though the argument is the same */
    assert_int_equal(one(f->db, "SELECT count(*) FROM log WHERE x = 'a!'"), 2);
    assert_int_equal(db_exec(f->db, "SELECT shout(7)").code, ERR_INVALID);
    assert_string_equal(db_message(f->db), "shout takes a text");
}

/* Counts its readers; from the fourth on it has no row, from the fifth on it fails. */
static bool count_reader(void *context, struct value values[DB_TABLE_COLUMNS_MAX],
                         const char **error)
{
    int *reads = context;
    ++*reads;
    values[0] = value_int(*reads);
    values[1] = value_text(bytes_text("read"));
    *error = *reads > 4 ? "nobody may read on" : NULL;
    return *reads < 4;
}

static void test_tables_of_ours_work_in_triggers(void **state)
{
    struct fixture *f = *state;
    int reads = 0;
    assert_ok(f->db, db_define_table(f->db, "reader", "no, what", count_reader, &reads));
    must(f->db, "CREATE TABLE t (x TEXT); CREATE TABLE log (x TEXT, no INTEGER, what TEXT);"
                "CREATE TRIGGER t_in AFTER INSERT ON t BEGIN"
                " INSERT INTO log SELECT new.x, no, what FROM reader; END");
    must(f->db, "INSERT INTO t VALUES ('a'), ('b'), ('c'), ('d')");
    assert_int_equal(reads, 4);
    assert_int_equal(one(f->db, "SELECT count(*) FROM log WHERE what = 'read'"), 3);
    assert_int_equal(one(f->db, "SELECT no FROM log WHERE x = 'c'"), 3);
    assert_int_equal(db_exec(f->db, "INSERT INTO t VALUES ('e')").code, ERR_INVALID);
    assert_string_equal(db_message(f->db), "nobody may read on");
}

/* ---- SQL that people type ---- */

static int64_t now_ms(void)
{
    static int64_t clock_ms;
    return clock_ms += 10; /* each look at it takes 10 ms */
}

static enum err_code typed(struct db *db, const char *sql)
{
    struct stmt st;
    struct err err = db_prepare(db, sql, &st, NULL);
    if (err.code == ERR_OK) {
        err = db_step_done(&st, "typed");
    }
    stmt_close(&st);
    return err.code;
}

static const char *const secret[] = {"password", "device_key", NULL};

static void test_guard(void **state)
{
    static const struct {
        const char *what;
        const char *sql;
        enum err_code code;
    } cases[] = {
        {"a query", "SELECT name, count(*) FROM t GROUP BY name HAVING count(*) > 0", ERR_OK},
        {"a bounded recursion",
         "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n LIMIT 9) SELECT * FROM n",
         ERR_OK},
        {"an insert", "INSERT INTO t VALUES ('x')", ERR_REFUSED},
        {"an update", "UPDATE t SET name = 'x'", ERR_REFUSED},
        {"a delete that looks like a query", "WITH x AS (SELECT 1) DELETE FROM t RETURNING name",
         ERR_REFUSED},
        {"a pragma", "PRAGMA journal_mode = DELETE", ERR_REFUSED},
        {"a pragma that only reads", "PRAGMA table_info(password)", ERR_REFUSED},
        {"a pragma as a table", "SELECT * FROM pragma_table_info('password')", ERR_INVALID},
        {"attach", "ATTACH ':memory:' AS x", ERR_REFUSED},
        {"vacuum into a file", "VACUUM INTO '/tmp/legwork-stolen.db'", ERR_REFUSED},
        {"a temporary table", "CREATE TEMP TABLE x (y)", ERR_REFUSED},
        {"a temporary trigger", "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
         ERR_REFUSED},
        {"a transaction", "BEGIN", ERR_REFUSED},
        {"a savepoint", "SAVEPOINT x", ERR_REFUSED},
        {"load_extension", "SELECT load_extension('x')", ERR_INVALID},
        {"a tokenizer's address", "SELECT fts3_tokenizer('simple')", ERR_INVALID},
        {"our own functions", "SELECT shout('x')", ERR_INVALID},
        {"our own tables", "SELECT no FROM reader", ERR_INVALID},
        {"our own tables, counted", "SELECT count(*) FROM READER", ERR_INVALID},
        {"a table that's secret", "SELECT * FROM password", ERR_INVALID},
        {"counted", "SELECT count(*) FROM \"PASSWORD\"", ERR_INVALID},
        {"inside", "SELECT name FROM t WHERE name IN (SELECT hash FROM password)", ERR_INVALID},
        {"a table that isn't there", "SELECT * FROM passwort", ERR_INVALID},
        {"a huge text", "SELECT hex(zeroblob(4000000))", ERR_LIMIT},
        {"a huge text that SQLite gives up by itself",
         "SELECT 1 / (printf('%1000000000s', 'x') IS NULL)", ERR_OK},
        {"a huge blob", "SELECT length(randomblob(1000000000))", ERR_LIMIT},
        {"no end",
         "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n) SELECT sum(i) FROM n",
         ERR_LIMIT},
        {"a cross join of five", "SELECT count(*) FROM big a, big b, big c, big d, big e",
         ERR_LIMIT},
        {"nothing", "", ERR_INVALID},
    };
    struct fixture *f = *state;
    int calls = 0;
    assert_ok(f->db, db_define(f->db, "shout", 1, shout, &calls));
    assert_ok(f->db, db_define_table(f->db, "reader", "no, what", count_reader, &calls));
    must(f->db, "CREATE TABLE t (name TEXT); INSERT INTO t VALUES ('a');"
                "CREATE TABLE password (hash TEXT); INSERT INTO password VALUES ('h');"
                "CREATE TABLE big (x);"
                "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 500)"
                " INSERT INTO big SELECT i FROM n");
    struct db_guard guard = {.denied = secret, .steps_max = 1000000};
    assert_ok(f->db, db_guard_on(f->db, &guard));
    for (size_t i = 0; i < count_of(cases); i++) {
        enum err_code code = typed(f->db, cases[i].sql);
        if (code != cases[i].code) {
            fail_msg("%s: %s, not %s (%s)", cases[i].what, err_name(code), err_name(cases[i].code),
                     db_message(f->db));
        }
    }
    assert_int_equal(calls, 0);
    assert_int_equal(typed(f->db, "SELECT * FROM password"), ERR_INVALID);
    assert_string_equal(db_message(f->db), "no such table: password");
    db_guard_off(f->db);
    must(f->db, "INSERT INTO t VALUES ('b')"); /* all is as it was */
    assert_int_equal(one(f->db, "SELECT length(zeroblob(9000000))"), 9000000);
    assert_int_equal(one(f->db, "SELECT count(*) FROM password"), 1);
}

static void test_guard_deadline(void **state)
{
    struct fixture *f = *state;
    struct db_guard guard = {.deadline_ms = now_ms() + 1000, .now_ms = now_ms};
    assert_ok(f->db, db_guard_on(f->db, &guard));
    assert_int_equal(typed(f->db, "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n)"
                                  " SELECT sum(i) FROM n"),
                     ERR_LIMIT);
    assert_string_equal(db_message(f->db), "the query takes too long");
    db_guard_off(f->db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(test_pragmas),
        T(test_open_failures),
        T(test_directory_that_cant_be_written),
        T(test_full_disk),
        T(test_busy),
        T(test_data_version),
        T(test_integrity),
        T(test_values_come_back),
        T(test_ids),
        T(test_errors_stick_and_name_their_step),
        T(test_more_texts_than_places),
        T(test_a_statement_in_use_is_not_evicted),
        T(test_prepare_walks_a_script),
        T(test_savepoints_nest),
        T(test_nothing_is_saved_behind_an_undone_transaction),
        T(test_end_keeps_the_first_error),
        T(test_transaction_ends_are_told),
        T(test_functions_work_in_triggers),
        T(test_tables_of_ours_work_in_triggers),
        T(test_guard),
        T(test_guard_deadline),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
