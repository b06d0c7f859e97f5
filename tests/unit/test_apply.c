/* What the device makes of rows, departures and verdicts while work of its own is pending. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/device/freeze.h"
#include "common/changelog/device/verdict_apply.h"
#include "protocol/codec.h"
#include "tests/support/device.h"

#define HEX1 "x'01010101010101010101010101010101'"
static const uint8_t id1[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const struct scope_id mine = {.kind = SCOPE_PRIVATE, .id = {1}};
static const struct scope_id other = {.kind = SCOPE_PRIVATE, .id = {2}};

/* The row as people see it, its stamp, and what lies below. */
#define SEEN                                                                                       \
    "SELECT coalesce((SELECT coalesce(title, '-') || '/' || coalesce(text, '-') || ' s' ||"        \
    " coalesce(_scope, '-') || ' @' || coalesce(_seq, '-') FROM memo), 'none') ||"                 \
    " coalesce((SELECT group_concat(' ' || col || ':' || base || '=' || hex(value), '')"           \
    " FROM under), '')"

struct fixture {
    struct device d;
    struct apply a;
};

static void apply(struct fixture *f, struct err (*what)(struct apply *, const void *),
                  const void *message)
{
    OK(apply_begin(&f->a));
    OK(apply_end(&f->a, what(&f->a, message)));
}

static struct err do_enter(struct apply *a, const void *m)
{
    return apply_enter(a, m);
}
static struct err do_leave(struct apply *a, const void *m)
{
    return apply_leave(a, m);
}
static struct err do_rows(struct apply *a, const void *m)
{
    return apply_rows(a, m);
}
static struct err do_departure(struct apply *a, const void *m)
{
    return apply_departure(a, m);
}
static struct err do_checkpoint(struct apply *a, const void *m)
{
    return apply_checkpoint(a, m);
}
static struct err do_verdicts(struct apply *a, const void *m)
{
    struct verdict_tally tally = {0};
    return verdicts_apply(a, m, 1764000000000, INT64_MAX, &tally);
}

