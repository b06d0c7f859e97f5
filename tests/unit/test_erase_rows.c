/* Erasing people's data: the chain still fits, late work is refused and destroyed, and what was
 * never here isn't let in either. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/changelog/server/body_verify.h"
#include "common/changelog/server/chain_verify.h"
#include "common/changelog/server/erase.h"
#include "common/changelog/server/quarantine.h"
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

/* A transaction waits for a lost predecessor when its subject is erased: its content goes at once,
 * whether its device ever comes again or not; when it does, it is told. */
static void what_waits_is_destroyed(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    const struct cell note = {.column = COLUMN_customer_note, .value = text_value("SECRET")};
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    uint64_t missing = ann.next_seq++;
    struct transaction *tx =
        pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 1, &note, 1);
    tx->rests_on = &missing;
    tx->rest_count = 1;
    pretend_sync(&ann);
    assert_int_equal(pretend_verdict(&ann)->outcome, OUTCOME_PARKED);
    assert_int_equal(count(f, "SELECT count(*) FROM parked WHERE instr(body, 'SECRET')"), 1);
    erase_customer(f);
    assert_int_equal(count(f, "SELECT count(*) FROM parked WHERE instr(body, 'SECRET')"), 0);
    assert_int_equal(body_verify(&f->store, on_finding, NULL).code, ERR_OK);
    pretend_clear(&ann);
    refused_late(f, &ann);
    assert_int_equal(count(f, "SELECT count(*) FROM parked"), 0);
    pretend_free(&ann);
}

/* A verdict that wasn't acknowledged tells its device what others had written to the row. It says
 * so no more, and is still heard. */
static void unheard_verdicts_tell_nothing(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    const struct cell theirs[] = {{.column = COLUMN_customer_note, .value = text_value("SECRET")},
                                  {.column = COLUMN_customer_city, .value = text_value("Wuhan")}};
    static const char holds[] = "SELECT count(*) FROM verdict WHERE instr(body, 'SECRET')";
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_sync(&ann);
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 1, &theirs[1], 1);
    f->host.wall_ms += 60000; /* the device's edit is the older one */
    ann.clocks.wall_ms += 60000;
    ann.clocks.mono_ms += 60000;
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, theirs, 2).code, ERR_OK);
    pretend_sync_lost(&ann);
    assert_int_equal(count(f, holds), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM change_row r JOIN change_log l ON l.no = r.no"
                              " WHERE l.device = 1"),
                     0);
    erase_customer(f);
    assert_int_equal(count(f, holds), 0);
    pretend_sync(&ann); /* still has it to send */
    const struct verdict *v = pretend_verdict(&ann);
    assert_int_equal(v->outcome, OUTCOME_ACCEPTED);
    assert_int_equal(v->row_count, 1);
    for (size_t i = 0; i < v->rows[0].unseen_count; i++) { /* what stands there instead */
        const struct value *value = &v->rows[0].unseen[i].value;
        assert_true(value->kind != VALUE_TEXT || memcmp(value->b.at, "SECRET", 6) != 0);
    }
    pretend_free(&ann);
}

static void witness(struct firm *f, uint16_t table, uint8_t (*ids)[16], struct value *values,
                    const uint8_t *columns, size_t column_count)
{
    struct row row = {.seq = 7, .values = values};
    struct rows rows = {.scope = {.kind = SCOPE_BOOK},
                        .table = table,
                        .whole = true,
                        .column_count = column_count,
                        .count = 1,
                        .rows = &row};
    memcpy(row.id, ids[0], 16);
    memcpy(rows.columns, columns, column_count);
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err = quarantine_witness(&f->store, &rows, ids[1], f->ann, f->host.wall_ms);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
}

/* A restore lost the rows; their devices hand them in as they had them. */
static void witnesses_of_the_erased_are_not_kept(void **state)
{
    struct firm *f = *state;
    uint8_t ids[2][16] = {{1}, {2}};
    uint8_t subject[2][16] = {{0}, {2}};
    static const char held[] = "SELECT count(*) FROM quarantine WHERE instr(body, 'SECRET')";
    static const uint8_t contact[] = {COLUMN_contact_customer_id, COLUMN_contact_name};
    static const uint8_t customer[] = {COLUMN_customer_name};
    struct value theirs[] = {id_value(f->customer), text_value("SECRET")};
    struct value itself[] = {text_value("SECRET")};
    memcpy(subject[0], f->customer, 16);
    witness(f, TABLE_contact, ids, theirs, contact, 2);
    witness(f, TABLE_customer, subject, itself, customer, 1);
    assert_int_equal(count(f, held), 2);
    erase_customer(f);
    assert_int_equal(count(f, held), 0); /* those that waited */
    ids[0][0] = 3;
    witness(f, TABLE_contact, ids, theirs, contact, 2);
    witness(f, TABLE_customer, subject, itself, customer, 1);
    assert_int_equal(count(f, held), 0); /* and those that come late */
}

/* Whom somebody visited is the firm's; where they stood then was theirs. */
static void a_late_visit_tells_no_place(void **state)
{
    struct firm *f = *state;
    uint8_t ids[2][16] = {{4}, {2}};
    int64_t no = 0;
    static const uint8_t columns[] = {COLUMN_visit_customer_id, COLUMN_visit_person_id,
                                      COLUMN_visit_lat};
    struct value values[] = {id_value(f->customer), id_value(f->ann), value_real(31.25)};
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err =
        erase_begin(&f->store, catalogue_table(TABLE_person), f->ann, f->host.wall_ms, &no);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    finish(f);
    witness(f, TABLE_visit, ids, values, columns, 3);
    assert_int_equal(count(f, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(values[2].kind, VALUE_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chain_stays_valid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_work_is_destroyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_back_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_is_destroyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unheard_verdicts_tell_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(witnesses_of_the_erased_are_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_visit_tells_no_place, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
