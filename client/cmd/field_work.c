/* See field_work.h. */
#include "client/cmd/field_work.h"

#include "client/cmd/lookup.h"

#define PLACE_TEXT_MAX 96

struct err field_open_visit(struct app *app, struct open_visit *out)
{
    *out = (struct open_visit){.found = false};
    struct stmt st;
    struct err err = db_use(app->home.db,
                            "SELECT id, customer_id, plan_id, checkin_at FROM visit"
                            " WHERE person_id = ?1 AND state = 'in_progress'"
                            " AND _deleted_at IS NULL ORDER BY checkin_at DESC LIMIT 1",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, app->home.replica.person);
    if (db_step_row(&st)) {
        out->found = col_id(&st, 0, out->id) && col_id(&st, 1, out->customer);
        out->has_plan = col_id(&st, 2, out->plan);
        out->checkin_at = col_int(&st, 3);
        stmt_reset(&st);
    }
    return stmt_err(&st, "field_open_visit");
}

struct err field_planned(struct app *app, const uint8_t customer[16], const char *day, bool *found,
                         uint8_t plan[16])
{
    *found = false;
    struct stmt st;
    struct err err = db_use(app->home.db,
                            "SELECT id FROM visit_plan WHERE customer_id = ?1 AND person_id = ?2"
                            " AND on_day = ?3 AND state = 'planned' AND _deleted_at IS NULL"
                            " LIMIT 1",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, customer);
    bind_id(&st, 2, app->home.replica.person);
    bind_text(&st, 3, day);
    if (db_step_row(&st)) {
        *found = col_id(&st, 0, plan);
        stmt_reset(&st);
    }
    return stmt_err(&st, "field_planned");
}

bool field_customer(struct app *app, size_t index, uint8_t id[16], enum exit_code *code)
{
    return lookup_row(app, catalogue_table(TABLE_customer), app->arguments.operands[index], id,
                      code);
}

bool field_place(struct app *app, struct entry *f, const uint8_t columns[PLACE_COLUMNS],
                 enum exit_code *code)
{
    const char *at = arguments_option(&app->arguments, "--at");
    if (at == NULL) {
        return true;
    }
    size_t parts = 0;
    for (const char *part = at; part != NULL; parts++) {
        const char *comma = strchr(part, ',');
        char text[PLACE_TEXT_MAX];
        int size = comma ? (int)(comma - part) : (int)strlen(part);
        if (parts == PLACE_COLUMNS || size == 0 || size >= PLACE_TEXT_MAX) {
            *code = usage_error(app, PHRASE_USAGE_MALFORMED, at);
            return false;
        }
        snprintf(text, sizeof text, "%.*s", size, part);
        if (!entry_put_text(app, f, columns[parts], text, code)) {
            return false;
        }
        part = comma ? comma + 1 : NULL;
    }
    if (parts < 2) {
        *code = usage_error(app, PHRASE_USAGE_MALFORMED, at);
    }
    return parts >= 2;
}
