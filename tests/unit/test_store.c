/* A store is founded, filled by the server's own writes, and admits devices. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/firm.h"
#include "tests/support/store_db.h"

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

static void a_person_gets_a_home_book(void **state)
{
    struct firm *f = *state;
    struct permit permit;
    firm_permit(f, f->ann, &permit);
    assert_int_equal(permit.role, ROLE_REP);
    struct scope_id book = {.kind = SCOPE_BOOK};
    memcpy(book.id, f->ann_book, 16);
    assert_non_null(permit_find(&permit, &book));
    memcpy(book.id, f->bob_book, 16);
    assert_null(permit_find(&permit, &book));
    assert_int_equal(permit.scope_count, 4); /* company, user, private, book */
}

static void a_manager_holds_what_is_below(void **state)
{
    struct firm *f = *state;
    struct permit permit;
    firm_permit(f, f->meg, &permit);
    struct scope_id id = {.kind = SCOPE_BOOK};
    memcpy(id.id, f->bob_book, 16);
    assert_non_null(permit_find(&permit, &id));
    id.kind = SCOPE_USER;
    memcpy(id.id, f->ann, 16);
    assert_non_null(permit_find(&permit, &id));
    id.kind = SCOPE_PRIVATE;
    assert_null(permit_find(&permit, &id));
    assert_true(permit_speaks_for(&permit, f->ann));
    firm_permit(f, f->ann, &permit);
    assert_false(permit_speaks_for(&permit, f->meg));
}

static void logins_are_unique(void **state)
{
    struct firm *f = *state;
    uint8_t id[16];
    assert_int_equal(firm_person(f, "ann", "rep", NULL, id).code, ERR_REFUSED);
    assert_string_equal(f->why.code, "duplicate");
    assert_string_equal(f->why.field, "person.login");
}

static void values_and_references_are_checked(void **state)
{
    struct firm *f = *state;
    struct cell wrong = {.column = COLUMN_customer_kind, .value = value_text(bytes_text("friend"))};
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &wrong, 1).code, ERR_INVALID);
    uint8_t nobody[16] = {1};
    struct cell lost[] = {
        {.column = COLUMN_contact_customer_id, .value = value_blob(bytes_of(nobody, 16))},
        {.column = COLUMN_contact_name, .value = value_text(bytes_text("Li"))}};
    assert_int_equal(firm_put(f, TABLE_contact, nobody, lost, 2).code, ERR_REFUSED);
    assert_string_equal(f->why.code, "not_found");
    assert_string_equal(f->why.field, "contact.customer_id");
}

static void numbers_of_a_scope_rise(void **state)
{
    struct firm *f = *state;
    struct cell name = {.column = COLUMN_customer_name, .value = value_text(bytes_text("One"))};
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &name, 1).code, ERR_OK);
    int64_t first = f->seq;
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &name, 1).code, ERR_OK);
    assert_int_equal(f->seq, first); /* nothing differed */
    name.value = value_text(bytes_text("Two"));
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &name, 1).code, ERR_OK);
    assert_int_equal(f->seq, first + 1);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM customer WHERE no LIKE 'C-%'"), 2);
}

/* An administrator's command writes beside a running server; both number the change log. */
static void two_connections_write_in_turn(void **state)
{
    struct firm *f = *state;
    struct firm other = *f;
    uint8_t id[16];
    const struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 1000};
    struct host host = fake_host_as_host(&f->host);
    assert_int_equal(store_db_open(&other.db, f->path, &options).code, ERR_OK);
    assert_int_equal(store_open(&other.store, other.db, &host, true).code, ERR_OK);
    assert_int_equal(firm_person(&other, "cao", "rep", NULL, id).code, ERR_OK);
    assert_int_equal(firm_person(f, "dai", "rep", NULL, id).code, ERR_OK);
    assert_int_equal(firm_person(&other, "eve", "rep", NULL, id).code, ERR_OK);
    store_close(&other.store);
    db_close(other.db);
}

