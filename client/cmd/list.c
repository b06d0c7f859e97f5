/* legwork list TABLE [FIELD=VALUE…]: rows that have these values, in columns. People get the
 * columns that say most; --json gives all of them. */
#include "client/cmd/list.h"

#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"
#include "client/cmd/rows.h"

#define LIST_SQL_MAX    8192
#define ROWS_FOR_PEOPLE 100
#define LIST_ROWS_MAX   1000000
#define COLUMNS_SHOWN   7

/* Every column, so that a row is a stored_row; filters are ?1 and on. */
static void compose(const struct table *t, const struct entry *filter, int64_t limit,
                    struct buf *sql)
{
    buf_put_text(sql, "SELECT id");
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(sql, ", %s", t->columns[i].name);
    }
    buf_printf(sql, " FROM %s WHERE _deleted_at IS NULL", t->name);
    for (size_t i = 0; i < filter->count; i++) {
        const char *name = table_column(t, filter->cells[i].column)->name;
        if (filter->cells[i].value.kind == VALUE_NULL) {
            buf_printf(sql, " AND %s IS NULL", name);
        } else {
            buf_printf(sql, " AND %s = ?%zu", name, i + 1);
        }
    }
    buf_printf(sql, " ORDER BY %s LIMIT %" PRId64,
               table_column_named(t, "name") ? "name, id" : "id DESC", limit);
}

static struct err open_query(struct app *app, const struct table *t, const struct entry *filter,
                             int64_t limit, struct stmt *st)
{
    struct buf sql;
    buf_init(&sql, LIST_SQL_MAX);
    compose(t, filter, limit, &sql);
    struct err err = db_prepare(app->home.db, buf_text(&sql), st, NULL);
    buf_release(&sql);
    for (size_t i = 0; err.code == ERR_OK && i < filter->count; i++) {
        if (filter->cells[i].value.kind != VALUE_NULL) {
            bind_value(st, (int)i + 1, &filter->cells[i].value);
        }
    }
    return err;
}

/* The row under the statement; borrows until the next step. */
static void read_row(const struct stmt *st, const struct table *t, struct value *values,
                     struct stored_row *row)
{
    *row = (struct stored_row){.values = values};
    bool has_id = col_id(st, 0, row->id);
    assert(has_id);
    (void)has_id;
    for (size_t i = 0; i < t->column_count; i++) {
        values[i] = col_value(st, (int)i + 1);
    }
}

static struct err list_json(struct stmt *st, const struct table *t)
{
    struct value values[COLUMNS_MAX];
    struct stored_row row;
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    const char *before = "[";
    while (db_step_row(st)) {
        buf_clear(&out);
        buf_put_text(&out, before);
        read_row(st, t, values, &row);
        row_json(t, &row, &out);
        put_output(&out);
        before = ",\n";
    }
    printf("%s]\n", before[0] == '[' ? "[" : "");
    buf_release(&out);
    return stmt_err(st, "list");
}

/* What says most of a row, for the tables that people list daily. */
static const struct {
    uint16_t table;
    const char *names[COLUMNS_SHOWN + 1];
} favourites[] = {
    {TABLE_customer, {"name", "kind", "tier_manual", "channel", "city", "phones", NULL}},
    {TABLE_contact, {"name", "customer_id", "title", "decision_level", "phones", NULL}},
    {TABLE_product, {"name", "category", "unit", "pack", "active", NULL}},
    {TABLE_visit_plan, {"on_day", "customer_id", "person_id", "state", "source", NULL}},
    {TABLE_visit,
     {"visit_day", "customer_id", "person_id", "checkin_at", "checkout_at", "state", "outcome",
      NULL}},
    {TABLE_sales_order,
     {"order_day", "customer_id", "person_id", "total", "currency", "submit_state", NULL}},
    {TABLE_order_line,
     {"order_id", "product_id", "quantity", "price", "amount", "discount_bp", NULL}},
    {TABLE_media, {"taken_day", "customer_id", "kind", "format", "size", "note", NULL}},
    {TABLE_payment, {"paid_day", "customer_id", "person_id", "amount", "currency", "method", NULL}},
};

