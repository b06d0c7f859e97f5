/* Customers, books, roles and reports change hands while work is under way: what was written before
 * anybody could know counts, later work becomes a proposal, and nobody sees what they may not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static void set_person(struct world *w, enum world_person who, struct cell cell)
{
    struct complaint why = {0};
    if (world_put(w, TABLE_person, w->people[who], &cell, 1, -1, &why) != ERR_OK) {
        world_fail(w, "person: %s %s", why.code, why.field);
    }
}

/* The text that the first open proposal on a device wants; "" where there is none. */
static const char *proposed(struct world_device *d, struct seen *to)
{
    struct stmt st;
    world_must(d->world, d->db,
               db_use(d->db, "SELECT wanted FROM proposal WHERE choice IS NULL ORDER BY idx", &st));
    bool found = db_step_row(&st);
    snprintf(to->text, sizeof to->text, "%s", found ? col_text(&st, 0) : "");
    stmt_reset(&st);
    return to->text;
}

static void assert_proposed(struct world_device *d, const char *text)
{
    struct seen seen;
    if (strstr(proposed(d, &seen), text) == NULL) {
        world_fail(d->world, "%s isn't proposed, but '%s'", text, seen.text);
    }
}

static int64_t proposals(struct world *w)
{
    return db_count(w, w->reader_db, "SELECT count(*) FROM proposal WHERE choice IS NULL", NULL);
}

static void decide(struct world_device *d, const char *choice)
{
    uint8_t ids[16][16];
    size_t count = 0;
    struct stmt st;
    struct world *w = d->world;
    const struct cell cells[] = {cell_id(COLUMN_proposal_resolved_by, w->people[d->who]),
                                 cell_text(COLUMN_proposal_choice, choice)};
    world_must(
        w, d->db,
        db_use(d->db, "SELECT id FROM proposal WHERE choice IS NULL AND person_id = ?1", &st));
    bind_id(&st, 1, w->people[d->who]);
    while (count < count_of(ids) && db_step_row(&st)) {
        count += col_id(&st, 0, ids[count]);
    }
    stmt_reset(&st);
    for (size_t i = 0; i < count; i++) {
        assert_true(device_update(d, TABLE_proposal, ids[i], cells, count_of(cells)));
    }
}

static void edit_meanwhile(struct world_device *d, void *context)
{
    set_city(d, context, "too late");
}

/* Ann writes while the departure is on its way to her: frozen behind it, it comes when she could
 * know. Both see it; Bob takes it, and she sees that. */
static void an_edit_after_a_move_is_proposed(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *bob = &w->devices[BOB_PHONE];
    const struct fault_plan plan = {.meanwhile = edit_meanwhile};
    struct fault_plan mine = plan;
    uint8_t id[16];
    struct seen seen;
    everybody_holds(w, "Late", id);
    mine.context = id;
    world_move(w, id, BOB);
    (void)device_sync_with(phone, &mine, NULL);
    world_heal(w);
    assert_server(w, id, "city", "(null)");
    assert_string_equal(inbox_code(phone, &seen), "proposal");
    assert_int_equal(proposals(w), 2);
    assert_proposed(phone, "too late");
    assert_proposed(bob, "too late");
    assert_string_equal(proposed(&w->devices[BOSS_LAPTOP], &seen), "{\"city\":\"too late\"}");
    assert_device(phone, id, "name", "(none)");
    set_city(bob, id, "too late");
    decide(bob, "accepted");
    world_heal(w);
    assert_server(w, id, "city", "too late");
    assert_int_equal(proposals(w), 0);
    assert_string_equal(proposed(phone, &seen), "");
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM proposal WHERE choice = 'accepted'", NULL), 1);
    world_check(w);
}

enum { MANY = 2500, IN_A_GROUP = 1000 };

struct many {
    uint8_t customer[16];
    uint8_t contacts[MANY][16];
};

static struct err insert_contact(struct world_device *d, const struct many *many, size_t i)
{
    struct complaint why = {0};
    const struct cell cells[] = {cell_text(COLUMN_contact_name, "One of many"),
                                 cell_id(COLUMN_contact_customer_id, many->customer)};
    return row_insert(d->db, catalogue_table(TABLE_contact), many->contacts[i], cells,
                      count_of(cells), &why);
}

