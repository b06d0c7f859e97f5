/* A value that changes in the store's file, by a disk or by a hand, is named by verify: table, row
 * and column, for each kind of column; what is proven is put back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/changelog/server/quarantine.h"
#include "common/changelog/server/row_check.h"
#include "common/changelog/server/row_verify.h"
#include "tests/support/pretend.h"

#define ADDRESS "Zanzibar street 4711" /* stands nowhere else in the file */

struct found {
    size_t count;
    struct row_finding last;
    char field[64];
    uint8_t bytes[256]; /* of `last.was`, if it has any */
};

static void on_found(void *context, const struct row_finding *f)
{
    struct found *out = context;
    out->count++;
    out->last = *f;
    (void)snprintf(out->field, sizeof out->field, "%s", f->field == NULL ? "" : f->field);
    if (f->field != NULL && (f->was.kind == VALUE_TEXT || f->was.kind == VALUE_BLOB)) {
        assert_in_range(f->was.b.size, 0, sizeof out->bytes);
        memcpy(out->bytes, f->was.b.at, f->was.b.size);
        out->last.was.b.at = out->bytes;
    }
}

static void look(struct firm *f, struct found *out)
{
    size_t count = 0;
    *out = (struct found){.count = 0};
    assert_int_equal(rows_verify(&f->store, on_found, out, &count).code, ERR_OK);
    assert_int_equal(out->count, count);
}

static void must_be_whole(struct firm *f)
{
    struct buf report;
    buf_init(&report, 1 << 20);
    if (store_verify(&f->store, &report).code != ERR_OK) {
        fail_msg("%s", buf_text(&report));
    }
    buf_release(&report);
}

/* A row for each type of column, some of it by a device. */
static int set_up(void **state)
{
    struct firm *f = firm_new();
    struct pretend ann;
    const struct cell more[] = {{.column = COLUMN_customer_address, .value = text_value(ADDRESS)},
                                {.column = COLUMN_customer_city, .value = text_value("上海")},
                                {.column = COLUMN_customer_tags, .value = text_value("[\"new\"]")},
                                {.column = COLUMN_customer_lat, .value = value_real(31.5)},
                                {.column = COLUMN_customer_lng, .value = value_real(0)}};
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, more, count_of(more)).code, ERR_OK);
    const struct cell gone[] = {
        {.column = COLUMN_contact_customer_id, .value = id_value(f->customer)},
        {.column = COLUMN_contact_name, .value = text_value("Li")}};
    uint8_t contact[16];
    firm_new_id(f, contact);
    pretend_enrol(&ann, f, f->ann, 1);
    pretend_change(&ann, CHANGE_INSERT, TABLE_contact, contact, 0, gone, 2);
    pretend_sync(&ann);
    pretend_change(&ann, CHANGE_DELETE, TABLE_contact, contact, pretend_verdict(&ann)->rows[0].seq,
                   NULL, 0);
    pretend_sync(&ann);
    pretend_free(&ann);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    firm_free(*state);
    return 0;
}

/* ---- each column of each row ---- */

/* One byte of it becomes another, as a file would have it; of a real number, several. */
static struct value flipped(const struct value *v, uint8_t room[256])
{
    struct value out = *v;
    switch (v->kind) {
    case VALUE_INT:
        out.i ^= 64;
        break;
    case VALUE_REAL:
        out.d += 1;
        break;
    case VALUE_TEXT:
    case VALUE_BLOB:
        assert_in_range(v->b.size, 1, 256);
        memcpy(room, v->b.at, v->b.size);
        room[v->b.size / 2] ^= 1;
        out.b.at = room;
        break;
    case VALUE_NULL:
        break;
    }
    return out;
}

struct tried {
    size_t all;
    size_t named;
    size_t kinds[VALUE_BLOB + 1];
};

