/* legwork find WORDS: customers, contacts and products by what one remembers of them. */
#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"
#include "client/cmd/rows.h"
#include "common/changelog/device/search.h"

#define FIND_HITS_MAX     50
#define FIND_REFRESH_ROWS 5000 /* taken into the index in one go */

static const char *const detail_columns[] = {"city", "customer_id", "category", "phones", "title"};

/* What tells rows of one name apart: the first of these that the row has. */
static void put_detail(struct app *app, const struct table *t, const struct stored_row *row,
                       struct buf *out)
{
    for (size_t i = 0; i < count_of(detail_columns); i++) {
        const struct column *c = table_column_named(t, detail_columns[i]);
        const struct value *v = c ? stored_value(row, t, c->number) : NULL;
        if (v != NULL && v->kind != VALUE_NULL) {
            value_print(app, c, v, out);
            return;
        }
    }
}

static struct err put_line(struct app *app, const struct search_hit *hit, struct grid *grid)
{
    const struct table *t = catalogue_table(hit->table);
    struct stored_row row;
    struct err err = row_get(app->home.db, t, hit->id, &app->arena, &row);
    if (err.code != ERR_OK) {
        return err;
    }
    struct buf text;
    buf_init(&text, ROW_BYTES_MAX);
    lookup_handle(app->home.db, t, hit->id, &text);
    grid_put_text(grid, app->chinese ? t->label_zh : t->label);
    grid_put(grid, buf_bytes(&text));
    buf_clear(&text);
    lookup_label(app->home.db, t, hit->id, &text);
    grid_put(grid, buf_bytes(&text));
    buf_clear(&text);
    put_detail(app, t, &row, &text);
    grid_put(grid, buf_bytes(&text));
    buf_release(&text);
    return err_ok();
}

static struct err put_lines(struct app *app, const struct search_hit *hits, size_t count)
{
    struct grid grid;
    grid_init(&grid, &app->arena, 4);
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = put_line(app, &hits[i], &grid);
    }
    grid_print(&grid, stdout);
    return err;
}

/* The row's own columns, and which table it is of. */
static struct err put_json(struct app *app, const struct search_hit *hits, size_t count)
{
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    buf_put_text(&out, "[");
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table(hits[i].table);
        struct stored_row row;
        err = row_get(app->home.db, t, hits[i].id, &app->arena, &row);
        if (err.code == ERR_OK) {
            buf_printf(&out, "%s{\"table\":\"%s\",\"row\":", i > 0 ? ",\n" : "", t->name);
            row_json(t, &row, &out);
            buf_put_text(&out, "}");
        }
    }
    buf_put_text(&out, "]\n");
    put_output(&out);
    buf_release(&out);
    return err;
}

/* The index is made by the first search on this device, and then only kept up. */
static struct err refresh(struct app *app)
{
    bool left = true;
    if (app->home.read_only) {
        return err_ok(); /* what was indexed before is found */
    }
    struct err err = db_begin(app->home.db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(app->home.db, search_setup(app->home.db));
    }
    while (left && err.code == ERR_OK) {
        err = search_refresh(app->home.db, FIND_REFRESH_ROWS, &left);
    }
    return err;
}

static void join_words(const struct app *app, struct buf *out)
{
    for (size_t i = 0; i < app->arguments.operand_count; i++) {
        buf_put_text(out, i > 0 ? " " : "");
        buf_put_text(out, app->arguments.operands[i]);
    }
}

enum exit_code command_find(struct app *app)
{
    enum exit_code code;
    if (!app_open(app, &code)) {
        return code;
    }
    struct buf query;
    buf_init(&query, ROW_BYTES_MAX);
    join_words(app, &query);
    struct search_hit hits[FIND_HITS_MAX];
    size_t count = 0;
    struct err err = refresh(app);
    if (err.code == ERR_OK) {
        err = search_find(app->home.db, buf_bytes(&query), FIND_HITS_MAX, hits, &count);
    }
    if (err.code == ERR_INVALID) {
        code = usage_error(app, PHRASE_FIND_NOTHING, buf_text(&query));
    } else if (err.code != ERR_OK) {
        code = report_error(app, err);
    } else {
        err = app->arguments.json ? put_json(app, hits, count) : put_lines(app, hits, count);
        code = err.code != ERR_OK ? report_error(app, err) : count > 0 ? EXIT_DONE : EXIT_REFUSED;
        if (err.code == ERR_OK && count == 0) {
            warn(app, PHRASE_FIND_NONE, buf_text(&query), NULL);
        }
    }
    buf_release(&query);
    return code;
}