/* The first row of a write makes its entry in the log; undone with that row, it is made again. */
static void what_is_undone_takes_its_log_along(void **state)
{
    struct firm *f = *state;
    struct server_write *w = NULL;
    struct server_write_mark mark;
    struct buf report;
    int64_t seq = 0;
    struct cell name = {.column = COLUMN_customer_name, .value = value_text(bytes_text("One"))};
    const struct table *t = catalogue_table(TABLE_customer);
    buf_init(&report, 1 << 16);
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&f->store, NULL, "twice", 1000, &w).code, ERR_OK);
    for (int keep = 0; keep < 2; keep++) {
        assert_int_equal(server_write_savepoint(w, &mark).code, ERR_OK);
        assert_int_equal(
            server_write_put(w, t, f->customer, &name, 1, -1, &seq, NULL, &f->why).code, ERR_OK);
        assert_int_equal(server_write_savepoint_end(w, &mark, keep == 1).code, ERR_OK);
    }
    assert_int_equal(server_write_end(w, &f->why).code, ERR_OK);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_OK);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM change_row r JOIN change_log l"
                                   " ON l.no = r.no WHERE l.intent = 'twice'"),
                     1);
    assert_int_equal(store_verify(&f->store, &report).code, ERR_OK);
    buf_release(&report);
}

static void a_code_is_taken_once(void **state)
{
    struct firm *f = *state;
    struct enrol request = {.secret = {9}, .public_key = {1}, .name = bytes_text("phone")};
    struct enrolled first;
    assert_int_equal(firm_enrol(f, f->ann, &request, &first).code, ERR_OK);
    assert_int_equal(first.device_number, 1);
    struct enrolled again; /* the answer was lost */
    assert_int_equal(firm_take(f, &request, &again).code, ERR_OK);
    assert_memory_equal(first.device, again.device, 16);
    request.public_key[0] = 2;
    assert_int_equal(firm_take(f, &request, &again).code, ERR_AUTH);
    request.secret[0] = 8;
    assert_int_equal(firm_take(f, &request, &again).code, ERR_AUTH);
}

static void a_revoked_device_is_known_as_such(void **state)
{
    struct firm *f = *state;
    struct enrol request = {.secret = {9}, .public_key = {1}, .name = bytes_text("phone")};
    struct enrolled who;
    struct store_device device;
    char keyid[SIGNATURE_KEYID_MAX + 1];
    struct arena arena;
    uint32_t *refused;
    size_t count;
    arena_init(&arena, 1u << 16);
    signature_keyid(request.public_key, keyid);
    assert_int_equal(store_device_by_key(&f->store, keyid, &device).code, ERR_NOT_FOUND);
    assert_int_equal(firm_enrol(f, f->ann, &request, &who).code, ERR_OK);
    assert_int_equal(store_device_by_key(&f->store, keyid, &device).code, ERR_OK);
    assert_false(device.revoked);
    assert_int_equal(store_devices_refused(&f->store, &arena, &refused, &count).code, ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(store_revoke(&f->store, who.device, f->host.wall_ms).code, ERR_OK);
    assert_int_equal(store_device_by_key(&f->store, keyid, &device).code, ERR_OK);
    assert_true(device.revoked);
    assert_int_equal(store_devices_refused(&f->store, &arena, &refused, &count).code, ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(refused[0], device.number);
    arena_release(&arena);
    assert_int_equal(store_revoke(&f->store, who.device, 1).code, ERR_NOT_FOUND);
}

static void an_admin_hears_of_what_comes_to_be(void **state)
{
    struct firm *f = *state;
    uint8_t root[16];
    assert_int_equal(firm_person(f, "root", "admin", NULL, root).code, ERR_OK);
    const struct {
        const uint8_t *person;
        uint8_t key;
        bool all;
    } cases[] = {{f->ann, 1, false}, {f->meg, 2, false}, {root, 3, true}};
    for (size_t i = 0; i < count_of(cases); i++) {
        struct enrol request = {
            .secret = {cases[i].key}, .public_key = {cases[i].key}, .name = bytes_text("phone")};
        struct enrolled who;
        struct store_device device;
        struct scope_id *scopes;
        struct arena arena;
        size_t count;
        bool all;
        char keyid[SIGNATURE_KEYID_MAX + 1];
        arena_init(&arena, 1u << 16);
        signature_keyid(request.public_key, keyid);
        assert_int_equal(firm_enrol(f, cases[i].person, &request, &who).code, ERR_OK);
        assert_int_equal(store_device_by_key(&f->store, keyid, &device).code, ERR_OK);
        assert_int_equal(
            store_device_hears(&f->store, device.number, &arena, &scopes, &count, &all).code,
            ERR_OK);
        assert_int_equal(all, cases[i].all);
        assert_true(count >= 4);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_person_gets_a_home_book, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_manager_holds_what_is_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logins_are_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_and_references_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_of_a_scope_rise, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_connections_write_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_undone_takes_its_log_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_code_is_taken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_revoked_device_is_known_as_such, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_admin_hears_of_what_comes_to_be, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
