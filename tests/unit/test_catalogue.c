/* The catalogue's own consistency, the check of values, and the tables made from it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/catalogue/catalogue.h"
#include "common/db/db.h"

static struct db *memory(void)
{
    static const struct db_options options = {.mode = DB_CREATE};
    struct db *db = NULL;
    struct err err = db_open(&db, ":memory:", &options);
    if (err.code != ERR_OK) {
        fail_msg("%s", err_name(err.code));
    }
    return db;
}

static void must(struct db *db, struct err err)
{
    if (err.code != ERR_OK) {
        fail_msg("%s in %s: %s", err_name(err.code), err.where, db_message(db));
    }
}

/* ---- the lines themselves ---- */

/* As many in both languages, and no two alike in either. */
static void assert_choices_are_told_apart(const struct column *c)
{
    for (int zh = 0; zh < 2 && c->choices != NULL; zh++) {
        int count = 0;
        for (; column_choice(c, count, zh == 1).size > 0; count++) {
            for (int i = 0; i < count; i++) {
                assert_false(
                    bytes_equal(column_choice(c, i, zh == 1), column_choice(c, count, zh == 1)));
            }
        }
        assert_int_equal(column_choice(c, count - 1, false).size > 0, 1);
        assert_int_equal(column_choice(c, count, false).size, 0);
    }
}

static void test_lines_fit_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        assert_ptr_equal(catalogue_table(t->number), t);
        assert_ptr_equal(catalogue_table_named(t->name), t);
        assert_true(i == 0 || t->number > catalogue_table_at(i - 1)->number);
        assert_true(t->column_count < COLUMNS_MAX && strlen(t->name) < 24);
        assert_true(t->scope_column == NULL || table_scope_column(t) != NULL);
        for (size_t j = 0; j < t->column_count; j++) {
            const struct column *c = &t->columns[j];
            assert_int_equal(c->table, t->number);
            assert_true(c->number >= 1 && c->number <= 62 && strlen(c->name) < 24);
            assert_true(j == 0 || c->number > t->columns[j - 1].number);
            assert_ptr_equal(table_column_named(t, c->name), c);
            assert_true(c->name[0] != '_' && strcmp(c->name, "id") != 0);
            assert_true(c->ref == 0 || catalogue_table(c->ref) != NULL);
            assert_true((c->type == TYPE_ENUM) == (c->choices != NULL));
            assert_choices_are_told_apart(c);
            assert_true(c->since >= t->since && c->since <= CATALOGUE_VERSION);
        }
    }
}

static void test_what_a_role_sees(void **state)
{
    (void)state;
    const struct table *product = catalogue_table(TABLE_product);
    uint64_t cost = UINT64_C(1) << COLUMN_product_cost;
    uint64_t name = UINT64_C(1) << COLUMN_product_name;
    assert_false(table_visible(product, ROLE_REP, CATALOGUE_VERSION) & cost);
    assert_true(table_visible(product, ROLE_REP, CATALOGUE_VERSION) & name);
    assert_true(table_visible(product, ROLE_MANAGER, CATALOGUE_VERSION) & cost);
    assert_int_equal(table_visible(product, ROLE_MANAGER, 0), 0); /* before the first version */
}

/* ---- values ---- */

#define TEXT_OF(literal)                                                                           \
    {                                                                                              \
        VALUE_TEXT, .b = {(const uint8_t *)(literal), sizeof(literal) - 1 }                        \
    }
#define BLOB_OF(literal)                                                                           \
    {                                                                                              \
        VALUE_BLOB, .b = {(const uint8_t *)(literal), sizeof(literal) - 1 }                        \
    }
#define INT_OF(number)                                                                             \
    {                                                                                              \
        VALUE_INT, .i = (number)                                                                   \
    }
#define REAL_OF(number)                                                                            \
    {                                                                                              \
        VALUE_REAL, .d = (number)                                                                  \
    }
#define NOTHING                                                                                    \
    {                                                                                              \
        VALUE_NULL, .i = 0                                                                         \
    }