/* One transaction. */
static void insert_meanwhile(struct world_device *d, void *context)
{
    const struct many *many = context;
    struct err err = replica_begin(&d->replica, "test.many");
    for (size_t i = 0; i < MANY && err.code == ERR_OK; i++) {
        err = insert_contact(d, many, i);
    }
    world_must(d->world, d->db, replica_end(&d->replica, err));
}

/* Each wish of a group is written, or none, and each has its answer: one transaction. */
static void answer_group(struct world_device *d, const struct many *many, size_t group,
                         const char *choice)
{
    static const char next[] = "SELECT id FROM proposal WHERE choice IS NULL AND person_id = ?1"
                               " AND row_id = ?2";
    struct world *w = d->world;
    bool writes = strcmp(choice, "accepted") == 0;
    const struct cell cells[] = {cell_id(COLUMN_proposal_resolved_by, w->people[d->who]),
                                 cell_text(COLUMN_proposal_choice, choice)};
    struct err err = replica_begin(&d->replica, "test.answer");
    for (size_t i = group * IN_A_GROUP; i < MANY && i < (group + 1) * IN_A_GROUP; i++) {
        struct complaint why = {0};
        struct stmt st;
        uint8_t id[16];
        world_must(w, d->db, db_use(d->db, next, &st));
        bind_id(&st, 1, w->people[d->who]);
        bind_id(&st, 2, many->contacts[i]);
        assert_true(db_step_row(&st) && col_id(&st, 0, id));
        stmt_reset(&st);
        if (writes && err.code == ERR_OK) {
            err = insert_contact(d, many, i);
        }
        if (err.code == ERR_OK) {
            err = row_update(d->db, catalogue_table(TABLE_proposal), id, cells, 2, &why);
        }
        if (!writes) {
            break; /* all others of the group hear of it from the server */
        }
    }
    world_must(w, d->db, replica_end(&d->replica, err));
}

/* A transaction of any size: nothing of it is lost, both see all of it, and it is decided on in
 * groups that one transaction can answer. */
static void many_changes_are_proposed(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *bob = &w->devices[BOB_PHONE];
    struct many *many = calloc(1, sizeof *many);
    const struct fault_plan plan = {.meanwhile = insert_meanwhile, .context = many};
    struct seen seen;
    assert_non_null(many);
    for (size_t i = 0; i < MANY; i++) {
        world_new_id(w, many->contacts[i]);
    }
    everybody_holds(w, "Many", many->customer);
    world_move(w, many->customer, BOB);
    (void)device_sync_with(phone, &plan, NULL);
    world_heal(w);
    assert_string_equal(inbox_code(phone, &seen), "proposal");
    assert_int_equal(proposals(w), 2 * MANY);
    assert_int_equal(db_count(w, phone->db, "SELECT count(*) FROM proposal", NULL), MANY);
    assert_int_equal(db_count(w, bob->db, "SELECT count(DISTINCT group_id) FROM proposal", NULL),
                     3);
    answer_group(bob, many, 0, "accepted");
    answer_group(bob, many, 1, "dismissed");
    world_heal(w);
    assert_int_equal(proposals(w), 2 * (MANY - 2 * IN_A_GROUP));
    answer_group(bob, many, 2, "accepted");
    world_heal(w);
    assert_int_equal(proposals(w), 0);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM contact", NULL),
                     MANY - IN_A_GROUP);
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM proposal WHERE choice = 'dismissed'", NULL),
        IN_A_GROUP);
    world_check(w);
    free(many);
}

/* Its author didn't know, but comes after more than 14 days. */
static void an_edit_two_weeks_late_is_proposed(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE];
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Weeks", id);
    set_city(phone, id, "old news");
    device_visit(phone, id, visit);
    world_move(w, id, BOB);
    world_pass(w, 15 * DAY_MS);
    world_heal(w);
    assert_server(w, id, "city", "(null)");
    assert_string_equal(inbox_code(phone, &seen), "proposal");
    assert_string_equal(db_sees(w, w->reader_db, "visit", visit, "state", &seen), "(none)");
    assert_int_equal(proposals(w), 4);
    decide(&w->devices[BOB_PHONE], "dismissed");
    world_heal(w);
    assert_int_equal(proposals(w), 0);
    world_check(w);
}

