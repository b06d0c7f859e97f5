/* The PostgreSQL driver, over a real cluster: what it gives back, what it refuses, what it calls
 * each failure, and what becomes of a transaction whose connection goes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/store/postgres.h"
#include "server/store/postgres_driver.h"
#include "tests/support/cluster.h"

#include <math.h>

struct fixture {
    struct cluster cluster;
    struct db *db;
};

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

static struct db *open_store(const struct cluster *c)
{
    struct postgres_options options = {.conninfo = c->conninfo,
                                       .schema = "test",
                                       .creates = true,
                                       .connect_timeout_s = 10,
                                       .lock_timeout_ms = 500};
    struct buf why;
    struct db *db = NULL;
    buf_init(&why, 1000);
    struct err err = postgres_open(&db, &options, &why);
    if (err.code != ERR_OK) {
        fail_msg("%s: %s", err_name(err.code), buf_text(&why));
    }
    buf_release(&why);
    return db;
}

static int group_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return cluster_start(&f->cluster, false) ? 0 : -1;
}

static int group_teardown(void **state)
{
    struct fixture *f = *state;
    cluster_release(&f->cluster);
    free(f);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = *state;
    f->db = open_store(&f->cluster);
    must(f->db, "DROP SCHEMA test CASCADE; CREATE SCHEMA test;"
                "CREATE TABLE thing (id uuid PRIMARY KEY, name text NOT NULL, amount bigint,"
                " weight float8, body bytea)");
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_close(f->db);
    f->db = NULL;
    return 0;
}

static struct err try_put(struct db *db, uint8_t id, const char *name, int64_t amount)
{
    struct stmt st;
    uint8_t key[16] = {id};
    struct err err = db_use(db, "INSERT INTO thing (id, name, amount) VALUES (?1, ?2, ?3)", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, key);
    bind_text(&st, 2, name);
    bind_int(&st, 3, amount);
    return db_step_done(&st, "put");
}

static void put(struct db *db, uint8_t id, const char *name, int64_t amount)
{
    assert_ok(db, try_put(db, id, name, amount));
}

static int64_t one(struct db *db, const char *sql)
{
    int64_t value = INT64_MIN;
    assert_ok(db, db_one_int(db, sql, &value));
    return value;
}

/* ---- text ---- */

static void test_text(void **state)
{
    static const struct {
        const char *ours;
        const char *theirs;
    } cases[] = {
        {"SELECT ?1, ?12", "SELECT $1, $12"},
        {"SELECT '?1' || \"a?2\" -- ?3\n, ?4", "SELECT '?1' || \"a?2\" -- ?3\n, $4"},
        {"x = x'' OR y = X'0aFF'", "x = '\\x'::bytea OR y = '\\x0aFF'::bytea"},
        {"SELECT 'it''s ?1', ax'1'", "SELECT 'it''s ?1', ax'1'"},
        {"SELECT 'never ended ?1", "SELECT 'never ended ?1"},
        {"FROM a INDEXED BY b_c WHERE", "FROM a WHERE"},
        {"INSERT OR FAIL INTO t", "INSERT INTO t"},
        {"FOR FAIL OR FAIL 'OR FAIL '", "FOR FAIL 'OR FAIL '"},
        {"max(a), max(a, b), min((a), (b)), min((a, b)), xmax(a, b)",
         "max(a), greatest(a, b), least((a), (b)), min((a, b)), xmax(a, b)"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        postgres_text(&out, cases[i].ours);
        assert_string_equal(buf_text(&out), cases[i].theirs);
        buf_release(&out);
    }
}

/* ---- values ---- */

static void test_values_come_back(void **state)
{
    struct fixture *f = *state;
    static const int64_t numbers[] = {0, 1, -1, INT32_MAX, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < count_of(numbers); i++) {
        put(f->db, (uint8_t)i, "中文 name", numbers[i]);
    }
    struct stmt st;
    assert_ok(f->db,
              db_use(f->db, "UPDATE thing SET weight = ?1, body = ?2 WHERE amount = ?3", &st));
    bind_real(&st, 1, 2.5);
    bind_blob(&st, 2, bytes_of("a\0b", 3));
    bind_int(&st, 3, INT64_MAX);
    assert_ok(f->db, db_step_done(&st, "update"));
    assert_int_equal(db_changes(f->db), 1);

    assert_ok(f->db, db_use(f->db,
                            "SELECT id, name, amount, weight, body, amount > 0 FROM thing"
                            " ORDER BY id",
                            &st));
    for (size_t i = 0; i < count_of(numbers); i++) {
        uint8_t id[16];
        assert_true(db_step_row(&st));
        assert_true(col_id(&st, 0, id));
        assert_int_equal(id[0], i);
        assert_string_equal(col_text(&st, 1), "中文 name");
        assert_true(col_int(&st, 2) == numbers[i]);
        bool changed = numbers[i] == INT64_MAX;
        assert_int_equal(col_is_null(&st, 3), !changed);
        assert_true(col_real(&st, 3) == (changed ? 2.5 : 0));
        assert_int_equal(col_bytes(&st, 4).size, changed ? 3 : 0);
        assert_int_equal(col_int(&st, 5), numbers[i] > 0);
    }
    assert_false(db_step_row(&st));
    assert_ok(f->db, stmt_err(&st, "select"));
    assert_string_equal(col_name(&st, 1), "name");
}

static void test_sums_are_numbers(void **state)
{
    struct fixture *f = *state;
    put(f->db, 1, "a", INT64_C(4000000000000));
    put(f->db, 2, "b", -7);
    put(f->db, 3, "c", 10000);
    assert_true(one(f->db, "SELECT sum(amount) FROM thing") == INT64_C(4000000009993));
    assert_true(one(f->db, "SELECT sum(amount) FROM thing WHERE amount < 0") == -7);
    assert_true(one(f->db, "SELECT sum(amount) FROM thing WHERE amount = 10000") == 10000);
    struct stmt st;
    assert_ok(f->db, db_use(f->db, "SELECT avg(amount) FROM thing WHERE amount < 20000", &st));
    assert_true(db_step_row(&st));
    assert_true(fabs(col_real(&st, 0) - 4996.5) < 1e-9);
    stmt_reset(&st);
}

static void test_what_a_type_cant_hold(void **state)
{
    struct fixture *f = *state;
    struct stmt st;
    assert_ok(f->db, db_use(f->db, "SELECT count(*) FROM thing WHERE id = ?1", &st));
    bind_blob(&st, 1, bytes_of("short", 5));
    assert_false(db_step_row(&st));
    assert_int_equal(stmt_err(&st, "x").code, ERR_INVALID);
    assert_ok(f->db, db_use(f->db, "SELECT count(*) FROM thing WHERE name = ?1", &st));
    bind_int(&st, 1, 5);
    assert_int_equal(db_step_done(&st, "x").code, ERR_INVALID);
    assert_ok(f->db, db_use(f->db, "SELECT count(*) FROM thing WHERE name = ?1 -- b", &st));
    bind_text(&st, 3, "there is none");
    assert_int_equal(db_step_done(&st, "x").code, ERR_INTERNAL);
}

/* ---- transactions ---- */

static void test_rows_are_one_moment(void **state)
{
    struct fixture *f = *state;
    struct db *other = open_store(&f->cluster);
    put(f->db, 1, "a", 1);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_READ));
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
    put(other, 2, "b", 2);
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
    assert_int_equal(try_put(f->db, 3, "c", 3).code, ERR_OK); /* sent; the answer comes later */
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_READONLY);
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 2);
    db_close(other);
}

