/* legwork inbox, inbox show: what needs a look, as lists. What is done about it stands in
 * inbox_answer.c. */
#include "client/cmd/inbox.h"

#include "client/cmd/grid.h"
#include "client/cmd/lookup.h"
#include "client/cmd/moment.h"
#include "client/cmd/proposal.h"
#include "client/cmd/rows.h"
#include "common/base/complaint.h"
#include "common/changelog/device/sent.h"

#define INBOX_ROWS_MAX 1000

/* ---- one entry ---- */

/* What another decides on now doesn't need the author. */
static const char *kind_of(const struct inbox_entry *e)
{
    return strcmp(e->why.code, "proposal") == 0 ? "proposed" : e->kind;
}

static const char *kind_text(const struct app *app, const char *kind)
{
    static const struct {
        const char *kind;
        enum phrase phrase;
    } texts[] = {
        {"refused", PHRASE_INBOX_REFUSED},   {"held", PHRASE_INBOX_HELD},
        {"merged", PHRASE_INBOX_MERGED},     {"parked", PHRASE_INBOX_PARKED},
        {"proposed", PHRASE_INBOX_PROPOSED},
    };
    for (size_t i = 0; i < count_of(texts); i++) {
        if (strcmp(texts[i].kind, kind) == 0) {
            return phrase_text(texts[i].phrase, app->chinese);
        }
    }
    return kind;
}

/* "city: Beijing, now Shanghai (Mei)": the value that lost, the one that stands, and whose. */
static void put_lost(struct app *app, const struct lost_value *l, struct buf *out)
{
    static const uint8_t nobody[16];
    lookup_label(app->home.db, l->table, l->row, out);
    buf_printf(out, " %s: ", l->column->name);
    value_print(app, l->column, &l->kept, out);
    buf_put_text(out, " → ");
    value_print(app, l->column, &l->winner, out);
    if (memcmp(l->winner_person, nobody, sizeof nobody) != 0) {
        buf_put_text(out, " (");
        lookup_label(app->home.db, catalogue_table(TABLE_person), l->winner_person, out);
        buf_put_text(out, ")");
    }
}

static void put_entry_text(struct app *app, const struct inbox_entry *e, struct buf *out)
{
    struct bytes rest = e->losers;
    struct lost_value lost;
    if (e->why.code[0] != 0) {
        complaint_print(&e->why, app->chinese, out);
    }
    for (bool first = true; lost_value_next(&rest, &lost); first = false) {
        buf_put_text(out, first ? "" : "; ");
        put_lost(app, &lost, out);
    }
}

static void put_lost_json(const struct lost_value *l, struct buf *out)
{
    struct value row = value_blob(bytes_of(l->row, 16));
    struct value kept_id = value_blob(bytes_of(l->kept_id, 16));
    struct value person = value_blob(bytes_of(l->winner_person, 16));
    buf_printf(out, "\"table\":\"%s\",\"row_id\":", l->table->name);
    value_json(&row, out);
    buf_printf(out, ",\"column\":\"%s\",\"kept\":", l->column->name);
    column_json(l->column, &l->kept, out);
    buf_put_text(out, ",\"winner\":");
    column_json(l->column, &l->winner, out);
    buf_put_text(out, ",\"kept_id\":");
    value_json(&kept_id, out);
    buf_put_text(out, ",\"winner_by\":");
    value_json(&person, out);
    buf_printf(out, ",\"winner_at\":%" PRId64, l->winner_at);
}

static void put_entry_json(const struct inbox_entry *e, struct buf *out)
{
    buf_printf(out, "{\"id\":%" PRId64 ",\"kind\":\"%s\",\"code\":", e->id, kind_of(e));
    json_put_text(bytes_text(e->why.code), out);
    buf_put_text(out, ",\"field\":");
    json_put_text(bytes_text(e->why.field), out);
    buf_put_text(out, ",\"detail\":");
    json_put_text(bytes_text(e->why.detail), out);
    buf_printf(out, ",\"at\":%" PRId64 ",\"done\":", e->at);
    if (e->done != NULL) {
        json_put_text(bytes_text(e->done), out);
    } else {
        buf_put_text(out, "null");
    }
    buf_put_text(out, ",\"losers\":[");
    struct bytes rest = e->losers;
    struct lost_value lost;
    for (bool first = true; lost_value_next(&rest, &lost); first = false) {
        buf_put_text(out, first ? "{" : ",{");
        put_lost_json(&lost, out);
        buf_put_text(out, "}");
    }
    buf_put_text(out, "]}");
}

