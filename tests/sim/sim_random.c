/* Random histories: people of the small firm work, sync over a bad network, die and come back;
 * then everything heals and must agree, and the ledger must know what became of every text.
 *
 *     sim_random [SEED [COUNT]]
 *
 * One seed decides all of a history. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

#include <stdio.h>

#define SEEDS_DEFAULT 25
#define STEPS         400
#define CUSTOMERS_MAX 8 /* few, so that people get into each other's way */
#define CHILDREN_MAX  512

struct child {
    uint8_t id[16];
    uint16_t table;
};

struct history {
    struct world world;
    uint8_t customers[CUSTOMERS_MAX][16];
    size_t customer_count;
    struct child children[CHILDREN_MAX];
    size_t child_count;
    struct ledger ledger;
    int64_t transactions[WORLD_DEVICES]; /* that each device committed */
    uint8_t helper[16];                  /* Bob's row in book_holder, while there is one */
    int copied;       /* device whose file was put aside; -1: none yet, -2: it has come back */
    size_t copied_at; /* lines in the ledger then */
};

/* ---- what people do ---- */

static struct world_device *any_device(struct history *h)
{
    return &h->world.devices[world_below(&h->world, WORLD_DEVICES)];
}

static size_t index_of(const struct world_device *d)
{
    return (size_t)(d - d->world->devices);
}

static int64_t last_transaction(struct history *h, struct world_device *d)
{
    return db_count(&h->world, d->db, "SELECT coalesce(max(tx), 0) FROM outbox", NULL);
}

/* Counts what was written since `before`; the last one's key. */
static int64_t count_transactions(struct history *h, struct world_device *d, int64_t before)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT count(DISTINCT tx) FROM outbox WHERE tx > %" PRId64, before);
    if (h->transactions[index_of(d)] >= 0) {
        h->transactions[index_of(d)] += db_count(&h->world, d->db, sql, NULL);
    }
    return last_transaction(h, d);
}

static void add_child(struct history *h, uint16_t table, const uint8_t id[16])
{
    if (h->child_count < CHILDREN_MAX) {
        h->children[h->child_count].table = table;
        memcpy(h->children[h->child_count++].id, id, 16);
    }
}

/* A customer that the device holds; false: it holds none of those drawn. */
static bool draw_customer(struct history *h, struct db *db, uint8_t id[16])
{
    struct seen seen;
    for (int tries = 0; h->customer_count > 0 && tries < 8; tries++) {
        memcpy(id, h->customers[world_below(&h->world, h->customer_count)], 16);
        if (strcmp(db_sees(&h->world, db, "customer", id, "kind", &seen), "(none)") != 0) {
            return true;
        }
    }
    return false;
}

static void new_customer(struct history *h, struct world_device *d)
{
    uint8_t id[16];
    if (h->customer_count == CUSTOMERS_MAX) {
        return;
    }
    device_customer(d, "客户 Customer", id);
    memcpy(h->customers[h->customer_count++], id, 16);
}

static void new_contact(struct history *h, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16];
    const struct cell cells[] = {cell_id(COLUMN_contact_customer_id, customer),
                                 cell_text(COLUMN_contact_name, "Li Lei"),
                                 cell_text(COLUMN_contact_phones, "[\"138\"]")};
    replica_new_id(&d->replica, id);
    device_insert(d, TABLE_contact, id, cells, count_of(cells));
    add_child(h, TABLE_contact, id);
}

static void new_note(struct history *h, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16];
    const struct cell cells[] = {cell_id(COLUMN_market_note_customer_id, customer),
                                 cell_id(COLUMN_market_note_person_id, h->world.people[d->who]),
                                 cell_text(COLUMN_market_note_text, "竞品降价"),
                                 cell_int(COLUMN_market_note_noted_at, replica_now_ms(&d->replica)),
                                 cell_text(COLUMN_market_note_noted_day, "2025-11-25")};
    replica_new_id(&d->replica, id);
    device_insert(d, TABLE_market_note, id, cells, count_of(cells));
    add_child(h, TABLE_market_note, id);
}

static void new_memo(struct history *h, struct world_device *d)
{
    uint8_t id[16];
    const struct cell cells[] = {cell_id(COLUMN_memo_person_id, h->world.people[d->who]),
                                 cell_text(COLUMN_memo_text, "private")};
    replica_new_id(&d->replica, id);
    device_insert(d, TABLE_memo, id, cells, count_of(cells));
    add_child(h, TABLE_memo, id);
}

