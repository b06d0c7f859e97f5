/* See prices.h. What a price was stands in the change log. */
#include "common/changelog/server/prices.h"

#include "protocol/codec.h"

#define OFFERS_MAX 256 /* prices of one product, over all lists and quantities */

/* The value of `column` in replaced values as work_old_values wrote them. */
static bool old_value(struct bytes old, uint8_t column, int64_t *out)
{
    while (old.size > 0) {
        struct value name;
        struct value value;
        size_t used = 0;
        if (value_decode(old, &name, &used) != WIRE_OK) {
            return false;
        }
        old = bytes_of(old.at + used, old.size - used);
        if (value_decode(old, &value, &used) != WIRE_OK) {
            return false;
        }
        old = bytes_of(old.at + used, old.size - used);
        if (name.kind == VALUE_INT && name.i == column && value.kind == VALUE_INT) {
            *out = value.i;
            return true;
        }
    }
    return false;
}

/* The first change of the item's price after the moment tells what it was then. */
static struct err price_before(struct work *w, const uint8_t item[16], int64_t at_ms,
                               int64_t *price)
{
    /* the table's number is a literal, as the index on its rows asks for */
    static const char sql[] = "SELECT r.old FROM change_row r JOIN change_log l ON l.no = r.no"
                              " WHERE r.tbl = 13 AND r.row = ?1 AND l.effective_at > ?2"
                              " ORDER BY l.no";
    _Static_assert(TABLE_price_item == 13, "the number in the text above and in the schema");
    struct stmt q;
    struct err err = db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, item);
    bind_int(&q, 2, at_ms);
    while (db_step_row(&q)) {
        if (old_value(col_bytes(&q, 0), COLUMN_price_item_price, price)) {
            stmt_reset(&q);
            return err_ok();
        }
    }
    return stmt_err(&q, "price_before");
}

static const char *copy_day(struct work *w, const struct stmt *q, int column)
{
    return col_is_null(q, column) ? NULL
                                  : (const char *)arena_copy(w->arena, col_bytes(q, column)).at;
}

enum {
    ITEM_LIST,
    ITEM_ID,
    ITEM_MIN_QTY,
    ITEM_PRICE,
    ITEM_FROM,
    ITEM_TO,
    ITEM_DEFAULT,
    ITEM_MADE,
    ITEM_COLS
};

static struct err read_offer(struct work *w, const struct stmt *q, struct price_offer *out,
                             int64_t *changed_ms)
{
    struct row_meta meta;
    if (!rowmeta_read(col_bytes(q, ITEM_MADE), col_bytes(q, ITEM_COLS), w->arena, &meta) ||
        !col_id(q, ITEM_LIST, out->list) || !col_id(q, ITEM_ID, out->item)) {
        return err_make(ERR_CORRUPT, 0, "read_offer");
    }
    bool changed = rowmeta_newer(&meta, UINT64_C(1) << COLUMN_price_item_price, meta.made.seq) != 0;
    *changed_ms = changed ? rowmeta_of(&meta, COLUMN_price_item_price)->effective_ms : 0;
    out->min_qty = col_int(q, ITEM_MIN_QTY);
    out->price = col_int(q, ITEM_PRICE);
    out->valid_from = copy_day(w, q, ITEM_FROM);
    out->valid_to = copy_day(w, q, ITEM_TO);
    out->is_default_list = col_int(q, ITEM_DEFAULT) != 0;
    return err_ok();
}

struct err prices_at(struct work *w, const uint8_t product[16], int64_t at_ms,
                     struct price_offer **out, size_t *count)
{
    static const char sql[] =
        "SELECT l.id, i.id, i.min_qty, i.price, l.valid_from, l.valid_to, l.is_default,"
        " i._made, i._cols FROM price_item i JOIN price_list l ON l.id = i.price_list_id"
        " WHERE i.product_id = ?1 AND coalesce(i._deleted_at, ?2 + 1) > ?2"
        " AND coalesce(l._deleted_at, ?2 + 1) > ?2 LIMIT ?3";
    *count = 0;
    *out = arena_array(w->arena, OFFERS_MAX, sizeof **out);
    int64_t *changed_ms = arena_array(w->arena, OFFERS_MAX, sizeof *changed_ms);
    struct stmt q;
    struct err err = *out == NULL || changed_ms == NULL ? err_make(ERR_LIMIT, 0, "prices_at")
                                                        : db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, product);
    bind_int(&q, 2, at_ms);
    bind_int(&q, 3, OFFERS_MAX);
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = read_offer(w, &q, &(*out)[*count], &changed_ms[*count]);
        *count += err.code == ERR_OK;
    }
    if (err.code != ERR_OK) {
        stmt_reset(&q);
        return err;
    }
    err = stmt_err(&q, "prices_at");
    for (size_t i = 0; i < *count && err.code == ERR_OK; i++) {
        if (changed_ms[i] > at_ms) {
            err = price_before(w, (*out)[i].item, at_ms, &(*out)[i].price);
        }
    }
    return err;
}
