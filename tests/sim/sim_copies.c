/* A device's file that is copied, set back, or lives twice: nothing of any of the copies is lost,
 * and nothing is applied a second time. (The plainest cases stand in sim_rules.c.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/changelog/server/gate.h"
#include "tests/support/world_test.h"

#define DAY_MS INT64_C(86400000)

static const struct fault_plan nothing = {.kind = FAULT_NONE};

static int64_t logged(struct world *w)
{
    return db_count(w, w->reader_db, "SELECT count(*) FROM change_log WHERE device > 0", NULL);
}

static void expect_reenrol(struct world_device *d)
{
    struct sync_result result = device_sync_with(d, &nothing, NULL);
    assert_int_equal(result.end, SYNC_FAILED);
    assert_string_equal(result.code, "reenrol");
}

static void set_note(struct world_device *d, const uint8_t customer[16], const char *note)
{
    const struct cell cell = cell_text(COLUMN_customer_note, note);
    assert_true(device_update(d, TABLE_customer, customer, &cell, 1));
}

/* The lost file sent three; the copy, from before, has made five of its own when it comes: its
 * numbers end above the server's, and the first three of them mean other things there. */
static void copy_has_overtaken_the_servers_number(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visits[5][16];
    everybody_holds(w, "Overtaken", id);
    int64_t before = logged(w);
    device_copy(phone, "idle");
    set_city(phone, id, "lost 1");
    set_region(phone, id, "lost 2");
    set_note(phone, id, "lost 3");
    device_sync(phone);
    device_copy_back(phone, "idle");
    for (int i = 0; i < 5; i++) {
        device_visit(phone, id, visits[i]);
    }
    world_pass(w, 1000);
    world_heal(w);
    assert_server(w, id, "city", "lost 1");
    assert_device(phone, id, "note", "lost 3");
    assert_int_equal(logged(w) - before, 8);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 5);
    world_check(w);
}

/* The same with a request for each transaction: the copy's first number that means something else
 * is the last one of the lost file. */
static void copy_overtakes_one_by_one(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct client_session_options small = {.push_tx_max = 1};
    uint8_t id[16], visit[16];
    everybody_holds(w, "Step by step", id);
    int64_t before = logged(w);
    set_city(phone, id, "shared 1");
    set_region(phone, id, "shared 2");
    device_copy(phone, "two-waiting");
    set_note(phone, id, "lost 3");
    device_sync(phone);
    device_copy_back(phone, "two-waiting");
    device_visit(phone, id, visit);
    set_city(phone, id, "of the copy");
    world_pass(w, 1000);
    assert_int_equal(device_sync_with(phone, &nothing, &small).end, SYNC_FINISHED);
    world_heal(w);
    assert_server(w, id, "city", "of the copy");
    assert_server(w, id, "note", "lost 3");
    assert_int_equal(logged(w) - before, 5);
    world_check(w);
}

/* Two telephones made from one backup. Both have the transaction that waited when the backup was
 * made, and work of their own. */
static void two_live_copies_enrol_again(void **state)
{
    struct world *w = *state;
    struct world_device *one = &w->devices[ANN_PHONE];
    struct world_device *two = &w->devices[ANN_TABLET];
    uint8_t id[16], shared[16], of_one[16], of_two[16];
    everybody_holds(w, "Twice", id);
    int64_t before = logged(w);
    device_visit(one, id, shared);
    device_become(two, one);
    device_visit(one, id, of_one);
    device_visit(two, id, of_two);
    device_sync(one);
    device_sync(one); /* has shown the last token: the other's is an old one */
    device_sync(two); /* taken for a restored file, it gets an epoch of its own */
    world_pass(w, 1000);
    expect_reenrol(one);
    expect_reenrol(two);
    set_city(one, id, "one's");
    world_pass(w, 1000);
    set_region(two, id, "two's");
    device_enrol_again(one);
    device_enrol_again(two);
    assert_true(one->replica.number != two->replica.number);
    world_heal(w);
    assert_server(w, id, "city", "one's");
    assert_server(w, id, "region", "two's");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 3);
    assert_int_equal(logged(w) - before, 5);
    world_check(w);
}

/* Neither had sent what both hold: under whichever device it comes first, it counts once. */
static void what_both_copies_hold_counts_once(void **state)
{
    struct world *w = *state;
    struct world_device *one = &w->devices[ANN_PHONE];
    struct world_device *two = &w->devices[ANN_TABLET];
    uint8_t id[16], shared[16], tagged[16];
    const struct cell added = cell_text(COLUMN_customer_tags, "[\"vip\"]");
    const struct cell removed = cell_text(COLUMN_customer_tags, "[]");
    everybody_holds(w, "Both", id);
    everybody_holds(w, "Tagged", tagged);
    int64_t before = logged(w);
    device_visit(one, id, shared);
    assert_true(device_update(one, TABLE_customer, tagged, &added, 1));
    device_become(two, one);
    device_enrol_again(one);
    device_enrol_again(two);
    device_sync(one);
    world_pass(w, 1000);
    assert_true(device_update(one, TABLE_customer, tagged, &removed, 1));
    device_sync(one);
    device_sync(two); /* brings the old addition once more */
    world_heal(w);
    assert_server(w, tagged, "tags", "(null)");
    assert_device(two, tagged, "tags", "(null)");
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 1);
    assert_int_equal(logged(w) - before, 3);
    world_check(w);
}

