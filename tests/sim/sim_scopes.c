/* Who holds what changes: books change hands, roles change, files are damaged. What is held
 * follows, row by row and column by column, and nobody's pending work is lost on the way. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

static void set_role(struct world *w, enum world_person who, const char *role)
{
    struct complaint why = {0};
    const struct cell cell = cell_text(COLUMN_person_role, role);
    if (world_put(w, TABLE_person, w->people[who], &cell, 1, -1, &why) != ERR_OK) {
        world_fail(w, "role: %s %s", why.code, why.field);
    }
}

static void assert_cost(struct world_device *d, const char *cost)
{
    struct seen seen;
    struct world *w = d->world;
    assert_string_equal(db_sees(w, d->db, "product", w->products[0], "cost", &seen), cost);
}

/* A cursor was made under a role: what a new one sees beside it comes later, by itself. */
static void a_wider_role_fills_columns_in(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    device_sync(phone);
    assert_cost(phone, "(null)");
    set_role(w, ANN, "manager");
    device_sync(phone);
    assert_cost(phone, "500");
}

/* And what it no longer sees goes. */
static void a_narrower_role_erases_columns(void **state)
{
    struct world *w = *state;
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    device_sync(laptop);
    assert_cost(laptop, "500");
    set_role(w, BOSS, "rep");
    device_sync(laptop);
    assert_cost(laptop, "(null)");
}

/* Enough behind the firm's own rows that an answer can be cut between the two. */
static void add_bulk(struct world *w)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char note[3500];
    uint8_t id[16];
    struct complaint why;
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k + 1 < sizeof note; k++) {
            note[k] = letters[world_below(w, sizeof letters - 1)];
        }
        note[sizeof note - 1] = 0;
        const struct cell cell = cell_text(COLUMN_customer_note, note);
        world_customer(w, ANN, "Bulk", id);
        assert_int_equal(world_put(w, TABLE_customer, id, &cell, 1, -1, &why), ERR_OK);
    }
}

/* Cut while it widens, and narrow again before the rest has come: nothing stays behind. */
static void a_role_narrows_before_the_wider_one_arrived(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = 210000};
    device_sync(phone);
    add_bulk(w);
    set_role(w, ANN, "manager");
    assert_int_not_equal(device_sync_with(phone, &cut, NULL).end, SYNC_FINISHED);
    assert_cost(phone, "500");
    set_role(w, ANN, "rep");
    device_sync(phone);
    assert_cost(phone, "(null)");
    world_heal(w);
    world_check(w);
}

/* And the other way round nothing stays away. */
static void a_role_widens_before_the_narrower_one_arrived(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = 210000};
    set_role(w, ANN, "manager");
    device_sync(phone);
    add_bulk(w);
    set_role(w, ANN, "rep");
    assert_int_not_equal(device_sync_with(phone, &cut, NULL).end, SYNC_FINISHED);
    assert_cost(phone, "(null)");
    set_role(w, ANN, "manager");
    device_sync(phone);
    assert_cost(phone, "500");
    world_heal(w);
    world_check(w);
}

static void hold(struct world *w, enum world_person who, enum world_person whose, uint8_t id[16])
{
    struct complaint why = {0};
    const struct cell cells[] = {cell_id(COLUMN_book_holder_book_id, w->books[whose]),
                                 cell_id(COLUMN_book_holder_person_id, w->people[who])};
    world_new_id(w, id);
    if (world_put(w, TABLE_book_holder, id, cells, 2, -1, &why) != ERR_OK) {
        world_fail(w, "holder: %s %s", why.code, why.field);
    }
}