/* ---- the list ---- */

struct listing {
    struct app *app;
    struct grid grid;
    struct buf json;
    size_t count;
};

static void list_entry(struct listing *l, const struct inbox_entry *e)
{
    if (l->app->arguments.json) {
        buf_put_text(&l->json, l->count > 0 ? ",\n" : "");
        put_entry_json(e, &l->json);
    } else {
        struct buf text;
        buf_init(&text, APP_OUTPUT_BYTES_MAX);
        put_entry_text(l->app, e, &text);
        grid_put_text(&l->grid, number_text(e->id).text);
        grid_put_text(&l->grid, kind_text(l->app, kind_of(e)));
        grid_put_text(&l->grid, moment_at(e->at).day);
        grid_put(&l->grid, buf_bytes(&text));
        buf_release(&text);
    }
    l->count++;
}

static struct err list_entries(struct listing *l, bool all)
{
    int64_t ids[INBOX_ROWS_MAX];
    size_t count = 0;
    struct stmt st;
    struct err err = db_use(l->app->home.db,
                            "SELECT id FROM inbox WHERE ?1 OR done IS NULL"
                            " ORDER BY id DESC LIMIT ?2",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, all ? 1 : 0);
    bind_int(&st, 2, INBOX_ROWS_MAX);
    while (db_step_row(&st)) {
        if (count < INBOX_ROWS_MAX) {
            ids[count++] = col_int(&st, 0);
        }
    }
    err = stmt_err(&st, "inbox");
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        struct inbox_entry entry;
        err = inbox_entry_get(l->app, ids[i], &entry);
        if (err.code == ERR_OK) {
            list_entry(l, &entry);
        }
    }
    return err;
}

static void list_kept(struct listing *l, const struct stmt *st, const struct lost_value *lost)
{
    uint8_t id[16];
    if (!col_id(st, 0, id)) {
        return;
    }
    char text[37];
    id_text(id, text);
    if (l->app->arguments.json) {
        buf_printf(&l->json, "%s{\"id\":\"%s\",\"kind\":\"kept\",", l->count > 0 ? ",\n" : "",
                   text);
        put_lost_json(lost, &l->json);
        buf_put_text(&l->json, "}");
    } else {
        struct buf line;
        buf_init(&line, APP_OUTPUT_BYTES_MAX);
        put_lost(l->app, lost, &line);
        lookup_short_id(l->app->home.db, catalogue_table(TABLE_kept_value), id, text);
        grid_put_text(&l->grid, text);
        grid_put_text(&l->grid, phrase_text(PHRASE_INBOX_KEPT, l->app->chinese));
        grid_put_text(&l->grid, moment_at(lost->winner_at).day);
        grid_put(&l->grid, buf_bytes(&line));
        buf_release(&line);
    }
    l->count++;
}

/* A kept value that an entry tells of is not told twice. */
static bool is_in_entry(struct app *app, const uint8_t kept_id[16])
{
    struct stmt st;
    bool found = false;
    if (db_use(app->home.db, "SELECT losers FROM inbox WHERE losers IS NOT NULL", &st).code !=
        ERR_OK) {
        return false;
    }
    while (db_step_row(&st)) {
        struct bytes rest = col_bytes(&st, 0);
        struct lost_value lost;
        while (!found && lost_value_next(&rest, &lost)) {
            found = memcmp(lost.kept_id, kept_id, 16) == 0;
        }
    }
    return found;
}