static void flip_and_look(struct firm *f, const struct table *t, const uint8_t id[16],
                          const char *column, const struct value *v, struct tried *tried)
{
    uint8_t room[256];
    char sql[512];
    struct stmt q;
    struct found found;
    (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = ?2 WHERE id = ?1", t->name, column);
    const struct value changed = flipped(v, room);
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    assert_int_equal(db_prepare(f->db, sql, &q, NULL).code, ERR_OK);
    bind_id(&q, 1, id);
    bind_value(&q, 2, &changed);
    assert_int_equal(db_step_done(&q, "flip").code, ERR_OK);
    stmt_close(&q);
    look(f, &found);
    if (found.count != 1 || found.last.table != t || memcmp(found.last.id, id, 16) != 0) {
        fail_msg("%s.%s: %zu findings", t->name, column, found.count);
    }
    bool named =
        found.last.proven && strcmp(found.field, column) == 0 && value_equal(&found.last.was, v);
    if (v->kind != VALUE_REAL && !named) {
        fail_msg("%s.%s: names %s", t->name, column, found.field);
    }
    tried->all++;
    tried->named += named;
    tried->kinds[v->kind]++;
    assert_int_equal(db_end(f->db, err_make(ERR_CANCELLED, 0, "test")).code, ERR_CANCELLED);
}

static void flip_row(struct firm *f, const struct table *t, const uint8_t id[16],
                     struct tried *tried)
{
    static const char *const own[] = {"_scope", "_seq",  "_deleted_at", "_entered",
                                      "_made",  "_cols", "_check"};
    for (size_t i = 0; i < count_of(own) + t->column_count; i++) {
        const char *column = i < count_of(own) ? own[i] : t->columns[i - count_of(own)].name;
        char sql[160];
        struct stmt q;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE id = ?1", column, t->name);
        assert_int_equal(db_prepare(f->db, sql, &q, NULL).code, ERR_OK);
        bind_id(&q, 1, id);
        assert_true(db_step_row(&q));
        struct value v = col_value(&q, 0);
        bool has_bytes = v.kind == VALUE_TEXT || v.kind == VALUE_BLOB;
        v.b = has_bytes ? arena_copy(&arena, v.b) : v.b;
        stmt_close(&q);
        if (v.kind != VALUE_NULL && (!has_bytes || v.b.size > 0)) {
            flip_and_look(f, t, id, column, &v, tried);
        }
        arena_release(&arena);
    }
}

static void each_column_of_each_row_is_watched(void **state)
{
    struct firm *f = *state;
    struct tried tried = {.all = 0};
    must_be_whole(f);
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        uint8_t ids[16][16];
        size_t count = 0;
        char sql[96];
        struct stmt q;
        (void)snprintf(sql, sizeof sql, "SELECT id FROM %s ORDER BY id DESC LIMIT 16", t->name);
        assert_int_equal(db_prepare(f->db, sql, &q, NULL).code, ERR_OK);
        while (count < count_of(ids) && db_step_row(&q)) {
            assert_true(col_id(&q, 0, ids[count++]));
        }
        stmt_close(&q);
        for (size_t k = 0; k < count; k++) {
            flip_row(f, t, ids[k], &tried);
        }
    }
    assert_in_range(tried.named, 100, tried.all);
    assert_true(tried.kinds[VALUE_INT] > 0 && tried.kinds[VALUE_REAL] > 0 &&
                tried.kinds[VALUE_TEXT] > 0 && tried.kinds[VALUE_BLOB] > 0);
    must_be_whole(f);
}

/* ---- in the file ---- */

static size_t read_file(const char *path, uint8_t **out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    *out = malloc(size);
    assert_non_null(*out);
    assert_int_equal(fread(*out, 1, size, file), size);
    (void)fclose(file);
    return size;
}

static void write_byte(const char *path, size_t at, uint8_t byte)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(&byte, 1, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void open_again(struct firm *f)
{
    const struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 1000};
    struct host host = fake_host_as_host(&f->host);
    assert_int_equal(db_open(&f->db, f->path, &options).code, ERR_OK);
    assert_int_equal(store_open(&f->store, f->db, &host, true).code, ERR_OK);
}

static void close_it(struct firm *f)
{
    store_close(&f->store);
    db_close(f->db);
}

