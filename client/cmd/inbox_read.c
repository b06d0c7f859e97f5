/* Reading what inbox.h describes. */
#include "client/cmd/inbox.h"

#include "protocol/codec.h"

#include <jansson.h>

static bool next_value(struct bytes *rest, enum value_kind kind, struct value *out)
{
    size_t used = 0;
    if (rest->size == 0 || value_decode(*rest, out, &used) != WIRE_OK) {
        return false;
    }
    *rest = bytes_of(rest->at + used, rest->size - used);
    return kind == VALUE_NULL || out->kind == kind; /* VALUE_NULL here: any kind will do */
}

static bool next_id(struct bytes *rest, uint8_t id[16])
{
    struct value value;
    if (!next_value(rest, VALUE_BLOB, &value) || value.b.size != 16) {
        return false;
    }
    memcpy(id, value.b.at, 16);
    return true;
}

bool lost_value_next(struct bytes *rest, struct lost_value *out)
{
    struct value table;
    struct value column;
    struct value at;
    if (!next_value(rest, VALUE_INT, &table) || !next_id(rest, out->row) ||
        !next_value(rest, VALUE_INT, &column) || !next_id(rest, out->kept_id) ||
        !next_value(rest, VALUE_NULL, &out->kept) || !next_value(rest, VALUE_NULL, &out->winner) ||
        !next_id(rest, out->winner_person) || !next_value(rest, VALUE_INT, &at)) {
        return false;
    }
    out->winner_at = at.i;
    out->table = catalogue_table((uint16_t)table.i);
    out->column = out->table ? table_column(out->table, (uint8_t)column.i) : NULL;
    return out->column != NULL;
}

static bool value_of_json(const struct column *c, const json_t *json, struct arena *arena,
                          struct value *out)
{
    const char *text = json_string_value(json);
    if (json_is_null(json)) {
        *out = value_null();
    } else if (json_is_integer(json)) {
        *out = value_int(json_integer_value(json));
    } else if (json_is_real(json)) {
        *out = value_real(json_real_value(json));
    } else if (json_is_boolean(json)) {
        *out = value_int(json_is_true(json) ? 1 : 0);
    } else if (text != NULL && c->type == TYPE_UUID) {
        uint8_t id[16];
        if (!id_parse(bytes_text(text), id)) {
            return false;
        }
        *out = value_blob(arena_copy(arena, bytes_of(id, sizeof id)));
    } else if (text != NULL) {
        *out = value_text(arena_copy(arena, bytes_text(text)));
    } else {
        return false;
    }
    if (c->type == TYPE_DEGREES && out->kind == VALUE_INT) {
        *out = value_real((double)out->i);
    }
    return true;
}

bool lost_value_parse(const struct column *c, struct bytes text, struct arena *arena,
                      struct value *out)
{
    bool as_it_is = c->type == TYPE_TAGS || c->type == TYPE_JSON; /* JSON is their form */
    json_t *json = json_loadb((const char *)text.at, text.size, JSON_DECODE_ANY, NULL);
    bool fits = json != NULL;
    if (fits && as_it_is && !json_is_null(json)) {
        *out = value_text(text);
    } else if (fits) {
        fits = value_of_json(c, json, arena, out);
    }
    json_decref(json);
    return fits;
}

struct err inbox_entry_get(struct app *app, int64_t id, struct inbox_entry *out)
{
    struct stmt st;
    struct err err = db_use(app->home.db,
                            "SELECT id, tx, kind, code, field, detail, losers, at, done"
                            " FROM inbox WHERE id = ?1",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, id);
    bool found = db_step_row(&st);
    if (found) {
        *out = (struct inbox_entry){.id = col_int(&st, 0),
                                    .tx = col_int(&st, 1),
                                    .losers = arena_copy(&app->arena, col_bytes(&st, 6)),
                                    .at = col_int(&st, 7)};
        out->kind = (const char *)arena_copy(&app->arena, col_bytes(&st, 2)).at;
        if (!col_is_null(&st, 8)) {
            out->done = (const char *)arena_copy(&app->arena, col_bytes(&st, 8)).at;
        }
        snprintf(out->why.code, sizeof out->why.code, "%s", col_text(&st, 3));
        snprintf(out->why.field, sizeof out->why.field, "%s", col_text(&st, 4));
        snprintf(out->why.detail, sizeof out->why.detail, "%s", col_text(&st, 5));
        stmt_reset(&st);
    }
    err = stmt_err(&st, "inbox");
    return err.code == ERR_OK && !found ? err_make(ERR_NOT_FOUND, 0, "inbox") : err;
}