/* The same for a whole book, whose rows have no departures: what Ann wrote before counts, new
 * customers in it too; her devices hear nothing of what Bob writes there. */
static void an_edit_before_a_book_was_given_counts(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *bob = &w->devices[BOB_PHONE];
    struct world_device *tablet = &w->devices[ANN_TABLET];
    uint8_t id[16], fresh[16];
    struct seen seen;
    everybody_holds(w, "Given", id);
    set_city(phone, id, "before");
    device_customer(phone, "Found before", fresh);
    world_give(w, ANN, BOB);
    device_sync(bob);
    set_region(bob, id, "Bob's secret");
    device_sync(bob);
    const struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = 40};
    (void)device_sync_with(phone, &cut, NULL); /* judged; the answer is lost */
    set_city(phone, id, "before, too");        /* she still can't know */
    device_sync(phone);
    assert_server(w, id, "city", "before, too");
    assert_device(phone, id, "name", "(none)");
    assert_string_equal(db_sees(w, phone->db, "customer", fresh, "name", &seen), "(none)");
    assert_string_equal(inbox_code(phone, &seen), "");
    world_heal(w);
    assert_device(bob, id, "city", "before, too");
    assert_string_equal(db_sees(w, bob->db, "customer", fresh, "name", &seen), "Found before");
    assert_device(tablet, id, "region", "(none)");
    assert_int_equal(proposals(w), 0);
    world_check(w);
}

/* And what she makes when she knows reaches who has the book now; Bob writes down what she did. */
static void work_after_a_book_was_given_is_proposed(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *bob = &w->devices[BOB_PHONE];
    uint8_t id[16], visit[16];
    struct seen seen;
    everybody_holds(w, "Given", id);
    world_give(w, ANN, BOB);
    world_heal(w);
    device_customer(phone, "Found after", id);
    device_visit(phone, id, visit); /* rests on it */
    world_heal(w);
    assert_int_equal(proposals(w), 4);
    assert_int_equal(
        db_count(w, w->reader_db, "SELECT count(DISTINCT group_id) FROM proposal", NULL), 1);
    assert_proposed(bob, "Found after");
    assert_string_equal(inbox_code(phone, &seen), "proposal");
    const struct cell customer[] = {cell_text(COLUMN_customer_name, "Found after"),
                                    cell_text(COLUMN_customer_kind, "prospect"),
                                    cell_id(COLUMN_customer_book_id, w->books[ANN])};
    const struct cell cells[] = {cell_id(COLUMN_visit_customer_id, id),
                                 cell_id(COLUMN_visit_person_id, w->people[ANN]),
                                 cell_text(COLUMN_visit_state, "completed"),
                                 cell_int(COLUMN_visit_checkin_at, replica_now_ms(&bob->replica)),
                                 cell_text(COLUMN_visit_visit_day, "2025-11-25"),
                                 cell_int(COLUMN_visit_tz_offset_min, 480)};
    assert_true(device_insert(bob, TABLE_customer, id, customer, count_of(customer)));
    assert_true(device_insert(bob, TABLE_visit, visit, cells, count_of(cells)));
    decide(bob, "accepted");
    world_heal(w);
    assert_string_equal(inbox_code(bob, &seen), "");
    assert_string_equal(db_sees(w, w->reader_db, "visit", visit, "state", &seen), "completed");
    assert_int_equal(proposals(w), 0);
    world_check(w);
}

/* The manager changes a product, is one no more, and syncs: it was right when it was done. */
static void an_edit_before_a_role_was_lost_counts(void **state)
{
    struct world *w = *state;
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    const struct cell before = cell_text(COLUMN_product_name, "renamed");
    const struct cell after = cell_text(COLUMN_product_name, "renamed again");
    const struct cell cost = cell_int(COLUMN_product_cost, 777);
    struct seen seen;
    device_sync(laptop);
    assert_true(device_update(laptop, TABLE_product, w->products[0], &before, 1));
    assert_true(device_update(laptop, TABLE_product, w->products[0], &cost, 1));
    set_person(w, BOSS, cell_text(COLUMN_person_role, "rep"));
    world_heal(w);
    assert_string_equal(inbox_code(laptop, &seen), "");
    assert_string_equal(db_sees(w, w->reader_db, "product", w->products[0], "cost", &seen), "777");
    assert_string_equal(db_sees(w, laptop->db, "product", w->products[0], "cost", &seen), "(null)");
    device_sync(laptop);
    assert_true(device_update(laptop, TABLE_product, w->products[0], &after, 1));
    world_heal(w);
    assert_string_equal(inbox_code(laptop, &seen), "not_permitted"); /* no admin could decide */
    assert_string_equal(db_sees(w, w->reader_db, "product", w->products[0], "name", &seen),
                        "renamed");
    world_check(w);
}

