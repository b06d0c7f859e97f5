/* Clocks that are wrong, jump, stop or run full: nothing is refused or ordered by them, and people
 * hear of those that look suspicious. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hlc.h"
#include "tests/support/world_test.h"

#define DAY_MS INT64_C(86400000)

static bool suspicious(struct world_device *d)
{
    struct clock_doubt doubt;
    replica_clock_doubt(&d->replica, &doubt);
    return doubt.offset_ms != 0 || doubt.jump_ms != 0;
}

static int64_t jump_at_server(struct world *w, struct world_device *d)
{
    return db_count(w, w->reader_db, "SELECT jump_ms FROM device_key WHERE device = ?1",
                    d->replica.device);
}

/* The phone's clock is set between its edit and its sync; the laptop's edit, made later, stays
 * later. */
static void earlier_stays_earlier(struct world *w, int64_t phone_jump, int64_t server_jump)
{
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    uint8_t id[16];
    everybody_holds(w, "Jump", id);
    set_city(phone, id, "earlier");
    phone->host.wall_ms += phone_jump;
    w->server.wall_ms += server_jump;
    world_pass(w, 60000);
    set_city(laptop, id, "later");
    world_pass(w, 60000);
    device_sync(laptop);
    device_sync(phone);
    world_heal(w);
    assert_server(w, id, "city", "later");
    world_check(w);
}

static void ten_years_ahead(void **state)
{
    struct world *w = *state;
    earlier_stays_earlier(w, 10 * YEAR_MS, 0);
    assert_true(suspicious(&w->devices[ANN_PHONE]));
    assert_int_equal(jump_at_server(w, &w->devices[ANN_PHONE]), 10 * YEAR_MS);
    assert_false(suspicious(&w->devices[BOSS_LAPTOP]));
}

static void ten_years_back(void **state)
{
    struct world *w = *state;
    earlier_stays_earlier(w, -10 * YEAR_MS, 0);
    assert_true(suspicious(&w->devices[ANN_PHONE]));
    assert_int_equal(jump_at_server(w, &w->devices[ANN_PHONE]), -10 * YEAR_MS);
}

/* A server set ahead: the order of what was judged after it is that of the ages. Nobody's device is
 * blamed for a jump. */
static void server_ten_years_ahead(void **state)
{
    struct world *w = *state;
    earlier_stays_earlier(w, 0, 10 * YEAR_MS);
    assert_int_equal(jump_at_server(w, &w->devices[ANN_PHONE]), 0);
    assert_int_equal(jump_at_server(w, &w->devices[BOSS_LAPTOP]), 0);
}

/* Back is worse: later work gets times before earlier work's. Nothing is refused or lost, both
 * values are there. */
static void server_ten_years_back(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visit[16];
    everybody_holds(w, "Back", id);
    set_city(phone, id, "before");
    device_sync(phone);
    w->server.wall_ms -= 10 * YEAR_MS;
    world_pass(w, 60000);
    set_city(phone, id, "after");
    device_visit(phone, id, visit);
    struct sync_result result = device_sync(phone);
    assert_int_equal(result.tally.refused, 0);
    world_heal(w);
    assert_server(w, id, "city", "after"); /* one device's own order needs no clock */
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM visit", NULL), 1);
    world_check(w);
}

/* A monotonic clock that stops while the device sleeps makes what was written before look younger;
 * it never makes it older than it is, nor a suspect of the wall clock. */
static void asleep_for_days(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16];
    everybody_holds(w, "Asleep", id);
    set_city(phone, id, "before the sleep");
    int64_t mono_ms = phone->host.mono_ms;
    world_pass(w, 3 * DAY_MS);
    phone->host.mono_ms = mono_ms;
    set_region(phone, id, "after it");
    device_sync(phone);
    assert_false(suspicious(phone));
    assert_int_equal(jump_at_server(w, phone), 0);
    int64_t late = db_count(
        w, w->reader_db, "SELECT count(*) FROM change_log WHERE effective_at > received_at", NULL);
    assert_int_equal(late, 0);
    world_heal(w);
    assert_server(w, id, "city", "before the sleep");
    world_check(w);
}

/* More stamps within a millisecond than the counter holds: it runs over into the milliseconds, and
 * the order stays. */
static void counter_runs_over(void **state)
{
    (void)state;
    const int64_t now_ms = INT64_C(1764000000000);
    uint64_t last = hlc_next(0, now_ms);
    for (int i = 0; i < 70000; i++) {
        uint64_t next = hlc_next(last, now_ms);
        assert_true(next > last);
        last = next;
    }
    assert_int_equal(hlc_ms(last), now_ms + 1);
    assert_int_equal(hlc_ms(hlc_next(last, now_ms + 5)), now_ms + 5);
}

/* The last milliseconds that a stamp can hold, and beyond: the clock of a device that says the year
 * 6429 still gives rising stamps that fit the file, and its work goes through. */
static void clock_at_its_end(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const int64_t end_ms = (INT64_C(1) << 47) - 1;
    uint8_t id[16];
    uint64_t last = hlc_of_ms(INT64_MAX);
    for (int i = 0; i < 70000; i++) {
        last = hlc_next(last, INT64_MAX);
        assert_true(last >= hlc_of_ms(end_ms) && last <= INT64_MAX);
    }
    everybody_holds(w, "End", id);
    phone->host.wall_ms = end_ms - 1;
    set_city(phone, id, "one");
    phone->host.wall_ms = INT64_MAX / 2;
    set_city(phone, id, "two");
    device_sync(phone);
    world_heal(w);
    assert_server(w, id, "city", "two");
    world_check(w);
}

/* A jump is told of for a day, an offset as long as it lasts. */
static void mark_goes_when_the_clock_is_right(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    assert_true(suspicious(&w->devices[BOB_PHONE]) == false); /* it hasn't met the server yet */
    world_heal(w);
    assert_true(suspicious(&w->devices[BOB_PHONE])); /* a year behind, all the time */
    assert_false(suspicious(phone));
    phone->host.wall_ms += 3600000;
    device_sync(phone);
    assert_true(suspicious(phone));
    phone->host.wall_ms -= 3600000;
    device_sync(phone);
    assert_true(suspicious(phone)); /* it was set twice */
    world_pass(w, 2 * DAY_MS);
    device_restart(phone);
    assert_false(suspicious(phone));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(ten_years_ahead),        WORLD_TEST(ten_years_back),
        WORLD_TEST(server_ten_years_ahead), WORLD_TEST(server_ten_years_back),
        WORLD_TEST(asleep_for_days),        cmocka_unit_test(counter_runs_over),
        WORLD_TEST(clock_at_its_end),       WORLD_TEST(mark_goes_when_the_clock_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
