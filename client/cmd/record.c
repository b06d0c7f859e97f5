/* legwork new, set, show, delete: any row of any table, by catalogue. */
#include "client/cmd/entry.h"
#include "client/cmd/lookup.h"
#include "client/cmd/rows.h"

/* What the firm allows is the server's to judge; but whoever writes a column that only others may
 * write should know before the work goes out. */
static void warn_of_rights(struct app *app, const struct entry *f)
{
    struct stmt st;
    unsigned role = 0;
    if (db_use(app->home.db, "SELECT role FROM person WHERE id = ?1", &st).code != ERR_OK) {
        return;
    }
    bind_id(&st, 1, app->home.replica.person);
    if (db_step_row(&st)) {
        const char *name = col_text(&st, 0);
        role = strcmp(name, "admin") == 0     ? ROLE_ADMIN
               : strcmp(name, "manager") == 0 ? ROLE_MANAGER
               : strcmp(name, "analyst") == 0 ? ROLE_ANALYST
                                              : ROLE_REP;
        stmt_reset(&st);
    }
    for (size_t i = 0; role != 0 && i < f->count; i++) {
        const struct column *c = table_column(f->table, f->cells[i].column);
        if ((c->writes & role) == 0) {
            warn(app, PHRASE_NOT_YOURS, c->name, NULL);
        }
    }
}

enum exit_code command_new(struct app *app)
{
    enum exit_code code;
    const struct table *t;
    struct entry fields;
    struct complaint why = {0};
    if (!lookup_table(app, app->arguments.operands[0], &t, &code) || !app_open(app, &code) ||
        !entry_parse(app, t, 1, &fields, &code)) {
        return code;
    }
    warn_of_rights(app, &fields);
    struct moment now = moment_now(app);
    uint8_t id[16];
    replica_new_id(&app->home.replica, id);
    struct err err = replica_begin(&app->home.replica, "new");
    if (err.code == ERR_OK) {
        err = entry_insert(app, &now, &fields, id, &why);
        err = replica_end(&app->home.replica, err);
    }
    return err.code == ERR_OK ? say_saved(app, t, id) : report_failure(app, err, &why);
}

/* The row that the first two operands name: TABLE ID. */
static bool open_row(struct app *app, const struct table **t, uint8_t id[16], enum exit_code *code)
{
    return lookup_table(app, app->arguments.operands[0], t, code) && app_open(app, code) &&
           lookup_row(app, *t, app->arguments.operands[1], id, code);
}

enum exit_code command_set(struct app *app)
{
    enum exit_code code;
    const struct table *t;
    struct entry fields;
    uint8_t id[16];
    struct complaint why = {0};
    if (!open_row(app, &t, id, &code) || !entry_parse(app, t, 2, &fields, &code)) {
        return code;
    }
    warn_of_rights(app, &fields);
    struct err err = replica_begin(&app->home.replica, "set");
    if (err.code == ERR_OK) {
        err = row_update(app->home.db, t, id, fields.cells, fields.count, &why);
        err = replica_end(&app->home.replica, err);
    }
    return err.code == ERR_OK ? say_saved(app, t, id) : report_failure(app, err, &why);
}

static void say_place(struct app *app, const struct table *t, const uint8_t id[16])
{
    enum row_place place;
    if (replica_row_place(&app->home.replica, t, id, &place).code == ERR_OK) {
        say(app, PHRASE_ROW_PLACE, phrase_text(place_phrase(place), app->chinese), NULL);
    }
}

enum exit_code command_show(struct app *app)
{
    enum exit_code code;
    const struct table *t;
    uint8_t id[16];
    if (!open_row(app, &t, id, &code)) {
        return code;
    }
    struct err err = row_show(app, t, id);
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    say_place(app, t, id);
    return EXIT_DONE;
}

enum exit_code command_delete(struct app *app)
{
    enum exit_code code;
    const struct table *t;
    uint8_t id[16];
    if (!open_row(app, &t, id, &code)) {
        return code;
    }
    struct err err = replica_begin(&app->home.replica, "delete");
    if (err.code == ERR_OK) {
        err = row_delete(app->home.db, t, id);
        err = replica_end(&app->home.replica, err);
    }
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    char text[37];
    id_text(id, text);
    say(app, PHRASE_DELETED, app->chinese ? t->label_zh : t->label, text, NULL);
    if (app->arguments.json) {
        printf("{\"id\":\"%s\"}\n", text);
    }
    return EXIT_DONE;
}
