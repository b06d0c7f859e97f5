/* The history of a row, and the row as it stood: against a record that was kept beside. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/catalogue/text.h"
#include "common/changelog/server/chain_verify.h"
#include "common/changelog/server/history.h"
#include "common/changelog/server/shred.h"
#include "tests/support/pretend.h"

#define STEPS 60

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

/* What the customer looked like at some time: all columns as one text. */
struct record {
    int64_t at_ms;
    char row[2000];
};

static void describe(const struct table *t, const struct value *values, int64_t deleted_at,
                     char *to, size_t room)
{
    struct buf out;
    buf_init(&out, room - 1);
    buf_printf(&out, "deleted %" PRId64, deleted_at);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(&out, "|%s=", t->columns[i].name);
        value_json(&values[t->columns[i].number], &out);
    }
    (void)snprintf(to, room, "%s", buf_text(&out));
    buf_release(&out);
}

/* As SQL sees it now, without the change log. */
static void record_now(struct firm *f, const uint8_t id[16], struct record *out)
{
    const struct table *t = catalogue_table(TABLE_customer);
    struct value values[COLUMNS_MAX + 1] = {{0}};
    struct stmt q;
    struct buf sql;
    buf_init(&sql, 4000);
    buf_put_text(&sql, "SELECT coalesce(_deleted_at, 0)");
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(&sql, ", %s", t->columns[i].name);
    }
    buf_put_text(&sql, " FROM customer WHERE id = ?1");
    assert_int_equal(db_prepare(f->db, buf_text(&sql), &q, NULL).code, ERR_OK);
    bind_id(&q, 1, id);
    assert_true(db_step_row(&q));
    for (size_t i = 0; i < t->column_count; i++) {
        values[t->columns[i].number] = col_value(&q, (int)i + 1);
    }
    out->at_ms = f->host.wall_ms;
    describe(t, values, col_int(&q, 0), out->row, sizeof out->row);
    stmt_close(&q);
    buf_release(&sql);
}

static void edit(struct firm *f, const uint8_t id[16], uint64_t chance)
{
    static const char *const words[] = {"一", "two", "three", "四", "fünf"};
    static const uint8_t columns[] = {COLUMN_customer_city, COLUMN_customer_region,
                                      COLUMN_customer_note, COLUMN_customer_name};
    uint8_t column = columns[chance % count_of(columns)];
    const char *word = words[chance / 8 % count_of(words)];
    bool to_null = column != COLUMN_customer_name && chance / 64 % 4 == 0;
    const struct cell cells[] = {
        {.column = column, .value = to_null ? value_null() : text_value(word)},
        {.column = COLUMN_customer_lat, .value = value_real((double)(chance % 90))}};
    assert_int_equal(firm_put(f, TABLE_customer, id, cells, 1 + chance / 256 % 2).code, ERR_OK);
}

static void move(struct firm *f, const uint8_t customer[16], const uint8_t book[16])
{
    struct server_write *w = NULL;
    int64_t rows = 0;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&f->store, NULL, "move", f->host.wall_ms, &w).code, ERR_OK);
    assert_int_equal(server_write_move(w, customer, book, &rows).code, ERR_OK);
    assert_int_equal(server_write_end(w, &f->why).code, ERR_OK);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_OK);
}

static void drop(struct firm *f, const uint8_t customer[16])
{
    struct server_write *w = NULL;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(server_write_begin(&f->store, NULL, "drop", f->host.wall_ms, &w).code, ERR_OK);
    assert_int_equal(
        server_write_delete(w, catalogue_table(TABLE_customer), customer, -1, &f->why).code,
        ERR_OK);
    assert_int_equal(server_write_end(w, &f->why).code, ERR_OK);
    assert_int_equal(db_end(f->db, err_ok()).code, ERR_OK);
}

static void any_time_can_be_read(void **state)
{
    struct firm *f = *state;
    static struct record records[STEPS];
    const struct table *t = catalogue_table(TABLE_customer);
    uint64_t chance = 20261124;
    int64_t made_ms = f->host.wall_ms;
    for (size_t i = 0; i < STEPS; i++) {
        chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407U;
        f->host.wall_ms += 1000;
        if (i == STEPS - 1) {
            drop(f, f->customer);
        } else if (i % 20 == 19) {
            move(f, f->customer, i % 40 == 19 ? f->bob_book : f->ann_book);
        } else {
            edit(f, f->customer, chance >> 33);
        }
        record_now(f, f->customer, &records[i]);
    }
    for (size_t i = 0; i < STEPS; i++) {
        for (int64_t late = 0; late < 1000; late += 999) {
            struct history h;
            char row[sizeof records[i].row];
            assert_int_equal(
                history_read(&f->store, t, f->customer, records[i].at_ms + late, &f->arena, &h)
                    .code,
                ERR_OK);
            assert_true(h.existed);
            describe(t, h.values, h.deleted_at, row, sizeof row);
            assert_string_equal(row, records[i].row);
            arena_clear(&f->arena);
        }
    }
    struct history h;
    assert_int_equal(history_read(&f->store, t, f->customer, made_ms - 1, &f->arena, &h).code,
                     ERR_OK);
    assert_false(h.existed);
    assert_null(h.first);
}

