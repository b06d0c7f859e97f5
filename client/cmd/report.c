/* legwork report day [DATE]: the daily report. Its figures are counted from what was recorded; the
 * rep adds words and submits it, once. */
#include "client/cmd/day_figures.h"
#include "client/cmd/entry.h"
#include "client/cmd/rows.h"

struct day_report {
    bool found;
    bool is_draft;
    uint8_t id[16];
};

static struct err find_report(struct app *app, const char *day, struct day_report *out)
{
    *out = (struct day_report){.found = false};
    struct stmt st;
    struct err err = db_use(app->home.db,
                            "SELECT id, state FROM daily_report WHERE person_id = ?1"
                            " AND on_day = ?2 AND _deleted_at IS NULL"
                            " ORDER BY state = 'draft' LIMIT 1", /* submitted before draft */
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, app->home.replica.person);
    bind_text(&st, 2, day);
    if (db_step_row(&st)) {
        out->found = col_id(&st, 0, out->id);
        const char *state = col_text(&st, 1);
        out->is_draft = strcmp(state, "draft") == 0 || strcmp(state, "returned") == 0;
        stmt_reset(&st);
    }
    return stmt_err(&st, "report");
}

static bool read_words(struct app *app, struct entry *f, enum exit_code *code)
{
    static const struct {
        const char *option;
        uint8_t column;
    } words[] = {
        {"--comment", COLUMN_daily_report_rep_comment},
        {"--market", COLUMN_daily_report_market_summary},
        {"--problems", COLUMN_daily_report_problems},
        {"--tomorrow", COLUMN_daily_report_plan_tomorrow},
    };
    for (size_t i = 0; i < count_of(words); i++) {
        const char *text = arguments_option(&app->arguments, words[i].option);
        if (!entry_put_text(app, f, words[i].column, text, code)) {
            return false;
        }
    }
    return true;
}

static void put_figures(struct app *app, const struct day_figures *figures, struct entry *f)
{
    struct buf json;
    buf_init(&json, ROW_BYTES_MAX);
    day_figures_json(figures, &json);
    entry_put(f, COLUMN_daily_report_auto_json,
              value_text(arena_copy(&app->arena, buf_bytes(&json))));
    buf_release(&json);
}

static struct err save_report(struct app *app, const struct moment *now,
                              const struct day_report *report, const char *day, struct entry *f,
                              struct complaint *why)
{
    struct err err = replica_begin(&app->home.replica, "report.day");
    if (err.code != ERR_OK) {
        return err;
    }
    if (report->found) {
        err = row_update(app->home.db, f->table, report->id, f->cells, f->count, why);
    } else {
        entry_put(f, COLUMN_daily_report_on_day, value_text(bytes_text(day)));
        err = entry_insert(app, now, f, report->id, why);
    }
    return replica_end(&app->home.replica, err);
}

static enum exit_code refuse_submitted(struct app *app, const char *day)
{
    warn(app, PHRASE_REPORT_SUBMITTED, day, NULL);
    return EXIT_REFUSED;
}

/* Locked, but as readable as before. */
static enum exit_code show_submitted(struct app *app, const char *day, const uint8_t id[16])
{
    struct day_figures figures;
    if (app->arguments.json) {
        return say_saved(app, catalogue_table(TABLE_daily_report), id);
    }
    struct err err = day_figures_read(app, day, &figures);
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    say(app, PHRASE_DAY_OF, day, NULL);
    day_figures_say(app, &figures);
    say(app, PHRASE_REPORT_SUBMITTED, day, NULL);
    return EXIT_DONE;
}

enum exit_code command_report_day(struct app *app)
{
    enum exit_code code;
    struct entry f = {.table = catalogue_table(TABLE_daily_report)};
    struct complaint why = {0};
    struct day_figures figures;
    struct day_report report;
    char day[DAY_TEXT_SIZE];
    const char *text = arguments_operand(&app->arguments, 0);
    if (!app_open(app, &code) || !moment_day(app, text ? text : "today", day, &code) ||
        !read_words(app, &f, &code)) {
        return code;
    }
    struct err err = find_report(app, day, &report);
    bool submits = arguments_option(&app->arguments, "--submit") != NULL;
    if (err.code == ERR_OK && report.found && !report.is_draft) {
        return f.count == 0 && !submits ? show_submitted(app, day, report.id)
                                        : refuse_submitted(app, day);
    }
    if (err.code == ERR_OK) {
        err = day_figures_read(app, day, &figures);
    }
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    struct moment now = moment_now(app);
    put_figures(app, &figures, &f);
    if (submits) {
        entry_put(&f, COLUMN_daily_report_state, value_text(bytes_text("submitted")));
        entry_put(&f, COLUMN_daily_report_submitted_at, value_int(now.ms));
    }
    if (!report.found) {
        replica_new_id(&app->home.replica, report.id);
    }
    err = save_report(app, &now, &report, day, &f, &why);
    if (err.code != ERR_OK) {
        return report_failure(app, err, &why);
    }
    say(app, PHRASE_DAY_OF, day, NULL);
    day_figures_say(app, &figures);
    return say_saved(app, f.table, report.id);
}