static void test_check(void **state)
{
    static const struct {
        const char *what;
        const char *table;
        const char *column;
        struct value value;
        const char *code; /* NULL: fits */
    } cases[] = {
        {"a name", "customer", "name", TEXT_OF("华润万家"), NULL},
        {"no name", "customer", "name", NOTHING, "required"},
        {"an empty name", "customer", "name", TEXT_OF(""), "required"},
        {"an empty city is a city", "customer", "city", TEXT_OF(""), NULL},
        {"no city", "customer", "city", NOTHING, NULL},
        {"a number for a name", "customer", "name", INT_OF(7), "wrong_type"},
        {"Latin-1", "customer", "name", TEXT_OF("Caf\xe9"), "not_utf8"},
        {"a NUL", "customer", "name", TEXT_OF("a\0b"), "malformed"},
        {"two lines of name", "customer", "name", TEXT_OF("a\nb"), "malformed"},
        {"two lines of note", "customer", "note", TEXT_OF("a\nb"), NULL},
        {"an escape in a note", "customer", "note", TEXT_OF("\x1b[2J"), "malformed"},
        {"decomposed", "customer", "name", TEXT_OF("Cafe\xcc\x81"), "not_nfc"},
        {"3 characters of 9 bytes", "company", "currency", TEXT_OF("人民币"), NULL},
        {"4 characters", "company", "currency", TEXT_OF("CNYX"), "too_long"},
        {"a choice", "customer", "kind", TEXT_OF("prospect"), NULL},
        {"no such choice", "customer", "kind", TEXT_OF("pros"), "not_a_choice"},
        {"all choices", "customer", "kind", TEXT_OF("prospect customer"), "not_a_choice"},
        {"tags", "customer", "tags", TEXT_OF("[\"a\",\"b\",\"中\"]"), NULL},
        {"no tags", "customer", "tags", TEXT_OF("[]"), NULL},
        {"tags out of order", "customer", "tags", TEXT_OF("[\"b\",\"a\"]"), "malformed"},
        {"a tag twice", "customer", "tags", TEXT_OF("[\"a\",\"a\"]"), "malformed"},
        {"a shorter tag second", "customer", "tags", TEXT_OF("[\"ab\",\"a\"]"), "malformed"},
        {"an empty tag", "customer", "tags", TEXT_OF("[\"\"]"), "malformed"},
        {"a number as tag", "customer", "tags", TEXT_OF("[1]"), "malformed"},
        {"tags that aren't JSON", "customer", "tags", TEXT_OF("a,b"), "malformed"},
        {"tags with a tail", "customer", "tags", TEXT_OF("[] []"), "malformed"},
        {"a day", "visit", "visit_day", TEXT_OF("2024-02-29"), NULL},
        {"a day that isn't", "visit", "visit_day", TEXT_OF("2023-02-29"), "malformed"},
        {"a day with a time", "visit", "visit_day", TEXT_OF("2023-02-27T10:00"), "malformed"},
        {"an id", "visit", "customer_id", BLOB_OF("0123456789abcdef"), NULL},
        {"a short id", "visit", "customer_id", BLOB_OF("0123456789abcde"), "malformed"},
        {"an id as text", "visit", "customer_id", TEXT_OF("0123456789abcdef"), "wrong_type"},
        {"a place", "visit", "lat", REAL_OF(31.2), NULL},
        {"a place off the globe", "visit", "lat", REAL_OF(90.5), "out_of_range"},
        {"a longitude", "visit", "lng", REAL_OF(-179.9), NULL},
        {"not a number", "visit", "lng", REAL_OF(__builtin_nan("")), "out_of_range"},
        {"no end", "visit", "lng", REAL_OF(__builtin_inf()), "out_of_range"},
        {"true", "person", "active", INT_OF(1), NULL},
        {"truer", "person", "active", INT_OF(2), "out_of_range"},
        {"money", "payment", "amount", INT_OF(-100), NULL},
        {"all the money", "payment", "amount", INT_OF(INT64_MAX), "out_of_range"},
        {"a whole discount", "sales_order", "discount_bp", INT_OF(10000), NULL},
        {"more than all", "sales_order", "discount_bp", INT_OF(10001), "out_of_range"},
        {"less than none", "sales_order", "discount_bp", INT_OF(-1), "out_of_range"},
        {"an offset", "visit", "tz_offset_min", INT_OF(480), NULL},
        {"a time", "visit", "checkin_at", INT_OF(1764000000000), NULL},
        {"a time after year 9999", "visit", "checkin_at", INT_OF(INT64_MAX), "out_of_range"},
        {"figures", "daily_report", "auto_json", TEXT_OF("{\"visits\":3}"), NULL},
        {"a key twice", "daily_report", "auto_json", TEXT_OF("{\"a\":1,\"a\":2}"), "malformed"},
    };
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        const struct table *t = catalogue_table_named(cases[i].table);
        const struct column *c = table_column_named(t, cases[i].column);
        struct complaint why;
        bool fits = column_check(c, &cases[i].value, &why);
        const char *code = fits ? "fits" : why.code;
        if (strcmp(code, cases[i].code ? cases[i].code : "fits") != 0 ||
            (!fits && strcmp(why.field, c->name) != 0)) {
            fail_msg("%s: %s", cases[i].what, code);
        }
    }
}

static void test_limits_are_told(void **state)
{
    (void)state;
    const struct column *c = table_column(catalogue_table(TABLE_company), COLUMN_company_currency);
    const struct value v = TEXT_OF("CNYX");
    struct complaint why;
    assert_false(column_check(c, &v, &why));
    assert_string_equal(why.detail, "3");
}

/* ---- tables ---- */

/* Tables, columns and indexes by name: what counts, since all SQL names its columns. */
static void describe(struct db *db, struct buf *out)
{
    static const char sql[] =
        "SELECT m.name || '.' || p.name || ' ' || p.type || ' ' || p.pk"
        " FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table'"
        " UNION ALL SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        " UNION ALL SELECT name || wr || strict FROM pragma_table_list WHERE type = 'table'"
        " ORDER BY 1";
    struct stmt st;
    must(db, db_use(db, sql, &st));
    while (db_step_row(&st)) {
        buf_printf(out, "%s\n", col_text(&st, 0));
    }
    must(db, stmt_err(&st, "describe"));
}