static size_t choose_favourites(const struct table *t, const char *const *names,
                                const struct column *chosen[COLUMNS_SHOWN])
{
    size_t count = 0;
    while (names[count] != NULL) {
        chosen[count] = table_column_named(t, names[count]);
        assert(chosen[count] != NULL);
        count++;
    }
    return count;
}

/* Elsewhere the first columns of a kind that fits into a line. */
static size_t choose_columns(const struct table *t, const struct column *chosen[COLUMNS_SHOWN])
{
    for (size_t i = 0; i < count_of(favourites); i++) {
        if (favourites[i].table == t->number) {
            return choose_favourites(t, favourites[i].names, chosen);
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < t->column_count && count < COLUMNS_SHOWN; i++) {
        const struct column *c = &t->columns[i];
        bool long_text = c->type == TYPE_NOTE || c->type == TYPE_JSON;
        if (!long_text && strcmp(c->name, "no") != 0 && strcmp(c->name, "login") != 0) {
            chosen[count++] = c;
        }
    }
    return count;
}

static struct err list_grid(struct app *app, struct stmt *st, const struct table *t, int64_t limit)
{
    const struct column *chosen[COLUMNS_SHOWN];
    size_t count = choose_columns(t, chosen);
    struct grid grid;
    grid_init(&grid, &app->arena, count + 1);
    grid_put_text(&grid, "id");
    for (size_t i = 0; i < count; i++) {
        grid_put_text(&grid, chosen[i]->name);
    }
    struct value values[COLUMNS_MAX];
    struct stored_row row;
    struct buf text;
    buf_init(&text, ROW_BYTES_MAX);
    int64_t rows = 0;
    while (db_step_row(st) && ++rows <= limit) {
        read_row(st, t, values, &row);
        buf_clear(&text);
        lookup_handle(app->home.db, t, row.id, &text);
        grid_put(&grid, buf_bytes(&text));
        for (size_t i = 0; i < count; i++) {
            buf_clear(&text);
            value_print(app, chosen[i], &values[chosen[i] - t->columns], &text);
            grid_put(&grid, buf_bytes(&text));
        }
    }
    buf_release(&text);
    grid_print(&grid, stdout);
    if (rows > limit) {
        say(app, PHRASE_MORE_ROWS, number_text(limit).text, NULL);
    }
    return stmt_err(st, "list");
}

/* --limit, or as many as suit the reader. */
static bool read_limit(struct app *app, int64_t *limit, enum exit_code *code)
{
    const char *text = arguments_option(&app->arguments, "--limit");
    *limit = app->arguments.json ? LIST_ROWS_MAX : ROWS_FOR_PEOPLE;
    if (text == NULL) {
        return true;
    }
    char *end = NULL;
    *limit = strtoll(text, &end, 10);
    if (end == text || *end != 0 || *limit < 1 || *limit > LIST_ROWS_MAX) {
        *code = usage_error(app, PHRASE_USAGE_MALFORMED, text);
        return false;
    }
    return true;
}

enum exit_code list_rows(struct app *app, const struct entry *filter)
{
    enum exit_code code;
    int64_t limit;
    if (!read_limit(app, &limit, &code)) {
        return code;
    }
    bool json = app->arguments.json;
    struct stmt st;
    struct err err = open_query(app, filter->table, filter, json ? limit : limit + 1, &st);
    if (err.code == ERR_OK) {
        err = json ? list_json(&st, filter->table) : list_grid(app, &st, filter->table, limit);
        stmt_close(&st);
    }
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}

enum exit_code command_list(struct app *app)
{
    enum exit_code code;
    const struct table *t;
    struct entry filter;
    if (!lookup_table(app, app->arguments.operands[0], &t, &code) || !app_open(app, &code) ||
        !entry_parse(app, t, 1, &filter, &code)) {
        return code;
    }
    return list_rows(app, &filter);
}
