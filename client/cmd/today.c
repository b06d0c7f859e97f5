/* legwork today: the day at a glance. What was planned, where one is, what was done, what waits. */
#include "client/cmd/day_figures.h"
#include "client/cmd/field_work.h"
#include "client/cmd/grid.h"
#include "client/cmd/moment.h"

#define TODAY_ROWS_MAX 200

/* ?1 person, ?2 day; a planned customer once, with the visit made there that day. */
static const char plan_sql[] =
    "SELECT coalesce(c.no, ''), c.name, p.state, coalesce(v.outcome, v.state, ''), p.id,"
    " p.customer_id, v.id FROM visit_plan p JOIN customer c ON c.id = p.customer_id"
    " LEFT JOIN visit v ON v.id = (SELECT id FROM visit WHERE customer_id = p.customer_id"
    "  AND person_id = ?1 AND visit_day = ?2 AND _deleted_at IS NULL"
    "  ORDER BY checkin_at DESC LIMIT 1)"
    " WHERE p.person_id = ?1 AND p.on_day = ?2 AND p.state <> 'cancelled'"
    " AND p._deleted_at IS NULL ORDER BY p.order_idx, p.id LIMIT ?3";

static const char visits_sql[] =
    "SELECT coalesce(c.no, ''), c.name, v.state, coalesce(v.outcome, ''), v.id, v.customer_id,"
    " v.checkin_at, v.checkout_at FROM visit v JOIN customer c ON c.id = v.customer_id"
    " WHERE v.person_id = ?1 AND v.visit_day = ?2 AND v._deleted_at IS NULL"
    " ORDER BY v.checkin_at LIMIT ?3";

static struct err open_day(struct app *app, const char *sql, const char *day, struct stmt *st)
{
    struct err err = db_use(app->home.db, sql, st);
    if (err.code == ERR_OK) {
        bind_id(st, 1, app->home.replica.person);
        bind_text(st, 2, day);
        bind_int(st, 3, TODAY_ROWS_MAX);
    }
    return err;
}

/* ---- for people ---- */

/* A state or outcome as the reader's language has it; other text as it is. */
static struct bytes in_words(const struct app *app, struct bytes text)
{
    static const struct {
        uint16_t table;
        uint8_t column;
    } stated[] = {{TABLE_visit_plan, COLUMN_visit_plan_state},
                  {TABLE_visit, COLUMN_visit_state},
                  {TABLE_visit, COLUMN_visit_outcome}};
    for (size_t i = 0; i < count_of(stated) && app->chinese; i++) {
        const struct column *c = table_column(catalogue_table(stated[i].table), stated[i].column);
        int rank = column_rank(c, text);
        if (rank >= 0) {
            return column_choice(c, rank, true);
        }
    }
    return text;
}

static struct err say_rows(struct app *app, enum phrase title, const char *sql, const char *day)
{
    struct stmt st;
    struct err err = open_day(app, sql, day, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    struct grid grid;
    grid_init(&grid, &app->arena, 4);
    while (db_step_row(&st)) {
        grid_put(&grid, col_bytes(&st, 0));
        grid_put(&grid, col_bytes(&st, 1));
        grid_put(&grid, in_words(app, col_bytes(&st, 2)));
        grid_put(&grid, in_words(app, col_bytes(&st, 3)));
    }
    if (grid.count > 0) {
        say(app, title, NULL);
        grid_print(&grid, stdout);
    }
    return stmt_err(&st, "today");
}

static void say_open_visit(struct app *app, const struct open_visit *open)
{
    struct stmt st;
    if (!open->found ||
        db_use(app->home.db, "SELECT name FROM customer WHERE id = ?1", &st).code != ERR_OK) {
        return;
    }
    bind_id(&st, 1, open->customer);
    if (db_step_row(&st)) {
        char since[6];
        moment_clock(open->checkin_at, since);
        say(app, PHRASE_TODAY_OPEN, col_text(&st, 0), since, NULL);
        stmt_reset(&st);
    }
}

/* ---- as JSON ---- */

static void put_id(const char *name, const struct stmt *st, int column, struct buf *out)
{
    struct value id = col_value(st, column);
    buf_printf(out, ",\"%s\":", name);
    value_json(&id, out);
}

static void put_text(const char *name, const struct stmt *st, int column, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    json_put_text(col_bytes(st, column), out);
}

static struct err put_rows(struct app *app, const char *sql, const char *day, const char *id_name,
                           struct buf *out)
{
    struct stmt st;
    struct err err = open_day(app, sql, day, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    const char *before = "{\"no\":";
    while (db_step_row(&st)) {
        buf_put_text(out, before);
        json_put_text(col_bytes(&st, 0), out);
        put_text("name", &st, 1, out);
        put_text("state", &st, 2, out);
        put_text("outcome", &st, 3, out);
        put_id(id_name, &st, 4, out);
        put_id("customer_id", &st, 5, out);
        buf_put_text(out, "}");
        before = ",{\"no\":";
    }
    return stmt_err(&st, "today");
}

static struct err put_json(struct app *app, const char *day, const struct day_figures *figures,
                           const struct open_visit *open, const struct replica_counts *counts)
{
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    buf_printf(&out, "{\"day\":\"%s\",\"plan\":[", day);
    struct err err = put_rows(app, plan_sql, day, "plan_id", &out);
    buf_put_text(&out, "],\"visits\":[");
    if (err.code == ERR_OK) {
        err = put_rows(app, visits_sql, day, "visit_id", &out);
    }
    buf_put_text(&out, "],\"open_visit\":");
    struct value id = open->found ? value_blob(bytes_of(open->id, 16)) : value_null();
    value_json(&id, &out);
    buf_put_text(&out, ",\"figures\":");
    day_figures_json(figures, &out);
    buf_printf(&out, ",\"pending\":%" PRId64 ",\"needs_you\":%" PRId64 "}\n", counts->pending,
               counts->needs_you);
    if (err.code == ERR_OK) {
        put_output(&out);
    }
    buf_release(&out);
    return err;
}

/* ---- together ---- */

static struct err say_day(struct app *app, const char *day, const struct day_figures *figures,
                          const struct open_visit *open, const struct replica_counts *counts)
{
    say(app, PHRASE_DAY_OF, day, NULL);
    say_open_visit(app, open);
    struct err err = say_rows(app, PHRASE_TODAY_PLAN, plan_sql, day);
    if (err.code == ERR_OK) {
        err = say_rows(app, PHRASE_TODAY_VISITS, visits_sql, day);
    }
    day_figures_say(app, figures);
    say(app, PHRASE_STATUS_WORK, number_text(counts->pending).text,
        number_text(counts->needs_you).text, number_text(counts->merged).text, NULL);
    return err;
}

enum exit_code command_today(struct app *app)
{
    enum exit_code code;
    if (!app_open(app, &code)) {
        return code;
    }
    struct day_figures figures;
    struct open_visit open;
    struct replica_counts counts;
    struct moment now = moment_now(app);
    struct err err = day_figures_read(app, now.day, &figures);
    if (err.code == ERR_OK) {
        err = field_open_visit(app, &open);
    }
    if (err.code == ERR_OK) {
        err = replica_counts(&app->home.replica, &counts);
    }
    if (err.code == ERR_OK) {
        err = app->arguments.json ? put_json(app, now.day, &figures, &open, &counts)
                                  : say_day(app, now.day, &figures, &open, &counts);
    }
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}
