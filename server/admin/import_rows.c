/* See import_rows.h. */
#include "common/base/base.h"

#include "common/base/complaint.h"
#include "server/admin/import_batch.h"
#include "server/admin/import_fill.h"
#include "server/admin/import_rows.h"
#include "server/admin/person.h"
#include "server/store/machine.h"

#define ROW_ARENA_BYTES_MAX   (16 << 20)
#define LATER_ARENA_BYTES_MAX (256 << 20)
#define OLD_BYTES_MAX         (1 << 20)

struct import_later {
    uint64_t line;
    uint8_t id[16];
    const struct plan_target *target;
    struct bytes text;
    struct import_later *next;
};

void import_init(struct import *im, struct data *d, const struct table *t)
{
    *im = (struct import){.d = d, .rules = d->rules, .now_ms = machine_wall_ms()};
    plan_init(&im->plan, t);
    arena_init(&im->arena, ROW_ARENA_BYTES_MAX);
    arena_init(&im->later_arena, LATER_ARENA_BYTES_MAX);
    buf_init(&im->old, OLD_BYTES_MAX);
    im->later_end = &im->later;
}

void import_release(struct import *im)
{
    plan_release(&im->plan);
    arena_release(&im->arena);
    arena_release(&im->later_arena);
    buf_release(&im->old);
}

static struct err refuse_field(const char *code, const char *field, struct bytes detail,
                               struct complaint *why)
{
    int size = detail.size > 100 ? 100 : (int)detail.size;
    complaint_make(why, code, field, "%.*s", size, (const char *)detail.at);
    return err_make(ERR_INVALID, 0, "import");
}

/* ---- references ---- */

/* The one id that a statement gives; its code is not_found or ambiguous where it isn't one. */
static struct err one_id(struct stmt *st, const char *field, struct bytes text, uint8_t id[16],
                         struct complaint *why)
{
    bool found = db_step_row(st) && col_id(st, 0, id);
    bool more = found && db_step_row(st);
    stmt_reset(st);
    struct err err = stmt_err(st, "one_id");
    if (err.code != ERR_OK) {
        return err;
    }
    if (!found || more) {
        return refuse_field(more ? "ambiguous" : "not_found", field, text, why);
    }
    return err_ok();
}

static struct err find_reference(struct import *im, const struct plan_target *t, struct bytes text,
                                 struct value *out, struct complaint *why)
{
    uint8_t whole[16];
    if (t->key == NULL || (t->takes_id && id_parse(text, whole))) {
        return column_parse(t->column, text, &im->rules, &im->arena, out, why)
                   ? err_ok()
                   : err_make(ERR_INVALID, 0, "find_reference");
    }
    struct value key;
    if (!column_parse(t->key, text, &im->rules, &im->arena, &key, why)) {
        return refuse_field(why->code, t->column->name, text, why);
    }
    uint8_t *id = arena_alloc(&im->arena, 16);
    struct stmt st;
    struct err err =
        id == NULL ? err_make(ERR_NOMEM, 0, "find_reference") : db_use(im->d->db, t->find_sql, &st);
    if (err.code == ERR_OK) {
        bind_value(&st, 1, &key);
        err = one_id(&st, t->column->name, text, id, why);
        *out = value_blob(bytes_of(id, 16));
    }
    return err;
}

static bool points_to_own_table(const struct import *im, const struct plan_target *t)
{
    return t->column->ref == im->plan.table->number && t->constant == NULL;
}

static struct err put_off(struct import *im, const struct plan_target *t, const struct csv_row *row,
                          struct bytes text, const uint8_t id[16])
{
    struct import_later *later = arena_alloc(&im->later_arena, sizeof *later);
    struct bytes kept = arena_copy(&im->later_arena, text);
    if (later == NULL || kept.at == NULL) {
        return err_make(ERR_NOMEM, 0, "put_off");
    }
    *later = (struct import_later){.line = row->line, .target = t, .text = kept};
    memcpy(later->id, id, 16);
    *im->later_end = later;
    im->later_end = &later->next;
    return err_ok();
}

/* ---- cells ---- */