/* Answers were lost: what the old device got judged without hearing of it comes again under the new
 * one, and is told there. */
static void judged_unheard_before_enrolling_again(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct fault_plan lost = {.kind = FAULT_SERVER_RESTARTS};
    uint8_t id[16], visit[16];
    everybody_holds(w, "Unheard", id);
    int64_t before = logged(w);
    device_visit(phone, id, visit);
    set_city(phone, id, "unheard");
    (void)device_sync_with(phone, &lost, NULL);
    assert_int_equal(logged(w) - before, 2);
    set_region(phone, id, "later");
    device_enrol_again(phone);
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.accepted, 3);
    device_enrol_again(phone); /* and once more, with nothing waiting */
    world_heal(w);
    assert_server(w, id, "city", "unheard");
    assert_server(w, id, "region", "later");
    assert_int_equal(logged(w) - before, 3);
    world_check(w);
}

/* A refusal that its user has seen and let go; then yesterday's file comes back. The refused one
 * comes again, is refused again for the same reason, and what rests on it is held again. */
static void refused_and_discarded_then_restored(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why;
    struct seen seen;
    uint8_t id[16], other[16];
    everybody_holds(w, "Goes", id);
    everybody_holds(w, "Stays", other);
    int64_t before = logged(w);
    assert_int_equal(world_delete(w, TABLE_customer, id, -1, &why), ERR_OK);
    set_city(phone, id, "of the deleted");
    set_city(phone, other, "stands");
    device_copy(phone, "yesterday");
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.refused, 1);
    int64_t entry = db_count(w, phone->db, "SELECT id FROM inbox WHERE done IS NULL", NULL);
    char reason[512];
    snprintf(reason, sizeof reason, "%s", inbox_code(phone, &seen));
    assert_string_equal(reason, "deleted");
    world_must(w, phone->db, inbox_discard(&phone->replica, entry));
    device_sync(phone); /* the verdict is acknowledged */
    device_sync(phone);
    device_copy_back(phone, "yesterday");
    set_region(phone, other, "made after");
    world_pass(w, 1000);
    result = device_sync(phone);
    assert_int_equal(result.tally.refused, 1);
    assert_string_equal(inbox_code(phone, &seen), reason);
    world_heal(w);
    assert_server(w, other, "city", "stands");
    assert_server(w, other, "region", "made after");
    assert_int_equal(logged(w) - before, 3);
    world_check(w);
}

/* As the last one, but the restored file has to enrol again as well. */
static void refused_is_told_to_the_new_device(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct complaint why;
    struct seen seen;
    uint8_t id[16];
    everybody_holds(w, "Goes", id);
    assert_int_equal(world_delete(w, TABLE_customer, id, -1, &why), ERR_OK);
    set_city(phone, id, "of the deleted");
    device_copy(phone, "yesterday");
    device_sync(phone);
    device_sync(phone);
    int64_t before = logged(w);
    device_copy_back(phone, "yesterday");
    device_enrol_again(phone);
    device_sync(phone);
    assert_string_equal(inbox_code(phone, &seen), "deleted");
    assert_int_equal(logged(w), before);
    world_heal(w);
    world_check(w);
}

/* Nobody may take another person's work in under his own name. */
static void only_its_own_person_enrols_it_again(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    phone->who = BOB;
    assert_int_equal(device_try_enrol_again(phone).code, ERR_REFUSED);
    phone->who = ANN;
    device_sync(phone);
}

static int64_t epoch_of(struct world *w, const struct world_device *d)
{
    return db_count(w, w->reader_db, "SELECT epoch FROM device_key WHERE device = ?1",
                    d->replica.device);
}

/* A virtual machine goes on from a snapshot: the same start of it, its file and its monotonic clock
 * are of yesterday, while the server has heard of today. */
static void a_snapshot_of_a_day_ago_gets_in(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Resumed", id);
    int64_t before = logged(w);
    int64_t mono_ms = phone->host.mono_ms;
    device_copy(phone, "snapshot");
    world_pass(w, DAY_MS);
    set_city(phone, id, "before it was set back");
    device_sync(phone);
    device_copy_back(phone, "snapshot");
    phone->host.mono_ms = mono_ms;
    set_region(phone, id, "after it");
    device_sync(phone); /* a fault would end the test */
    world_heal(w);
    assert_server(w, id, "city", "before it was set back");
    assert_server(w, id, "region", "after it");
    assert_int_equal(logged(w) - before, 2);
    int64_t epoch = epoch_of(w, phone);
    phone->host.mono_ms -= DAY_MS; /* the clock alone, over the file of now */
    set_city(phone, id, "and once more");
    device_sync(phone);
    assert_int_equal(epoch_of(w, phone), epoch);
    world_heal(w);
    assert_server(w, id, "city", "and once more");
    world_check(w);
}

