/* Which row a person means, how a row is named back, and what a new row gets by itself. */
#include "client/cmd/entry.h"
#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"
#include "client/machine.h"
#include "tests/support/fake_host.h"
#include "tests/support/scratch.h"

#include <setjmp.h>
#include <cmocka.h>

#define ID_A "0190a000-0000-7000-8000-000000000001"
#define ID_B "0190a000-0000-7000-8000-000000000002"
#define ID_C "0190bbbb-0000-7000-8000-000000000003"

struct world {
    struct scratch scratch;
    struct fake_host host;
    struct app app;
};

static void add_customer(struct world *w, const char *id, const char *no, const char *name)
{
    struct complaint why = {0};
    uint8_t bytes[16];
    uint8_t book[16] = {1};
    assert_true(id_parse(bytes_text(id), bytes));
    const struct cell cells[] = {
        {.column = COLUMN_customer_no, .value = value_text(bytes_text(no))},
        {.column = COLUMN_customer_name, .value = value_text(bytes_text(name))},
        {.column = COLUMN_customer_kind, .value = value_text(bytes_text("customer"))},
        {.column = COLUMN_customer_book_id, .value = value_blob(bytes_of(book, 16))},
    };
    assert_int_equal(replica_begin(&w->app.home.replica, "test").code, ERR_OK);
    struct err err = row_insert(w->app.home.db, catalogue_table(TABLE_customer), bytes, cells,
                                count_of(cells), &why);
    assert_int_equal(replica_end(&w->app.home.replica, err).code, ERR_OK);
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    scratch_init(&w->scratch);
    char path[128];
    fake_host_init(&w->host, 7, INT64_C(1764000000000));
    struct host host = fake_host_as_host(&w->host);
    struct home *h = &w->app.home;
    struct db_options options = {.mode = DB_CREATE};
    struct enrolled who = {.device_number = 7, .person = {9}, .login = bytes_text("lin")};
    assert_int_equal(db_open(&h->db, scratch_path(&w->scratch, "replica.db", path), &options).code,
                     ERR_OK);
    assert_int_equal(replica_create(h->db, &who).code, ERR_OK);
    assert_int_equal(replica_open(&h->replica, h->db, &host).code, ERR_OK);
    snprintf(h->currency, sizeof h->currency, "CNY");
    h->rules = (struct text_rules){.currency = h->currency, .offset_min = machine_local_offset_min};
    arena_init(&w->app.arena, APP_ARENA_BYTES_MAX);
    add_customer(w, ID_A, "C-000001", "Corner Shop");
    add_customer(w, ID_B, "C-000002", "Twin");
    add_customer(w, ID_C, "C-000003", "Twin");
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    home_close(&w->app.home);
    arena_release(&w->app.arena);
    scratch_release(&w->scratch);
    free(w);
    return 0;
}

static const struct {
    const char *what;
    const char *text;
    size_t count;
    const char *first;
} cases[] = {
    {"the human number", "C-000001", 1, ID_A},
    {"the exact name", "Corner Shop", 1, ID_A},
    {"a name that two have", "Twin", 2, NULL},
    {"not a part of a name", "Corner", 0, NULL},
    {"the whole id", ID_B, 1, ID_B},
    {"its beginning", "0190b", 1, ID_C},
    {"with dashes as printed", "0190a000-0000-7000-8000-000000000002", 1, ID_B},
    {"a beginning that two have", "0190a000", 2, NULL},
    {"upper case", "0190BBBB", 1, ID_C},
    {"too short a beginning", "019", 0, NULL},
    {"an id that nobody has", "ffffffff", 0, NULL},
    {"more digits than an id has", "0190a0000000700080000000000000011", 0, NULL},
    {"nothing", "", 0, NULL},
    {"a quote is a letter like others", "x' OR 1=1 --", 0, NULL},
};

static void test_who_is_meant(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < count_of(cases); i++) {
        struct lookup found;
        struct err err =
            lookup_find(w->app.home.db, catalogue_table(TABLE_customer), cases[i].text, &found);
        assert_int_equal(err.code, ERR_OK);
        char first[37] = "";
        if (found.count > 0) {
            id_text(found.ids[0], first);
        }
        if (found.count != cases[i].count ||
            (cases[i].first != NULL && strcmp(first, cases[i].first) != 0)) {
            fail_msg("%s: %zu found, first %s", cases[i].what, found.count, first);
        }
    }
}

