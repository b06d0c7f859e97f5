/* See import_fill.h. */
#include "common/base/base.h"

#include "common/base/complaint.h"
#include "common/base/day.h"
#include "common/domain/pricing.h"
#include "server/admin/import_batch.h"
#include "server/admin/import_fill.h"

#define MINUTE_MS       60000
#define ORDER_LINES_MAX 10000

static const struct value *given(const struct cells *cells, uint8_t column)
{
    const struct value *v = cells_find(cells, column);
    return v == NULL || v->kind == VALUE_NULL ? NULL : v;
}

static struct err too_much(const char *field, struct complaint *why)
{
    complaint_make(why, "out_of_range", field, "%s", "");
    return err_make(ERR_INVALID, 0, "import_fill");
}

/* ---- constants ---- */

enum fill { FILL_TEXT, FILL_ONE, FILL_ZERO, FILL_NOW, FILL_CURRENCY, FILL_HOUSE_BOOK };

static struct value fill_value(const struct import *im, enum fill fill, const char *text)
{
    switch (fill) {
    case FILL_TEXT:
        return value_text(bytes_text(text));
    case FILL_ONE:
        return value_int(1);
    case FILL_ZERO:
        return value_int(0);
    case FILL_NOW:
        return value_int(im->now_ms);
    case FILL_CURRENCY:
        return value_text(bytes_text(im->d->currency));
    case FILL_HOUSE_BOOK: /* what has no rep */
        return value_blob(bytes_of(im->d->store.house_book, 16));
    }
    abort(); /* our own bug */
}

static void fill_constants(const struct import *im, struct cells *cells)
{
    static const struct {
        uint16_t table;
        uint8_t column;
        enum fill fill;
        const char *text;
    } fills[] = {
        {TABLE_person, COLUMN_person_active, FILL_ONE, NULL},
        {TABLE_customer, COLUMN_customer_book_id, FILL_HOUSE_BOOK, NULL},
        {TABLE_customer, COLUMN_customer_kind, FILL_TEXT, "customer"},
        {TABLE_customer, COLUMN_customer_created_at, FILL_NOW, NULL},
        {TABLE_contact, COLUMN_contact_created_at, FILL_NOW, NULL},
        {TABLE_product, COLUMN_product_active, FILL_ONE, NULL},
        {TABLE_price_list, COLUMN_price_list_currency, FILL_CURRENCY, NULL},
        {TABLE_visit_plan, COLUMN_visit_plan_state, FILL_TEXT, "planned"},
        {TABLE_sales_order, COLUMN_sales_order_currency, FILL_CURRENCY, NULL},
        {TABLE_sales_order, COLUMN_sales_order_subtotal, FILL_ZERO, NULL},
        {TABLE_sales_order, COLUMN_sales_order_total, FILL_ZERO, NULL},
        {TABLE_sales_order, COLUMN_sales_order_submit_state, FILL_TEXT, "draft"},
        {TABLE_payment, COLUMN_payment_currency, FILL_CURRENCY, NULL},
        {TABLE_task, COLUMN_task_state, FILL_TEXT, "open"},
    };
    for (size_t i = 0; i < count_of(fills); i++) {
        if (fills[i].table == im->plan.table->number &&
            cells_find(cells, fills[i].column) == NULL) {
            cells_add(cells, fills[i].column, fill_value(im, fills[i].fill, fills[i].text));
        }
    }
}

/* ---- days of times ---- */

static struct err fill_day(struct import *im, struct cells *cells)
{
    static const struct {
        uint16_t table;
        uint8_t time;
        uint8_t day;
        uint8_t offset; /* 0: the table has none */
    } days[] = {
        {TABLE_visit, COLUMN_visit_checkin_at, COLUMN_visit_visit_day, COLUMN_visit_tz_offset_min},
        {TABLE_sales_order, COLUMN_sales_order_order_at, COLUMN_sales_order_order_day,
         COLUMN_sales_order_tz_offset_min},
        {TABLE_payment, COLUMN_payment_paid_at, COLUMN_payment_paid_day,
         COLUMN_payment_tz_offset_min},
        {TABLE_market_note, COLUMN_market_note_noted_at, COLUMN_market_note_noted_day, 0},
    };
    for (size_t i = 0; i < count_of(days); i++) {
        const struct value *time =
            days[i].table == im->plan.table->number ? given(cells, days[i].time) : NULL;
        if (time == NULL) {
            continue;
        }
        int offset = im->rules.offset_min(im->rules.context, time->i);
        char *day = arena_alloc(&im->arena, DAY_TEXT_SIZE);
        if (day == NULL) {
            return err_make(ERR_NOMEM, 0, "fill_day");
        }
        day_print(time->i + (int64_t)offset * MINUTE_MS, day);
        if (cells_find(cells, days[i].day) == NULL) {
            cells_add(cells, days[i].day, value_text(bytes_text(day)));
        }
        if (days[i].offset != 0 && cells_find(cells, days[i].offset) == NULL) {
            cells_add(cells, days[i].offset, value_int(offset));
        }
    }
    return err_ok();
}

/* ---- lines of orders ---- */

static struct err next_line_no(struct import *im, const struct value *order, int64_t *no)
{
    static const char sql[] =
        "SELECT coalesce(max(line_no), 0) + 1 FROM order_line WHERE order_id = ?1";
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_value(&st, 1, order);
    *no = db_step_row(&st) ? col_int(&st, 0) : 1;
    stmt_reset(&st);
    return stmt_err(&st, "next_line_no");
}

