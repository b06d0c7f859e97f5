/* See person.h. Every value is checked as a device's would be; what is typed is brought to NFC
 * first, since keyboards differ and stored text may not. */
#include "common/base/base.h"

#include "common/base/complaint.h"
#include "common/base/utf8.h"
#include "server/admin/password.h"
#include "server/admin/person.h"

#define FORM_ARENA_BYTES_MAX 65536

static const struct text_rules no_rules;

static struct err refuse_field(struct edit *e, const char *code, const char *field,
                               const char *detail)
{
    complaint_make(&e->why, code, field, "%s", detail);
    return err_make(ERR_INVALID, 0, "person");
}

/* The row whose unique text column has this value; ERR_NOT_FOUND. */
static struct err find_by_text(struct db *db, const char *sql, const char *text, uint8_t id[16])
{
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, text);
    if (!db_step_row(&st)) {
        return st.err.code != ERR_OK ? st.err : err_make(ERR_NOT_FOUND, 0, "find_by_text");
    }
    bool good = col_id(&st, 0, id);
    stmt_reset(&st);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "find_by_text");
}

static struct err find_login(struct db *db, const char *login, uint8_t id[16])
{
    return find_by_text(db, "SELECT id FROM person WHERE login = ?1 AND _deleted_at IS NULL", login,
                        id);
}

/* A value as the catalogue has it, from what was typed. */
static struct err add_typed(struct edit *e, struct cells *cells, uint8_t column, const char *text,
                            struct arena *arena)
{
    if (text == NULL) {
        return err_ok();
    }
    const struct column *c = table_column(catalogue_table(TABLE_person), column);
    struct value v;
    if (!column_parse(c, bytes_text(text), &no_rules, arena, &v, &e->why) ||
        !column_check(c, &v, &e->why)) {
        return err_make(ERR_INVALID, 0, "add_typed");
    }
    cells_add(cells, column, v);
    return err_ok();
}

static struct err add_manager(struct edit *e, struct cells *cells, const char *login,
                              uint8_t id[16])
{
    if (login == NULL) {
        return err_ok();
    }
    if (login[0] == 0) {
        cells_add(cells, COLUMN_person_manager_id, value_null());
        return err_ok();
    }
    struct err err = find_login(e->st->db, login, id);
    if (err.code == ERR_NOT_FOUND) {
        return refuse_field(e, "not_found", "manager", login);
    }
    cells_add(cells, COLUMN_person_manager_id, value_blob(bytes_of(id, 16)));
    return err;
}

static struct err make_team(struct edit *e, struct bytes name, uint8_t id[16])
{
    const struct cell cell = {.column = COLUMN_team_name, .value = value_text(name)};
    edit_new_id(e, id);
    return edit_put(e, TABLE_team, id, &cell, 1);
}

static struct err add_team(struct edit *e, struct cells *cells, const char *typed,
                           struct arena *arena, uint8_t id[16])
{
    if (typed == NULL) {
        return err_ok();
    }
    if (typed[0] == 0) {
        cells_add(cells, COLUMN_person_team_id, value_null());
        return err_ok();
    }
    struct bytes name;
    if (!utf8_to_nfc(text_trim(bytes_text(typed)), arena, &name)) {
        return refuse_field(e, "not_utf8", "team", "");
    }
    name = arena_copy(arena, name);
    struct err err =
        find_by_text(e->st->db, "SELECT id FROM team WHERE name = ?1 AND _deleted_at IS NULL",
                     (const char *)name.at, id);
    if (err.code == ERR_NOT_FOUND) {
        err = make_team(e, name, id);
    }
    cells_add(cells, COLUMN_person_team_id, value_blob(bytes_of(id, 16)));
    return err;
}

struct person_ids { /* referred to by cells */
    uint8_t manager[16];
    uint8_t team[16];
};

static struct err take_form(struct edit *e, const struct person_form *f, struct cells *cells,
                            struct person_ids *ids, struct arena *arena)
{
    const struct {
        uint8_t column;
        const char *text;
    } typed[] = {
        {COLUMN_person_name, f->name},
        {COLUMN_person_role, f->role},
        {COLUMN_person_title, f->title},
        {COLUMN_person_phone, f->phone},
    };
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(typed) && err.code == ERR_OK; i++) {
        err = add_typed(e, cells, typed[i].column, typed[i].text, arena);
    }
    if (err.code == ERR_OK) {
        err = add_manager(e, cells, f->manager, ids->manager);
    }
    if (err.code == ERR_OK) {
        err = add_team(e, cells, f->team, arena, ids->team);
    }
    if (err.code == ERR_OK && f->active >= 0) {
        cells_add(cells, COLUMN_person_active, value_int(f->active));
    }
    return err;
}

bool login_is_plain(const char *login)
{
    return login[0] != 0 && login[0] != '-' && login[strcspn(login, " \t\r\n,;\"'")] == 0;
}

struct err person_add(struct edit *e, const char *login, const struct person_form *f)
{
    uint8_t id[16];
    struct cells cells = {.count = 0};
    struct person_ids ids;
    if (!login_is_plain(login)) {
        return refuse_field(e, "malformed", "login", login);
    }
    struct err err = find_login(e->st->db, login, id);
    if (err.code != ERR_NOT_FOUND) {
        return err.code == ERR_OK ? refuse_field(e, "duplicate", "login", login) : err;
    }
    struct arena arena;
    arena_init(&arena, FORM_ARENA_BYTES_MAX);
    err = add_typed(e, &cells, COLUMN_person_login, login, &arena);
    if (err.code == ERR_OK) {
        err = take_form(e, f, &cells, &ids, &arena);
    }
    if (err.code == ERR_OK) {
        edit_new_id(e, id);
        err = store_person_add(e->write, id, cells.at, cells.count, &e->why);
    }
    if (err.code == ERR_OK && f->hash != NULL) {
        err = password_put(e->st->db, id, f->hash);
    }
    arena_release(&arena);
    return err;
}

struct err person_change(struct edit *e, const char *login, const struct person_form *f)
{
    uint8_t id[16];
    struct cells cells = {.count = 0};
    struct person_ids ids;
    struct err err = find_login(e->st->db, login, id);
    if (err.code == ERR_NOT_FOUND) {
        return refuse_field(e, "not_found", "login", login);
    }
    struct arena arena;
    arena_init(&arena, FORM_ARENA_BYTES_MAX);
    if (err.code == ERR_OK) {
        err = take_form(e, f, &cells, &ids, &arena);
    }
    if (err.code == ERR_OK && cells.count > 0) {
        err = edit_put(e, TABLE_person, id, cells.at, cells.count);
    }
    if (err.code == ERR_OK && f->hash != NULL) {
        err = password_put(e->st->db, id, f->hash);
    }
    if (err.code == ERR_OK && f->active >= 0) { /* a restore must not let anybody in again */
        enum ledger_kind kind = f->active != 0 ? LEDGER_ENABLED : LEDGER_DISABLED;
        err = store_note(e->st, kind, bytes_of(id, sizeof id), 0, edit_now_ms());
    }
    arena_release(&arena);
    return err;
}

struct err person_make_admin(struct store *st, const char *login, const char *hash,
                             struct complaint *why)
{
    const struct person_form form = {.name = login, .role = "admin", .hash = hash, .active = 1};
    struct edit e;
    struct err err = edit_begin(&e, st, "init");
    if (err.code == ERR_OK) {
        err = edit_end(&e, person_add(&e, login, &form));
        *why = e.why;
    }
    return err;
}