static struct err take_cell(struct import *im, const struct plan_target *t,
                            const struct csv_row *row, struct cells *cells, struct complaint *why)
{
    struct bytes text = plan_text(&im->plan, t, row, &im->arena);
    if (text.size > 0 && points_to_own_table(im, t)) {
        return err_ok(); /* put off until all rows are there */
    }
    struct value v = value_null();
    if (text.size > 0 && t->column->ref != 0) {
        struct err err = find_reference(im, t, text, &v, why);
        if (err.code != ERR_OK) {
            return err;
        }
    } else if (!column_parse(t->column, text, &im->rules, &im->arena, &v, why)) {
        if (why->detail[0] == 0) {
            return refuse_field(why->code, t->column->name, text, why);
        }
        return err_make(ERR_INVALID, 0, "take_cell");
    }
    bool needless = v.kind == VALUE_NULL && (t->column->flags & COLUMN_REQUIRED) != 0;
    if (!needless) { /* an empty cell leaves a needed value to what fills in */
        cells_add(cells, t->column->number, v);
    }
    return err_ok();
}

static struct err take_cells(struct import *im, const struct csv_row *row, struct cells *cells,
                             struct complaint *why)
{
    struct err err = err_ok();
    for (size_t i = 0; i < im->plan.target_count && err.code == ERR_OK; i++) {
        err = take_cell(im, &im->plan.targets[i], row, cells, why);
    }
    return err;
}

/* ---- which row ---- */

/* An old system's number stands for a row: taking it in twice is a mistake that --key mends. */
static struct err check_number(struct import *im, const struct cells *cells, struct complaint *why)
{
    const struct column *no = table_column_named(im->plan.table, "no");
    const struct value *v = no == NULL ? NULL : cells_find(cells, no->number);
    if (v == NULL || v->kind != VALUE_TEXT) {
        return err_ok();
    }
    char sql[PLAN_SQL_MAX];
    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE no = ?1 AND _deleted_at IS NULL",
                   im->plan.table->name);
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_value(&st, 1, v);
    bool there = db_step_row(&st);
    stmt_reset(&st);
    return there ? refuse_field("duplicate", "no", v->b, why) : stmt_err(&st, "check_number");
}

/* The row that the key names; `*fresh` where there is none yet. */
static struct err find_keyed(struct import *im, const struct cells *cells, uint8_t id[16],
                             bool *fresh, struct complaint *why)
{
    const struct plan *p = &im->plan;
    struct stmt st;
    struct err err = db_use(im->d->db, p->key_sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < p->key_count; i++) {
        const struct value *v = cells_find(cells, p->keys[i]->number);
        if (v == NULL || v->kind == VALUE_NULL) {
            return refuse_field("required", p->keys[i]->name, bytes_text(""), why);
        }
        bind_value(&st, (int)i + 1, v);
    }
    err = one_id(&st, p->keys[0]->name, bytes_text(""), id, why);
    *fresh = err.code == ERR_INVALID && strcmp(why->code, "not_found") == 0;
    if (*fresh) {
        *why = (struct complaint){0};
        return err_ok();
    }
    bool twice = false;
    if (err.code == ERR_OK) {
        err = batch_has(im->d->db, im->batch, p->table->number, id, &twice);
    }
    return twice ? refuse_field("duplicate", p->keys[0]->name, bytes_text(""), why) : err;
}

static struct err find_row(struct import *im, const struct cells *cells, uint8_t id[16],
                           bool *fresh, struct complaint *why)
{
    *fresh = true;
    struct err err = im->plan.key_count > 0 ? find_keyed(im, cells, id, fresh, why)
                                            : check_number(im, cells, why);
    if (err.code == ERR_OK && *fresh) {
        struct edit e = {.st = &im->d->store};
        edit_new_id(&e, id);
    }
    return err;
}

/* ---- writing ---- */

