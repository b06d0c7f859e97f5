/* Prices and totals of orders, with the functions that the device predicts them with. */
#include "common/changelog/server/rules.h"

#include "common/changelog/server/prices.h"

#define LINES_MAX 1000

static const struct {
    uint16_t table;
    const char *prefix;
} numbered[] = {{TABLE_customer, "C"}, {TABLE_sales_order, "SO"}, {TABLE_payment, "P"}};

static struct err next_number(struct work *w, const char *prefix, struct value *out)
{
    static const char sql[] = "INSERT INTO number_counter (prefix, next) VALUES (?1, 2)"
                              " ON CONFLICT (prefix) DO UPDATE SET next = number_counter.next + 1"
                              " RETURNING next - 1";
    struct stmt q;
    struct err err = db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, prefix);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "next_number");
    }
    char no[40];
    (void)snprintf(no, sizeof no, "%s-%06" PRId64, prefix, col_int(&q, 0));
    *out = value_text(arena_copy(w->arena, bytes_text(no)));
    err = db_step_done(&q, "next_number");
    return err.code == ERR_OK && out->b.at == NULL ? err_make(ERR_LIMIT, 0, "next_number") : err;
}

/* The sender wrote something else here, or nothing, and is told. */
static void fill(struct work_row *row, const struct column *c, const struct value *v)
{
    row->stands &= ~(UINT64_C(1) << c->number);
    work_set(row, c->number, v);
}

struct err rules_fill(struct work *w, struct work_row *row)
{
    const struct column *received = table_column_named(row->table, "received_at");
    if (received != NULL && row->values[received->number].kind == VALUE_NULL) {
        struct value at = value_int(w->received_ms);
        fill(row, received, &at);
    }
    const struct column *no = table_column_named(row->table, "no");
    for (size_t i = 0; i < count_of(numbered) && no != NULL; i++) {
        bool given = w->by.author == 0 && row->values[no->number].kind != VALUE_NULL;
        if (numbered[i].table != row->table->number || given) {
            continue;
        }
        struct value number = value_null();
        struct err err = next_number(w, numbered[i].prefix, &number);
        if (err.code != ERR_OK) {
            return err;
        }
        fill(row, no, &number);
    }
    return err_ok();
}

/* ---- orders ---- */

struct order_line {
    int64_t quantity, price, amount;
    int64_t discount_bp;
    int32_t tax_bp;
    uint8_t product[16];
    int64_t priced_ms; /* when its price was written */
};

struct order {
    struct work_row *row;
    bool has_list;
    uint8_t list[16]; /* the customer's own */
    char day[11];
    size_t line_count;
    struct order_line *lines;
};

static int64_t number_of(const struct work_row *row, uint8_t column)
{
    const struct value *v = &row->values[column];
    return v->kind == VALUE_INT ? v->i : 0;
}

static const struct column *line_column(uint8_t number)
{
    return table_column(catalogue_table(TABLE_order_line), number);
}

static struct err refuse_line(struct complaint *why, const char *code, uint8_t column,
                              const struct order_line *line)
{
    char price[32];
    (void)snprintf(price, sizeof price, "%" PRId64, line->price);
    return refuse(why, code, catalogue_table(TABLE_order_line), line_column(column), price);
}

static struct err read_line(struct work *w, const struct stmt *q, struct order_line *line)
{
    struct row_meta meta;
    if (!rowmeta_read(col_bytes(q, 6), col_bytes(q, 7), w->arena, &meta)) {
        return err_make(ERR_CORRUPT, 0, "read_line");
    }
    *line =
        (struct order_line){.quantity = col_int(q, 0),
                            .price = col_int(q, 1),
                            .amount = col_int(q, 2),
                            .discount_bp = col_int(q, 3),
                            .tax_bp = (int32_t)col_int(q, 4),
                            .priced_ms = rowmeta_of(&meta, COLUMN_order_line_price)->effective_ms};
    return col_id(q, 5, line->product) ? err_ok() : err_make(ERR_CORRUPT, 0, "read_line");
}

static struct err read_lines(struct work *w, struct order *o)
{
    static const char sql[] = "SELECT quantity, price, amount, discount_bp, tax_bp, product_id,"
                              " _made, _cols"
                              " FROM order_line WHERE order_id = ?1 AND _deleted_at IS NULL"
                              " LIMIT ?2";
    o->lines = arena_array(w->arena, LINES_MAX + 1, sizeof *o->lines);
    struct stmt q;
    struct err err =
        o->lines == NULL ? err_make(ERR_LIMIT, 0, "read_lines") : db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, o->row->id);
    bind_int(&q, 2, LINES_MAX + 1);
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = read_line(w, &q, &o->lines[o->line_count++]);
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "read_lines");
    }
    stmt_reset(&q);
    return err;
}