static struct err fill_line(struct import *im, struct cells *cells, struct complaint *why)
{
    const struct value *order = given(cells, COLUMN_order_line_order_id);
    const struct value *quantity = given(cells, COLUMN_order_line_quantity);
    const struct value *price = given(cells, COLUMN_order_line_price);
    const struct value *discount = given(cells, COLUMN_order_line_discount_bp);
    int64_t amount = 0;
    struct err err = err_ok();
    if (quantity != NULL && price != NULL && cells_find(cells, COLUMN_order_line_amount) == NULL) {
        const struct order_item item = {.quantity = quantity->i,
                                        .price = price->i,
                                        .discount_bp = discount == NULL ? 0 : (int32_t)discount->i};
        if (!order_item_amount(&item, &amount)) {
            return too_much("amount", why);
        }
        cells_add(cells, COLUMN_order_line_amount, value_int(amount));
        order = given(cells, COLUMN_order_line_order_id); /* cells have moved */
    }
    if (order != NULL && cells_find(cells, COLUMN_order_line_line_no) == NULL) {
        int64_t no = 1;
        err = next_line_no(im, order, &no);
        cells_add(cells, COLUMN_order_line_line_no, value_int(no));
    }
    return err;
}

struct err import_fill(struct import *im, struct cells *cells, struct complaint *why)
{
    fill_constants(im, cells);
    struct err err = fill_day(im, cells);
    if (err.code == ERR_OK && im->plan.table->number == TABLE_order_line) {
        err = fill_line(im, cells, why);
    }
    return err;
}

/* ---- totals of orders ---- */

struct order_ids {
    size_t count;
    size_t room;
    uint8_t (*at)[16];
};

static struct err ids_add(struct order_ids *ids, const uint8_t id[16])
{
    if (ids->count == ids->room) {
        size_t room = ids->room == 0 ? 256 : ids->room * 2;
        void *at = realloc(ids->at, room * sizeof *ids->at);
        if (at == NULL) {
            return err_make(ERR_NOMEM, 0, "ids_add");
        }
        ids->at = at;
        ids->room = room;
    }
    memcpy(ids->at[ids->count++], id, 16);
    return err_ok();
}

static struct err orders_of_batch(struct import *im, struct order_ids *ids)
{
    static const char sql[] = "SELECT DISTINCT l.order_id FROM import_row r"
                              " JOIN order_line l ON l.id = r.row"
                              " WHERE r.batch = ?1 AND r.tbl = ?2";
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, im->batch);
    bind_int(&st, 2, TABLE_order_line);
    while (err.code == ERR_OK && db_step_row(&st)) {
        uint8_t id[16];
        err = col_id(&st, 0, id) ? ids_add(ids, id) : err_make(ERR_CORRUPT, 0, "orders_of_batch");
    }
    stmt_reset(&st);
    return err.code == ERR_OK ? stmt_err(&st, "orders_of_batch") : err;
}

static struct err read_items(struct import *im, const uint8_t order[16], struct order_item *items,
                             size_t *count)
{
    static const char sql[] = "SELECT quantity, price, tax_bp, discount_bp FROM order_line"
                              " WHERE order_id = ?1 AND _deleted_at IS NULL ORDER BY line_no";
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, order);
    *count = 0;
    while (err.code == ERR_OK && db_step_row(&st)) {
        if (*count == ORDER_LINES_MAX) {
            stmt_reset(&st);
            return err_make(ERR_LIMIT, 0, "read_items");
        }
        items[(*count)++] = (struct order_item){.quantity = col_int(&st, 0),
                                                .price = col_int(&st, 1),
                                                .tax_bp = (int32_t)col_int(&st, 2),
                                                .discount_bp = (int32_t)col_int(&st, 3)};
    }
    return stmt_err(&st, "read_items");
}

static struct err order_discount(struct import *im, const uint8_t order[16], int32_t *discount_bp)
{
    static const char sql[] = "SELECT coalesce(discount_bp, 0) FROM sales_order WHERE id = ?1";
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, order);
    *discount_bp = db_step_row(&st) ? (int32_t)col_int(&st, 0) : 0;
    stmt_reset(&st);
    return stmt_err(&st, "order_discount");
}

static struct err put_total(struct import *im, const uint8_t order[16], struct order_item *items,
                            struct complaint *why)
{
    size_t count;
    int32_t discount_bp = 0;
    struct order_total total;
    struct err err = read_items(im, order, items, &count);
    if (err.code == ERR_OK) {
        err = order_discount(im, order, &discount_bp);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (!order_total(items, count, discount_bp, &total)) {
        return too_much("total", why);
    }
    struct cells cells = {.count = 0};
    cells_add(&cells, COLUMN_sales_order_subtotal, value_int(total.subtotal));
    cells_add(&cells, COLUMN_sales_order_discount, value_int(total.discount));
    cells_add(&cells, COLUMN_sales_order_tax, value_int(total.tax));
    cells_add(&cells, COLUMN_sales_order_total, value_int(total.total));
    return import_put(im, catalogue_table(TABLE_sales_order), order, false, &cells, why);
}

struct err import_totals(struct import *im, struct complaint *why)
{
    struct order_ids ids = {.count = 0};
    struct order_item *items = calloc(ORDER_LINES_MAX, sizeof *items);
    struct err err =
        items == NULL ? err_make(ERR_NOMEM, 0, "import_totals") : orders_of_batch(im, &ids);
    for (size_t i = 0; i < ids.count && err.code == ERR_OK; i++) {
        err = put_total(im, ids.at[i], items, why);
    }
    free(items);
    free(ids.at);
    return err;
}