static struct err row_seq(struct import *im, const struct table *t, const uint8_t id[16],
                          int64_t *seq)
{
    char sql[PLAN_SQL_MAX];
    (void)snprintf(sql, sizeof sql, "SELECT _seq FROM %s WHERE id = ?1", t->name);
    struct stmt st;
    struct err err = db_use(im->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, id);
    *seq = db_step_row(&st) ? col_int(&st, 0) : 0;
    stmt_reset(&st);
    return stmt_err(&st, "row_seq");
}

/* A person comes with a home book. */
static struct err put_person(struct import *im, const uint8_t id[16], const struct cells *cells,
                             int64_t *seq, struct complaint *why)
{
    const struct value *login = cells_find(cells, COLUMN_person_login);
    if (login != NULL && login->kind == VALUE_TEXT && !login_is_plain((const char *)login->b.at)) {
        return refuse_field("malformed", "login", login->b, why);
    }
    struct err err = store_person_add(im->write, id, cells->at, cells->count, why);
    return err.code == ERR_OK ? row_seq(im, im->plan.table, id, seq) : err;
}

struct err import_put(struct import *im, const struct table *t, const uint8_t id[16], bool fresh,
                      const struct cells *cells, struct complaint *why)
{
    struct batch_change change = {.table = t->number, .made = fresh};
    memcpy(change.id, id, 16);
    buf_clear(&im->old);
    struct err err = fresh ? err_ok() : row_seq(im, t, id, &change.before);
    if (err.code == ERR_OK && fresh && t->number == TABLE_person) {
        err = put_person(im, id, cells, &change.after, why);
    } else if (err.code == ERR_OK) {
        err = server_write_put(im->write, t, id, cells->at, cells->count, -1, &change.after,
                               &im->old, why);
    }
    im->wrote = err.code == ERR_OK && change.after != change.before;
    if (!im->wrote) {
        return err; /* an update that changes nothing is none */
    }
    change.old = buf_bytes(&im->old);
    return batch_note(im->d->db, im->batch, &change);
}

static struct err put_row(struct import *im, const struct csv_row *row, struct complaint *why)
{
    struct cells cells = {.count = 0};
    uint8_t id[16];
    bool fresh = true;
    struct err err = take_cells(im, row, &cells, why);
    if (err.code == ERR_OK) {
        err = find_row(im, &cells, id, &fresh, why);
    }
    if (err.code == ERR_OK && fresh) {
        err = import_fill(im, &cells, why);
    }
    if (err.code == ERR_OK) {
        err = import_put(im, im->plan.table, id, fresh, &cells, why);
    }
    for (size_t i = 0; i < im->plan.target_count && err.code == ERR_OK; i++) {
        const struct plan_target *t = &im->plan.targets[i];
        struct bytes text = plan_text(&im->plan, t, row, &im->arena);
        if (text.size > 0 && points_to_own_table(im, t)) {
            err = put_off(im, t, row, text, id);
        }
    }
    if (err.code == ERR_OK) {
        im->made += fresh ? 1 : 0;
        im->changed += im->wrote && !fresh ? 1 : 0;
    }
    return err;
}

struct err import_row(struct import *im, const struct csv_row *row, struct complaint *why)
{
    arena_clear(&im->arena);
    struct server_write_mark mark;
    struct err err = server_write_savepoint(im->write, &mark);
    if (err.code != ERR_OK) {
        return err;
    }
    err = put_row(im, row, why);
    struct err ended = server_write_savepoint_end(im->write, &mark, err.code == ERR_OK);
    return err.code == ERR_OK ? ended : err;
}

static struct err put_later(struct import *im, const struct import_later *later,
                            struct complaint *why)
{
    struct cells cells = {.count = 0};
    struct value v;
    struct err err = find_reference(im, later->target, later->text, &v, why);
    if (err.code == ERR_OK) {
        cells_add(&cells, later->target->column->number, v);
        err = import_put(im, im->plan.table, later->id, false, &cells, why);
    }
    return err;
}

bool import_later(struct import *im, uint64_t *line, struct err *err, struct complaint *why)
{
    const struct import_later *later = im->later;
    if (later == NULL) {
        return false;
    }
    im->later = later->next;
    *line = later->line;
    arena_clear(&im->arena);
    *err = put_later(im, later, why);
    return true;
}