static int setup(void **state)
{
    static struct fixture f;
    device_init(&f.d, 1, NULL);
    apply_init(&f.a, &f.d.r);
    apply(&f, do_enter, &mine);
    apply(&f, do_enter, &other);
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

static struct value text(const char *t)
{
    return t == NULL ? value_null() : value_text(bytes_text(t));
}

/* A row of memo with title and text, whole or only its title. */
static void server_row(struct fixture *f, const struct scope_id *scope, int64_t seq, bool whole,
                       const char *title, const char *body)
{
    struct value values[] = {text(title), text(body)};
    struct row row = {.seq = seq, .values = values};
    struct rows rows = {.scope = *scope,
                        .table = TABLE_memo,
                        .whole = whole,
                        .column_count = whole ? 2 : 1,
                        .columns = {COLUMN_memo_title, COLUMN_memo_text},
                        .count = 1,
                        .rows = &row};
    memcpy(row.id, id1, 16);
    apply(f, do_rows, &rows);
}

static void tombstone(struct fixture *f, int64_t seq)
{
    struct value at = value_int(5);
    struct row row = {.seq = seq, .values = &at};
    struct rows rows = {.scope = mine,
                        .table = TABLE_memo,
                        .column_count = 1,
                        .columns = {COLUMN_DELETED},
                        .count = 1,
                        .rows = &row};
    memcpy(row.id, id1, 16);
    apply(f, do_rows, &rows);
}

static void departure(struct fixture *f, const struct scope_id *scope, int64_t seq)
{
    struct departure d = {.scope = *scope, .seq = seq, .table = TABLE_memo};
    memcpy(d.id, id1, 16);
    apply(f, do_departure, &d);
}

static void freeze(struct fixture *f)
{
    OK(db_begin(f->d.db, DB_LOCK_WRITE));
    OK(db_end(f->d.db, freeze_all(&f->d.r)));
}

static void user(struct fixture *f, const char *sql)
{
    device_run(&f->d, "test", sql);
    freeze(f);
}

/* The verdict on transaction `device_seq`: refused with `code`, else the row at `seq` and (where
 * it isn't NULL) a title that the sender hasn't seen. */
static void verdict(struct fixture *f, uint64_t number, uint64_t device_seq, const char *code,
                    int64_t seq, const char *title)
{
    struct cell unseen = {.column = COLUMN_memo_title, .value = text(title)};
    struct verdict_row row = {.table = TABLE_memo,
                              .scope = mine,
                              .seq = seq,
                              .unseen_count = title == NULL ? 0 : 1,
                              .unseen = &unseen};
    struct verdict v = {.number = number,
                        .epoch = 1,
                        .device_seq = device_seq,
                        .outcome = code == NULL ? OUTCOME_ACCEPTED : OUTCOME_REFUSED,
                        .row_count = code == NULL ? 1 : 0,
                        .rows = &row};
    struct verdicts all = {.count = 1, .verdicts = &v};
    memcpy(row.id, id1, 16);
    snprintf(v.code, sizeof v.code, "%s", code == NULL ? "" : code);
    apply(f, do_verdicts, &all);
}

static void check(struct fixture *f, const char *what)
{
    assert_string_equal(device_text(&f->d, SEEN), what);
}

static int64_t waiting(struct fixture *f)
{
    struct replica_counts counts;
    OK(replica_counts(&f->d.r, &counts));
    return counts.pending;
}

#define INSERT_MEMO "INSERT INTO memo (id, title, text) VALUES (" HEX1 ", 'a', 't')"

/* ---- rows ---- */

static void newer_values_go_below(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "UPDATE memo SET title = 'mine'");
    server_row(f, &mine, 101, true, "theirs", "u");
    check(f, "mine/u s1 @101 2:90=66746865697273");
    server_row(f, &mine, 102, false, "later", NULL);
    check(f, "mine/u s1 @102 2:90=656C61746572");
    verdict(f, 1, 1, "locked", 0, NULL);
    check(f, "later/u s1 @102");
}

static void older_rows_change_nothing(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    server_row(f, &mine, 80, true, "old", "old");
    check(f, "a/t s1 @90");
    server_row(f, &mine, 90, false, "again", NULL); /* the same number: a column gained */
    check(f, "again/t s1 @90");
}

/* The counterexample of sync.md §2. */
static void a_pending_column_keeps_its_base(void **state)
{
    struct fixture *f = *state;
    struct transaction tx;
    server_row(f, &mine, 90, true, "a", "t");
    device_run(&f->d, "test", "UPDATE memo SET title = 'one'");
    server_row(f, &mine, 101, false, "theirs", NULL);
    device_run(&f->d, "test", "UPDATE memo SET title = 'two', text = 'u'");
    freeze(f);
    struct stmt st;
    OK(db_prepare(f->d.db, "SELECT body FROM sent ORDER BY tx DESC LIMIT 1", &st, NULL));
    assert_true(db_step_row(&st));
    assert_int_equal(
        transaction_decode(arena_copy(&f->d.arena, col_bytes(&st, 0)), &f->d.arena, &tx), WIRE_OK);
    stmt_close(&st);
    assert_int_equal(tx.change_count, 2);
    assert_int_equal(tx.changes[0].base, 90);  /* title */
    assert_int_equal(tx.changes[1].base, 101); /* text */
}

static void a_missing_row_is_fetched_whole(void **state)
{
    struct fixture *f = *state;
    struct cursor cursor = {.scope = mine, .done = 50, .pos = 50};
    server_row(f, &mine, 90, false, "part", NULL);
    apply(f, do_checkpoint, &cursor);
    check(f, "none");
    assert_int_equal(device_int(&f->d, "SELECT done + pos FROM cursor WHERE scope = 1"), 0);
    cursor.scope = other;
    apply(f, do_checkpoint, &cursor);
    assert_int_equal(device_int(&f->d, "SELECT done FROM cursor WHERE scope = 2"), 50);
}