/* Undecided ones in which this person's value lost or stands. */
static struct err list_kept_values(struct listing *l)
{
    struct stmt st;
    struct err err = db_use(l->app->home.db,
                            "SELECT id, table_no, row_id, column_no, kept, winner, winner_by,"
                            " winner_at FROM kept_value WHERE choice IS NULL"
                            " AND _deleted_at IS NULL AND (kept_by = ?1 OR winner_by = ?1)"
                            " ORDER BY id DESC LIMIT ?2",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, l->app->home.replica.person);
    bind_int(&st, 2, INBOX_ROWS_MAX);
    while (db_step_row(&st)) {
        struct lost_value lost = {.table = catalogue_table((uint16_t)col_int(&st, 1)),
                                  .winner_at = col_int(&st, 7)};
        lost.column = lost.table ? table_column(lost.table, (uint8_t)col_int(&st, 3)) : NULL;
        (void)col_id(&st, 6, lost.winner_person); /* NULL: the server, and zeros say so */
        if (lost.column != NULL && col_id(&st, 0, lost.kept_id) && col_id(&st, 2, lost.row) &&
            lost_value_parse(lost.column, col_bytes(&st, 4), &l->app->arena, &lost.kept) &&
            lost_value_parse(lost.column, col_bytes(&st, 5), &l->app->arena, &lost.winner) &&
            !is_in_entry(l->app, lost.kept_id)) {
            list_kept(l, &st, &lost);
        }
    }
    return stmt_err(&st, "inbox");
}

static struct err list_proposal(struct listing *l, const struct proposal *p)
{
    if (l->app->arguments.json) {
        buf_put_text(&l->json, l->count++ > 0 ? ",\n" : "");
        return proposal_json(l->app, p, &l->json);
    }
    char id[37];
    struct buf text;
    buf_init(&text, APP_OUTPUT_BYTES_MAX);
    struct err err = proposal_print(l->app, p, false, &text);
    lookup_short_id(l->app->home.db, catalogue_table(TABLE_proposal), p->id, id);
    grid_put_text(&l->grid, id);
    grid_put_text(&l->grid, phrase_text(p->mine ? PHRASE_INBOX_PROPOSED : PHRASE_INBOX_PROPOSAL,
                                        l->app->chinese));
    grid_put_text(&l->grid, moment_at(p->made_at).day);
    grid_put(&l->grid, buf_bytes(&text));
    buf_release(&text);
    l->count++;
    return err;
}

static struct err list_proposals(struct listing *l)
{
    size_t count = 0;
    struct proposal *all = arena_array(&l->app->arena, INBOX_ROWS_MAX, sizeof *all);
    struct err err = all == NULL ? err_make(ERR_NOMEM, 0, "inbox")
                                 : proposals_read(l->app, all, INBOX_ROWS_MAX, &count);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = list_proposal(l, &all[i]);
    }
    return err;
}

enum exit_code command_inbox(struct app *app)
{
    enum exit_code code;
    if (!app_open(app, &code)) {
        return code;
    }
    struct listing l = {.app = app};
    grid_init(&l.grid, &app->arena, 4);
    buf_init(&l.json, APP_OUTPUT_BYTES_MAX);
    struct err err = list_entries(&l, arguments_option(&app->arguments, "--all") != NULL);
    if (err.code == ERR_OK) {
        err = list_kept_values(&l);
    }
    if (err.code == ERR_OK) {
        err = list_proposals(&l);
    }
    if (err.code == ERR_OK && app->arguments.json) {
        printf("[%s]\n", buf_text(&l.json));
    } else if (err.code == ERR_OK) {
        grid_print(&l.grid, stdout);
        if (l.count == 0) {
            say(app, PHRASE_INBOX_EMPTY, NULL);
        }
    }
    buf_release(&l.json);
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}

/* ---- show ---- */

static const char *op_text(const struct app *app, uint8_t op)
{
    return phrase_text(op == CHANGE_INSERT   ? PHRASE_OP_INSERT
                       : op == CHANGE_DELETE ? PHRASE_OP_DELETE
                                             : PHRASE_OP_UPDATE,
                       app->chinese);
}