static void test_a_failure_comes_at_the_latest_with_commit(void **state)
{
    struct fixture *f = *state;
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "a", 1);
    put(f->db, 1, "twice", 1);
    put(f->db, 2, "b", 1);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_EXISTS);
    assert_false(db_in_transaction(f->db));
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 0);

    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "a", 1);
    put(f->db, 1, "twice", 1);
    int64_t count = 0;
    assert_int_equal(db_one_int(f->db, "SELECT count(*) FROM thing", &count).code, ERR_EXISTS);
    assert_int_equal(db_end(f->db, err_make(ERR_EXISTS, 0, "test")).code, ERR_EXISTS);
    put(f->db, 3, "after", 1);
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
}

static void test_savepoints_undo_failures(void **state)
{
    struct fixture *f = *state;
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "a", 1);
    assert_ok(f->db, db_savepoint(f->db));
    put(f->db, 2, "b", 1);
    put(f->db, 1, "twice", 1);
    assert_int_equal(db_changes(f->db), 0);
    assert_int_equal(db_savepoint_end(f->db, true).code, ERR_EXISTS);
    assert_ok(f->db, db_savepoint_end(f->db, false));
    put(f->db, 3, "c", 1);
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(one(f->db, "SELECT sum(get_byte(uuid_send(id), 0)) FROM thing"), 4);
}

static void test_many_sent_at_once(void **state)
{
    struct fixture *f = *state;
    struct stmt st;
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    for (int i = 0; i < 3000; i++) {
        uint8_t id[16] = {(uint8_t)(i >> 8), (uint8_t)i};
        assert_ok(f->db, db_use(f->db, "INSERT INTO thing (id, name) VALUES (?1, ?2)", &st));
        bind_id(&st, 1, id);
        bind_text(&st, 2, "one of many");
        assert_ok(f->db, db_step_done(&st, "many"));
    }
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 3000);
}

/* Statements that are read while others run, and more texts than a connection keeps. */
static void test_statements_within_statements(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 0; i < 5; i++) {
        put(f->db, i, "a", i);
    }
    struct stmt outer;
    int64_t sum = 0;
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    assert_ok(f->db, db_use(f->db, "SELECT amount FROM thing ORDER BY id", &outer));
    while (db_step_row(&outer)) {
        sum += one(f->db, "SELECT count(*) FROM thing") * 10 + col_int(&outer, 0);
        put(f->db, (uint8_t)(100 + col_int(&outer, 0)), "b", 0);
    }
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(sum, 10 * (5 + 6 + 7 + 8 + 9) + 10);
    for (int i = 0; i < 600; i++) {
        char sql[64];
        (void)snprintf(sql, sizeof sql, "SELECT %d + count(*) FROM thing", i);
        assert_int_equal(one(f->db, sql), i + 10);
    }
}

