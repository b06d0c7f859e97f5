/* See firm.h. Whatever fails here fails the test. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/firm.h"
#include "tests/support/store_db.h"

#include <sodium.h>
#include <unistd.h>

#define FIRM_WALL_MS INT64_C(1764000000000) /* 2025-11-24 */

static struct value text(const char *t)
{
    return value_text(bytes_text(t));
}

static struct value id_value(const uint8_t id[16])
{
    return value_blob(bytes_of(id, 16));
}

void firm_new_id(struct firm *f, uint8_t id[16])
{
    store_new_id(&f->store, f->host.wall_ms, id);
}

struct err firm_put(struct firm *f, uint16_t table, const uint8_t id[16], const struct cell *cells,
                    size_t count)
{
    struct server_write *w = NULL;
    struct err err = db_begin(f->db, DB_LOCK_WRITE);
    assert_int_equal(err.code, ERR_OK);
    err = server_write_begin(&f->store, NULL, "test", f->host.wall_ms, &w);
    assert_int_equal(err.code, ERR_OK);
    err = server_write_put(w, catalogue_table(table), id, cells, count, -1, &f->seq, NULL, &f->why);
    if (err.code == ERR_OK) {
        err = server_write_end(w, &f->why);
    } else {
        server_write_cancel(w);
    }
    return db_end(f->db, err);
}

struct err firm_person(struct firm *f, const char *login, const char *role,
                       const uint8_t manager[16], uint8_t id[16])
{
    const struct cell cells[] = {{.column = COLUMN_person_login, .value = text(login)},
                                 {.column = COLUMN_person_name, .value = text(login)},
                                 {.column = COLUMN_person_role, .value = text(role)},
                                 {.column = COLUMN_person_active, .value = value_int(1)},
                                 {.column = COLUMN_person_manager_id,
                                  .value = manager == NULL ? value_null() : id_value(manager)}};
    struct server_write *w = NULL;
    firm_new_id(f, id);
    struct err err = db_begin(f->db, DB_LOCK_WRITE);
    assert_int_equal(err.code, ERR_OK);
    err = server_write_begin(&f->store, NULL, "test", f->host.wall_ms, &w);
    assert_int_equal(err.code, ERR_OK);
    err = store_person_add(w, id, cells, count_of(cells), &f->why);
    if (err.code == ERR_OK) {
        err = server_write_end(w, &f->why);
    } else {
        server_write_cancel(w);
    }
    return db_end(f->db, err);
}

struct err firm_take(struct firm *f, const struct enrol *request, struct enrolled *out)
{
    struct err err = db_begin(f->db, DB_LOCK_WRITE);
    assert_int_equal(err.code, ERR_OK);
    return db_end(f->db, store_enrol(&f->store, request, f->host.wall_ms, &f->arena, out));
}

struct err firm_enrol(struct firm *f, const uint8_t person[16], const struct enrol *request,
                      struct enrolled *out)
{
    uint8_t hash[32];
    crypto_hash_sha256(hash, request->secret, sizeof request->secret);
    struct err err =
        store_invite(&f->store, person, hash, f->host.wall_ms, f->host.wall_ms + 24 * 3600 * 1000);
    return err.code == ERR_OK ? firm_take(f, request, out) : err;
}

void firm_permit(struct firm *f, const uint8_t person[16], struct permit *out)
{
    struct err err = permit_load(&f->store, person, &f->arena, out);
    assert_int_equal(err.code, ERR_OK);
}

int64_t firm_count(struct firm *f, const char *sql)
{
    int64_t n = -1;
    struct err err = db_one_int(f->db, sql, &n);
    assert_int_equal(err.code, ERR_OK);
    return n;
}

static void put(struct firm *f, uint16_t table, uint8_t id[16], const struct cell *cells,
                size_t count)
{
    firm_new_id(f, id);
    struct err err = firm_put(f, table, id, cells, count);
    if (err.code != ERR_OK) {
        fail_msg("%s: %s %s %s %s", err_name(err.code), err.where, f->why.code, f->why.field,
                 db_message(f->db));
    }
}