/* Made, edited by two who didn't know of each other, and wanted by one who may not. */
static void each_change_is_told(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    struct pretend bob;
    struct history h;
    const struct cell north = {.column = COLUMN_customer_city, .value = text_value("North")};
    const struct cell south = {.column = COLUMN_customer_city, .value = text_value("South")};
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_enrol(&bob, f, f->bob, 2);
    pretend_sync(&ann);
    pretend_sync(&bob);
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 1, &south, 1);
    fake_host_pass(&f->host, 60000);
    ann.clocks.wall_ms += 60000;
    ann.clocks.mono_ms += 60000;
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &north, 1).code, ERR_OK);
    pretend_sync(&ann);
    assert_int_equal(pretend_verdict(&ann)->outcome, OUTCOME_MERGED);
    pretend_change(&bob, CHANGE_UPDATE, TABLE_customer, f->customer, 1, &south, 1);
    pretend_sync(&bob);
    assert_int_equal(pretend_verdict(&bob)->outcome, OUTCOME_REFUSED);
    const struct table *t = catalogue_table(TABLE_customer);
    assert_int_equal(history_read(&f->store, t, f->customer, INT64_MAX, &f->arena, &h).code,
                     ERR_OK);
    const struct history_item *item = h.first;
    assert_int_equal(item->act, HISTORY_MADE);
    item = item->next;
    assert_int_equal(item->act, HISTORY_CHANGED);
    assert_int_equal(item->cells[0].column, COLUMN_customer_city);
    assert_int_equal(item->cells[0].old.kind, VALUE_NULL);
    item = item->next;
    assert_int_equal(item->outcome, OUTCOME_MERGED);
    assert_int_equal(item->act, HISTORY_WANTED);
    assert_int_equal(item->device, 1);
    assert_memory_equal(item->person, f->ann, 16);
    item = item->next;
    assert_int_equal(item->act, HISTORY_WANTED);
    assert_true(bytes_equal(item->code, bytes_text("not_found")));
    assert_true(value_equal(&item->cells[0].now, &south.value));
    assert_memory_equal(item->person, f->bob, 16);
    assert_null(item->next);
    uint8_t nobody[16] = {7};
    assert_int_equal(history_read(&f->store, t, nobody, INT64_MAX, &f->arena, &h).code,
                     ERR_NOT_FOUND);
    pretend_free(&ann);
    pretend_free(&bob);
}

static bool file_has(struct firm *f, const char *text)
{
    char path[80];
    bool found = false;
    for (int side = 0; side < 2; side++) {
        (void)snprintf(path, sizeof path, "%s%s", f->path, side == 0 ? "" : "-wal");
        FILE *file = fopen(path, "rb");
        static char all[8 << 20];
        size_t size = file == NULL ? 0 : fread(all, 1, sizeof all, file);
        assert_true(size < sizeof all);
        for (size_t i = 0; i + strlen(text) <= size && !found; i++) {
            found = memcmp(&all[i], text, strlen(text)) == 0;
        }
        if (file != NULL) {
            (void)fclose(file);
        }
    }
    return found;
}

static void on_finding(void *context, const char *what, const char *where)
{
    (void)context;
    fail_msg("%s: %s", what, where);
}

static void shred(struct firm *f)
{
    size_t entries = 0;
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err =
        shred_row(&f->store, catalogue_table(TABLE_customer), f->customer, &f->arena, &entries);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    assert_int_equal(entries, 4);
    assert_int_equal(db_exec(f->db, "PRAGMA wal_checkpoint(TRUNCATE)").code, ERR_OK);
}

/* The text was sent by one device, wanted by another and replaced: no byte of it stays, and the
 * chain still fits. */
static void shredded_text_is_nowhere(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    struct pretend bob;
    struct history h;
    const struct cell secret = {.column = COLUMN_customer_city, .value = text_value("SECRET-TOWN")};
    const struct cell other = {.column = COLUMN_customer_city, .value = text_value("Elsewhere")};
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_enrol(&bob, f, f->bob, 2);
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 100, &secret, 1);
    pretend_sync(&ann);
    pretend_change(&bob, CHANGE_UPDATE, TABLE_customer, f->customer, 100, &secret, 1);
    pretend_sync(&bob);
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &other, 1).code, ERR_OK);
    assert_int_equal(db_exec(f->db, "PRAGMA wal_checkpoint(TRUNCATE)").code, ERR_OK);
    assert_true(file_has(f, "SECRET-TOWN"));
    for (int again = 0; again < 2; again++) {
        shred(f);
        assert_false(file_has(f, "SECRET-TOWN"));
        assert_int_equal(chain_verify(&f->store, on_finding, NULL).code, ERR_OK);
    }
    const struct table *t = catalogue_table(TABLE_customer);
    assert_int_equal(history_read(&f->store, t, f->customer, INT64_MAX, &f->arena, &h).code,
                     ERR_OK);
    assert_true(value_equal(&h.values[COLUMN_customer_city], &other.value));
    assert_false(h.first->erased);
    assert_true(h.first->next->erased);
    assert_true(h.first->next->next->erased);
    pretend_free(&ann);
    pretend_free(&bob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_time_can_be_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_change_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shredded_text_is_nowhere, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