/* Ann reports to somebody else: her book leaves the laptop, what was written there before counts,
 * what comes later is hers to decide. */
static void an_edit_before_a_report_was_lost_counts(void **state)
{
    struct world *w = *state;
    struct world_device *laptop = &w->devices[BOSS_LAPTOP];
    uint8_t id[16], other[16];
    everybody_holds(w, "Hers", id);
    everybody_holds(w, "Hers too", other);
    set_city(laptop, id, "seen by the boss");
    set_person(w, ANN, (struct cell){.column = COLUMN_person_manager_id, .value = value_null()});
    const struct fault_plan plan = {.meanwhile = edit_meanwhile, .context = other};
    (void)device_sync_with(laptop, &plan, NULL);
    world_heal(w);
    assert_server(w, id, "city", "seen by the boss");
    assert_server(w, other, "city", "(null)");
    assert_device(laptop, id, "name", "(none)");
    assert_proposed(&w->devices[ANN_PHONE], "too late");
    world_check(w);
}

/* Of a row that moved away the author hears nothing, not even which value won over theirs. */
static void a_conflict_in_a_moved_row_is_not_told(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *bob = &w->devices[BOB_PHONE];
    static const char secrets[] =
        "SELECT count(*) FROM inbox WHERE instr(losers, 'Bob''s city') > 0"
        " OR code <> ''";
    uint8_t id[16];
    everybody_holds(w, "Secret", id);
    set_city(phone, id, "Ann's city");
    world_pass(w, 1000);
    world_move(w, id, BOB);
    device_sync(bob);
    set_city(bob, id, "Bob's city");
    device_sync(bob);
    world_heal(w);
    assert_server(w, id, "city", "Bob's city");
    assert_int_equal(kept(w, id, "Ann's city"), 1);
    assert_int_equal(db_count(w, phone->db, secrets, NULL), 0);
    assert_int_equal(db_count(w, phone->db, "SELECT count(*) FROM kept_value", NULL), 0);
    world_check(w);
}

/* The same where the verdict was made while she still held the row, and comes when she doesn't: it
 * says what became of her work, and nothing of the row. */
static void a_repeated_verdict_tells_what_is_held_now(void **state)
{
    struct world *w = *state;
    struct world_device *phone = &w->devices[ANN_PHONE], *laptop = &w->devices[BOSS_LAPTOP];
    static const char told[] = "SELECT count(*) FROM sent WHERE rows IS NOT NULL";
    const struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = 40};
    uint8_t id[16];
    everybody_holds(w, "Repeated", id);
    int64_t before = db_count(w, phone->db, told, NULL);
    set_city(phone, id, "Ann's city");
    world_pass(w, 1000);
    set_city(laptop, id, "The boss's city");
    device_sync(laptop);
    (void)device_sync_with(phone, &cut, NULL); /* judged; the answer is lost */
    world_give(w, ANN, BOB);
    device_sync(phone);
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM inbox WHERE kind = 'merged'", NULL), 1);
    assert_int_equal(
        db_count(w, phone->db, "SELECT count(*) FROM inbox WHERE instr(losers, 'boss') > 0", NULL),
        0);
    assert_int_equal(db_count(w, phone->db, told, NULL), before);
    assert_device(phone, id, "name", "(none)");
    world_heal(w);
    assert_server(w, id, "city", "The boss's city");
    assert_int_equal(kept(w, id, "Ann's city"), 1);
    world_check(w);
}