/* What is printed for a row means that row when it is typed. */
static void test_short_ids_lead_back(void **state)
{
    struct world *w = *state;
    const struct table *t = catalogue_table(TABLE_customer);
    static const char *const ids[] = {ID_A, ID_B, ID_C};
    for (size_t i = 0; i < count_of(ids); i++) {
        uint8_t id[16];
        char text[37];
        struct lookup found;
        assert_true(id_parse(bytes_text(ids[i]), id));
        lookup_short_id(w->app.home.db, t, id, text);
        assert_true(strlen(text) >= 8);
        assert_int_equal(lookup_find(w->app.home.db, t, text, &found).code, ERR_OK);
        assert_int_equal(found.count, 1);
        assert_memory_equal(found.ids[0], id, 16);
    }
}

static const struct value *cell_of(const struct entry *e, uint8_t column)
{
    for (size_t i = 0; i < e->count; i++) {
        if (e->cells[i].column == column) {
            return &e->cells[i].value;
        }
    }
    return NULL;
}

static void test_defaults(void **state)
{
    struct world *w = *state;
    struct moment now = {.ms = 1764000000000, .offset_min = 480, .day = "2025-11-25"};
    struct entry e = {.table = catalogue_table(TABLE_visit)};
    assert_int_equal(replica_begin(&w->app.home.replica, "test").code, ERR_OK);
    assert_int_equal(entry_defaults(&w->app, &now, &e).code, ERR_OK);
    assert_memory_equal(cell_of(&e, COLUMN_visit_person_id)->b.at, w->app.home.replica.person, 16);
    assert_true(bytes_equal(cell_of(&e, COLUMN_visit_state)->b, bytes_text("in_progress")));
    assert_int_equal(cell_of(&e, COLUMN_visit_checkin_at)->i, now.ms);
    assert_true(bytes_equal(cell_of(&e, COLUMN_visit_visit_day)->b, bytes_text("2025-11-25")));
    assert_int_equal(cell_of(&e, COLUMN_visit_tz_offset_min)->i, 480);
    assert_null(cell_of(&e, COLUMN_visit_customer_id)); /* nobody can know it */
    assert_null(cell_of(&e, COLUMN_visit_checkout_at)); /* not required */
    assert_null(cell_of(&e, COLUMN_visit_received_at)); /* the server's */

    struct entry customer = {.table = catalogue_table(TABLE_customer)};
    entry_put(&customer, COLUMN_customer_kind, value_text(bytes_text("dealer")));
    assert_int_equal(entry_defaults(&w->app, &now, &customer).code, ERR_OK);
    assert_true(bytes_equal(cell_of(&customer, COLUMN_customer_kind)->b, bytes_text("dealer")));
    assert_non_null(cell_of(&customer, COLUMN_customer_book_id));
    struct bytes no = cell_of(&customer, COLUMN_customer_no)->b;
    assert_true(no.size > 3 && memcmp(no.at, "D7-", 3) == 0);
    assert_int_equal(replica_end(&w->app.home.replica, err_ok()).code, ERR_OK);
}

static void test_a_name_cannot_drive_the_terminal(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    put_visible(bytes_text("a\033[2J茶\n\342\200\256b\377"), &out);
    assert_string_equal(buf_text(&out), "a\\u{1b}[2J茶\\u{a}\\u{202e}b\\xff");
    buf_release(&out);
}

/* The clock's offset is asked at the instant that the local time means. */
static void test_local_times(void **state)
{
    (void)state;
    setenv("TZ", "", 1);
    machine_zone("Asia/Shanghai");
    assert_int_equal(machine_offset_min(INT64_C(1764000000000)), 480);
    assert_int_equal(machine_local_offset_min(NULL, INT64_C(1764000000000)), 480);
    setenv("TZ", "", 1);
    machine_zone("Europe/Berlin");
    /* 2025-10-26 03:30 local is after the change of 03:00, 01:30 before it */
    assert_int_equal(machine_local_offset_min(NULL, INT64_C(1761449400000)), 60);
    assert_int_equal(machine_local_offset_min(NULL, INT64_C(1761442200000)), 120);
    unsetenv("TZ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_is_meant, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_short_ids_lead_back, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_defaults, open_world, close_world),
        cmocka_unit_test(test_a_name_cannot_drive_the_terminal),
        cmocka_unit_test(test_local_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