/* The network keeps a copy of a request for as long as its signature can be good. Its token is an
 * old one by then; it isn't taken for an older copy of the file. */
static void a_late_duplicate_does_no_harm(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct buf kept;
    const struct fault_plan keeping = {.kind = FAULT_NONE, .kept = &kept};
    uint8_t id[16];
    everybody_holds(w, "Kept back", id);
    int64_t before = logged(w);
    int64_t epoch = epoch_of(w, phone);
    buf_init(&kept, 1u << 20);
    set_city(phone, id, "once");
    assert_int_equal(device_sync_with(phone, &keeping, NULL).end, SYNC_FINISHED);
    world_pass(w, GATE_LATE_MS_MAX / 2);
    device_sync(phone);
    world_pass(w, GATE_LATE_MS_MAX / 2);
    set_region(phone, id, "later");
    device_sync(phone);
    w->allows_faults = true;
    assert_int_equal(device_request_comes(phone, &kept), 503);
    w->allows_faults = false;
    buf_release(&kept);
    set_city(phone, id, "goes on");
    device_sync(phone);
    assert_int_equal(epoch_of(w, phone), epoch);
    assert_int_equal(logged(w) - before, 3);
    world_heal(w);
    assert_server(w, id, "city", "goes on");
    world_check(w);
}

static void set_tags(struct world_device *d, const uint8_t customer[16], const char *tags)
{
    const struct cell cell = cell_text(COLUMN_customer_tags, tags);
    assert_true(device_update(d, TABLE_customer, customer, &cell, 1));
}

/* A copy from within a sync, `at` bytes into the answer that merges its set with another's; the
 * lost file took a tag out again later. Differences count once: what it sent before doesn't come
 * back, and what the copy adds is added to what is there. */
static size_t copied_at(struct world *w, size_t at)
{
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct world_device *tablet = &w->devices[ANN_TABLET];
    const struct fault_plan dies = {.kind = FAULT_DEVICE_DIES, .at = at};
    const struct cell start = cell_text(COLUMN_customer_tags, "[\"old\",\"stays\"]");
    struct complaint why;
    struct seen seen;
    char more[600];
    uint8_t id[16];
    world_customer(w, ANN, "Midway", id);
    assert_int_equal(world_put(w, TABLE_customer, id, &start, 1, -1, &why), ERR_OK);
    world_heal(w);
    int64_t before = logged(w);
    set_tags(tablet, id, "[\"old\",\"stays\",\"tablet\"]");
    device_sync(tablet);
    set_tags(phone, id, "[\"phone\",\"stays\"]");
    struct sync_result result = device_sync_with(phone, &dies, NULL);
    device_copy(phone, "midway");
    device_sync(phone);
    assert_device(phone, id, "tags", "[\"phone\",\"stays\",\"tablet\"]");
    set_tags(phone, id, "[\"stays\",\"tablet\"]");
    device_sync(phone);
    device_copy_back(phone, "midway");
    const char *shown = db_sees(w, phone->db, "customer", id, "tags", &seen);
    (void)snprintf(more, sizeof more, "[\"copy\",%s", shown + 1);
    set_tags(phone, id, more);
    world_pass(w, 1000);
    world_heal(w);
    assert_server(w, id, "tags", "[\"copy\",\"stays\",\"tablet\"]");
    assert_device(phone, id, "tags", "[\"copy\",\"stays\",\"tablet\"]");
    assert_int_equal(logged(w) - before, 4);
    return result.answer_bytes;
}

static void copied_within_a_sync_that_merges_a_set(void **state)
{
    struct world *w = *state;
    size_t size = 1;
    for (size_t at = 0; at < size + 40; at += 40) {
        size = copied_at(w, at);
    }
    assert_true(size > 150);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(copy_has_overtaken_the_servers_number),
        WORLD_TEST(copy_overtakes_one_by_one),
        WORLD_TEST(two_live_copies_enrol_again),
        WORLD_TEST(what_both_copies_hold_counts_once),
        WORLD_TEST(judged_unheard_before_enrolling_again),
        WORLD_TEST(refused_and_discarded_then_restored),
        WORLD_TEST(refused_is_told_to_the_new_device),
        WORLD_TEST(only_its_own_person_enrols_it_again),
        WORLD_TEST(a_snapshot_of_a_day_ago_gets_in),
        WORLD_TEST(a_late_duplicate_does_no_harm),
        WORLD_TEST(copied_within_a_sync_that_merges_a_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