static void on_end(void *context, bool committed)
{
    int *ends = context;
    ends[committed ? 1 : 0]++;
}

static void test_transaction_ends_are_told(void **state)
{
    struct fixture *f = *state;
    int ends[2] = {0};
    db_on_transaction_end(f->db, on_end, ends);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "a", 1);
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(ends[1], 1);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "twice", 1);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_EXISTS);
    assert_int_equal(ends[0], 1);
    assert_int_equal(ends[1], 1);
}

/* ---- what goes wrong outside ---- */

static void test_locks_and_deadlocks_are_busy(void **state)
{
    struct fixture *f = *state;
    struct db *other = open_store(&f->cluster);
    put(f->db, 1, "a", 1);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    assert_int_equal(one(f->db, "SELECT amount FROM thing FOR UPDATE"), 1);
    assert_ok(other, db_begin(other, DB_LOCK_WRITE));
    int64_t amount = 0;
    assert_int_equal(db_one_int(other, "SELECT amount FROM thing FOR UPDATE", &amount).code,
                     ERR_BUSY);
    assert_int_equal(db_end(other, err_make(ERR_BUSY, 0, "test")).code, ERR_BUSY);
    assert_ok(f->db, db_end(f->db, err_ok()));
    db_close(other);
}

static void end_backend(struct fixture *f, struct db *victim)
{
    struct db *other = open_store(&f->cluster);
    char sql[64];
    (void)snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)",
                   PQbackendPID(postgres_of(victim)->conn));
    assert_int_equal(one(other, sql), 1);
    db_close(other);
}

static void test_a_lost_connection_undoes_and_comes_back(void **state)
{
    struct fixture *f = *state;
    int ends[2] = {0};
    db_on_transaction_end(f->db, on_end, ends);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 1, "a", 1);
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
    end_backend(f, f->db);
    int64_t count = 0;
    assert_int_equal(db_one_int(f->db, "SELECT count(*) FROM thing", &count).code, ERR_NETWORK);
    assert_int_equal(db_exec(f->db, "DELETE FROM thing").code, ERR_NETWORK);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_NETWORK);
    assert_false(db_in_transaction(f->db));
    assert_int_equal(ends[0], 1);

    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 2, "b", 1);
    assert_ok(f->db, db_end(f->db, err_ok()));
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
}

static void test_a_server_that_goes_down(void **state)
{
    struct fixture *f = *state;
    put(f->db, 1, "a", 1);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    put(f->db, 2, "b", 1);
    cluster_kill(&f->cluster);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_NETWORK);
    assert_int_equal(db_begin(f->db, DB_LOCK_READ).code, ERR_NETWORK);
    assert_true(cluster_resume(&f->cluster));
    assert_ok(f->db, db_begin(f->db, DB_LOCK_READ));
    assert_int_equal(one(f->db, "SELECT count(*) FROM thing"), 1);
    assert_ok(f->db, db_end(f->db, err_ok()));
}

static void test_nobody_is_there(void **state)
{
    struct postgres_options options = {
        .conninfo = "host=/nonexistent user=nobody", .schema = "test", .connect_timeout_s = 2};
    struct buf why;
    struct db *db = NULL;
    (void)state;
    buf_init(&why, 1000);
    assert_int_equal(postgres_open(&db, &options, &why).code, ERR_NETWORK);
    assert_null(db);
    assert_non_null(strstr(buf_text(&why), "/nonexistent"));
    buf_release(&why);
}

static void test_versions(void **state)
{
    struct fixture *f = *state;
    int64_t version = -1;
    assert_ok(f->db, db_schema_version(f->db, &version));
    assert_int_equal(version, 0);
    assert_ok(f->db, db_begin(f->db, DB_LOCK_WRITE));
    must(f->db, "CREATE TABLE more (id bigint)");
    assert_ok(f->db, db_schema_version_set(f->db, 7));
    assert_int_equal(db_end(f->db, err_make(ERR_CANCELLED, 0, "test")).code, ERR_CANCELLED);
    assert_ok(f->db, db_schema_version(f->db, &version));
    assert_int_equal(version, 0);
    assert_ok(f->db, db_schema_version_set(f->db, 7));
    assert_ok(f->db, db_schema_version(f->db, &version));
    assert_int_equal(version, 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        T(test_values_come_back),
        T(test_sums_are_numbers),
        T(test_what_a_type_cant_hold),
        T(test_rows_are_one_moment),
        T(test_a_failure_comes_at_the_latest_with_commit),
        T(test_savepoints_undo_failures),
        T(test_many_sent_at_once),
        T(test_statements_within_statements),
        T(test_transaction_ends_are_told),
        T(test_locks_and_deadlocks_are_busy),
        T(test_a_lost_connection_undoes_and_comes_back),
        T(test_a_server_that_goes_down),
        T(test_nobody_is_there),
        T(test_versions),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
