/* What people do with refused and merged work, and where they are told a row stands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/device/freeze.h"
#include "common/changelog/device/verdict_apply.h"
#include "tests/support/device.h"

#define CUSTOMER "x'01010101010101010101010101010101'"
#define VISIT    "x'02020202020202020202020202020202'"
static const uint8_t customer[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

struct fixture {
    struct device d;
    struct apply a;
};

static int setup(void **state)
{
    static struct fixture f;
    device_init(&f.d, 1, NULL);
    apply_init(&f.a, &f.d.r);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    apply_release(&f->a);
    device_release(&f->d);
    return 0;
}

static void judge(struct fixture *f, struct verdict *v, uint64_t number)
{
    struct verdicts all = {.count = 1, .verdicts = v};
    struct verdict_tally tally = {0};
    v->number = number;
    v->epoch = 1;
    v->device_seq = number;
    OK(db_begin(f->d.db, DB_LOCK_WRITE));
    OK(db_end(f->d.db, freeze_all(&f->d.r)));
    OK(apply_begin(&f->a));
    OK(apply_end(&f->a, verdicts_apply(&f->a, &all, 1, INT64_MAX, &tally)));
}

static void refuse(struct fixture *f, uint64_t number, const char *code)
{
    struct verdict v = {.outcome = OUTCOME_REFUSED};
    snprintf(v.code, sizeof v.code, "%s", code);
    judge(f, &v, number);
}

static enum row_place place(struct fixture *f)
{
    enum row_place out;
    OK(replica_row_place(&f->d.r, catalogue_table(TABLE_customer), customer, &out));
    return out;
}

#define NEW_CUSTOMER                                                                               \
    "INSERT INTO customer (id, name, kind, book_id) VALUES (" CUSTOMER ", 'n', 'prospect', " VISIT \
    ")"
#define DONE "SELECT group_concat(coalesce(done, '-')) FROM inbox"

/* The customer was refused, the visit on it held: both go again, with what was put right. */
static void resending_takes_the_group(void **state)
{
    struct fixture *f = *state;
    struct complaint why;
    const struct inbox_edit edit = {
        .column = table_column(catalogue_table(TABLE_customer), COLUMN_customer_name),
        .value = value_text(bytes_text("right"))};
    device_run(&f->d, "customer.new", NEW_CUSTOMER);
    device_run(&f->d, "visit.log",
               "INSERT INTO visit (id, customer_id, person_id, state, checkin_at, visit_day,"
               " tz_offset_min) VALUES (" VISIT ", " CUSTOMER ", " CUSTOMER
               ", 'completed', 1, '2026-01-02', 480)");
    assert_int_equal(place(f), ROW_ON_DEVICE);
    refuse(f, 1, "invalid");
    refuse(f, 2, "held");
    assert_int_equal(place(f), ROW_NEEDS_YOU);
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM customer"), 0);
    OK(inbox_resend(&f->d.r, 1, &edit, 1, &why));
    assert_string_equal(device_text(&f->d, DONE), "resent,resent");
    assert_string_equal(device_text(&f->d, "SELECT name || (SELECT count(*) FROM visit)"
                                           " FROM customer"),
                        "right1");
    assert_int_equal(device_int(&f->d, "SELECT count(DISTINCT tx) FROM outbox"), 1);
    assert_int_equal(place(f), ROW_ON_DEVICE);
    assert_int_equal(inbox_resend(&f->d.r, 1, NULL, 0, &why).code, ERR_NOT_FOUND);
}

static void an_edit_must_fit(void **state)
{
    struct fixture *f = *state;
    struct complaint why;
    const struct inbox_edit edit = {
        .column = table_column(catalogue_table(TABLE_customer), COLUMN_customer_kind),
        .value = value_text(bytes_text("friend"))};
    device_run(&f->d, "customer.new", NEW_CUSTOMER);
    refuse(f, 1, "invalid");
    assert_int_equal(inbox_resend(&f->d.r, 1, &edit, 1, &why).code, ERR_INVALID);
    assert_string_equal(why.field, "kind");
    assert_string_equal(device_text(&f->d, DONE), "-");
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM customer"), 0);
}