static void new_child(struct history *h, struct world_device *d, const uint8_t customer[16])
{
    uint8_t id[16];
    switch (world_below(&h->world, 6)) {
    case 0:
        new_contact(h, d, customer);
        break;
    case 1:
        new_note(h, d, customer);
        break;
    case 2:
        new_memo(h, d);
        break;
    case 3:
        device_payment(d, customer, id);
        break;
    case 4: /* one in four asks for less than the list's price */
        device_order(d, customer, 2000, world_below(&h->world, 4) == 0 ? 900 : 1000,
                     world_below(&h->world, 2) == 0, id);
        add_child(h, TABLE_sales_order, id);
        break;
    default:
        device_visit(d, customer, id);
        add_child(h, TABLE_visit, id);
        break;
    }
}

static void write_text(struct history *h, struct world_device *d, uint16_t table, uint8_t column,
                       const uint8_t row[16])
{
    const struct ledger_line *line = ledger_draft(&h->ledger, d->db, table, column, row);
    if (line == NULL) {
        return;
    }
    const struct cell cell = cell_text(column, line->text);
    int64_t before = last_transaction(h, d);
    if (device_update(d, table, row, &cell, 1)) {
        ledger_add(&h->ledger, (int)index_of(d), count_transactions(h, d, before));
    }
}

static void server_writes_text(struct history *h)
{
    static const uint8_t columns[] = {COLUMN_customer_city, COLUMN_customer_note};
    struct world *w = &h->world;
    struct complaint why;
    uint8_t id[16];
    uint8_t column = columns[world_below(w, count_of(columns))];
    const struct ledger_line *line =
        draw_customer(h, w->reader_db, id)
            ? ledger_draft(&h->ledger, w->reader_db, TABLE_customer, column, id)
            : NULL;
    if (line == NULL) {
        return;
    }
    const struct cell cell = cell_text(column, line->text);
    int64_t base = db_count(w, w->reader_db, "SELECT _seq FROM customer WHERE id = ?1", id);
    if (world_put(w, TABLE_customer, id, &cell, 1, base, &why) != ERR_OK) {
        world_fail(w, "a server write with the base it saw: %s", why.code);
    }
    ledger_add(&h->ledger, LEDGER_SERVER, 0);
}

/* A place is one group: half of one must never stand beside half of another. */
static void edit_place(struct history *h, struct world_device *d, const uint8_t id[16])
{
    double at = (double)world_below(&h->world, 80);
    const struct cell cells[] = {{.column = COLUMN_customer_lat, .value = value_real(at)},
                                 {.column = COLUMN_customer_lng, .value = value_real(at)}};
    int64_t before = last_transaction(h, d);
    device_update(d, TABLE_customer, id, cells, count_of(cells));
    count_transactions(h, d, before);
}

/* Refused and merged work is looked at by its author, sooner or later. */
static void tidy_inbox(struct history *h, struct world_device *d)
{
    static const char sql[] = "SELECT id FROM inbox WHERE done IS NULL ORDER BY id DESC LIMIT 1";
    int64_t id = db_count(&h->world, d->db, sql, NULL);
    if (id == 0) {
        return;
    }
    struct ledger_view view;
    struct complaint why;
    struct err err;
    int64_t before = last_transaction(h, d);
    ledger_look(&h->ledger, d->db, &view);
    switch (world_below(&h->world, 4)) {
    case 0:
        err = inbox_restore(&d->replica, id);
        break;
    case 1:
        err = inbox_resend(&d->replica, id, NULL, 0, &why);
        break;
    case 2:
        err = inbox_note(&d->replica, id, bytes_text("please look"));
        break;
    default:
        err = inbox_discard(&d->replica, id);
        break;
    }
    bool expected = err.code == ERR_OK || err.code == ERR_INVALID || err.code == ERR_NOT_FOUND ||
                    err.code == ERR_EXISTS;
    if (!expected) {
        world_must(&h->world, d->db, err);
    }
    ledger_add_changes(&h->ledger, d, &view, count_transactions(h, d, before));
}

static void edit_customer(struct history *h, struct world_device *d, const uint8_t id[16])
{
    static const uint8_t columns[] = {COLUMN_customer_city, COLUMN_customer_note,
                                      COLUMN_customer_channel};
    static const char *const tags[] = {"[]", "[\"a\"]", "[\"a\",\"b\"]", "[\"b\",\"c\"]"};
    uint64_t what = world_below(&h->world, 8);
    if (what == 0) {
        edit_place(h, d, id);
        return;
    }
    if (what > 1) {
        write_text(h, d, TABLE_customer, columns[world_below(&h->world, count_of(columns))], id);
        return;
    }
    const struct cell cell =
        cell_text(COLUMN_customer_tags, tags[world_below(&h->world, count_of(tags))]);
    int64_t before = last_transaction(h, d);
    device_update(d, TABLE_customer, id, &cell, 1);
    count_transactions(h, d, before);
}

