/* See proposal.h. */
#include "client/cmd/proposal.h"

#include <jansson.h>

#include "client/cmd/inbox.h"
#include "client/cmd/lookup.h"
#include "client/cmd/rows.h"
#include "common/changelog/merge.h"

#define WISHES_MAX    4500 /* of a group: with as many answers in one transaction */
#define WISHES_LISTED 5    /* in one line */

/* ---- groups ---- */

static bool read_group(const struct app *app, const struct stmt *st, struct proposal *out)
{
    *out = (struct proposal){.made_at = col_int(st, 3)};
    bool good = col_id(st, 0, out->id) && col_id(st, 1, out->group) && col_id(st, 2, out->author);
    out->mine = memcmp(out->author, app->home.replica.person, sizeof out->author) == 0;
    return good;
}

struct err proposals_read(struct app *app, struct proposal *out, size_t max, size_t *count)
{
    static const char sql[] =
        "SELECT p.id, p.group_id, p.author_id, p.made_at, min(p.idx) FROM proposal p"
        " WHERE p.person_id = ?1 AND p.choice IS NULL AND p._deleted_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM sent s JOIN inbox i ON i.tx = s.tx WHERE i.done IS NULL"
        "  AND i.code = 'proposal' AND substr(s.identity, 1, 16) = p.group_id)"
        " GROUP BY p.group_id ORDER BY p.made_at DESC, p.id LIMIT ?2";
    struct stmt st;
    *count = 0;
    struct err err = db_use(app->home.db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, app->home.replica.person);
    bind_int(&st, 2, (int64_t)max);
    while (*count < max && db_step_row(&st)) {
        *count += read_group(app, &st, &out[*count]);
    }
    err = stmt_err(&st, "proposals_read");
    stmt_reset(&st);
    return err;
}