/* A book is handed over by its holder alone: no row is touched, all of it arrives. */
static void a_book_changes_hands(void **state)
{
    struct world *w = *state;
    struct world_device *bob = &w->devices[BOB_PHONE];
    struct complaint why;
    uint8_t id[16], holder[16];
    everybody_holds(w, "Handed", id);
    int64_t seq = db_count(w, w->reader_db, "SELECT _seq FROM customer WHERE id = ?1", id);
    hold(w, BOB, ANN, holder);
    device_sync(bob);
    assert_device(bob, id, "name", "Handed");
    set_city(bob, id, "Bob was here");
    world_heal(w);
    assert_device(&w->devices[ANN_PHONE], id, "city", "Bob was here");
    assert_int_equal(world_delete(w, TABLE_book_holder, holder, -1, &why), ERR_OK);
    world_heal(w);
    assert_device(bob, id, "name", "(none)");
    assert_true(db_count(w, w->reader_db, "SELECT _seq FROM customer WHERE id = ?1", id) ==
                seq + 1);
    hold(w, BOB, ANN, holder); /* and again: what was dropped comes back whole */
    world_heal(w);
    assert_device(bob, id, "city", "Bob was here");
    world_check(w);
}

/* Rows that a damaged or foreign file lost, or holds at a wrong number, show in the digest and come
 * again; work that waits isn't touched. */
static void a_damaged_replica_is_repaired(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t gone[16], stale[16], waiting[16];
    everybody_holds(w, "Gone", gone);
    everybody_holds(w, "Stale", stale);
    w->damaged = true;
    phone->replica.applying = true; /* as if no trigger had been there */
    world_must(w, phone->db,
               db_exec(phone->db,
                       "DELETE FROM customer WHERE name = 'Gone';"
                       "UPDATE customer SET _seq = 1, name = 'Old' WHERE name = 'Stale'"));
    phone->replica.applying = false;
    device_customer(phone, "Waiting", waiting);
    struct sync_result result = device_sync(phone);
    assert_true(result.tally.digest_asked);
    device_sync(phone);
    assert_device(phone, gone, "name", "Gone");
    assert_device(phone, stale, "name", "Stale");
    assert_device(phone, waiting, "name", "Waiting");
    world_heal(w);
    world_check(w);
}

/* A lost phone's owner gets a new one: another device, all of the data. */
static void a_new_device_gets_everything(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Kept", id);
    device_visit(phone, id, visit);
    set_city(phone, id, "Lyon");
    device_sync(phone);
    device_enrol(phone);
    assert_device(phone, id, "name", "(none)");
    world_heal(w);
    assert_device(phone, id, "city", "Lyon");
    assert_string_equal(db_sees(w, phone->db, "visit", visit, "state", &seen), "completed");
    set_city(phone, id, "Paris");
    world_heal(w);
    assert_server(w, id, "city", "Paris");
    world_check(w);
}

/* Two files that both live on: each shows tokens that the other doesn't know. Both are told to
 * enrol again; what both did stands or can be seen. */
static void two_live_copies_enrol_again(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    const struct fault_plan nothing = {.kind = FAULT_NONE};
    uint8_t id[16];
    bool reenrol = false;
    everybody_holds(w, "Twins", id);
    device_copy(phone, "one");
    for (int i = 0; i < 8 && !reenrol; i++) {
        char other[8], mine[8];
        snprintf(mine, sizeof mine, "%s", i % 2 == 0 ? "one" : "two");
        snprintf(other, sizeof other, "%s", i % 2 == 0 ? "two" : "one");
        set_city(phone, id, mine);
        struct sync_result result = device_sync_with(phone, &nothing, NULL);
        reenrol = result.end == SYNC_FAILED && strcmp(result.code, "reenrol") == 0;
        device_copy(phone, mine);
        device_copy_back(phone, i == 0 ? "one" : other);
    }
    assert_true(reenrol);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_wider_role_fills_columns_in),
        WORLD_TEST(a_narrower_role_erases_columns),
        WORLD_TEST(a_role_narrows_before_the_wider_one_arrived),
        WORLD_TEST(a_role_widens_before_the_narrower_one_arrived),
        WORLD_TEST(a_book_changes_hands),
        WORLD_TEST(a_damaged_replica_is_repaired),
        WORLD_TEST(a_new_device_gets_everything),
        WORLD_TEST(two_live_copies_enrol_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
