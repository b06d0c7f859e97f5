/* legwork inbox restore, resend, note, discard: what a person decides about an entry. Each is a new
 * transaction, judged like any other. */
#include "client/cmd/entry.h"
#include "client/cmd/inbox.h"
#include "client/cmd/lookup.h"
#include "client/cmd/proposal.h"
#include "client/cmd/rows.h"
#include "common/changelog/device/sent.h"

enum target_kind { TARGET_ENTRY, TARGET_KEPT };

/* What the first operand means: an entry by its number, or a kept value by its id. */
struct target {
    enum target_kind kind;
    struct inbox_entry entry;
    uint8_t kept[16];
};

static bool find_kept(struct app *app, const char *text, struct target *out, enum exit_code *code)
{
    struct lookup found;
    struct err err = lookup_find(app->home.db, catalogue_table(TABLE_kept_value), text, &found);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    if (found.count != 1) {
        warn(app, PHRASE_INBOX_NONE, text, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    out->kind = TARGET_KEPT;
    memcpy(out->kept, found.ids[0], sizeof out->kept);
    return true;
}

static bool find_target(struct app *app, struct target *out, enum exit_code *code)
{
    const char *text = app->arguments.operands[0];
    char *end = NULL;
    int64_t id = strtoll(text, &end, 10);
    if (!app_open(app, code)) {
        return false;
    }
    if (end == text || *end != 0) {
        return find_kept(app, text, out, code);
    }
    out->kind = TARGET_ENTRY;
    struct err err = inbox_entry_get(app, id, &out->entry);
    if (err.code == ERR_NOT_FOUND) { /* the beginning of an id may be all digits too */
        return find_kept(app, text, out, code);
    }
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    if (out->entry.done != NULL) {
        warn(app, PHRASE_INBOX_DONE, text, out->entry.done, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    return true;
}

/* The last word of every answer; `choice` is a catalogue name or one of the inbox's own. */
static enum exit_code finish(struct app *app, struct err err, const struct complaint *why,
                             const char *choice)
{
    if (err.code != ERR_OK) {
        return report_failure(app, err, why);
    }
    say(app, PHRASE_INBOX_ANSWERED, app->arguments.operands[0], NULL);
    if (app->arguments.json) {
        printf("{\"id\":");
        struct buf id;
        buf_init(&id, ROW_BYTES_MAX);
        json_put_text(bytes_text(app->arguments.operands[0]), &id);
        printf("%s,\"done\":\"%s\"}\n", buf_text(&id), choice);
        buf_release(&id);
    }
    return EXIT_DONE;
}

/* ---- kept values ---- */

static struct err write_back(struct app *app, const struct stored_row *kept, struct complaint *why)
{
    const struct table *k = catalogue_table(TABLE_kept_value);
    const struct table *t =
        catalogue_table((uint16_t)stored_value(kept, k, COLUMN_kept_value_table_no)->i);
    uint8_t number = (uint8_t)stored_value(kept, k, COLUMN_kept_value_column_no)->i;
    const struct column *c = t ? table_column(t, number) : NULL;
    struct cell cell = {.column = number};
    const struct value *json = stored_value(kept, k, COLUMN_kept_value_kept);
    if (c == NULL || json->kind != VALUE_TEXT ||
        !lost_value_parse(c, json->b, &app->arena, &cell.value)) {
        return err_make(ERR_NOT_FOUND, 0, "kept_value");
    }
    return row_update(app->home.db, t, stored_value(kept, k, COLUMN_kept_value_row_id)->b.at, &cell,
                      1, why);
}

/* `choice`: "restored" writes the value again, "dismissed" lets the winner stand. */
static struct err decide(struct app *app, const uint8_t id[16], const char *choice,
                         struct complaint *why)
{
    const struct table *t = catalogue_table(TABLE_kept_value);
    struct cell cells[] = {
        {.column = COLUMN_kept_value_resolved_by,
         .value = value_blob(bytes_of(app->home.replica.person, 16))},
        {.column = COLUMN_kept_value_choice, .value = value_text(bytes_text(choice))},
    };
    struct stored_row row;
    struct err err = row_get(app->home.db, t, id, &app->arena, &row);
    if (err.code == ERR_OK) {
        err = replica_begin(&app->home.replica, "inbox.decide");
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (strcmp(choice, "restored") == 0) {
        err = write_back(app, &row, why);
    }
    if (err.code == ERR_OK) {
        err = row_update(app->home.db, t, id, cells, count_of(cells), why);
    }
    return replica_end(&app->home.replica, err);
}

/* ---- the four answers ---- */

/* `choice`: of the catalogue, for a kept value; an entry of this device's own has `answer`. */
static enum exit_code settle(struct app *app, const char *choice,
                             struct err (*answer)(struct replica *r, int64_t id), const char *done)
{
    enum exit_code code;
    struct target target;
    struct complaint why = {0};
    if (!find_target(app, &target, &code)) {
        return code;
    }
    struct err err = target.kind == TARGET_KEPT ? decide(app, target.kept, choice, &why)
                                                : answer(&app->home.replica, target.entry.id);
    return finish(app, err, &why, done);
}

enum exit_code command_inbox_restore(struct app *app)
{
    return settle(app, "restored", inbox_restore, "restored");
}

enum exit_code command_inbox_discard(struct app *app)
{
    return settle(app, "dismissed", inbox_discard, "discarded");
}

static bool find_entry(struct app *app, struct target *target, enum exit_code *code)
{
    if (!find_target(app, target, code)) {
        return false;
    }
    if (target->kind == TARGET_KEPT) {
        warn(app, PHRASE_INBOX_KEPT_ONLY, NULL);
        *code = EXIT_REFUSED;
    }
    return target->kind == TARGET_ENTRY;
}

enum exit_code command_inbox_note(struct app *app)
{
    enum exit_code code;
    struct target target;
    struct complaint why = {0};
    const char *text = arguments_operand(&app->arguments, 1);
    if (!find_entry(app, &target, &code)) {
        return code;
    }
    struct err err = inbox_note(&app->home.replica, target.entry.id, bytes_text(text ? text : ""));
    return finish(app, err, &why, "noted");
}

/* FIELD=VALUE belongs to the first row of the refused work whose table has that field. */
static bool read_edit(struct app *app, const struct transaction *tx, const char *word,
                      struct inbox_edit *edit, enum exit_code *code)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (size_t i = 0; i < tx->change_count; i++) {
        const struct table *t = catalogue_table(tx->changes[i].table);
        if (t != NULL && table_column_named(t, name) != NULL) {
            return entry_parse_word(app, t, word, &edit->column, &edit->value, code);
        }
    }
    *code = usage_error(app, strchr(word, '=') ? PHRASE_USAGE_NO_COLUMN : PHRASE_USAGE_FIELD, name);
    return false;
}

enum exit_code command_inbox_resend(struct app *app)
{
    enum exit_code code;
    struct target target;
    struct transaction tx;
    struct complaint why = {0};
    struct inbox_edit edits[OPERANDS_MAX];
    size_t count = 0;
    if (!find_entry(app, &target, &code)) {
        return code;
    }
    struct err err = sent_transaction(app->home.db, target.entry.tx, &app->arena, &tx);
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    for (size_t i = 1; i < app->arguments.operand_count; i++) {
        if (!read_edit(app, &tx, app->arguments.operands[i], &edits[count++], &code)) {
            return code;
        }
    }
    err = inbox_resend(&app->home.replica, target.entry.id, edits, count, &why);
    return finish(app, err, &why, "resent");
}

/* ---- proposals ---- */

static bool find_proposal(struct app *app, struct proposal *out, enum exit_code *code)
{
    const char *text = app->arguments.operands[0];
    struct lookup found;
    if (!app_open(app, code)) {
        return false;
    }
    struct err err = lookup_find(app->home.db, catalogue_table(TABLE_proposal), text, &found);
    if (err.code == ERR_OK && found.count != 1) {
        warn(app, PHRASE_INBOX_NO_PROPOSAL, text, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    if (err.code == ERR_OK) {
        err = proposal_get(app, found.ids[0], out);
    }
    if (err.code == ERR_NOT_FOUND) { /* somebody else's, whom this person manages */
        warn(app, PHRASE_INBOX_NO_PROPOSAL, text, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

static bool is_open(struct app *app, const struct proposal *p, enum exit_code *code)
{
    struct stored_row row;
    const struct table *t = catalogue_table(TABLE_proposal);
    struct err err = row_get(app->home.db, t, p->id, &app->arena, &row);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    const struct value *choice = stored_value(&row, t, COLUMN_proposal_choice);
    if (choice->kind == VALUE_TEXT) {
        warn(app, PHRASE_INBOX_DONE, app->arguments.operands[0], (const char *)choice->b.at, NULL);
        *code = EXIT_REFUSED;
    }
    return choice->kind != VALUE_TEXT;
}

enum exit_code command_inbox_accept(struct app *app)
{
    enum exit_code code;
    struct proposal p;
    struct complaint why = {0};
    if (!find_proposal(app, &p, &code) || !is_open(app, &p, &code)) {
        return code;
    }
    if (p.mine) {
        warn(app, PHRASE_INBOX_OWN_PROPOSAL, NULL);
        return EXIT_REFUSED;
    }
    return finish(app, proposal_accept(app, &p, &why), &why, "accepted");
}

enum exit_code command_inbox_dismiss(struct app *app)
{
    enum exit_code code;
    struct proposal p;
    struct complaint why = {0};
    if (!find_proposal(app, &p, &code) || !is_open(app, &p, &code)) {
        return code;
    }
    return finish(app, proposal_dismiss(app, &p, &why), &why, "dismissed");
}
