/* See order_draft.h. */
#include "client/cmd/order_draft.h"

#include "client/cmd/lookup.h"

#define SKU_MAX 256

static struct err read_customer(struct order_draft *d)
{
    struct stmt st;
    struct err err =
        db_use(d->app->home.db, "SELECT price_list_id FROM customer WHERE id = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, d->customer);
    if (db_step_row(&st)) {
        d->has_list = col_id(&st, 0, d->customer_list);
        stmt_reset(&st);
    }
    return stmt_err(&st, "order: customer");
}

/* ---- prices ---- */

struct offers {
    struct price_offer at[ORDER_OFFERS_MAX];
    const char *currencies[ORDER_OFFERS_MAX];
    size_t count;
};

static const char *copied(struct app *app, const struct stmt *st, int column)
{
    return col_is_null(st, column)
               ? NULL
               : (const char *)arena_copy(&app->arena, col_bytes(st, column)).at;
}

static void take_offer(struct app *app, const struct stmt *st, struct offers *out)
{
    struct price_offer *o = &out->at[out->count];
    *o = (struct price_offer){.min_qty = col_int(st, 2),
                              .price = col_int(st, 3),
                              .valid_from = copied(app, st, 4),
                              .valid_to = copied(app, st, 5),
                              .is_default_list = col_int(st, 6) != 0};
    out->currencies[out->count] = copied(app, st, 7);
    if (col_id(st, 0, o->list) && col_id(st, 1, o->item)) {
        out->count++;
    }
}

static struct err read_offers(struct order_draft *d, const uint8_t product[16], struct offers *out)
{
    out->count = 0;
    struct stmt st;
    struct err err = db_use(d->app->home.db,
                            "SELECT i.price_list_id, i.id, coalesce(i.min_qty, 0), i.price,"
                            " l.valid_from, l.valid_to, l.is_default, l.currency"
                            " FROM price_item i JOIN price_list l ON l.id = i.price_list_id"
                            " WHERE i.product_id = ?1 AND i._deleted_at IS NULL"
                            " AND l._deleted_at IS NULL AND (l.is_default = 1 OR l.id = ?2)",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, product);
    if (d->has_list) {
        bind_id(&st, 2, d->customer_list);
    }
    while (db_step_row(&st)) {
        if (out->count < ORDER_OFFERS_MAX) {
            take_offer(d->app, &st, out);
        }
    }
    return stmt_err(&st, "order: prices");
}

/* One currency an order: that of its first price. */
static bool take_currency(struct order_draft *d, const char *currency, const char *sku,
                          enum exit_code *code)
{
    if (d->count == 0) {
        snprintf(d->currency, sizeof d->currency, "%s", currency);
    }
    if (strcmp(d->currency, currency) != 0) {
        warn(d->app, PHRASE_OTHER_CURRENCY, sku, currency, d->currency, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    return true;
}

static bool price_line(struct order_draft *d, struct draft_line *line, const char *sku,
                       enum exit_code *code)
{
    struct offers *offers = arena_alloc(&d->app->arena, sizeof *offers);
    struct err err =
        offers ? read_offers(d, line->product, offers) : err_make(ERR_NOMEM, 0, "order: prices");
    if (err.code != ERR_OK) {
        *code = report_error(d->app, err);
        return false;
    }
    const struct price_offer *best =
        price_pick(offers->at, offers->count, d->has_list ? d->customer_list : NULL,
                   line->item.quantity, d->now->day);
    if (best == NULL) {
        warn(d->app, PHRASE_NO_PRICE, sku, d->now->day, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    line->item.price = best->price;
    memcpy(line->list, best->list, sizeof line->list);
    const char *currency = offers->currencies[best - offers->at];
    return take_currency(d, currency ? currency : d->app->home.currency, sku, code);
}

/* ---- lines ---- */

static struct err read_product(struct order_draft *d, struct draft_line *line, bool *active)
{
    struct stmt st;
    struct err err =
        db_use(d->app->home.db, "SELECT unit, tax_bp, active FROM product WHERE id = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, line->product);
    if (db_step_row(&st)) {
        snprintf(line->unit, sizeof line->unit, "%s", col_text(&st, 0));
        line->item.tax_bp = (int32_t)col_int(&st, 1);
        *active = col_int(&st, 2) != 0;
        stmt_reset(&st);
    }
    return stmt_err(&st, "order: product");
}

static bool read_quantity(struct app *app, const char *word, const char *text, int64_t *quantity,
                          enum exit_code *code)
{
    const struct column *c =
        table_column(catalogue_table(TABLE_order_line), COLUMN_order_line_quantity);
    struct value value;
    struct complaint why = {0};
    if (!column_parse(c, bytes_text(text), &app->home.rules, &app->arena, &value, &why) ||
        value.kind != VALUE_INT || value.i <= 0) {
        *code = usage_error(app, PHRASE_USAGE_QUANTITY, word);
        return false;
    }
    *quantity = value.i;
    return true;
}

static bool is_listed(const struct order_draft *d, const uint8_t product[16])
{
    for (size_t i = 0; i < d->count; i++) {
        if (memcmp(d->lines[i].product, product, 16) == 0) {
            return true;
        }
    }
    return false;
}

/* Splits at the last "=": a name may hold one. */
static bool split_word(struct app *app, const char *word, char sku[SKU_MAX], const char **quantity,
                       enum exit_code *code)
{
    const char *equals = strrchr(word, '=');
    if (equals == NULL || equals == word || equals - word >= SKU_MAX) {
        *code = usage_error(app, PHRASE_USAGE_LINE, word);
        return false;
    }
    snprintf(sku, SKU_MAX, "%.*s", (int)(equals - word), word);
    *quantity = equals + 1;
    return true;
}

static bool add_line(struct order_draft *d, const char *word, enum exit_code *code)
{
    struct app *app = d->app;
    char sku[SKU_MAX];
    const char *quantity;
    bool active = true;
    if (d->count == ORDER_LINES_MAX) {
        *code = usage_error(app, PHRASE_USAGE_TOO_MANY, word);
        return false;
    }
    struct draft_line *line = &d->lines[d->count];
    if (!split_word(app, word, sku, &quantity, code) ||
        !read_quantity(app, word, quantity, &line->item.quantity, code) ||
        !lookup_row(app, catalogue_table(TABLE_product), sku, line->product, code)) {
        return false;
    }
    if (is_listed(d, line->product)) {
        *code = usage_error(app, PHRASE_USAGE_TWICE, sku);
        return false;
    }
    struct err err = read_product(d, line, &active);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    if (!active) {
        warn(app, PHRASE_NOT_SOLD, sku, NULL);
    }
    if (!price_line(d, line, sku, code)) {
        return false;
    }
    d->count++;
    return true;
}

static bool sum_up(struct order_draft *d)
{
    struct order_item items[ORDER_LINES_MAX];
    for (size_t i = 0; i < d->count; i++) {
        items[i] = d->lines[i].item;
        if (!order_item_amount(&items[i], &d->lines[i].amount)) {
            return false;
        }
    }
    return order_total(items, d->count, d->discount_bp, &d->total);
}

bool order_draft_make(struct order_draft *d, size_t first, enum exit_code *code)
{
    struct err err = read_customer(d);
    if (err.code != ERR_OK) {
        *code = report_error(d->app, err);
        return false;
    }
    for (size_t i = first; i < d->app->arguments.operand_count; i++) {
        if (!add_line(d, d->app->arguments.operands[i], code)) {
            return false;
        }
    }
    if (!sum_up(d)) {
        *code = usage_error(d->app, PHRASE_USAGE_TOO_LARGE, "");
        return false;
    }
    return true;
}
