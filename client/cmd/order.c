/* legwork order new, submit, list. Prices come from the list that holds for the customer today;
 * what is given away stands in the discount and nowhere else. */
#include "client/cmd/field_work.h"
#include "client/cmd/grid.h"
#include "client/cmd/list.h"
#include "client/cmd/lookup.h"
#include "client/cmd/order_draft.h"
#include "client/cmd/rows.h"

#define BASIS_POINTS_ALL 10000

/* --discount 500 is basis points, 5% and 0.05 are rates. */
static bool read_discount(struct app *app, int32_t *bp, enum exit_code *code)
{
    const char *text = arguments_option(&app->arguments, "--discount");
    *bp = 0;
    if (text == NULL) {
        return true;
    }
    char *end = NULL;
    int64_t value = strtoll(text, &end, 10);
    if (end == text || *end != 0) {
        const struct column *c =
            table_column(catalogue_table(TABLE_sales_order), COLUMN_sales_order_discount_bp);
        struct complaint why = {0};
        struct value parsed;
        bool fits = column_parse(c, bytes_text(text), &app->home.rules, &app->arena, &parsed, &why);
        value = fits && parsed.kind == VALUE_INT ? parsed.i : -1;
    }
    if (value < 0 || value > BASIS_POINTS_ALL) {
        *code = usage_error(app, PHRASE_USAGE_DISCOUNT, text);
        return false;
    }
    *bp = (int32_t)value;
    return true;
}

static struct err insert_lines(const struct order_draft *d, const uint8_t order[16],
                               struct complaint *why)
{
    struct err err = err_ok();
    for (size_t i = 0; i < d->count && err.code == ERR_OK; i++) {
        const struct draft_line *line = &d->lines[i];
        struct entry f = {.table = catalogue_table(TABLE_order_line)};
        uint8_t id[16];
        replica_new_id(&d->app->home.replica, id);
        entry_put_id(&f, COLUMN_order_line_order_id, order);
        entry_put(&f, COLUMN_order_line_line_no, value_int((int64_t)i + 1));
        entry_put_id(&f, COLUMN_order_line_product_id, line->product);
        entry_put(&f, COLUMN_order_line_quantity, value_int(line->item.quantity));
        if (line->unit[0] != 0) {
            entry_put(&f, COLUMN_order_line_unit, value_text(bytes_text(line->unit)));
        }
        entry_put(&f, COLUMN_order_line_list_price, value_int(line->item.price));
        entry_put(&f, COLUMN_order_line_price, value_int(line->item.price));
        entry_put(&f, COLUMN_order_line_tax_bp, value_int(line->item.tax_bp));
        entry_put(&f, COLUMN_order_line_amount, value_int(line->amount));
        err = row_insert(d->app->home.db, f.table, id, f.cells, f.count, why);
    }
    return err;
}

static void put_figures(const struct order_draft *d, struct entry *f)
{
    entry_put_id(f, COLUMN_sales_order_customer_id, d->customer);
    entry_put_id(f, COLUMN_sales_order_price_list_id, d->lines[0].list);
    entry_put(f, COLUMN_sales_order_currency, value_text(bytes_text(d->currency)));
    entry_put(f, COLUMN_sales_order_discount_bp, value_int(d->discount_bp));
    entry_put(f, COLUMN_sales_order_subtotal, value_int(d->total.subtotal));
    entry_put(f, COLUMN_sales_order_discount, value_int(d->total.discount));
    entry_put(f, COLUMN_sales_order_tax, value_int(d->total.tax));
    entry_put(f, COLUMN_sales_order_total, value_int(d->total.total));
}

/* An order taken during a visit at its customer belongs to that visit. */
static struct err save_order(const struct order_draft *d, struct entry *f, const uint8_t id[16],
                             struct complaint *why)
{
    struct open_visit open;
    struct err err = field_open_visit(d->app, &open);
    if (open.found && memcmp(open.customer, d->customer, 16) == 0) {
        entry_put_id(f, COLUMN_sales_order_visit_id, open.id);
    }
    put_figures(d, f);
    if (err.code == ERR_OK) {
        err = replica_begin(&d->app->home.replica, "order.new");
    }
    if (err.code != ERR_OK) {
        return err;
    }
    err = entry_insert(d->app, d->now, f, id, why);
    if (err.code == ERR_OK) {
        err = insert_lines(d, id, why);
    }
    return replica_end(&d->app->home.replica, err);
}

static void put_money(const struct order_draft *d, int64_t amount, struct buf *out)
{
    const struct column *c =
        table_column(catalogue_table(TABLE_sales_order), COLUMN_sales_order_total);
    struct text_rules rules = d->app->home.rules;
    struct value value = value_int(amount);
    rules.currency = d->currency;
    column_print(c, &value, &rules, out);
}

