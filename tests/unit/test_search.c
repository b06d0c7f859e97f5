/* Finding rows by what people remember of them. */
#include "common/changelog/device/search.h"

#include <setjmp.h>

#include <cmocka.h>

static void test_words_and_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *says, *text, *words, *expression;
    } cases[] = {
        {"each Chinese character is a word", "食品", "食 品", "\"食 品\""},
        {"Latin words stay whole", "Café-Bar", "Café Bar", "\"Café\"* AND \"Bar\"*"},
        {"mixed", "A1厦门 2号", "A1 厦 门 2 号", "\"A1\"* AND \"厦 门\" AND \"2\"* AND \"号\""},
        {"quotes can't end the string", "a\" OR b*", "a OR b", "\"a\"* AND \"OR\"* AND \"b\"*"},
        {"nothing", " -- ", "", ""},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct buf words;
        struct buf expression;
        buf_init(&words, 1000);
        buf_init(&expression, 1000);
        search_words(bytes_text(cases[i].text), &words);
        search_expression(bytes_text(cases[i].text), &expression);
        assert_string_equal(buf_text(&words), cases[i].words);
        assert_string_equal(buf_text(&expression), cases[i].expression);
        buf_release(&words);
        buf_release(&expression);
    }
}

static void test_initials_and_tails(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    search_initials(bytes_text("厦门食品"), &out);
    assert_string_equal(buf_text(&out), "xmsp msp sp smsp msp sp");
    buf_clear(&out);
    search_phone_tails(bytes_text("[\"030-0074\",\"99\"]"), &out);
    assert_string_equal(buf_text(&out), "0300074 300074 00074 0074");
    buf_release(&out);
}

static void put(struct db *db, int number, const char *name, const char *phones)
{
    uint8_t id[16] = {(uint8_t)number};
    struct stmt st;
    struct err err = db_use(
        db, "INSERT INTO customer (id, name, kind, phones) VALUES (?1, ?2, 'customer', ?3)", &st);
    assert_int_equal(err.code, ERR_OK);
    bind_id(&st, 1, id);
    bind_text(&st, 2, name);
    bind_text(&st, 3, phones);
    assert_int_equal(db_step_done(&st, "put").code, ERR_OK);
}

static void refresh(struct db *db)
{
    bool left = true;
    for (int i = 0; i < 100 && left; i++) {
        assert_int_equal(search_refresh(db, 2, &left).code, ERR_OK);
    }
    assert_false(left);
}

/* The first byte of the best hit's id, 0 for none. */
static int best(struct db *db, const char *query, size_t *count)
{
    struct search_hit hits[SEARCH_HITS_MAX];
    struct err err = search_find(db, bytes_text(query), SEARCH_HITS_MAX, hits, count);
    assert_int_equal(err.code, ERR_OK);
    return *count == 0 ? 0 : hits[0].id[0];
}

static void test_finds(void **state)
{
    (void)state;
    struct db *db = NULL;
    struct db_options options = {.mode = DB_CREATE};
    assert_int_equal(db_open(&db, ":memory:", &options).code, ERR_OK);
    assert_int_equal(catalogue_create(db, false).code, ERR_OK);
    put(db, 1, "厦门食品有限公司", "[\"0592-5551234\"]");
    assert_int_equal(search_setup(db).code, ERR_OK); /* what was there before is found too */
    assert_int_equal(search_setup(db).code, ERR_OK);
    put(db, 2, "北京食品厂", NULL);
    put(db, 3, "Café Zürich", NULL);
    put(db, 4, "Old Zurich Bar", NULL);
    refresh(db);
    size_t count = 0;
    assert_int_not_equal(best(db, "食品", &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(best(db, "厂", &count), 2);
    assert_int_equal(best(db, "xmsp", &count), 1);
    assert_int_equal(best(db, "1234", &count), 1);
    assert_int_equal(best(db, "caf", &count), 3);
    assert_int_not_equal(best(db, "zurich", &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(best(db, "old zur", &count), 4);
    assert_int_equal(best(db, "上海", &count), 0);
    assert_int_equal(
        db_exec(db, "UPDATE customer SET name = '上海食品' WHERE name LIKE '北京%'").code, ERR_OK);
    assert_int_equal(db_exec(db, "DELETE FROM customer WHERE name LIKE 'Old%'").code, ERR_OK);
    refresh(db);
    assert_int_equal(best(db, "上海", &count), 2);
    assert_int_equal(best(db, "北京", &count), 0);
    assert_int_equal(best(db, "old", &count), 0);
    struct search_hit hit;
    assert_int_equal(search_find(db, bytes_text(" * "), 1, &hit, &count).code, ERR_INVALID);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_expressions),
        cmocka_unit_test(test_initials_and_tails),
        cmocka_unit_test(test_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
