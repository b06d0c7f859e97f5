/* See entry.h. */
#include "client/cmd/entry.h"

#include "client/cmd/lookup.h"

static struct value id_value(struct app *app, const uint8_t id[16])
{
    return value_blob(arena_copy(&app->arena, bytes_of(id, 16)));
}

static bool parse_reference(struct app *app, const struct column *c, const char *text,
                            struct value *out, enum exit_code *code)
{
    uint8_t id[16];
    if (text[0] == 0) {
        *out = value_null();
        return true;
    }
    if (!id_parse(bytes_text(text), id) &&
        !lookup_row(app, catalogue_table(c->ref), text, id, code)) {
        return false;
    }
    *out = id_value(app, id);
    return true;
}

static bool parse_value(struct app *app, const struct column *c, const char *text,
                        struct value *out, enum exit_code *code)
{
    if (c->type == TYPE_UUID && c->ref != 0) {
        return parse_reference(app, c, text, out, code);
    }
    struct complaint why = {0};
    if (!column_parse(c, bytes_text(text), &app->home.rules, &app->arena, out, &why)) {
        report_complaint(app, &why);
        *code = EXIT_USAGE;
        return false;
    }
    return true;
}

bool entry_parse_word(struct app *app, const struct table *t, const char *word,
                      const struct column **column, struct value *value, enum exit_code *code)
{
    const char *equals = strchr(word, '=');
    char name[64];
    size_t size = equals ? (size_t)(equals - word) : 0;
    if (size == 0 || size >= sizeof name) {
        *code = usage_error(app, PHRASE_USAGE_FIELD, word);
        return false;
    }
    memcpy(name, word, size);
    name[size] = 0;
    *column = table_column_named(t, name);
    if (*column == NULL) {
        *code = usage_error(app, PHRASE_USAGE_NO_COLUMN, name);
        return false;
    }
    return parse_value(app, *column, equals + 1, value, code);
}

bool entry_have(const struct entry *f, uint8_t column)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->cells[i].column == column) {
            return true;
        }
    }
    return false;
}

void entry_put(struct entry *f, uint8_t column, struct value value)
{
    assert(f->count < COLUMNS_MAX && !entry_have(f, column));
    f->cells[f->count++] = (struct cell){.column = column, .value = value};
}

void entry_put_id(struct entry *f, uint8_t column, const uint8_t id[16])
{
    entry_put(f, column, value_blob(bytes_of(id, 16)));
}

bool entry_put_text(struct app *app, struct entry *f, uint8_t column, const char *text,
                    enum exit_code *code)
{
    struct value value;
    if (text == NULL) {
        return true;
    }
    if (!parse_value(app, table_column(f->table, column), text, &value, code)) {
        return false;
    }
    entry_put(f, column, value);
    return true;
}

bool entry_parse(struct app *app, const struct table *t, size_t first, struct entry *out,
                 enum exit_code *code)
{
    *out = (struct entry){.table = t};
    for (size_t i = first; i < app->arguments.operand_count; i++) {
        const struct column *column;
        struct value value;
        const char *word = app->arguments.operands[i];
        if (!entry_parse_word(app, t, word, &column, &value, code)) {
            return false;
        }
        if (entry_have(out, column->number)) {
            *code = usage_error(app, PHRASE_USAGE_TWICE, column->name);
            return false;
        }
        entry_put(out, column->number, value);
    }
    return true;
}

/* ---- defaults ---- */

static bool is_named(const struct column *c, const char *name)
{
    return strcmp(c->name, name) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* The book where a rep's own new customers go has the rep's own id, so that it is known before the
 * first sync. */
static void home_book(struct app *app, struct value *out)
{
    *out = id_value(app, app->home.replica.person);
}

static struct err new_number(struct app *app, struct value *out)
{
    char no[24];
    struct err err = replica_new_no(&app->home.replica, no);
    *out = value_text(arena_copy(&app->arena, bytes_text(no)));
    return err;
}

/* Which times, days and choices a new row has follows from its table's own words: a required
 * time is that of the fact, a required choice begins at its lowest rank. */
static struct err default_of(struct app *app, const struct moment *now, const struct column *c,
                             struct value *out)
{
    bool required = (c->flags & COLUMN_REQUIRED) != 0;
    *out = value_null();
    if ((c->writes & BY_REP & ROLE_REP) == 0) {
        return err_ok(); /* not a rep's to fill, required or not: the line must say it */
    }
    if (is_named(c, "no")) {
        return new_number(app, out);
    }
    if (is_named(c, "book_id")) {
        home_book(app, out);
        return err_ok();
    }
    if (is_named(c, "person_id") || is_named(c, "created_by")) {
        *out = id_value(app, app->home.replica.person);
    } else if (c->type == TYPE_MINUTES && is_named(c, "tz_offset_min")) {
        *out = value_int(now->offset_min);
    } else if (c->type == TYPE_TIME && (required || is_named(c, "created_at"))) {
        *out = value_int(now->ms);
    } else if (c->type == TYPE_DAY && required && (ends_with(c->name, "_day"))) {
        *out = value_text(arena_copy(&app->arena, bytes_text(now->day)));
    } else if (c->type == TYPE_ENUM && required) {
        *out = value_text(bytes_of(c->choices, strcspn(c->choices, " ")));
    } else if (is_named(c, "currency") && app->home.currency[0] != 0) {
        *out = value_text(bytes_text(app->home.currency));
    }
    return err_ok();
}

struct err entry_defaults(struct app *app, const struct moment *now, struct entry *f)
{
    struct err err = err_ok();
    for (size_t i = 0; i < f->table->column_count && err.code == ERR_OK; i++) {
        const struct column *c = &f->table->columns[i];
        if (!entry_have(f, c->number)) {
            struct value value;
            err = default_of(app, now, c, &value);
            if (err.code == ERR_OK && value.kind != VALUE_NULL) {
                entry_put(f, c->number, value);
            }
        }
    }
    return err;
}

struct err entry_insert(struct app *app, const struct moment *now, struct entry *f,
                        const uint8_t id[16], struct complaint *why)
{
    struct err err = entry_defaults(app, now, f);
    return err.code == ERR_OK ? row_insert(app->home.db, f->table, id, f->cells, f->count, why)
                              : err;
}