static void say_change(struct app *app, const struct change *change)
{
    const struct table *t = catalogue_table(change->table);
    if (t == NULL) {
        return;
    }
    struct buf text;
    buf_init(&text, APP_OUTPUT_BYTES_MAX);
    lookup_label(app->home.db, t, change->id, &text);
    printf("%s %s %s\n", op_text(app, change->op), app->chinese ? t->label_zh : t->label,
           buf_text(&text));
    struct grid grid;
    grid_init(&grid, &app->arena, 3);
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(t, change->cells[i].column);
        if (c != NULL) {
            buf_clear(&text);
            value_print(app, c, &change->cells[i].value, &text);
            grid_put_text(&grid, " ");
            grid_put_text(&grid, c->name);
            grid_put(&grid, buf_bytes(&text));
        }
    }
    grid_print(&grid, stdout);
    buf_release(&text);
}

static enum exit_code show_entry(struct app *app, const struct inbox_entry *e)
{
    struct buf text;
    buf_init(&text, APP_OUTPUT_BYTES_MAX);
    if (app->arguments.json) {
        put_entry_json(e, &text);
        printf("%s\n", buf_text(&text));
        buf_release(&text);
        return EXIT_DONE;
    }
    put_entry_text(app, e, &text);
    say(app, PHRASE_INBOX_ENTRY, number_text(e->id).text, kind_text(app, kind_of(e)),
        buf_text(&text), NULL);
    buf_release(&text);
    struct transaction tx;
    struct err err = sent_transaction(app->home.db, e->tx, &app->arena, &tx);
    if (err.code == ERR_OK) {
        for (size_t i = 0; i < tx.change_count; i++) {
            say_change(app, &tx.changes[i]);
        }
    } else if (err.code != ERR_NOT_FOUND) { /* covered by a backup and gone: the entry stays */
        return report_error(app, err);
    }
    if (strcmp(e->why.code, "deleted") == 0) {
        say(app, PHRASE_INBOX_DELETED, NULL);
    }
    say(app, PHRASE_INBOX_WHAT_NOW, NULL);
    return EXIT_DONE;
}

/* An id with letters: of a proposal, or of a kept value. */
static enum exit_code show_by_id(struct app *app, const char *text)
{
    enum exit_code code;
    struct lookup found;
    struct proposal p;
    uint8_t row[16];
    struct err err = lookup_find(app->home.db, catalogue_table(TABLE_proposal), text, &found);
    if (err.code == ERR_OK && found.count != 1) {
        const struct table *t = catalogue_table(TABLE_kept_value);
        if (!lookup_row(app, t, text, row, &code)) {
            return code;
        }
        err = row_show(app, t, row);
        return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
    }
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    err = err.code == ERR_OK ? proposal_get(app, found.ids[0], &p) : err;
    if (err.code == ERR_OK) {
        err = app->arguments.json ? proposal_json(app, &p, &out)
                                  : proposal_print(app, &p, true, &out);
    }
    if (err.code == ERR_OK) {
        printf("%s\n", buf_text(&out));
        say(app, p.mine ? PHRASE_INBOX_PROPOSED_NOW : PHRASE_INBOX_PROPOSAL_NOW, NULL);
    }
    buf_release(&out);
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}

enum exit_code command_inbox_show(struct app *app)
{
    enum exit_code code;
    struct inbox_entry entry;
    const char *text = app->arguments.operands[0];
    char *end = NULL;
    int64_t id = strtoll(text, &end, 10);
    if (!app_open(app, &code)) {
        return code;
    }
    if (*end != 0) {
        return show_by_id(app, text);
    }
    struct err err = inbox_entry_get(app, id, &entry);
    if (err.code == ERR_NOT_FOUND) {
        warn(app, PHRASE_INBOX_NONE, text, NULL);
        return EXIT_REFUSED;
    }
    return err.code == ERR_OK ? show_entry(app, &entry) : report_error(app, err);
}