/* A job of many that dies on the way moves each customer once. */
static void a_job_of_moves_goes_on(void **state)
{
    struct world *w = *state;
    uint8_t ids[6][16];
    for (size_t i = 0; i < count_of(ids); i++) {
        everybody_holds(w, "One of many", ids[i]);
    }
    world_move_many(w, (const uint8_t(*)[16])ids, count_of(ids), BOB, 3);
    assert_int_equal(db_count(w, w->reader_db, "SELECT count(*) FROM departure", NULL), 6);
    assert_int_equal(
        db_count(w, w->reader_db, "SELECT count(*) FROM move_job WHERE done_at IS NULL", NULL), 0);
    world_heal(w);
    for (size_t i = 0; i < count_of(ids); i++) {
        assert_device(&w->devices[BOB_PHONE], ids[i], "name", "One of many");
        assert_device(&w->devices[ANN_PHONE], ids[i], "name", "(none)");
    }
    world_check(w);
}

static int64_t past_days(struct world *w, enum world_person who)
{
    return db_count(w, w->reader_db,
                    "SELECT coalesce(sum(visited), 0) FROM past_day WHERE person_id = ?1",
                    w->people[who]);
}

static void holder_of(struct world *w, enum world_person who, uint8_t id[16])
{
    struct stmt st;
    world_must(w, w->reader_db,
               db_use(w->reader_db, "SELECT id FROM book_holder WHERE book_id = ?1", &st));
    bind_id(&st, 1, w->books[who]);
    assert_true(db_step_row(&st) && col_id(&st, 0, id));
    stmt_reset(&st);
}

/* Whatever takes a book from somebody, what they did there stays in their past days: here the row
 * of its holder is edited as any other. */
static void a_holder_is_edited(void **state)
{
    struct world *w = *state;
    uint8_t id[16], visit[16], holder[16];
    struct complaint why = {0};
    everybody_holds(w, "Days", id);
    device_visit(&w->devices[ANN_PHONE], id, visit);
    world_heal(w);
    holder_of(w, ANN, holder);
    const struct cell to = cell_id(COLUMN_book_holder_person_id, w->people[BOB]);
    assert_int_equal(world_put(w, TABLE_book_holder, holder, &to, 1, -1, &why), ERR_OK);
    assert_int_equal(past_days(w, ANN), 1);
    world_heal(w);
    world_check(w);
}

/* By a manager, from the field. */
static void a_holder_is_edited_on_a_device(void **state)
{
    struct world *w = *state;
    uint8_t id[16], visit[16], holder[16];
    everybody_holds(w, "Days", id);
    device_visit(&w->devices[ANN_PHONE], id, visit);
    world_heal(w);
    holder_of(w, ANN, holder);
    const struct cell to = cell_id(COLUMN_book_holder_person_id, w->people[BOB]);
    assert_true(device_update(&w->devices[BOSS_LAPTOP], TABLE_book_holder, holder, &to, 1));
    device_sync(&w->devices[BOSS_LAPTOP]);
    assert_int_equal(past_days(w, ANN), 1);
    world_heal(w);
    world_check(w);
}

/* A manager went along; then the rep reports to somebody else. */
static void a_report_goes_to_somebody_else(void **state)
{
    struct world *w = *state;
    uint8_t id[16], visit[16];
    everybody_holds(w, "Days", id);
    device_visit(&w->devices[BOSS_LAPTOP], id, visit);
    world_heal(w);
    set_person(w, ANN, cell_text(COLUMN_person_manager_id, NULL));
    assert_int_equal(past_days(w, BOSS), 1);
    world_heal(w);
    world_check(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_edit_after_a_move_is_proposed),
        WORLD_TEST(many_changes_are_proposed),
        WORLD_TEST(an_edit_two_weeks_late_is_proposed),
        WORLD_TEST(an_edit_before_a_book_was_given_counts),
        WORLD_TEST(work_after_a_book_was_given_is_proposed),
        WORLD_TEST(an_edit_before_a_role_was_lost_counts),
        WORLD_TEST(an_edit_before_a_report_was_lost_counts),
        WORLD_TEST(a_conflict_in_a_moved_row_is_not_told),
        WORLD_TEST(a_repeated_verdict_tells_what_is_held_now),
        WORLD_TEST(a_job_of_moves_goes_on),
        WORLD_TEST(a_holder_is_edited),
        WORLD_TEST(a_holder_is_edited_on_a_device),
        WORLD_TEST(a_report_goes_to_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