/* ---- rows that leave ---- */

static void departures_know_scope_and_number(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    departure(f, &other, 95);
    departure(f, &mine, 90);
    check(f, "a/t s1 @90");
    server_row(f, &other, 95, true, "a", "t"); /* the new scope's row came first */
    departure(f, &mine, 96);
    check(f, "a/t s2 @95");
    departure(f, &other, 97);
    check(f, "none");
}

static void work_on_a_row_that_left_stays(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    device_run(&f->d, "test", "UPDATE memo SET title = 'mine'"); /* not frozen yet */
    departure(f, &mine, 95);
    check(f, "none");
    assert_int_equal(waiting(f), 1);
    server_row(f, &other, 96, true, "b", "u"); /* it comes back, the edit lies on top */
    check(f, "mine/u s2 @96 2:90=6162");
    verdict(f, 1, 1, "locked", 0, NULL);
    check(f, "b/u s2 @96");
}

static void a_scope_that_leaves_takes_its_rows(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "UPDATE memo SET title = 'mine'");
    apply(f, do_leave, &mine);
    check(f, "none");
    assert_int_equal(waiting(f), 1);
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM cursor"), 1);
    verdict(f, 1, 1, "not_found", 0, NULL);
    check(f, "none");
    assert_int_equal(waiting(f), 0);
}

/* ---- refused ---- */

static void a_refused_insert_leaves_the_table(void **state)
{
    struct fixture *f = *state;
    user(f, INSERT_MEMO);
    user(f, "UPDATE memo SET title = 'b'");
    verdict(f, 1, 1, "not_permitted", 0, NULL);
    check(f, "none");
    verdict(f, 2, 2, "held", 0, NULL);
    check(f, "none");
    assert_string_equal(device_text(&f->d, "SELECT group_concat(kind || ':' || code) FROM inbox"),
                        "refused:not_permitted,held:held");
}

static void a_later_edit_stays_on_top(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "UPDATE memo SET title = 'b', text = 'u'");
    user(f, "UPDATE memo SET title = 'c'");
    verdict(f, 1, 1, "locked", 0, NULL);
    check(f, "c/t s1 @90 2:90=6161"); /* the text is given back, the title waits below */
    verdict(f, 2, 2, "held", 0, NULL);
    check(f, "a/t s1 @90");
}

static void a_refused_delete_brings_the_row_back(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "DELETE FROM memo");
    check(f, "none");
    server_row(f, &mine, 101, false, "newer", NULL);
    verdict(f, 1, 1, "changed_since", 0, NULL);
    check(f, "newer/t s1 @101");
}

static void what_left_meanwhile_doesnt_come_back(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "DELETE FROM memo");
    departure(f, &mine, 95);
    verdict(f, 1, 1, "changed_since", 0, NULL);
    check(f, "none");
}

/* ---- accepted ---- */

/* The counterexample of sync.md §4: the row's number moves together with its columns. */
static void a_verdict_brings_what_was_not_seen(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "UPDATE memo SET text = 'u'");
    verdict(f, 1, 1, NULL, 102, "theirs");
    check(f, "theirs/u s1 @102");
}

static void a_verdict_goes_below_later_edits(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    user(f, "UPDATE memo SET text = 'u'");
    device_run(&f->d, "test", "UPDATE memo SET title = 'b'");
    verdict(f, 1, 1, NULL, 102, "theirs");
    check(f, "b/u s1 @102 2:90=66746865697273");
}