struct err proposal_get(struct app *app, const uint8_t id[16], struct proposal *out)
{
    static const char sql[] = "SELECT id, group_id, author_id, made_at FROM proposal"
                              " WHERE id = ?1 AND person_id = ?2 AND _deleted_at IS NULL";
    struct stmt st;
    struct err err = db_use(app->home.db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    bind_id(&st, 2, app->home.replica.person);
    bool found = db_step_row(&st) && read_group(app, &st, out);
    err = stmt_err(&st, "proposal_get");
    stmt_reset(&st);
    return err.code == ERR_OK && !found ? err_make(ERR_NOT_FOUND, 0, "proposal_get") : err;
}

/* ---- rows of a group ---- */

struct wish { /* one row */
    uint8_t id[16];
    uint8_t row[16];
    const struct table *table;
    const char *op;
    struct bytes wanted, before; /* JSON; in the app's arena */
};

static bool read_wish(struct app *app, const struct stmt *st, struct wish *out)
{
    *out = (struct wish){.table = catalogue_table((uint16_t)col_int(st, 2)),
                         .op = (const char *)arena_copy(&app->arena, col_bytes(st, 3)).at,
                         .wanted = arena_copy(&app->arena, col_bytes(st, 4)),
                         .before = arena_copy(&app->arena, col_bytes(st, 5))};
    return col_id(st, 0, out->id) && col_id(st, 1, out->row) && out->table != NULL &&
           out->op != NULL && out->wanted.at != NULL && out->before.at != NULL;
}

static struct err count_wishes(struct app *app, const struct proposal *p, int64_t *count)
{
    static const char sql[] = "SELECT count(*) FROM proposal WHERE group_id = ?1 AND person_id = ?2"
                              " AND _deleted_at IS NULL";
    struct stmt st;
    struct err err = db_use(app->home.db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, p->group);
    bind_id(&st, 2, app->home.replica.person);
    *count = db_step_row(&st) ? col_int(&st, 0) : 0;
    err = stmt_err(&st, "count_wishes");
    stmt_reset(&st);
    return err.code == ERR_OK && *count > WISHES_MAX ? err_make(ERR_LIMIT, 0, "count_wishes") : err;
}

/* The first of them, at most `max`. */
static struct err read_wishes(struct app *app, const struct proposal *p, int64_t max,
                              struct wish **out, size_t *count)
{
    static const char sql[] = "SELECT id, row_id, table_no, op, wanted, before FROM proposal"
                              " WHERE group_id = ?1 AND person_id = ?2 AND _deleted_at IS NULL"
                              " ORDER BY idx LIMIT ?3";
    struct stmt st;
    *count = 0;
    *out = arena_array(&app->arena, (size_t)max, sizeof **out);
    struct err err =
        *out == NULL ? err_make(ERR_NOMEM, 0, "read_wishes") : db_use(app->home.db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, p->group);
    bind_id(&st, 2, app->home.replica.person);
    bind_int(&st, 3, max);
    while ((int64_t)*count < max && db_step_row(&st)) {
        *count += read_wish(app, &st, &(*out)[*count]);
    }
    err = stmt_err(&st, "read_wishes");
    stmt_reset(&st);
    return err;
}

static struct err read_all_wishes(struct app *app, const struct proposal *p, struct wish **out,
                                  size_t *count)
{
    int64_t all = 0;
    struct err err = count_wishes(app, p, &all);
    return err.code == ERR_OK ? read_wishes(app, p, all, out, count) : err;
}

/* Values by column name. False: not what proposals hold. */
static bool read_cells(struct app *app, const struct table *t, struct bytes json,
                       struct cell *cells, size_t *count)
{
    json_t *object = json_loadb((const char *)json.at, json.size, 0, NULL);
    const char *name;
    json_t *member;
    bool good = json_is_object(object);
    *count = 0;
    json_object_foreach(object, name, member)
    {
        const struct column *c = table_column_named(t, name);
        char *text = json_dumps(member, JSON_ENCODE_ANY | JSON_COMPACT);
        struct bytes copy =
            text == NULL ? bytes_of(NULL, 0) : arena_copy(&app->arena, bytes_text(text));
        good = good && c != NULL && *count < COLUMNS_MAX && copy.at != NULL &&
               lost_value_parse(c, copy, &app->arena, &cells[*count].value);
        if (good) {
            cells[*count].has_old = false;
            cells[(*count)++].column = c->number;
        }
        free(text);
    }
    json_decref(object);
    return good;
}

/* ---- telling ---- */

static struct err print_wish(struct app *app, const struct wish *wish, struct buf *out)
{
    struct cell cells[COLUMNS_MAX];
    size_t count = 0;
    if (!read_cells(app, wish->table, wish->wanted, cells, &count)) {
        return err_make(ERR_CORRUPT, 0, "proposal");
    }
    buf_printf(out, "%s ", app->chinese ? wish->table->label_zh : wish->table->label);
    if (strcmp(wish->op, "insert") != 0) {
        lookup_label(app->home.db, wish->table, wish->row, out);
    } else {
        buf_put_text(out, phrase_text(PHRASE_OP_INSERT, app->chinese));
    }
    if (strcmp(wish->op, "delete") == 0) {
        buf_printf(out, " %s", phrase_text(PHRASE_OP_DELETE, app->chinese));
    }
    for (size_t i = 0; i < count; i++) {
        const struct column *c = table_column(wish->table, cells[i].column);
        buf_printf(out, i == 0 ? ": %s=" : ", %s=", c->name);
        value_print(app, c, &cells[i].value, out);
    }
    return err_ok();
}

static void put_rest(struct app *app, int64_t rest, struct buf *out)
{
    const struct number number = number_text(rest);
    const char *const args[] = {number.text, NULL};
    buf_put_text(out, "; ");
    phrase_fill(PHRASE_INBOX_AND_MORE, app->chinese, args, out);
}

struct err proposal_print(struct app *app, const struct proposal *p, bool whole, struct buf *out)
{
    struct wish *wishes = NULL;
    size_t count = 0;
    int64_t all = 0;
    struct err err = count_wishes(app, p, &all);
    int64_t told = whole || all <= WISHES_LISTED ? all : WISHES_LISTED;
    err = err.code == ERR_OK ? read_wishes(app, p, told, &wishes, &count) : err;
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        buf_put_text(out, i == 0 ? "" : whole && told > WISHES_LISTED ? ";\n  " : "; ");
        err = print_wish(app, &wishes[i], out);
    }
    if (err.code == ERR_OK && told < all) {
        put_rest(app, all - told, out);
    }
    if (err.code == ERR_OK && !p->mine) {
        buf_put_text(out, " (");
        lookup_label(app->home.db, catalogue_table(TABLE_person), p->author, out);
        buf_put_text(out, ")");
    }
    return err;
}