static void test_tables_are_made(void **state)
{
    (void)state;
    for (int server = 0; server <= 1; server++) {
        struct db *db = memory();
        int64_t count, version, again;
        must(db, catalogue_create(db, server));
        must(db,
             db_one_int(db, "SELECT count(*) FROM pragma_table_list WHERE strict AND wr", &count));
        assert_int_equal(count, catalogue_table_count());
        must(db, db_one_int(db,
                            "SELECT count(*) FROM pragma_table_info('visit')"
                            " WHERE name IN ('_entered', '_made', '_cols', '_check')",
                            &count));
        assert_int_equal(count, server ? 4 : 0);
        must(db, db_one_int(db,
                            "SELECT count(*) FROM sqlite_schema WHERE name IN"
                            " ('visit_customer_id', 'visit_scope_seq')",
                            &count));
        assert_int_equal(count, server ? 2 : 1);
        must(db, db_one_int(db, "PRAGMA schema_version", &version));
        must(db, catalogue_create(db, server)); /* nothing left to do: nothing is written */
        must(db, db_one_int(db, "PRAGMA schema_version", &again));
        assert_int_equal(version, again);
        db_close(db);
    }
}

/* Takes columns, tables and indexes out of a file until an older program could have made it. */
static void age(struct db *db)
{
    static const char sql[] =
        "DROP TABLE memo; DROP INDEX customer_no; DROP INDEX customer_name;"
        "ALTER TABLE customer DROP COLUMN no; ALTER TABLE customer DROP COLUMN tags;"
        "DROP INDEX IF EXISTS payment_deleted; ALTER TABLE customer DROP COLUMN created_at; ALTER "
        "TABLE "
        "visit DROP COLUMN note;"
        "ALTER TABLE payment DROP COLUMN _deleted_at";
    must(db, db_exec(db, sql));
}

static void test_an_older_file_is_widened(void **state)
{
    (void)state;
    for (int server = 0; server <= 1; server++) {
        struct db *fresh = memory(), *old = memory();
        struct buf want, have;
        buf_init(&want, 1u << 20);
        buf_init(&have, 1u << 20);
        must(fresh, catalogue_create(fresh, server));
        must(old, catalogue_create(old, server));
        age(old);
        must(old, db_exec(old, "INSERT INTO customer (id, name) VALUES (zeroblob(16), 'kept')"));
        must(old, catalogue_create(old, server));
        describe(fresh, &want);
        describe(old, &have);
        assert_string_equal(buf_text(&have), buf_text(&want));
        int64_t kept;
        must(old, db_one_int(old,
                             "SELECT count(*) FROM customer WHERE name = 'kept'"
                             " AND tags IS NULL",
                             &kept));
        assert_int_equal(kept, 1);
        buf_release(&want);
        buf_release(&have);
        db_close(fresh);
        db_close(old);
    }
}

static void test_what_cannot_be_ours_is_refused(void **state)
{
    static const struct {
        const char *what;
        const char *sql;
        enum err_code code;
    } cases[] = {
        {"a column of a newer program", "ALTER TABLE visit ADD COLUMN mood TEXT", ERR_VERSION},
        {"a column of another type",
         "DROP INDEX memo_x; ALTER TABLE memo DROP COLUMN title;"
         "ALTER TABLE memo ADD COLUMN title INTEGER",
         ERR_CORRUPT},
        {"a view in a table's place", "DROP TABLE memo; CREATE VIEW memo AS SELECT 1 AS mood",
         ERR_VERSION},
    };
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        struct db *db = memory();
        must(db, catalogue_create(db, false));
        must(db, db_exec(db, "CREATE INDEX memo_x ON memo (remind_at)"));
        must(db, db_exec(db, cases[i].sql));
        struct err err = catalogue_create(db, false);
        if (err.code != cases[i].code) {
            fail_msg("%s: %s", cases[i].what, err_name(err.code));
        }
        db_close(db);
    }
}

static void test_a_full_disk_leaves_nothing_half_made(void **state)
{
    (void)state;
    struct db *db = memory();
    must(db, db_exec(db, "PRAGMA max_page_count = 20"));
    assert_int_equal(catalogue_create(db, true).code, ERR_FULL);
    int64_t count;
    must(db, db_one_int(db, "SELECT count(*) FROM sqlite_schema", &count));
    assert_int_equal(count, 0);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_fit_together),
        cmocka_unit_test(test_what_a_role_sees),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_limits_are_told),
        cmocka_unit_test(test_tables_are_made),
        cmocka_unit_test(test_an_older_file_is_widened),
        cmocka_unit_test(test_what_cannot_be_ours_is_refused),
        cmocka_unit_test(test_a_full_disk_leaves_nothing_half_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
