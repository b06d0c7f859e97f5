/* legwork sql 'SELECT …': any question to the replica. Reads only, one statement. */
#include "client/cmd/app.h"
#include "client/cmd/grid.h"
#include "client/machine.h"

#define SQL_STEPS_MAX   INT64_C(2000000000)
#define SQL_MS_MAX      60000
#define SQL_COLUMNS_MAX GRID_COLUMNS_MAX

static void print_cell(const struct value *v, struct buf *out)
{
    switch (v->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, v->i);
        break;
    case VALUE_REAL:
        buf_printf(out, "%.15g", v->d);
        break;
    case VALUE_TEXT:
        buf_put(out, v->b);
        break;
    case VALUE_BLOB:
        id_print(v->b, out);
        break;
    }
}

static void print_json(struct stmt *st)
{
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    buf_put_text(&out, "[");
    for (bool first = true; db_step_row(st); first = false) {
        buf_put_text(&out, first ? "{" : ",\n{");
        for (int i = 0; i < col_count(st); i++) {
            struct value value = col_value(st, i);
            buf_put_text(&out, i > 0 ? "," : "");
            json_put_text(bytes_text(col_name(st, i)), &out);
            buf_put_text(&out, ":");
            value_json(&value, &out);
        }
        buf_put_text(&out, "}");
        put_output(&out);
        buf_clear(&out);
    }
    buf_put_text(&out, "]\n");
    put_output(&out);
    buf_release(&out);
}

static void print_grid(struct app *app, struct stmt *st)
{
    int count = col_count(st);
    struct grid grid;
    grid_init(&grid, &app->arena, (size_t)count);
    for (int i = 0; i < count; i++) {
        grid_put_text(&grid, col_name(st, i));
    }
    struct buf text;
    buf_init(&text, APP_OUTPUT_BYTES_MAX);
    while (db_step_row(st) && !grid.bad) {
        for (int i = 0; i < count; i++) {
            struct value value = col_value(st, i);
            buf_clear(&text);
            print_cell(&value, &text);
            grid_put(&grid, buf_bytes(&text));
        }
    }
    buf_release(&text);
    grid_print(&grid, stdout);
}

static enum exit_code refused(struct app *app)
{
    warn(app, PHRASE_SQL_REFUSED, db_message(app->home.db), NULL);
    return EXIT_REFUSED;
}

static bool only_space(const char *text)
{
    return text == NULL || text[strspn(text, " \t\r\n;")] == 0;
}

static enum exit_code run_sql(struct app *app, const char *sql)
{
    struct stmt st;
    const char *tail = NULL;
    if (only_space(sql)) {
        return usage_error(app, PHRASE_SQL_ONE, "");
    }
    if (db_prepare(app->home.db, sql, &st, &tail).code != ERR_OK) {
        return refused(app);
    }
    enum exit_code code = EXIT_DONE;
    if (!only_space(tail) || col_count(&st) == 0) {
        code = usage_error(app, PHRASE_SQL_ONE, "");
    } else if (col_count(&st) > SQL_COLUMNS_MAX && !app->arguments.json) {
        code = usage_error(app, PHRASE_SQL_WIDE, "");
    } else {
        if (app->arguments.json) {
            print_json(&st);
        } else {
            print_grid(app, &st);
        }
        code = stmt_err(&st, "sql").code == ERR_OK ? EXIT_DONE : refused(app);
    }
    stmt_close(&st);
    return code;
}

enum exit_code command_sql(struct app *app)
{
    enum exit_code code;
    if (!app_open(app, &code)) {
        return code;
    }
    static const char *const denied[] = {NULL}; /* whose device it is may see all that it holds */
    struct db_guard guard = {.denied = denied,
                             .steps_max = SQL_STEPS_MAX,
                             .deadline_ms = machine_mono_ms() + SQL_MS_MAX,
                             .now_ms = machine_mono_ms};
    struct err err = db_guard_on(app->home.db, &guard);
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    code = run_sql(app, app->arguments.operands[0]);
    db_guard_off(app->home.db);
    return code;
}
