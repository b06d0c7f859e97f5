/* See row_check.h. */
#include "common/changelog/server/row_check.h"

#include <sodium.h>

#define OWN_TAG       128
#define FILL_AT_ONCE  256
#define SQL_BYTES_MAX 256

static size_t field_size(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        return 0;
    case VALUE_INT:
    case VALUE_REAL:
        return 2 + 8;
    case VALUE_TEXT:
    case VALUE_BLOB:
        return 2 + 4 + v->b.size;
    }
    abort(); /* our own bug */
}

static uint8_t *put_be(uint8_t *at, size_t size, uint64_t n)
{
    for (size_t i = size; i > 0; i--) {
        at[i - 1] = (uint8_t)n;
        n >>= 8;
    }
    return at + size;
}

/* Zero has one form: the store keeps no sign of it. */
static uint64_t bits_of(double d)
{
    uint64_t bits = 0;
    if (d != 0) {
        memcpy(&bits, &d, sizeof bits);
    }
    return bits;
}

static uint8_t *put_field(uint8_t *at, unsigned tag, const struct value *v)
{
    if (v->kind == VALUE_NULL) {
        return at;
    }
    *at++ = (uint8_t)tag;
    *at++ = (uint8_t)v->kind;
    if (v->kind == VALUE_INT || v->kind == VALUE_REAL) {
        return put_be(at, 8, v->kind == VALUE_INT ? (uint64_t)v->i : bits_of(v->d));
    }
    at = put_be(at, 4, v->b.size);
    if (v->b.size > 0) {
        memcpy(at, v->b.at, v->b.size);
    }
    return at + v->b.size;
}

void row_image_put(const struct row_image *row, struct buf *out)
{
    const struct table *t = row->table;
    size_t size = 2 + 16;
    for (size_t i = 0; i < ROW_OWN_COUNT; i++) {
        size += field_size(&row->own[i]);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        size += field_size(&row->values[t->columns[i].number]);
    }
    uint8_t *at = buf_reserve(out, size);
    if (at == NULL) {
        return;
    }
    at = put_be(at, 2, t->number);
    memcpy(at, row->id, 16);
    at += 16;
    for (size_t i = 0; i < ROW_OWN_COUNT; i++) {
        at = put_field(at, OWN_TAG + (unsigned)i, &row->own[i]);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        at = put_field(at, t->columns[i].number, &row->values[t->columns[i].number]);
    }
    out->size += size;
}

bool row_check(const uint8_t key[16], const struct row_image *row, struct buf *scratch,
               int64_t *out)
{
    static_assert(crypto_shorthash_siphash24_KEYBYTES == 16, "the store's digest key");
    static_assert(crypto_shorthash_siphash24_BYTES == sizeof *out, "one number");
    buf_clear(scratch);
    row_image_put(row, scratch);
    if (scratch->bad) {
        return false;
    }
    uint8_t hash[crypto_shorthash_siphash24_BYTES];
    uint64_t n = 0;
    crypto_shorthash_siphash24(hash, scratch->at, scratch->size, key);
    for (size_t i = 0; i < sizeof hash; i++) {
        n = n << 8 | hash[i];
    }
    memcpy(out, &n, sizeof n);
    return true;
}

bool row_image_read(const struct stmt *q, const struct table *t, uint8_t id[16],
                    struct value values[], struct row_image *out)
{
    *out = (struct row_image){.table = t, .id = id, .values = values};
    for (int i = 0; i < ROW_OWN_COUNT; i++) {
        out->own[i] = col_value(q, ROWSQL_SCOPE + i);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        values[t->columns[i].number] = col_value(q, (int)(ROWSQL_OWN + i));
    }
    return col_id(q, ROWSQL_ID, id);
}

/* ---- stores of older programs ---- */

struct filling {
    struct db *db;
    const char *all; /* of the table at hand */
    const char *put;
    const uint8_t *key;
    struct buf scratch;
    size_t count;
    struct {
        uint8_t id[16];
        int64_t check;
    } rows[FILL_AT_ONCE];
};

/* The next rows behind the last of `rows`, and their checks. */
static struct err fill_read(struct filling *f, const struct table *t)
{
    struct value values[COLUMNS_MAX + 1];
    struct row_image row;
    struct stmt q;
    struct err err = db_use(f->db, f->all, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    if (f->count > 0) {
        bind_id(&q, 1, f->rows[f->count - 1].id);
    } else {
        bind_id(&q, 1, (const uint8_t[16]){0}); /* ids are never all zero */
    }
    bind_int(&q, 2, FILL_AT_ONCE);
    f->count = 0;
    while (err.code == ERR_OK && f->count < FILL_AT_ONCE && db_step_row(&q)) {
        bool good = row_image_read(&q, t, f->rows[f->count].id, values, &row);
        good = good && row_check(f->key, &row, &f->scratch, &f->rows[f->count].check);
        err = good ? err : err_make(f->scratch.bad ? ERR_NOMEM : ERR_CORRUPT, 0, "row_check_fill");
        f->count++;
    }
    err = err.code == ERR_OK ? stmt_err(&q, "row_check_fill") : err;
    stmt_reset(&q);
    return err;
}

static struct err fill_write(struct filling *f)
{
    struct err err = err_ok();
    for (size_t i = 0; i < f->count && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(f->db, f->put, &q);
        if (err.code == ERR_OK) {
            bind_id(&q, 1, f->rows[i].id);
            bind_int(&q, 2, f->rows[i].check);
            err = db_step_done(&q, "row_check_fill");
        }
    }
    return err;
}

struct err row_check_fill(struct db *db, struct rowsql *sql, const uint8_t key[16])
{
    struct err err = err_ok();
    struct filling *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return err_make(ERR_NOMEM, 0, "row_check_fill");
    }
    f->db = db;
    f->key = key;
    buf_init(&f->scratch, ROW_IMAGE_BYTES_MAX);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        f->all = rowsql_all(sql, t);
        f->put = rowsql_set_check(sql, t);
        f->count = 0;
        err = f->all == NULL || f->put == NULL ? err_make(ERR_NOMEM, 0, "row_check_fill") : err;
        for (bool more = true; err.code == ERR_OK && more; more = f->count == FILL_AT_ONCE) {
            err = fill_read(f, t);
            err = err.code == ERR_OK ? fill_write(f) : err;
        }
    }
    buf_release(&f->scratch);
    free(f);
    return err;
}
