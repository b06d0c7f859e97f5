/* The change log's chains: what stands in them, and that each kind of tampering is named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/chain_verify.h"
#include "common/changelog/server/store_internal.h"
#include "tests/support/pretend.h"

struct bench {
    struct firm *f;
    struct pretend ann;
};

struct named {
    size_t count;
    char text[4000];
};

static void on_finding(void *context, const char *what, const char *where)
{
    struct named *n = context;
    size_t size = strlen(n->text);
    n->count++;
    (void)snprintf(&n->text[size], sizeof n->text - size, "%s: %s\n", what, where);
}

static void check(struct firm *f, struct named *out)
{
    *out = (struct named){0};
    store_forget(&f->store);
    assert_int_equal(chain_verify(&f->store, on_finding, out).code, ERR_OK);
}

static struct cell city(const char *name)
{
    return (struct cell){.column = COLUMN_customer_city, .value = text_value(name)};
}

/* Ann's device: one accepted edit, one refused. */
static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->f = firm_new();
    pretend_enrol(&b->ann, b->f, b->f->ann, 1);
    pretend_sync(&b->ann);
    const struct cell shanghai = city("上海");
    pretend_change(&b->ann, CHANGE_UPDATE, TABLE_customer, b->f->customer, 100, &shanghai, 1);
    pretend_sync(&b->ann);
    assert_int_equal(pretend_verdict(&b->ann)->outcome, OUTCOME_ACCEPTED);
    const struct cell beijing = city("北京");
    pretend_change(&b->ann, CHANGE_UPDATE, TABLE_customer, b->f->bobs_customer, 100, &beijing, 1);
    pretend_sync(&b->ann);
    assert_int_equal(pretend_verdict(&b->ann)->outcome, OUTCOME_REFUSED);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    pretend_free(&b->ann);
    firm_free(b->f);
    free(b);
    return 0;
}

static void a_log_fits_its_chains(void **state)
{
    struct bench *b = *state;
    struct named named;
    check(b->f, &named);
    assert_string_equal(named.text, "");
    assert_int_equal(firm_count(b->f, "SELECT count(*) FROM change_log WHERE chain IS NULL"), 0);
}

/* Refused work did nothing in the scope it was about: it stands with its author. */
static void refused_work_is_chained_with_its_author(void **state)
{
    struct bench *b = *state;
    struct scope_id user = {.kind = SCOPE_USER};
    memcpy(user.id, b->f->ann, 16);
    struct chain_claim *heads = NULL;
    size_t count = 0;
    assert_int_equal(chain_heads(&b->f->store, &b->f->arena, &heads, &count).code, ERR_OK);
    int64_t last = firm_count(b->f, "SELECT max(no) FROM change_log WHERE outcome = 3");
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        assert_int_equal(chain_knows(&b->f->store, &heads[i], &known).code, ERR_OK);
        assert_true(known);
        found += heads[i].no == last && memcmp(&heads[i].scope, &user, sizeof user) == 0;
        heads[i].head[0] ^= 1;
        assert_int_equal(chain_knows(&b->f->store, &heads[i], &known).code, ERR_OK);
        assert_false(known);
    }
    assert_int_equal(found, 1);
    assert_int_equal(firm_count(b->f, "SELECT count(*) FROM refused_row"), 1);
}