static void put_id(const uint8_t id[16], struct buf *out)
{
    const struct value v = value_blob(bytes_of(id, 16));
    value_json(&v, out);
}

struct err proposal_json(struct app *app, const struct proposal *p, struct buf *out)
{
    struct wish *wishes = NULL;
    size_t count = 0;
    struct err err = read_all_wishes(app, p, &wishes, &count);
    buf_put_text(out, "{\"id\":");
    put_id(p->id, out);
    buf_printf(out, ",\"kind\":\"%s\",\"author\":", p->mine ? "proposed" : "proposal");
    put_id(p->author, out);
    buf_printf(out, ",\"at\":%" PRId64 ",\"changes\":[", p->made_at);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s{\"op\":\"%s\",\"table\":\"%s\",\"row_id\":", i == 0 ? "" : ",",
                   wishes[i].op, wishes[i].table->name);
        put_id(wishes[i].row, out);
        buf_put_text(out, ",\"wanted\":");
        buf_put(out, wishes[i].wanted);
        buf_put_text(out, "}");
    }
    buf_put_text(out, "]}");
    return err;
}

/* ---- deciding ---- */

/* What the author put into a set or took out of it is done to the set of now. */
static struct err join_sets(struct app *app, const struct wish *wish, struct cell *cells,
                            size_t count)
{
    struct cell before[COLUMNS_MAX];
    size_t before_count = 0;
    struct stored_row row;
    if (wish->before.size == 0) {
        return err_ok();
    }
    if (!read_cells(app, wish->table, wish->before, before, &before_count)) {
        return err_make(ERR_CORRUPT, 0, "proposal");
    }
    struct err err = row_get(app->home.db, wish->table, wish->row, &app->arena, &row);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        const struct value *seen = NULL;
        const struct value *now = stored_value(&row, wish->table, cells[i].column);
        for (size_t k = 0; k < before_count; k++) {
            seen = before[k].column == cells[i].column ? &before[k].value : seen;
        }
        struct value joined;
        if (seen != NULL && now != NULL) {
            err = merge_union(seen, &cells[i].value, now, &app->arena, &joined);
            cells[i].value = err.code == ERR_OK ? joined : cells[i].value;
            err = err.code == ERR_INVALID ? err_ok() : err; /* no sets: it is written as it is */
        }
    }
    return err;
}

static struct err write_wish(struct app *app, const struct wish *wish, struct complaint *why)
{
    struct cell cells[COLUMNS_MAX];
    size_t count = 0;
    struct db *db = app->home.db;
    if (!read_cells(app, wish->table, wish->wanted, cells, &count)) {
        return err_make(ERR_CORRUPT, 0, "proposal");
    }
    if (strcmp(wish->op, "insert") == 0) {
        return row_insert(db, wish->table, wish->row, cells, count, why);
    }
    if (strcmp(wish->op, "delete") == 0) {
        return row_delete(db, wish->table, wish->row);
    }
    struct err err = join_sets(app, wish, cells, count);
    return err.code == ERR_OK ? row_update(db, wish->table, wish->row, cells, count, why) : err;
}

static struct err decide(struct app *app, const struct proposal *p, const char *choice, bool writes,
                         struct complaint *why)
{
    struct wish *wishes = NULL;
    size_t count = 0;
    const struct cell cells[] = {
        {.column = COLUMN_proposal_resolved_by,
         .value = value_blob(bytes_of(app->home.replica.person, 16))},
        {.column = COLUMN_proposal_choice, .value = value_text(bytes_text(choice))}};
    struct err err = read_all_wishes(app, p, &wishes, &count);
    if (err.code == ERR_OK) {
        err = replica_begin(&app->home.replica, writes ? "inbox.accept" : "inbox.dismiss");
    }
    if (err.code != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < count && writes && err.code == ERR_OK; i++) {
        err = write_wish(app, &wishes[i], why);
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = row_update(app->home.db, catalogue_table(TABLE_proposal), wishes[i].id, cells,
                         count_of(cells), why);
    }
    return replica_end(&app->home.replica, err);
}

struct err proposal_accept(struct app *app, const struct proposal *p, struct complaint *why)
{
    return decide(app, p, "accepted", true, why);
}

struct err proposal_dismiss(struct app *app, const struct proposal *p, struct complaint *why)
{
    return decide(app, p, "dismissed", false, why);
}
