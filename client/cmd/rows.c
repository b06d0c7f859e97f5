/* See rows.h. */
#include "client/cmd/rows.h"

#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"

void row_json(const struct table *t, const struct stored_row *row, struct buf *out)
{
    char id[37];
    id_text(row->id, id);
    buf_printf(out, "{\"id\":\"%s\"", id);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(out, ",\"%s\":", t->columns[i].name);
        column_json(&t->columns[i], &row->values[i], out);
    }
    buf_put_text(out, "}");
}

void value_print(struct app *app, const struct column *c, const struct value *v, struct buf *out)
{
    const struct table *ref = c->ref != 0 ? catalogue_table(c->ref) : NULL;
    if (ref != NULL && v->kind == VALUE_BLOB && v->b.size == 16) {
        lookup_label(app->home.db, ref, v->b.at, out);
    } else {
        column_print(c, v, &app->home.rules, out);
    }
}

enum phrase place_phrase(enum row_place place)
{
    switch (place) {
    case ROW_ON_DEVICE:
        return PHRASE_PLACE_DEVICE;
    case ROW_ON_SERVER:
        return PHRASE_PLACE_SERVER;
    case ROW_NEEDS_YOU:
        return PHRASE_PLACE_NEEDS_YOU;
    }
    abort(); /* our own bug */
}

static void show_lines(struct app *app, const struct table *t, const struct stored_row *row)
{
    struct grid grid;
    grid_init(&grid, &app->arena, 3);
    struct buf text;
    buf_init(&text, ROW_BYTES_MAX);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        bool is_thumb = t->number == TABLE_media && c->number == COLUMN_media_thumb;
        if (row->values[i].kind == VALUE_NULL || is_thumb) { /* a picture, not for reading */
            continue;
        }
        buf_clear(&text);
        value_print(app, c, &row->values[i], &text);
        grid_put_text(&grid, c->name);
        grid_put_text(&grid, app->chinese ? c->label_zh : c->label);
        grid_put(&grid, buf_bytes(&text));
    }
    grid_print(&grid, stdout);
    buf_release(&text);
}

struct err row_show(struct app *app, const struct table *t, const uint8_t id[16])
{
    struct stored_row row;
    struct err err = row_get(app->home.db, t, id, &app->arena, &row);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!app->arguments.json) {
        show_lines(app, t, &row);
        return err_ok();
    }
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    row_json(t, &row, &out);
    buf_put_text(&out, "\n");
    put_output(&out);
    buf_release(&out);
    return err_ok();
}

enum exit_code say_saved(struct app *app, const struct table *t, const uint8_t id[16])
{
    if (app->arguments.json) {
        struct err err = row_show(app, t, id);
        return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
    }
    struct buf handle;
    buf_init(&handle, ROW_BYTES_MAX);
    lookup_handle(app->home.db, t, id, &handle);
    say(app, PHRASE_SAVED, app->chinese ? t->label_zh : t->label, buf_text(&handle),
        phrase_text(place_phrase(ROW_ON_DEVICE), app->chinese), NULL);
    buf_release(&handle);
    return EXIT_DONE;
}