static void edit_child(struct history *h, struct world_device *d)
{
    if (h->child_count == 0) {
        return;
    }
    const struct child *c = &h->children[world_below(&h->world, h->child_count)];
    bool removes = world_below(&h->world, 6) == 0;
    int64_t before = last_transaction(h, d);
    if (removes && (c->table == TABLE_contact || c->table == TABLE_memo)) {
        device_delete(d, c->table, c->id);
        count_transactions(h, d, before);
    } else if (c->table == TABLE_contact) {
        write_text(h, d, TABLE_contact, COLUMN_contact_title, c->id);
    } else if (c->table == TABLE_visit) {
        write_text(h, d, TABLE_visit, COLUMN_visit_next_action, c->id);
    } else if (c->table == TABLE_memo) {
        write_text(h, d, TABLE_memo, COLUMN_memo_title, c->id);
    } else if (c->table == TABLE_sales_order) {
        write_text(h, d, TABLE_sales_order, COLUMN_sales_order_note, c->id);
    }
}

static void work(struct history *h, struct world_device *d)
{
    uint8_t customer[16];
    if (world_below(&h->world, 10) == 0) {
        tidy_inbox(h, d);
    } else if (world_below(&h->world, 8) == 0 || !draw_customer(h, d->db, customer)) {
        int64_t before = last_transaction(h, d);
        new_customer(h, d);
        count_transactions(h, d, before);
    } else if (world_below(&h->world, 3) == 0) {
        int64_t before = last_transaction(h, d);
        new_child(h, d, customer);
        count_transactions(h, d, before);
    } else if (world_below(&h->world, 3) == 0) {
        edit_child(h, d);
    } else {
        edit_customer(h, d, customer);
    }
}

/* ---- what happens to them ---- */

static void work_meanwhile(struct world_device *d, void *context)
{
    struct history *h = context;
    if (world_below(&h->world, 4) == 0) {
        work(h, d);
    }
}

static void sync_badly(struct history *h, struct world_device *d)
{
    static const enum fault_kind faults[] = {
        FAULT_NONE,        FAULT_NONE,        FAULT_NONE,       FAULT_REQUEST_LOST,
        FAULT_TWICE,       FAULT_SERVER_DIES, FAULT_ANSWER_CUT, FAULT_SERVER_RESTARTS,
        FAULT_DEVICE_DIES, FAULT_BUSY};
    struct world *w = &h->world;
    const struct client_session_options options = {.push_tx_max = (uint32_t)world_below(w, 3) * 2,
                                                   .verify = world_below(w, 2) == 0};
    const struct fault_plan plan = {.kind = faults[world_below(w, count_of(faults))],
                                    .request = (int)world_below(w, 2),
                                    .at = (size_t)world_below(w, 3000),
                                    .meanwhile = work_meanwhile,
                                    .context = h};
    struct sync_result result = device_sync_with(d, &plan, &options);
    bool healthy = plan.kind == FAULT_NONE || plan.kind == FAULT_TWICE;
    if (healthy && result.end != SYNC_FINISHED) {
        world_fail(w, "a sync on a good line fails: %s", result.code);
    }
}

static void move_customer(struct history *h)
{
    uint8_t id[16];
    if (draw_customer(h, h->world.reader_db, id)) {
        world_move(&h->world, id, (enum world_person)world_below(&h->world, WORLD_PEOPLE));
    }
}

static void move_many(struct history *h)
{
    struct world *w = &h->world;
    world_move_many(w, (const uint8_t(*)[16])h->customers, h->customer_count,
                    (enum world_person)world_below(w, WORLD_PEOPLE),
                    (size_t)world_below(w, CUSTOMERS_MAX));
}

static void give_books(struct history *h)
{
    uint64_t from = world_below(&h->world, WORLD_PEOPLE);
    uint64_t to = (from + 1 + world_below(&h->world, WORLD_PEOPLE - 1)) % WORLD_PEOPLE;
    world_give(&h->world, (enum world_person)from, (enum world_person)to);
}

static void hand_over(struct history *h)
{
    switch (world_below(&h->world, 6)) {
    case 0:
        move_many(h);
        break;
    case 1:
        give_books(h);
        break;
    default:
        move_customer(h);
        break;
    }
}