/* The order's own day decides, and the list of its customer. */
static struct err read_order(struct work *w, struct order *o)
{
    const struct value *day = &o->row->values[COLUMN_sales_order_order_day];
    if (day->kind == VALUE_TEXT) {
        (void)snprintf(o->day, sizeof o->day, "%.*s", (int)day->b.size, (const char *)day->b.at);
    }
    struct work_row *customer = NULL;
    struct err err = work_find(w, catalogue_table(TABLE_customer),
                               o->row->values[COLUMN_sales_order_customer_id].b.at, &customer);
    if (err.code != ERR_OK) {
        return err;
    }
    const struct value *list =
        customer == NULL ? NULL : &customer->values[COLUMN_customer_price_list_id];
    o->has_list = list != NULL && list->kind == VALUE_BLOB && list->b.size == sizeof o->list;
    if (o->has_list) {
        memcpy(o->list, list->b.at, sizeof o->list);
    }
    return read_lines(w, o);
}

static struct err check_price(struct work *w, const struct order *o, const struct order_line *line,
                              struct complaint *why)
{
    struct price_offer *offers = NULL;
    size_t count = 0;
    struct err err = prices_at(w, line->product, line->priced_ms, &offers, &count);
    if (err.code != ERR_OK) {
        return err;
    }
    const struct price_offer *offer =
        price_pick(offers, count, o->has_list ? o->list : NULL, line->quantity, o->day);
    if (offer == NULL) {
        return refuse_line(why, "no_price", COLUMN_order_line_product_id, line);
    }
    if (line->price < offer->price) {
        return refuse_line(why, "price_below_list", COLUMN_order_line_price, line);
    }
    return err_ok();
}

/* A discount stands in the order's discount_bp alone: a line's own is history from elsewhere. */
static struct err check_line(struct work *w, const struct order *o, const struct order_line *line,
                             struct complaint *why)
{
    if (line->quantity <= 0) {
        return refuse_line(why, "invalid", COLUMN_order_line_quantity, line);
    }
    if (line->discount_bp != 0) {
        return refuse_line(why, "invalid", COLUMN_order_line_discount_bp, line);
    }
    int64_t amount = 0;
    if (!order_amount(line->quantity, line->price, &amount) || amount != line->amount) {
        return refuse_line(why, "total_wrong", COLUMN_order_line_amount, line);
    }
    return check_price(w, o, line, why);
}

static struct err check_totals(struct work *w, const struct order *o, struct complaint *why)
{
    struct order_item *items = arena_array(w->arena, o->line_count, sizeof *items);
    if (items == NULL) {
        return err_make(ERR_LIMIT, 0, "check_totals");
    }
    for (size_t i = 0; i < o->line_count; i++) {
        items[i] = (struct order_item){.quantity = o->lines[i].quantity,
                                       .price = o->lines[i].price,
                                       .tax_bp = o->lines[i].tax_bp};
    }
    struct order_total sum;
    int64_t discount_bp = number_of(o->row, COLUMN_sales_order_discount_bp);
    bool good = order_total(items, o->line_count, (int32_t)discount_bp, &sum) &&
                sum.subtotal == number_of(o->row, COLUMN_sales_order_subtotal) &&
                sum.discount == number_of(o->row, COLUMN_sales_order_discount) &&
                sum.tax == number_of(o->row, COLUMN_sales_order_tax) &&
                sum.total == number_of(o->row, COLUMN_sales_order_total);
    const struct table *t = catalogue_table(TABLE_sales_order);
    return good ? err_ok()
                : refuse(why, "total_wrong", t, table_column(t, COLUMN_sales_order_total), NULL);
}

struct err rules_order(struct work *w, const uint8_t order[16], struct complaint *why)
{
    const struct table *t = catalogue_table(TABLE_sales_order);
    struct order o = {0};
    struct err err = work_find(w, t, order, &o.row);
    if (err.code != ERR_OK || o.row == NULL || o.row->deleted_at != 0) {
        return err;
    }
    int64_t discount_bp = number_of(o.row, COLUMN_sales_order_discount_bp);
    if (discount_bp < 0 || discount_bp > 10000) {
        return refuse(why, "invalid", t, table_column(t, COLUMN_sales_order_discount_bp),
                      "out_of_range");
    }
    err = read_order(w, &o);
    if (err.code == ERR_OK && o.line_count > LINES_MAX) {
        return refuse(why, "invalid", catalogue_table(TABLE_order_line), NULL, "too many");
    }
    for (size_t i = 0; i < o.line_count && err.code == ERR_OK; i++) {
        err = check_line(w, &o, &o.lines[i], why);
    }
    const struct value *state = &o.row->values[COLUMN_sales_order_submit_state];
    if (err.code != ERR_OK || !bytes_equal(state->b, bytes_text("submitted"))) {
        return err;
    }
    if (o.line_count == 0) {
        return refuse(why, "required", catalogue_table(TABLE_order_line), NULL, NULL);
    }
    return check_totals(w, &o, why);
}