static size_t place_in(const uint8_t *at, size_t size, const char *text)
{
    size_t places = 0;
    size_t place = 0;
    for (size_t i = 0; i + strlen(text) <= size; i++) {
        if (memcmp(at + i, text, strlen(text)) == 0) {
            places++;
            place = i;
        }
    }
    assert_int_equal(places, 1);
    return place;
}

static void a_byte_of_the_file_is_found_and_put_back(void **state)
{
    struct firm *f = *state;
    struct found found;
    struct found mended = {.count = 0};
    uint8_t *bytes = NULL;
    size_t left = 0;
    close_it(f);
    size_t size = read_file(f->path, &bytes);
    size_t place = place_in(bytes, size, ADDRESS);
    write_byte(f->path, place + 3, bytes[place + 3] ^ 4);
    open_again(f);
    look(f, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.field, "address");
    assert_memory_equal(found.last.id, f->customer, 16);
    int64_t before = firm_count(f, "SELECT max(_seq) FROM customer WHERE city = '上海'");

    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err = rows_mend(&f->store, MEND_PROVEN, 5000, on_found, &mended, &left);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    assert_int_equal(mended.count, 1);
    assert_int_equal(left, 0);
    must_be_whole(f);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM customer WHERE address = '" ADDRESS "'"),
                     1);
    assert_true(firm_count(f, "SELECT _seq FROM customer WHERE city = '上海'") > before);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM change_log WHERE intent = 'verify'"), 1);
    free(bytes);
}

/* ---- what can't be told from one byte ---- */

static void what_a_device_wrote_is_known_from_the_log(void **state)
{
    struct firm *f = *state;
    struct pretend ann;
    struct found found;
    size_t left = 0;
    pretend_enrol(&ann, f, f->ann, 2);
    pretend_sync(&ann);
    const struct cell city = {.column = COLUMN_customer_city, .value = text_value("Kashgar")};
    pretend_change(&ann, CHANGE_UPDATE, TABLE_customer, f->customer, 100, &city, 1);
    pretend_sync(&ann);
    assert_int_equal(
        db_exec(f->db, "UPDATE customer SET city = 'Kunming' WHERE city = 'Kashgar'").code, ERR_OK);
    look(f, &found);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.field, "city");
    assert_true(found.last.proven);
    assert_true(found.last.entry > 0);
    assert_true(value_equal(&found.last.was, &city.value));
    assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
    struct err err = rows_mend(&f->store, MEND_PROVEN, 5000, on_found, &found, &left);
    assert_int_equal(db_end(f->db, err).code, ERR_OK);
    must_be_whole(f);
    pretend_sync(&ann); /* who fetched it meanwhile gets it again */
    const struct value *again = pretend_value(&ann, TABLE_customer, f->customer, city.column);
    assert_non_null(again);
    assert_true(value_equal(again, &city.value));
    pretend_free(&ann);
}

/* A write beside the damage doesn't make it good. */
static void damage_outlives_later_writes(void **state)
{
    struct firm *f = *state;
    struct found found;
    const struct cell city = {.column = COLUMN_customer_city, .value = text_value("Urumqi")};
    assert_int_equal(
        db_exec(f->db, "UPDATE customer SET name = 'Another' WHERE city = '上海'").code, ERR_OK);
    assert_int_equal(firm_put(f, TABLE_customer, f->customer, &city, 1).code, ERR_OK);
    look(f, &found);
    assert_int_equal(found.count, 1);
    assert_memory_equal(found.last.id, f->customer, 16);
    assert_false(found.last.proven);
}

static void an_accepted_row_is_whole(void **state)
{
    struct firm *f = *state;
    struct found found = {.count = 0};
    size_t left = 0;
    assert_int_equal(
        db_exec(f->db, "UPDATE customer SET name = 'Another', kind = 'lead' WHERE city = '上海'")
            .code,
        ERR_OK);
    for (int how = MEND_PROVEN; how <= MEND_ACCEPT; how++) {
        assert_int_equal(db_begin(f->db, DB_LOCK_WRITE).code, ERR_OK);
        struct err err = rows_mend(&f->store, (enum row_mending)how, 5000, on_found, &found, &left);
        assert_int_equal(db_end(f->db, err).code, ERR_OK);
        assert_int_equal(left, how == MEND_PROVEN ? 1 : 0);
    }
    assert_int_equal(found.count, 1);
    must_be_whole(f);
}