/* Somebody else's tag came meanwhile: it stays. */
static void sets_are_joined_again(void **state)
{
    struct fixture *f = *state;
    struct complaint why;
    device_run(&f->d, "test", NEW_CUSTOMER "; DELETE FROM outbox");
    device_run(&f->d, "test", "UPDATE customer SET tags = '[\"mine\"]'");
    refuse(f, 1, "locked");
    device_run(&f->d, "test", "UPDATE customer SET tags = '[\"theirs\"]'; DELETE FROM outbox");
    OK(inbox_resend(&f->d.r, 1, NULL, 0, &why));
    assert_string_equal(device_text(&f->d, "SELECT tags FROM customer"), "[\"mine\",\"theirs\"]");
}

static void refused_work_becomes_a_note(void **state)
{
    struct fixture *f = *state;
    device_run(&f->d, "test", NEW_CUSTOMER "; DELETE FROM outbox");
    device_run(&f->d, "test", "UPDATE customer SET note = '门店关门 closed on Mondays'");
    refuse(f, 1, "locked");
    OK(inbox_note(&f->d.r, 1, bytes_text("")));
    assert_string_equal(device_text(&f->d, "SELECT text FROM market_note"),
                        "customer: note=门店关门 closed on Mondays");
    device_run(&f->d, "test", "INSERT INTO memo (id, text) VALUES (" VISIT ", 'x')");
    refuse(f, 3, "not_permitted"); /* 2 is the note itself */
    OK(inbox_note(&f->d.r, 2, bytes_text("please look")));
    assert_string_equal(device_text(&f->d, "SELECT title || state FROM task"), "please lookopen");
    assert_string_equal(device_text(&f->d, DONE), "noted,noted");
}

static void a_lost_value_is_written_again(void **state)
{
    struct fixture *f = *state;
    struct replica_counts counts;
    device_run(&f->d, "test", NEW_CUSTOMER "; DELETE FROM outbox");
    device_run(&f->d, "test", "UPDATE customer SET city = 'mine'");
    struct loser lost = {.table = TABLE_customer,
                         .column = COLUMN_customer_city,
                         .kept = value_text(bytes_text("mine")),
                         .winner = value_text(bytes_text("theirs"))};
    struct verdict_row row = {.table = TABLE_customer, .scope = {.kind = SCOPE_BOOK}, .seq = 9};
    struct verdict v = {
        .outcome = OUTCOME_MERGED, .row_count = 1, .rows = &row, .loser_count = 1, .losers = &lost};
    memcpy(lost.id, customer, 16);
    memcpy(row.id, customer, 16);
    judge(f, &v, 1);
    assert_string_equal(device_text(&f->d, "SELECT city FROM customer"), "theirs");
    assert_int_equal(place(f), ROW_ON_SERVER);
    OK(replica_counts(&f->d.r, &counts));
    assert_int_equal(counts.merged, 1);
    assert_int_equal(counts.needs_you, 0);
    OK(inbox_restore(&f->d.r, 1));
    assert_string_equal(device_text(&f->d, "SELECT city FROM customer"), "mine");
    assert_int_equal(device_int(&f->d, "SELECT base FROM outbox"), 9);
    assert_string_equal(device_text(&f->d, DONE), "restored");
}

static void discarding_ends_it(void **state)
{
    struct fixture *f = *state;
    struct replica_counts counts;
    device_run(&f->d, "test", NEW_CUSTOMER);
    refuse(f, 1, "invalid");
    assert_int_equal(inbox_restore(&f->d.r, 1).code, ERR_INVALID);
    OK(inbox_discard(&f->d.r, 1));
    OK(replica_counts(&f->d.r, &counts));
    assert_int_equal(counts.needs_you, 0);
    assert_int_equal(counts.pending, 0);
    assert_int_equal(inbox_discard(&f->d.r, 1).code, ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(resending_takes_the_group),     TEST(an_edit_must_fit),
        TEST(sets_are_joined_again),         TEST(refused_work_becomes_a_note),
        TEST(a_lost_value_is_written_again), TEST(discarding_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
