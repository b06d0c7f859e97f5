/* See contents.h. */
#include "common/changelog/contents.h"

#include <sodium.h>

#include "protocol/codec.h"

#define TEXT_BYTES_MAX ((size_t)8 * 1024)

enum { AT_ID, AT_SEQ, AT_COLUMNS };

static void compose(struct buf *sql, const struct contents *c, const struct table *t)
{
    buf_put_text(sql, "SELECT id, _seq");
    for (size_t i = 0; i < t->column_count && !c->numbers_only; i++) {
        buf_printf(sql, ", %s", t->columns[i].name);
    }
    buf_printf(sql, " FROM %s WHERE _scope = ?1 AND _seq IS NOT NULL AND _deleted_at IS NULL",
               t->name);
}

/* id, number, then of each column that isn't NULL its number and its value. */
bool contents_hash(const struct contents *c, const struct table *t, const struct stmt *st,
                   struct buf *bytes, struct contents_row *row)
{
    uint64_t counts = c->sees == NULL ? UINT64_MAX : c->sees(c->context, t, st, AT_COLUMNS);
    uint8_t out[crypto_shorthash_siphashx24_BYTES];
    buf_clear(bytes);
    buf_put(bytes, bytes_of(row->id, sizeof row->id));
    for (int i = 56; i >= 0; i -= 8) {
        buf_put_u8(bytes, (uint8_t)((uint64_t)row->seq >> i));
    }
    for (size_t i = 0; i < t->column_count && !bytes->bad; i++) {
        struct value v = col_value(st, AT_COLUMNS + (int)i);
        if (v.kind == VALUE_NULL || (counts >> t->columns[i].number & 1) == 0) {
            continue;
        }
        buf_put_u8(bytes, t->columns[i].number);
        bytes->bad = bytes->bad || value_encode(&v, bytes) != WIRE_OK;
    }
    struct digest_sum sum;
    if (!bytes->bad) {
        crypto_shorthash_siphashx24(out, bytes->at, bytes->size, c->key);
        digest_sum_from(&sum, 1, bytes_of(out, sizeof out));
        memcpy(row->words, sum.words, sizeof row->words);
    }
    return !bytes->bad;
}

static struct err scan(const struct contents *c, const struct table *t, struct stmt *st)
{
    struct err err = err_ok();
    struct buf bytes;
    buf_init(&bytes, CONTENTS_BYTES_MAX);
    while (err.code == ERR_OK && db_step_row(st)) {
        struct contents_row row = {.seq = col_int(st, AT_SEQ)};
        if (!col_id(st, AT_ID, row.id)) {
            continue;
        }
        if (c->numbers_only) {
            digest_hash(c->key, row.id, row.seq, row.words);
        } else if (!contents_hash(c, t, st, &bytes, &row)) {
            err = err_make(ERR_NOMEM, 0, "contents_scan");
        }
        if (err.code == ERR_OK) {
            err = c->each(c->context, &row);
        }
    }
    buf_release(&bytes);
    return err.code == ERR_OK ? stmt_err(st, "contents_scan") : err;
}

struct err contents_scan(const struct contents *c, int64_t scope, const struct table *t)
{
    struct buf sql;
    struct stmt st;
    buf_init(&sql, TEXT_BYTES_MAX);
    compose(&sql, c, t);
    const char *text = buf_text(&sql);
    struct err err = sql.bad ? err_make(ERR_NOMEM, 0, "contents_scan") : db_use(c->db, text, &st);
    if (err.code == ERR_OK) { /* kept: a repair asks for the same tables of many scopes */
        bind_int(&st, 1, scope);
        err = scan(c, t, &st);
        stmt_reset(&st);
    }
    buf_release(&sql);
    return err;
}