static void say_total(const struct order_draft *d)
{
    struct buf total;
    struct buf discount;
    struct buf tax;
    buf_init(&total, ROW_BYTES_MAX);
    buf_init(&discount, ROW_BYTES_MAX);
    buf_init(&tax, ROW_BYTES_MAX);
    put_money(d, d->total.total, &total);
    put_money(d, d->total.discount, &discount);
    put_money(d, d->total.tax, &tax);
    say(d->app, PHRASE_ORDER_TOTAL, buf_text(&total), d->currency, buf_text(&discount),
        buf_text(&tax), NULL);
    buf_release(&total);
    buf_release(&discount);
    buf_release(&tax);
}

/* ---- submit ---- */

static bool is_draft(struct app *app, const uint8_t id[16], enum exit_code *code)
{
    const struct table *t = catalogue_table(TABLE_sales_order);
    struct stored_row row;
    struct err err = row_get(app->home.db, t, id, &app->arena, &row);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    struct bytes state = stored_value(&row, t, COLUMN_sales_order_submit_state)->b;
    if (!bytes_equal(state, bytes_text("draft"))) {
        warn(app, PHRASE_ORDER_SUBMITTED, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    return true;
}

static struct err submit(struct app *app, const uint8_t id[16], struct complaint *why)
{
    struct cell cells[] = {
        {.column = COLUMN_sales_order_submit_state, .value = value_text(bytes_text("submitted"))},
        {.column = COLUMN_sales_order_submitted_at, .value = value_int(moment_now(app).ms)},
    };
    struct err err = replica_begin(&app->home.replica, "order.submit");
    if (err.code == ERR_OK) {
        err = row_update(app->home.db, catalogue_table(TABLE_sales_order), id, cells,
                         count_of(cells), why);
        err = replica_end(&app->home.replica, err);
    }
    return err;
}

enum exit_code command_order_submit(struct app *app)
{
    enum exit_code code;
    const struct table *t = catalogue_table(TABLE_sales_order);
    struct complaint why = {0};
    uint8_t id[16];
    if (!app_open(app, &code) || !lookup_row(app, t, app->arguments.operands[0], id, &code) ||
        !is_draft(app, id, &code)) {
        return code;
    }
    struct err err = submit(app, id, &why);
    return err.code == ERR_OK ? say_saved(app, t, id) : report_failure(app, err, &why);
}

/* ---- new ---- */

enum exit_code command_order_new(struct app *app)
{
    enum exit_code code;
    int32_t discount_bp;
    if (!app_open(app, &code) || !read_discount(app, &discount_bp, &code)) {
        return code;
    }
    struct moment now = moment_now(app);
    struct entry f = {.table = catalogue_table(TABLE_sales_order)};
    struct complaint why = {0};
    char wanted[DAY_TEXT_SIZE];
    const char *on = arguments_option(&app->arguments, "--wanted");
    struct order_draft *d = arena_alloc(&app->arena, sizeof *d);
    if (d == NULL) {
        return report_error(app, err_make(ERR_NOMEM, 0, "order"));
    }
    *d = (struct order_draft){.app = app, .now = &now, .discount_bp = discount_bp};
    if (!field_customer(app, 0, d->customer, &code) || !order_draft_make(d, 1, &code) ||
        (on != NULL && !moment_day(app, on, wanted, &code)) ||
        !entry_put_text(app, &f, COLUMN_sales_order_requested_on, on ? wanted : NULL, &code) ||
        !entry_put_text(app, &f, COLUMN_sales_order_note,
                        arguments_option(&app->arguments, "--note"), &code)) {
        return code;
    }
    uint8_t id[16];
    replica_new_id(&app->home.replica, id);
    struct err err = save_order(d, &f, id, &why);
    if (err.code == ERR_OK && arguments_option(&app->arguments, "--submit") != NULL) {
        err = submit(app, id, &why); /* its own transaction: what locks comes after the lines */
    }
    if (err.code != ERR_OK) {
        return report_failure(app, err, &why);
    }
    code = say_saved(app, f.table, id);
    say_total(d);
    return code;
}

/* ---- list ---- */

enum exit_code command_order_list(struct app *app)
{
    enum exit_code code;
    struct entry filter = {.table = catalogue_table(TABLE_sales_order)};
    char day[DAY_TEXT_SIZE];
    uint8_t customer[16];
    const char *on = arguments_option(&app->arguments, "--day");
    const char *name = arguments_option(&app->arguments, "--customer");
    if (!app_open(app, &code) || (on != NULL && !moment_day(app, on, day, &code)) ||
        (name != NULL &&
         !lookup_row(app, catalogue_table(TABLE_customer), name, customer, &code))) {
        return code;
    }
    if (on != NULL) {
        entry_put(&filter, COLUMN_sales_order_order_day, value_text(bytes_text(day)));
    }
    if (name != NULL) {
        entry_put_id(&filter, COLUMN_sales_order_customer_id, customer);
    }
    return list_rows(app, &filter);
}
