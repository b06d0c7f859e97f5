/* Both stores have the same tables and columns: what is added to one is added to the other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/db/migrate.h"
#include "common/catalogue/catalogue.h"
#include "server/store/postgres.h"
#include "tests/support/cluster.h"

#include <string.h>

extern const char *const migrations_server[];
extern const char *const migrations_server_postgres[];

/* "table.column type" of everything but what only one of them has, in order. */
static const char sqlite_columns[] =
    "SELECT m.name || '.' || c.name || ' ' || CASE c.type WHEN 'BLOB' THEN 'bytes' WHEN 'TEXT' "
    "THEN 'text'"
    " WHEN 'REAL' THEN 'real' ELSE 'number' END FROM sqlite_schema m, pragma_table_info(m.name) c"
    " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
static const char postgres_columns[] =
    "SELECT line FROM (SELECT table_name || '.' || column_name || ' ' || CASE data_type WHEN 'uuid'"
    " THEN 'bytes' WHEN 'bytea' THEN 'bytes' WHEN 'text' THEN 'text' WHEN 'double precision' THEN "
    "'real'"
    " ELSE 'number' END AS line FROM information_schema.columns WHERE table_schema = "
    "current_schema()"
    " AND table_name <> 'schema_version') c ORDER BY line COLLATE \"C\"";

static void make(struct db *db, const char *const *migrations)
{
    assert_int_equal(db_begin(db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err = catalogue_create(db, true);
    if (err.code == ERR_OK) {
        err = migrations_run(db, migrations, 0);
    }
    if (db_end(db, err).code != ERR_OK) {
        fail_msg("%s: %s", err_name(err.code), db_message(db));
    }
}

static void read_columns(struct db *db, const char *sql, struct buf *out)
{
    struct stmt q;
    buf_init(out, 1 << 20);
    if (db_use(db, sql, &q).code != ERR_OK) {
        fail_msg("%s", db_message(db));
    }
    while (db_step_row(&q)) {
        buf_printf(out, "%s\n", col_text(&q, 0));
    }
    assert_int_equal(stmt_err(&q, "read_columns").code, ERR_OK);
}

/* The first line in which two lists differ. */
static void assert_same_lines(const char *a, const char *b)
{
    while (*a != 0 || *b != 0) {
        size_t size_a = strcspn(a, "\n"), size_b = strcspn(b, "\n");
        if (size_a != size_b || memcmp(a, b, size_a) != 0) {
            fail_msg("SQLite has \"%.*s\", PostgreSQL \"%.*s\"", (int)size_a, a, (int)size_b, b);
        }
        a += size_a + (a[size_a] != 0);
        b += size_b + (b[size_b] != 0);
    }
}

static void test_same_columns(void **state)
{
    struct cluster cluster;
    struct db *sqlite = NULL, *postgres = NULL;
    struct buf why, ours, theirs;
    (void)state;
    assert_true(cluster_start(&cluster, false));
    const struct db_options memory = {.mode = DB_CREATE};
    const struct postgres_options options = {.conninfo = cluster.conninfo,
                                             .schema = "legwork",
                                             .creates = true,
                                             .connect_timeout_s = 10};
    buf_init(&why, 1000);
    assert_int_equal(db_open(&sqlite, ":memory:", &memory).code, ERR_OK);
    assert_int_equal(postgres_open(&postgres, &options, &why).code, ERR_OK);
    make(sqlite, migrations_server);
    make(postgres, migrations_server_postgres);
    read_columns(sqlite, sqlite_columns, &ours);
    read_columns(postgres, postgres_columns, &theirs);
    assert_true(ours.size > 4000);
    assert_same_lines(buf_text(&ours), buf_text(&theirs));
    db_close(sqlite);
    db_close(postgres);
    buf_release(&why);
    buf_release(&ours);
    buf_release(&theirs);
    cluster_release(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
