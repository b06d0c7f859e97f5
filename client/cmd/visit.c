/* legwork visit start, finish, log, plan, list: a rep's calls on customers.
 *
 *   plan ──► planned ──start──► in progress ──finish──► completed
 *                      log ─────────────────────────────►  (afterwards, in one step) */
#include "client/cmd/field_work.h"
#include "client/cmd/list.h"
#include "client/cmd/lookup.h"
#include "client/cmd/rows.h"

#define VISIT_MINUTES_MAX 1440

static const char *option(const struct app *app, const char *name)
{
    return arguments_option(&app->arguments, name);
}

static const uint8_t place_columns[] = {COLUMN_visit_lat, COLUMN_visit_lng, COLUMN_visit_acc_m};

/* What is said of a visit when it ends. */
static bool put_ending(struct app *app, struct entry *f, enum exit_code *code)
{
    char day[DAY_TEXT_SIZE];
    const char *on = option(app, "--on");
    if (on != NULL && !moment_day(app, on, day, code)) {
        return false;
    }
    return entry_put_text(app, f, COLUMN_visit_outcome, option(app, "--outcome"), code) &&
           entry_put_text(app, f, COLUMN_visit_note, option(app, "--note"), code) &&
           entry_put_text(app, f, COLUMN_visit_next_action, option(app, "--next"), code) &&
           entry_put_text(app, f, COLUMN_visit_no_sale_reason, option(app, "--reason"), code) &&
           entry_put_text(app, f, COLUMN_visit_next_on, on ? day : NULL, code);
}

/* The plan entry that a visit fulfils. */
static struct err close_plan(struct app *app, const uint8_t plan[16], struct complaint *why)
{
    struct cell done = {.column = COLUMN_visit_plan_state, .value = value_text(bytes_text("done"))};
    struct err err =
        row_update(app->home.db, catalogue_table(TABLE_visit_plan), plan, &done, 1, why);
    /* It left with its customer, or a manager withdrew it: the visit stands all the same. */
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

/* ---- start ---- */

static bool refuse_second(struct app *app, enum exit_code *code)
{
    struct open_visit open;
    struct err err = field_open_visit(app, &open);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    if (open.found) {
        struct buf name;
        buf_init(&name, ROW_BYTES_MAX);
        lookup_label(app->home.db, catalogue_table(TABLE_customer), open.customer, &name);
        warn(app, PHRASE_VISIT_OPEN, buf_text(&name), NULL);
        buf_release(&name);
        *code = EXIT_REFUSED;
    }
    return !open.found;
}

enum exit_code command_visit_start(struct app *app)
{
    enum exit_code code;
    const struct table *t = catalogue_table(TABLE_visit);
    struct entry f = {.table = t};
    struct complaint why = {0};
    uint8_t customer[16];
    uint8_t plan[16];
    uint8_t id[16];
    bool planned = false;
    if (!app_open(app, &code) || !field_customer(app, 0, customer, &code) ||
        !field_place(app, &f, place_columns, &code) || !refuse_second(app, &code)) {
        return code;
    }
    struct moment now = moment_now(app);
    replica_new_id(&app->home.replica, id);
    entry_put_id(&f, COLUMN_visit_customer_id, customer);
    struct err err = field_planned(app, customer, now.day, &planned, plan);
    if (planned) {
        entry_put_id(&f, COLUMN_visit_plan_id, plan);
    }
    if (err.code == ERR_OK) {
        err = replica_begin(&app->home.replica, "visit.start");
    }
    if (err.code == ERR_OK) {
        err = entry_insert(app, &now, &f, id, &why);
        err = replica_end(&app->home.replica, err);
    }
    return err.code == ERR_OK ? say_saved(app, t, id) : report_failure(app, err, &why);
}

/* ---- finish ---- */

/* An order or a payment made during the visit says what came of it. */
static struct err default_outcome(struct app *app, const uint8_t visit[16], struct entry *f)
{
    struct stmt st;
    struct err err = db_use(app->home.db,
                            "SELECT CASE WHEN EXISTS (SELECT 1 FROM sales_order"
                            " WHERE visit_id = ?1 AND _deleted_at IS NULL) THEN 'order'"
                            " WHEN EXISTS (SELECT 1 FROM payment"
                            " WHERE visit_id = ?1 AND _deleted_at IS NULL) THEN 'payment'"
                            " ELSE 'no_order' END",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, visit);
    if (db_step_row(&st)) {
        entry_put(f, COLUMN_visit_outcome, value_text(arena_copy(&app->arena, col_bytes(&st, 0))));
        stmt_reset(&st);
    }
    return stmt_err(&st, "default_outcome");
}

static struct err save_finish(struct app *app, const struct open_visit *open, struct entry *f,
                              struct complaint *why)
{
    struct err err = replica_begin(&app->home.replica, "visit.finish");
    if (err.code != ERR_OK) {
        return err;
    }
    err = row_update(app->home.db, f->table, open->id, f->cells, f->count, why);
    if (err.code == ERR_OK && open->has_plan) {
        err = close_plan(app, open->plan, why);
    }
    return replica_end(&app->home.replica, err);
}

enum exit_code command_visit_finish(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_visit)};
    struct complaint why = {0};
    struct open_visit open;
    if (!app_open(app, &code) || !put_ending(app, &f, &code)) {
        return code;
    }
    struct err err = field_open_visit(app, &open);
    if (err.code == ERR_OK && !open.found) {
        warn(app, PHRASE_NO_VISIT_OPEN, NULL);
        return EXIT_REFUSED;
    }
    if (err.code == ERR_OK && !entry_have(&f, COLUMN_visit_outcome)) {
        err = default_outcome(app, open.id, &f);
    }
    entry_put(&f, COLUMN_visit_state, value_text(bytes_text("completed")));
    entry_put(&f, COLUMN_visit_checkout_at, value_int(moment_now(app).ms));
    if (err.code == ERR_OK) {
        err = save_finish(app, &open, &f, &why);
    }
    return err.code == ERR_OK ? say_saved(app, f.table, open.id) : report_failure(app, err, &why);
}