/* One byte, one value, one row: each column of the log that says something. */
static void each_change_of_the_log_is_named(void **state)
{
    struct bench *b = *state;
    struct {
        const char *sql; /* ?: the number of the accepted edit's entry */
        const char *says;
    } damages[] = {
        {"UPDATE change_log SET device = device + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET person = zeroblob(16)", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET epoch = epoch + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET device_seq = device_seq + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET identity = zeroblob(32)", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET received_at = received_at + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET effective_at = effective_at - 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET outcome = 1", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET code = 'x'", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET intent = 'other'", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET body = zeroblob(length(body))", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET seal = zeroblob(16)", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET seal = zeroblob(32), body = x''", "doesn't fit its hash: book:"},
        {"UPDATE change_log SET seal = NULL", "without its salt"},
        {"UPDATE change_log SET chain = NULL", "without its hash"},
        {"UPDATE change_log SET chain = zeroblob(length(chain))", "stands in other chains"},
        {"UPDATE change_log SET no = no + 1000", "missing from the change log: entry"},
        {"DELETE FROM change_log", "missing from the change log: entry"},
        {"UPDATE change_row SET seq = seq + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET idx = idx + 1", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET tbl = 10", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET row = zeroblob(16)", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET old = NULL", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET old = x''", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET seal = zeroblob(16)", "doesn't fit its hash: book:"},
        {"UPDATE change_row SET seal = NULL", "can't be read"},
        {"UPDATE change_row SET scope = 1", "stands in other chains"},
        {"UPDATE change_row SET left_scope = 1", "stands in other chains"},
        {"DELETE FROM change_row", "stands in other chains"},
    };
    int64_t no =
        firm_count(b->f, "SELECT max(no) FROM change_log WHERE device = 1 AND outcome = 0");
    for (size_t i = 0; i < count_of(damages); i++) {
        char sql[200];
        char entry[32];
        struct named named;
        (void)snprintf(sql, sizeof sql, "%s WHERE no = %" PRId64, damages[i].sql, no);
        (void)snprintf(entry, sizeof entry, "entry %" PRId64 "\n", no);
        assert_int_equal(db_begin(b->f->db, DB_LOCK_WRITE).code, ERR_OK);
        assert_int_equal(db_exec(b->f->db, sql).code, ERR_OK);
        check(b->f, &named);
        if (strstr(named.text, damages[i].says) == NULL || strstr(named.text, entry) == NULL) {
            fail_msg("%s: %s", damages[i].sql, named.text);
        }
        assert_int_equal(db_end(b->f->db, err_make(ERR_CANCELLED, 0, "test")).code, ERR_CANCELLED);
    }
}

/* The last entries go, and the heads in the file with them: only who holds a head can tell. */
static void a_cut_tail_shows(void **state)
{
    struct bench *b = *state;
    struct chain_claim *heads = NULL;
    struct named named;
    size_t count = 0;
    bool known = true;
    assert_int_equal(chain_heads(&b->f->store, &b->f->arena, &heads, &count).code, ERR_OK);
    assert_int_equal(db_exec(b->f->db, "DELETE FROM change_row WHERE no = (SELECT max(no) FROM"
                                       " change_log); DELETE FROM change_log WHERE no ="
                                       " (SELECT max(no) FROM change_log)")
                         .code,
                     ERR_OK);
    check(b->f, &named);
    assert_non_null(strstr(named.text, "the chain was cut"));
    size_t lost = 0;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(chain_knows(&b->f->store, &heads[i], &known).code, ERR_OK);
        lost += !known;
    }
    assert_int_equal(lost, 1);
}

/* What older programs logged stands before the beginning, and the chain goes on from there. */
static void an_older_store_begins_its_chain(void **state)
{
    struct bench *b = *state;
    struct named named;
    assert_int_equal(
        db_exec(b->f->db, "UPDATE change_log SET chain = NULL, seal = NULL;"
                          " UPDATE change_row SET seal = NULL;"
                          " UPDATE scope SET head = NULL;"
                          " UPDATE store_state SET chain_from = (SELECT max(no) FROM change_log)")
            .code,
        ERR_OK);
    check(b->f, &named);
    assert_string_equal(named.text, "");
    for (size_t i = 0; i < b->ann.cursor_count; i++) { /* nor was a device told of any head */
        b->ann.cursors[i].head_no = 0;
        memset(b->ann.cursors[i].head, 0, sizeof b->ann.cursors[i].head);
    }
    const struct cell nanjing = city("南京");
    pretend_change(&b->ann, CHANGE_UPDATE, TABLE_customer, b->f->customer, 100, &nanjing, 1);
    pretend_sync(&b->ann);
    check(b->f, &named);
    assert_string_equal(named.text, "");
    assert_int_equal(firm_count(b->f, "SELECT count(*) FROM change_log WHERE chain IS NOT NULL"),
                     1);
}

/* A move stands in the chain of the book that was left, too. */
static void a_move_is_chained_in_both_books(void **state)
{
    struct bench *b = *state;
    struct server_write *w = NULL;
    struct named named;
    int64_t rows = 0;
    assert_int_equal(db_begin(b->f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&b->f->store, NULL, "move", 1, &w).code, ERR_OK);
    assert_int_equal(server_write_move(w, b->f->customer, b->f->bob_book, &rows).code, ERR_OK);
    assert_int_equal(server_write_end(w, &b->f->why).code, ERR_OK);
    assert_int_equal(db_end(b->f->db, err_ok()).code, ERR_OK);
    check(b->f, &named);
    assert_string_equal(named.text, "");
    struct chain_claim *heads = NULL;
    size_t count = 0;
    size_t of_move = 0;
    int64_t last = firm_count(b->f, "SELECT max(no) FROM change_log");
    assert_int_equal(chain_heads(&b->f->store, &b->f->arena, &heads, &count).code, ERR_OK);
    for (size_t i = 0; i < count; i++) {
        of_move += heads[i].no == last;
    }
    assert_int_equal(of_move, 2);
    assert_int_equal(db_exec(b->f->db, "UPDATE change_row SET left_seq = left_seq + 1"
                                       " WHERE left_scope IS NOT NULL")
                         .code,
                     ERR_OK);
    check(b->f, &named);
    assert_int_equal(named.count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_log_fits_its_chains),           TEST(refused_work_is_chained_with_its_author),
        TEST(each_change_of_the_log_is_named), TEST(a_cut_tail_shows),
        TEST(an_older_store_begins_its_chain), TEST(a_move_is_chained_in_both_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