static void book_of(struct firm *f, const uint8_t person[16], uint8_t book[16])
{
    struct stmt q;
    struct err err = db_use(f->db, "SELECT id FROM book WHERE home_of_id = ?1", &q);
    assert_int_equal(err.code, ERR_OK);
    bind_id(&q, 1, person);
    assert_true(db_step_row(&q) && col_id(&q, 0, book));
    stmt_reset(&q);
}

static void add_people(struct firm *f)
{
    assert_int_equal(firm_person(f, "meg", "manager", NULL, f->meg).code, ERR_OK);
    assert_int_equal(firm_person(f, "ann", "rep", f->meg, f->ann).code, ERR_OK);
    assert_int_equal(firm_person(f, "bob", "rep", f->meg, f->bob).code, ERR_OK);
    book_of(f, f->ann, f->ann_book);
    book_of(f, f->bob, f->bob_book);
}

static void add_customer(struct firm *f, const char *name, const uint8_t book[16], uint8_t id[16])
{
    const struct cell cells[] = {{.column = COLUMN_customer_name, .value = text(name)},
                                 {.column = COLUMN_customer_kind, .value = text("customer")},
                                 {.column = COLUMN_customer_book_id, .value = id_value(book)}};
    put(f, TABLE_customer, id, cells, count_of(cells));
}

static void add_goods(struct firm *f)
{
    const struct cell product[] = {{.column = COLUMN_product_sku, .value = text("TEA-1")},
                                   {.column = COLUMN_product_name, .value = text("绿茶 Green tea")},
                                   {.column = COLUMN_product_cost, .value = value_int(400)},
                                   {.column = COLUMN_product_active, .value = value_int(1)}};
    put(f, TABLE_product, f->product, product, count_of(product));
    const struct cell list[] = {
        {.column = COLUMN_price_list_name, .value = text("standard")},
        {.column = COLUMN_price_list_currency, .value = text("CNY")},
        {.column = COLUMN_price_list_valid_from, .value = text("2020-01-01")},
        {.column = COLUMN_price_list_is_default, .value = value_int(1)}};
    put(f, TABLE_price_list, f->list, list, count_of(list));
    const struct cell item[] = {
        {.column = COLUMN_price_item_price_list_id, .value = id_value(f->list)},
        {.column = COLUMN_price_item_product_id, .value = id_value(f->product)},
        {.column = COLUMN_price_item_price, .value = value_int(1000)}};
    put(f, TABLE_price_item, f->item, item, count_of(item));
}

struct firm *firm_new(void)
{
    struct firm *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->path, sizeof f->path, "/tmp/legwork-firm-XXXXXX");
    int file = mkstemp(f->path);
    assert_true(file >= 0);
    (void)close(file);
    fake_host_init(&f->host, 1, FIRM_WALL_MS);
    struct host host = fake_host_as_host(&f->host);
    arena_init(&f->arena, (size_t)64 << 20);
    const struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 1000};
    struct err err = store_db_open(&f->db, f->path, &options);
    assert_int_equal(err.code, ERR_OK);
    const struct store_founding founding = {.company_name = bytes_text("Legwork 测试"),
                                            .currency = bytes_text("CNY"),
                                            .tz = bytes_text("Asia/Shanghai"),
                                            .locale = bytes_text("zh")};
    err = store_create(f->db, &host, &founding);
    if (err.code != ERR_OK) {
        fail_msg("store_create: %s %s %s", err_name(err.code), err.where, db_message(f->db));
    }
    err = store_open(&f->store, f->db, &host, true);
    assert_int_equal(err.code, ERR_OK);
    add_people(f);
    add_customer(f, "东方食品 Eastern Foods", f->ann_book, f->customer);
    add_customer(f, "Bob's Bottles", f->bob_book, f->bobs_customer);
    add_goods(f);
    return f;
}

void firm_free(struct firm *f)
{
    char side[80];
    store_close(&f->store);
    db_close(f->db);
    arena_release(&f->arena);
    (void)unlink(f->path);
    (void)snprintf(side, sizeof side, "%s-wal", f->path);
    (void)unlink(side);
    (void)snprintf(side, sizeof side, "%s-shm", f->path);
    (void)unlink(side);
    free(f);
}