/* Ann is promoted, or not any more; Bob helps out in her book, or doesn't any more. */
static void change_rights(struct history *h)
{
    static const char holds[] = "SELECT count(*) FROM book_holder WHERE id = ?1"
                                " AND _deleted_at IS NULL";
    struct world *w = &h->world;
    struct complaint why = {0};
    struct seen seen;
    enum err_code code = ERR_OK;
    if (world_below(w, 2) == 0) {
        const char *role = db_sees(w, w->reader_db, "person", w->people[ANN], "role", &seen);
        const struct cell cell =
            cell_text(COLUMN_person_role, strcmp(role, "rep") == 0 ? "manager" : "rep");
        code = world_put(w, TABLE_person, w->people[ANN], &cell, 1, -1, &why);
    } else if (db_count(w, w->reader_db, holds, h->helper) > 0) {
        code = world_delete(w, TABLE_book_holder, h->helper, -1, &why);
    } else {
        const struct cell cells[] = {cell_id(COLUMN_book_holder_book_id, w->books[ANN]),
                                     cell_id(COLUMN_book_holder_person_id, w->people[BOB])};
        world_new_id(w, h->helper);
        code = world_put(w, TABLE_book_holder, h->helper, cells, count_of(cells), -1, &why);
    }
    if (code != ERR_OK) {
        world_fail(w, "rights: %s %s", why.code, why.field);
    }
}

/* At most once in a history: a copy of one device's file, some work later, comes back. */
static void copy_or_bring_back(struct history *h)
{
    if (h->copied == -1) {
        struct world_device *d = any_device(h);
        h->copied = (int)index_of(d);
        h->copied_at = h->ledger.count;
        device_copy(d, "copy.db");
        return;
    }
    if (h->copied == -2 || world_below(&h->world, 3) > 0) {
        return;
    }
    ledger_roll_back(&h->ledger, h->copied_at, h->copied);
    h->transactions[h->copied] = -1; /* some of them never happened */
    device_copy_back(&h->world.devices[h->copied], "copy.db");
    h->copied = -2;
}

static void step(struct history *h)
{
    struct world *w = &h->world;
    uint64_t what = world_below(w, 100);
    world_pass(w, (int64_t)world_below(w, 600000));
    if (what < 64) {
        work(h, any_device(h));
    } else if (what < 88) {
        sync_badly(h, any_device(h));
    } else if (what < 92) {
        server_writes_text(h);
    } else if (what < 94) {
        change_rights(h);
    } else if (what < 96) {
        hand_over(h);
    } else if (what < 97) {
        copy_or_bring_back(h);
    } else if (what < 98) {
        device_restart(any_device(h));
    } else {
        world_restart_server(w);
    }
}

/* ---- what must hold ---- */

static void check_places(struct history *h)
{
    static const char halves[] = "SELECT count(*) FROM customer WHERE lat IS DISTINCT FROM lng";
    if (db_count(&h->world, h->world.reader_db, halves, NULL) != 0) {
        world_fail(&h->world, "half a place");
    }
}

static void check_effects(struct history *h)
{
    struct world *w = &h->world;
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM change_log WHERE device = %" PRIu32,
                 w->devices[i].replica.number);
        int64_t judged = db_count(w, w->reader_db, sql, NULL);
        if (h->transactions[i] >= 0 && judged != h->transactions[i]) {
            world_fail(w, "device %zu made %" PRId64 " transactions, %" PRId64 " were judged", i,
                       h->transactions[i], judged);
        }
    }
}

static void run(struct history *h, uint64_t seed)
{
    memset(h, 0, sizeof *h);
    h->copied = -1;
    world_init(&h->world, seed);
    ledger_init(&h->ledger, &h->world);
    for (int i = 0; i < STEPS; i++) {
        step(h);
    }
    world_heal(&h->world);
    world_check(&h->world);
    ledger_check(&h->ledger);
    check_places(h);
    check_effects(h);
    world_release(&h->world);
}

struct seeds {
    uint64_t first, count;
};

static void random_histories(void **state)
{
    const struct seeds *seeds = *state;
    struct history *h = malloc(sizeof *h);
    assert_non_null(h);
    for (uint64_t seed = seeds->first; seed < seeds->first + seeds->count; seed++) {
        run(h, seed);
    }
    free(h);
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.first = 1, .count = SEEDS_DEFAULT};
    if (argc > 1) {
        seeds.first = strtoull(argv[1], NULL, 10);
        seeds.count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(random_histories, &seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