/* ---- log: a visit written down afterwards ---- */

static bool read_minutes(struct app *app, int64_t *minutes, enum exit_code *code)
{
    const char *text = option(app, "--minutes");
    char *end = NULL;
    *minutes = text ? strtoll(text, &end, 10) : 0;
    if (text != NULL &&
        (end == text || *end != 0 || *minutes < 0 || *minutes > VISIT_MINUTES_MAX)) {
        *code = usage_error(app, PHRASE_USAGE_MALFORMED, text);
        return false;
    }
    return true;
}

static struct err save_log(struct app *app, const struct moment *began, struct entry *f,
                           const uint8_t id[16], const uint8_t *plan, struct complaint *why)
{
    struct err err = replica_begin(&app->home.replica, "visit.log");
    if (err.code != ERR_OK) {
        return err;
    }
    err = entry_insert(app, began, f, id, why);
    if (err.code == ERR_OK && plan != NULL) {
        err = close_plan(app, plan, why);
    }
    return replica_end(&app->home.replica, err);
}

enum exit_code command_visit_log(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_visit)};
    struct complaint why = {0};
    uint8_t customer[16];
    uint8_t plan[16];
    uint8_t id[16];
    bool planned = false;
    int64_t minutes;
    if (!read_minutes(app, &minutes, &code) || !app_open(app, &code) ||
        !field_customer(app, 0, customer, &code) || !field_place(app, &f, place_columns, &code) ||
        !put_ending(app, &f, &code)) {
        return code;
    }
    if (!entry_have(&f, COLUMN_visit_outcome)) {
        return usage_error(app, PHRASE_USAGE_MISSING, "--outcome O");
    }
    struct moment now = moment_now(app);
    struct moment began = moment_at(now.ms - minutes * 60000);
    replica_new_id(&app->home.replica, id);
    struct err err = field_planned(app, customer, began.day, &planned, plan);
    entry_put_id(&f, COLUMN_visit_customer_id, customer);
    entry_put(&f, COLUMN_visit_state, value_text(bytes_text("completed")));
    entry_put(&f, COLUMN_visit_checkout_at, value_int(now.ms));
    if (planned) {
        entry_put_id(&f, COLUMN_visit_plan_id, plan);
    }
    if (err.code == ERR_OK) {
        err = save_log(app, &began, &f, id, planned ? plan : NULL, &why);
    }
    return err.code == ERR_OK ? say_saved(app, f.table, id) : report_failure(app, err, &why);
}

/* ---- plan, list ---- */

enum exit_code command_visit_plan(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_visit_plan)};
    struct complaint why = {0};
    uint8_t customer[16];
    uint8_t id[16];
    char day[DAY_TEXT_SIZE];
    bool planned = false;
    if (!app_open(app, &code) || !field_customer(app, 0, customer, &code) ||
        !moment_day(app, app->arguments.operands[1], day, &code) ||
        !entry_put_text(app, &f, COLUMN_visit_plan_note, option(app, "--note"), &code)) {
        return code;
    }
    struct err err = field_planned(app, customer, day, &planned, id);
    if (planned) {
        warn(app, PHRASE_PLANNED_ALREADY, day, NULL);
        return EXIT_REFUSED;
    }
    struct moment now = moment_now(app);
    replica_new_id(&app->home.replica, id);
    entry_put_id(&f, COLUMN_visit_plan_customer_id, customer);
    entry_put(&f, COLUMN_visit_plan_on_day, value_text(bytes_text(day)));
    entry_put(&f, COLUMN_visit_plan_source, value_text(bytes_text("manual")));
    if (err.code == ERR_OK) {
        err = replica_begin(&app->home.replica, "visit.plan");
    }
    if (err.code == ERR_OK) {
        err = entry_insert(app, &now, &f, id, &why);
        err = replica_end(&app->home.replica, err);
    }
    return err.code == ERR_OK ? say_saved(app, f.table, id) : report_failure(app, err, &why);
}

enum exit_code command_visit_list(struct app *app)
{
    enum exit_code code;
    struct entry filter = {.table = catalogue_table(TABLE_visit)};
    char day[DAY_TEXT_SIZE];
    const char *text = option(app, "--day");
    if (!app_open(app, &code) || (text != NULL && !moment_day(app, text, day, &code))) {
        return code;
    }
    if (text != NULL) {
        entry_put(&filter, COLUMN_visit_visit_day, value_text(bytes_text(day)));
    }
    return list_rows(app, &filter);
}