/* ---- what is kept as it came ---- */

static void bodies_that_wait_are_watched(void **state)
{
    struct firm *f = *state;
    static const char *const changes[] = {"UPDATE parked SET body = CAST(body || x'01' AS BLOB)",
                                          "UPDATE quarantine SET body = x'0102'"};
    static const char *const says[] = {"waiting transaction isn't what came: device ",
                                       "quarantined body isn't what came: witness "};
    struct pretend ann;
    struct buf report;
    const struct cell cells[] = {
        {.column = COLUMN_contact_customer_id, .value = id_value(f->customer)},
        {.column = COLUMN_contact_name, .value = text_value("Li")}};
    uint8_t contact[16];
    firm_new_id(f, contact);
    pretend_enrol(&ann, f, f->ann, 2);
    uint64_t missing = ann.next_seq++;
    struct transaction *tx =
        pretend_change(&ann, CHANGE_INSERT, TABLE_contact, contact, 0, cells, count_of(cells));
    tx->rests_on = &missing;
    tx->rest_count = 1;
    pretend_sync(&ann);
    pretend_free(&ann);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM parked"), 1);
    struct quarantined q = {.kind = "witness", .received_ms = 5, .body = bytes_text("as it came")};
    assert_int_equal(quarantine_put(&f->store, &q).code, ERR_OK);
    must_be_whole(f);
    buf_init(&report, 1 << 20);
    for (size_t i = 0; i < count_of(changes); i++) {
        buf_clear(&report);
        assert_int_equal(db_exec(f->db, changes[i]).code, ERR_OK);
        assert_int_equal(store_verify(&f->store, &report).code, ERR_CORRUPT);
        assert_non_null(strstr(buf_text(&report), says[i]));
    }
    buf_release(&report);
}

/* ---- older stores ---- */

static void a_store_of_an_older_program_gets_its_checks(void **state)
{
    struct firm *f = *state;
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "ALTER TABLE %s DROP COLUMN _check",
                       catalogue_table_at(i)->name);
        assert_int_equal(db_exec(f->db, sql).code, ERR_OK);
    }
    assert_int_equal(db_exec(f->db, "UPDATE store_state SET checked = 0").code, ERR_OK);
    close_it(f);
    open_again(f);
    must_be_whole(f);
    assert_int_equal(firm_count(f, "SELECT count(*) FROM customer WHERE _check IS NULL"), 0);
}

/* A column that a newer catalogue adds is NULL in every row there was. */
static void a_new_column_changes_no_check(void **state)
{
    struct firm *f = *state;
    const struct table *now = catalogue_table(TABLE_customer);
    struct column columns[COLUMNS_MAX];
    struct table wider = *now;
    struct value values[COLUMNS_MAX + 1] = {{VALUE_NULL, .i = 0}};
    struct row_image row = {.table = now, .id = f->customer, .values = values};
    struct buf scratch;
    int64_t before = 0;
    int64_t after = 0;
    buf_init(&scratch, ROW_IMAGE_BYTES_MAX);
    memcpy(columns, now->columns, now->column_count * sizeof *columns);
    columns[now->column_count] = columns[now->column_count - 1];
    columns[now->column_count].number++;
    wider.columns = columns;
    wider.column_count++;
    values[COLUMN_customer_name] = text_value("One");
    assert_true(row_check(f->store.digest_key, &row, &scratch, &before));
    row.table = &wider;
    assert_true(row_check(f->store.digest_key, &row, &scratch, &after));
    assert_int_equal(before, after);
    buf_release(&scratch);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(each_column_of_each_row_is_watched),
                                       TEST(a_byte_of_the_file_is_found_and_put_back),
                                       TEST(what_a_device_wrote_is_known_from_the_log),
                                       TEST(damage_outlives_later_writes),
                                       TEST(an_accepted_row_is_whole),
                                       TEST(bodies_that_wait_are_watched),
                                       TEST(a_store_of_an_older_program_gets_its_checks),
                                       TEST(a_new_column_changes_no_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
