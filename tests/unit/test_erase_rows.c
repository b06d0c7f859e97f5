/* Erasing people's data: the chain still fits, late work is refused and destroyed, and what was
 * never here isn't let in either. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/server/chain_verify.h"
#include "common/changelog/server/erase.h"
#include "common/changelog/server/timeline.h"
#include "tests/support/pretend.h"

static int set_up(void **state)
{
    *state = firm_new();
    return 0;
}

static int tear_down(void **state)
{
    firm_free(*state);
    return 0;
}

static void on_finding(void *context, const char *what, const char *where)
{
    (void)context;
    fail_msg("%s: %s", what, where);
}

static void finish(struct firm *f)
{
    int64_t no = 0;
    while (erase_open(&f->store, &no).code == ERR_OK) {
        bool ended = false;
        assert_int_equal(erase_step(&f->store, no, f->host.wall_ms, &ended).code, ERR_OK);
        assert_int_equal(chain_verify(&f->store, on_finding, NULL).code, ERR_OK);
    }
}

static void erase_customer(struct firm *f)
{
    int64_t no = 0;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err =
        erase_begin(&f->store, catalogue_table(TABLE_customer), f->customer, f->host.wall_ms, &no);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    finish(f);
}

static int64_t count(struct firm *f, const char *sql)
{
    int64_t n = -1;
    assert_int_equal(db_one_int(f->db, sql, &n).code, ERR_OK);
    return n;
}

static void the_chain_stays_valid(void **state)
{
    struct firm *f = *state;
    const struct cell note = {.column = COLUMN_customer_note, .value = text_value("SECRET")};
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &note, 1).code, ERR_OK);
    erase_customer(f);
    assert_int_equal(
        count(f, "SELECT count(*) FROM customer WHERE note IS NULL AND name IN ('erased', '已删除')"
                 " AND erased_at IS NOT NULL"),
        1);
    assert_int_equal(count(f, "SELECT count(*) FROM change_row WHERE instr(old, 'SECRET')"), 0);
    erase_customer(f); /* again is fine */
}

static void refused_late(struct firm *f, struct pretend *p)
{
    pretend_sync(p);
    assert_int_equal(pretend_verdict(p)->outcome, OUTCOME_REFUSED);
    assert_string_equal(pretend_verdict(p)->code, "erased");
    assert_int_equal(count(f, "SELECT count(*) FROM change_log WHERE instr(body, 'SECRET')"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM change_log WHERE code = 'erased'"
                              " AND length(body) > 0"),
                     0);
    assert_int_equal(chain_verify(&f->store, on_finding, NULL).code, ERR_OK);
}

static void late_work_is_destroyed(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    const uint8_t contact[16] = {1, 2, 3};
    const struct cell note = {.column = COLUMN_customer_note, .value = text_value("SECRET")};
    const struct cell person[] = {
        {.column = COLUMN_contact_customer_id, .value = id_value(f->customer)},
        {.column = COLUMN_contact_name, .value = text_value("SECRET")}};
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    erase_customer(f);
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 1, &note, 1);
    refused_late(f, &ann);
    pretend_clear(&ann);
    pretend_change(&ann, CHANGE_INSERT, TABLE_contact, contact, 0, person, 2);
    refused_late(f, &ann);
    pretend_free(&ann);
}

/* The backup is older than the contact: a device offers it again, and the ledger's word stands. */
static void what_comes_back_is_refused(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    struct ledger_entry entry = {
        .kind = LEDGER_ERASED, .subject = {1, 2, 3}, .number = TABLE_contact, .at_ms = 1};
    const struct cell person[] = {
        {.column = COLUMN_contact_customer_id, .value = id_value(f->customer)},
        {.column = COLUMN_contact_name, .value = text_value("SECRET")}};
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err = timeline_apply(&f->store, &entry, f->host.wall_ms);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    finish(f);
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    pretend_change(&ann, CHANGE_INSERT, TABLE_contact, entry.subject, 0, person, 2);
    refused_late(f, &ann);
    pretend_free(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chain_stays_valid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_work_is_destroyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_back_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