static void verdicts_are_taken_once(void **state)
{
    struct fixture *f = *state;
    user(f, INSERT_MEMO);
    verdict(f, 1, 1, NULL, 102, NULL);
    check(f, "a/t s1 @102");
    user(f, "UPDATE memo SET title = 'b'");
    verdict(f, 1, 1, "locked", 0, NULL); /* an old answer, once more */
    check(f, "b/t s1 @102");
    assert_int_equal(device_int(&f->d, "SELECT verdict_seen FROM device_state"), 1);
    verdict(f, 2, 2, NULL, 103, NULL);
    check(f, "b/t s1 @103");
    assert_int_equal(waiting(f), 0);
}

static void tombstones_take_the_row(void **state)
{
    struct fixture *f = *state;
    server_row(f, &mine, 90, true, "a", "t");
    tombstone(f, 80);
    check(f, "a/t s1 @90");
    user(f, "UPDATE memo SET title = 'b'");
    tombstone(f, 95);
    check(f, "none");
    verdict(f, 1, 1, "deleted", 0, NULL);
    check(f, "none");
}

/* ---- all or nothing ---- */

/* The file may not grow beyond its n-th page more, for every n: what fails changes nothing. */
static void a_full_disk_undoes_all(void **state)
{
    struct fixture *f = *state;
    static const char everything[] =
        "SELECT (SELECT group_concat(quote(title) || quote(text) || quote(_seq)) FROM memo) || '|'"
        " || (SELECT count(*) FROM outbox) || '|' || (SELECT group_concat(state) FROM sent) || '|'"
        " || (SELECT count(*) FROM inbox) || '|' || (SELECT verdict_seen FROM device_state)";
    char large[3000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    user(f, INSERT_MEMO);
    user(f, "UPDATE memo SET title = 'b'");
    struct cell unseen = {.column = COLUMN_memo_title, .value = text(large)};
    struct verdict_row row = {
        .table = TABLE_memo, .scope = mine, .seq = 9, .unseen_count = 1, .unseen = &unseen};
    struct loser lost = {
        .table = TABLE_memo, .column = COLUMN_memo_text, .kept = text(large), .winner = text("w")};
    struct verdict v = {.number = 1,
                        .epoch = 1,
                        .device_seq = 1,
                        .outcome = OUTCOME_MERGED,
                        .row_count = 1,
                        .rows = &row,
                        .loser_count = 1,
                        .losers = &lost};
    struct verdicts all = {.count = 1, .verdicts = &v};
    memcpy(row.id, id1, 16);
    memcpy(lost.id, id1, 16);
    const char *before = device_text(&f->d, everything);
    OK(db_exec(f->d.db, "VACUUM"));
    int failed = 0;
    for (int n = 0; n < 50; n++) {
        char sql[64];
        int64_t pages = device_int(&f->d, "PRAGMA page_count");
        snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)pages + n);
        OK(db_exec(f->d.db, sql));
        OK(apply_begin(&f->a));
        struct err err = apply_end(&f->a, do_verdicts(&f->a, &all));
        if (err.code == ERR_OK) {
            break;
        }
        failed++;
        assert_int_equal(err.code, ERR_FULL);
        assert_string_equal(device_text(&f->d, everything), before);
    }
    assert_true(failed > 0);
    assert_int_equal(device_int(&f->d, "SELECT verdict_seen FROM device_state"), 1);
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM inbox"), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(newer_values_go_below),
        TEST(older_rows_change_nothing),
        TEST(a_pending_column_keeps_its_base),
        TEST(a_missing_row_is_fetched_whole),
        TEST(departures_know_scope_and_number),
        TEST(work_on_a_row_that_left_stays),
        TEST(a_scope_that_leaves_takes_its_rows),
        TEST(a_refused_insert_leaves_the_table),
        TEST(a_later_edit_stays_on_top),
        TEST(a_refused_delete_brings_the_row_back),
        TEST(what_left_meanwhile_doesnt_come_back),
        TEST(a_verdict_brings_what_was_not_seen),
        TEST(a_verdict_goes_below_later_edits),
        TEST(verdicts_are_taken_once),
        TEST(tombstones_take_the_row),
        TEST(a_full_disk_undoes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
