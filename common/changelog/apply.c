/* See apply.h. Nearly all rows have nothing pending and take one statement each; the others go
 * through apply_row. */
#include "common/changelog/apply.h"

#include "common/changelog/capture.h"
#include "common/changelog/digest.h"
#include "common/changelog/freeze.h"
#include "common/changelog/outbox.h"
#include "common/changelog/sent.h"
#include "common/changelog/under.h"

#define APPLY_ARENA_MAX (4 * TX_BYTES_MAX)

void apply_init(struct apply *a, struct replica *r)
{
    *a = (struct apply){.r = r};
    arena_init(&a->arena, APPLY_ARENA_MAX);
}

void apply_release(struct apply *a)
{
    arena_release(&a->arena);
}

struct err apply_begin(struct apply *a)
{
    struct err err = db_begin(a->r->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    a->scope_known = false;
    capture_pause(a->r);
    err = outbox_refresh(a->r);
    return err.code == ERR_OK ? err : apply_end(a, err);
}

struct err apply_end(struct apply *a, struct err err)
{
    capture_resume(a->r);
    err = db_end(a->r->db, err);
    if (err.code != ERR_OK) {
        outbox_reset(a->r); /* it may know of things that were undone */
        a->scope_known = false;
    }
    return err;
}

/* ---- scopes ---- */

struct err apply_scope(struct apply *a, const struct scope_id *scope, int64_t *no, bool *held)
{
    static const char sql[] = "SELECT no, held FROM scope WHERE kind = ?1 AND id = ?2";
    struct err err = err_ok();
    if (!a->scope_known || a->scope.kind != scope->kind ||
        memcmp(a->scope.id, scope->id, sizeof scope->id) != 0) {
        struct stmt st;
        err = db_use(a->r->db, sql, &st);
        if (err.code != ERR_OK) {
            return err;
        }
        bind_int(&st, 1, scope->kind);
        bind_id(&st, 2, scope->id);
        a->scope = *scope;
        a->scope_no = 0;
        a->scope_held = false;
        if (db_step_row(&st)) {
            a->scope_no = col_int(&st, 0);
            a->scope_held = col_int(&st, 1) != 0;
            stmt_reset(&st);
        }
        err = stmt_err(&st, "apply_scope");
        a->scope_known = err.code == ERR_OK;
    }
    *no = a->scope_no;
    *held = a->scope_held;
    return err;
}

/* Data may only come for scopes that were entered. */
static struct err held_scope(struct apply *a, const struct scope_id *scope, int64_t *no)
{
    bool held = false;
    struct err err = apply_scope(a, scope, no, &held);
    return err.code == ERR_OK && !held ? err_make(ERR_PROTOCOL, scope->kind, "apply: scope") : err;
}

static struct err run_for_scope(struct apply *a, const char *sql, int64_t no, const char *where)
{
    struct stmt st;
    struct err err = db_use(a->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, no);
        err = db_step_done(&st, where);
    }
    return err;
}

struct err apply_enter(struct apply *a, const struct scope_id *scope)
{
    static const char enter[] = "INSERT INTO scope (kind, id, held) VALUES (?1, ?2, 1)"
                                " ON CONFLICT (kind, id) DO UPDATE SET held = 1";
    static const char begin[] =
        "INSERT INTO cursor (scope) VALUES (?1) ON CONFLICT (scope) DO NOTHING";
    struct stmt st;
    int64_t no = 0;
    struct err err = db_use(a->r->db, enter, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope->kind);
    bind_id(&st, 2, scope->id);
    err = db_step_done(&st, "apply_enter");
    a->scope_known = false;
    if (err.code == ERR_OK) {
        err = held_scope(a, scope, &no);
    }
    return err.code == ERR_OK ? run_for_scope(a, begin, no, "apply_enter") : err;
}

/* Deletes of rows of the scope that wait for their verdict: if it refuses them, nothing comes
 * back. */
static struct err forget_deleted(struct apply *a, int64_t no)
{
    const struct value gone = value_null();
    size_t count = 0;
    const struct outbox_entry *e = outbox_from(a->r, 0, &count);
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        struct outbox_old old = {.cols = 0};
        if (e[i].op != CHANGE_DELETE) {
            continue;
        }
        err = outbox_old(a->r, &e[i], &a->arena, &old);
        if (err.code == ERR_OK && old.scope.kind == VALUE_INT && old.scope.i == no) {
            err = under_put(a->r->db, e[i].table, e[i].id, UNDER_SEQ, e[i].base, &gone);
        }
    }
    return err;
}

struct err apply_leave(struct apply *a, const struct scope_id *scope)
{
    int64_t no = 0;
    bool held = false;
    struct err err = apply_scope(a, scope, &no, &held);
    if (err.code != ERR_OK || !held) {
        return err;
    }
    arena_clear(&a->arena);
    err = freeze_all(a->r); /* what is pending on these rows takes its values from them */
    if (err.code == ERR_OK) {
        err = forget_deleted(a, no);
    }
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE _scope = ?1",
                       catalogue_table_at(i)->name);
        err = run_for_scope(a, sql, no, "apply_leave");
        a->dropped += err.code == ERR_OK ? db_changes(a->r->db) : 0;
    }
    if (err.code == ERR_OK) {
        err = run_for_scope(a, "DELETE FROM cursor WHERE scope = ?1", no, "apply_leave");
    }
    if (err.code == ERR_OK) {
        err = run_for_scope(a, "UPDATE scope SET held = 0 WHERE no = ?1", no, "apply_leave");
    }
    a->scope_known = false;
    return err;
}

static bool is_refetched(const struct apply *a, int64_t scope)
{
    for (size_t i = 0; i < a->refetch_count; i++) {
        if (a->refetch[i] == scope) {
            return true;
        }
    }
    return false;
}

static struct err refetch(struct apply *a, int64_t scope)
{
    if (is_refetched(a, scope)) {
        return err_ok();
    }
    if (a->refetch_count == APPLY_REFETCH_MAX) {
        return err_make(ERR_PROTOCOL, 0, "apply: rows missing in too many scopes");
    }
    a->refetch[a->refetch_count++] = scope;
    return err_ok();
}

struct err apply_checkpoint(struct apply *a, const struct cursor *cursor)
{
    static const char sql[] = "INSERT INTO cursor (scope, done, pos, goal) VALUES (?1, ?2, ?3, ?4)"
                              " ON CONFLICT (scope) DO UPDATE SET done = ?2, pos = ?3, goal = ?4";
    struct stmt st;
    int64_t no = 0;
    struct err err = held_scope(a, &cursor->scope, &no);
    if (err.code == ERR_OK) {
        err = db_use(a->r->db, sql, &st);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool anew = is_refetched(a, no);
    bind_int(&st, 1, no);
    bind_int(&st, 2, anew ? 0 : cursor->done);
    bind_int(&st, 3, anew ? 0 : cursor->pos);
    bind_int(&st, 4, anew ? 0 : cursor->goal);
    return db_step_done(&st, "apply_checkpoint");
}

static bool has_entry(const struct digest *digest, const struct digest_entry *e)
{
    for (size_t i = 0; i < digest->entry_count; i++) {
        const struct digest_entry *other = &digest->entries[i];
        if (other->table == 0 && scope_id_compare(&other->scope, &e->scope) == 0) {
            return other->rows == e->rows && memcmp(other->sum, e->sum, sizeof e->sum) == 0;
        }
    }
    return false;
}

struct err apply_anew(struct apply *a, const struct digest *mine, const struct digest *theirs)
{
    static const char sql[] = "UPDATE cursor SET done = 0, pos = 0, goal = 0 WHERE scope = ?1";
    struct err err = err_ok();
    for (size_t i = 0; i < mine->entry_count && err.code == ERR_OK; i++) {
        const struct digest_entry *e = &mine->entries[i];
        int64_t no = 0;
        bool held = false;
        if (e->table != 0 || has_entry(theirs, e)) {
            continue;
        }
        err = apply_scope(a, &e->scope, &no, &held);
        if (err.code == ERR_OK) {
            err = run_for_scope(a, sql, no, "apply_anew");
        }
    }
    return err;
}

/* ---- one row under pending work ---- */

static struct err hide(struct apply *a, const struct table *t, const uint8_t id[16],
                       const struct cell *cell)
{
    int64_t base = outbox_base(a->r, t->number, id, cell->column);
    return under_put(a->r->db, t->number, id, cell->column, base, &cell->value);
}

/* The row is there: cells that are pending go below, the others in. */
static struct err lay_between(struct apply *a, const struct table *t, const uint8_t id[16],
                              const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    struct cell open[COLUMNS_MAX + 1];
    size_t open_count = 0;
    uint64_t pending = outbox_pending_columns(a->r, t->number, id);
    struct err err = err_ok();
    assert(count <= count_of(open));
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        if (pending >> cells[i].column & 1) {
            err = hide(a, t, id, &cells[i]);
        } else {
            open[open_count++] = cells[i];
        }
    }
    return err.code == ERR_OK ? lay_cells(a->r->db, t, id, open, open_count, stamp) : err;
}

/* The row was deleted here and the verdict is still to come. */
static struct err lay_below_delete(struct apply *a, const struct table *t, const uint8_t id[16],
                                   bool whole, const struct cell *cells, size_t count,
                                   const struct row_stamp *stamp)
{
    struct under seq;
    struct err err = under_get(a->r->db, t->number, id, UNDER_SEQ, &a->arena, &seq);
    if (err.code != ERR_OK) {
        return err;
    }
    bool gone = seq.found && seq.value.kind == VALUE_NULL;
    bool newer = seq.found && seq.value.kind == VALUE_INT && seq.value.i > stamp->seq;
    if (newer || (gone && !whole)) {
        return err_ok();
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = hide(a, t, id, &cells[i]);
    }
    const struct value parts[] = {value_int(stamp->seq), value_int(stamp->scope)};
    if (err.code == ERR_OK) {
        err = under_put(a->r->db, t->number, id, UNDER_SEQ, 0, &parts[0]);
    }
    return err.code == ERR_OK ? under_put(a->r->db, t->number, id, UNDER_SCOPE, 0, &parts[1]) : err;
}

static const struct value *cell_value(const struct cell *cells, size_t count, uint8_t column)
{
    static const struct value none = {.kind = VALUE_NULL};
    for (size_t i = 0; i < count; i++) {
        if (cells[i].column == column) {
            return &cells[i].value;
        }
    }
    return &none;
}

/* Lays what a frozen transaction wrote to the row on top of what the server has. */
static struct err overlay_change(struct apply *a, const struct table *t,
                                 const struct change *change, const struct cell *below,
                                 size_t below_count)
{
    struct err err = err_ok();
    for (size_t i = 0; i < change->cell_count && err.code == ERR_OK; i++) {
        uint8_t c = change->cells[i].column;
        if (table_column(t, c) != NULL) {
            err = under_put(a->r->db, t->number, change->id, c, change->base,
                            cell_value(below, below_count, c));
        }
    }
    return err.code == ERR_OK
               ? lay_cells(a->r->db, t, change->id, change->cells, change->cell_count, NULL)
               : err;
}

/* A row that had left comes back while work on it is still pending. */
static struct err lay_again(struct apply *a, const struct table *t, const uint8_t id[16],
                            const struct cell *cells, size_t count, const struct row_stamp *stamp)
{
    int64_t tx = 0;
    struct err err = lay_row(a->r->db, t, id, cells, count, stamp);
    for (const struct outbox_entry *e = outbox_of_row(a->r, t->number, id);
         e != NULL && err.code == ERR_OK; e = outbox_next(a->r, e)) {
        struct transaction sent;
        if (e->tx == tx) {
            continue;
        }
        tx = e->tx;
        err = sent_transaction(a->r->db, tx, &a->arena, &sent);
        if (err.code == ERR_NOT_FOUND) {
            err = err_ok();
            continue;
        }
        for (size_t i = 0; err.code == ERR_OK && i < sent.change_count; i++) {
            const struct change *change = &sent.changes[i];
            if (change->table == t->number && memcmp(change->id, id, sizeof change->id) == 0) {
                err = overlay_change(a, t, change, cells, count);
            }
        }
    }
    return err;
}

static bool is_deleted_here(const struct apply *a, const struct table *t, const uint8_t id[16])
{
    bool deleted = false;
    for (const struct outbox_entry *e = outbox_of_row(a->r, t->number, id); e != NULL;
         e = outbox_next(a->r, e)) {
        deleted = e->op == CHANGE_DELETE;
    }
    return deleted;
}

struct err apply_row(struct apply *a, const struct table *t, const uint8_t id[16], bool whole,
                     const struct cell *cells, size_t count, int64_t scope, int64_t seq,
                     bool *missing)
{
    const struct row_stamp stamp = {.found = true, .scope = scope, .seq = seq};
    struct row_stamp local;
    *missing = false;
    struct err err = lay_stamp_of(a->r->db, t, id, &local);
    if (err.code != ERR_OK) {
        return err;
    }
    if (local.found) {
        return local.seq > seq ? err : lay_between(a, t, id, cells, count, &stamp);
    }
    if (is_deleted_here(a, t, id)) {
        return lay_below_delete(a, t, id, whole, cells, count, &stamp);
    }
    if (whole) {
        return lay_again(a, t, id, cells, count, &stamp);
    }
    *missing = true;
    return err;
}

static struct err freeze_row(struct apply *a, const struct table *t, const uint8_t id[16])
{
    int64_t frozen = 0;
    struct err err = db_one_int(a->r->db, "SELECT coalesce(max(tx), 0) FROM sent", &frozen);
    for (const struct outbox_entry *e = outbox_of_row(a->r, t->number, id);
         e != NULL && err.code == ERR_OK; e = outbox_next(a->r, e)) {
        if (e->tx > frozen) {
            return freeze_all(a->r);
        }
    }
    return err;
}

struct err apply_drop(struct apply *a, const struct table *t, const uint8_t id[16])
{
    const struct value gone = value_null();
    bool there = false;
    bool pending = outbox_of_row(a->r, t->number, id) != NULL;
    struct err err = pending ? freeze_row(a, t, id) : err_ok();
    if (err.code == ERR_OK) {
        err = lay_drop(a->r->db, t, id, &there);
    }
    a->dropped += there ? 1 : 0;
    if (err.code != ERR_OK || !pending) {
        return err;
    }
    err = under_drop_row(a->r->db, t->number, id);
    return err.code == ERR_OK && is_deleted_here(a, t, id)
               ? under_put(a->r->db, t->number, id, UNDER_SEQ, 0, &gone)
               : err;
}

/* ---- messages ---- */

static struct err row_cells(struct apply *a, const struct rows *rows, const struct row *row,
                            struct cell **out, size_t *count)
{
    *count = 0;
    *out = arena_array(&a->arena, rows->column_count, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "apply_rows");
    }
    for (size_t i = 0; i < rows->column_count; i++) {
        if (rows->columns[i] != COLUMN_DELETED) {
            (*out)[(*count)++] = (struct cell){.column = rows->columns[i], .value = row->values[i]};
        }
    }
    return err_ok();
}

/* A row that has pending work, or that lay_many_row found no place for. */
static struct err apply_one(struct apply *a, const struct table *t, const struct rows *rows,
                            const struct row *row, int64_t scope)
{
    struct cell *cells = NULL;
    size_t count = 0;
    bool missing = false;
    arena_clear(&a->arena);
    struct err err = row_cells(a, rows, row, &cells, &count);
    if (err.code == ERR_OK) {
        err = apply_row(a, t, row->id, rows->whole, cells, count, scope, row->seq, &missing);
    }
    return err.code == ERR_OK && missing ? refetch(a, scope) : err;
}

static struct err apply_tombstone(struct apply *a, const struct table *t, const struct row *row)
{
    struct row_stamp local;
    struct err err = lay_stamp_of(a->r->db, t, row->id, &local);
    return err.code == ERR_OK && local.seq <= row->seq ? apply_drop(a, t, row->id) : err;
}

static const struct table *known_table(const struct rows *rows)
{
    const struct table *t = catalogue_table(rows->table);
    for (size_t i = 0; t != NULL && i < rows->column_count; i++) {
        if (rows->columns[i] != COLUMN_DELETED && table_column(t, rows->columns[i]) == NULL) {
            return NULL; /* the server knows which catalogue this program has */
        }
    }
    return t;
}

static struct err apply_each(struct apply *a, const struct table *t, const struct rows *rows,
                             struct lay_many *many)
{
    struct err err = err_ok();
    bool told = rows->column_count > 0 && rows->columns[0] == COLUMN_DELETED;
    for (size_t i = 0; i < rows->count && err.code == ERR_OK; i++) {
        const struct row *row = &rows->rows[i];
        bool laid = false;
        if (told && row->values[0].kind != VALUE_NULL) {
            err = apply_tombstone(a, t, row);
            continue;
        }
        if (outbox_of_row(a->r, t->number, row->id) == NULL) {
            err = lay_many_row(many, row, &laid);
        }
        if (err.code == ERR_OK && !laid) {
            err = apply_one(a, t, rows, row, many->scope);
        }
    }
    a->rows += (int64_t)rows->count;
    return err;
}

struct err apply_rows(struct apply *a, const struct rows *rows)
{
    const struct table *t = known_table(rows);
    if (t == NULL) {
        return err_make(ERR_PROTOCOL, rows->table, "apply_rows: table or column");
    }
    int64_t scope = 0;
    struct lay_many many;
    struct err err = held_scope(a, &rows->scope, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    err = lay_many_init(&many, a->r->db, t, rows, scope);
    if (err.code == ERR_OK) {
        err = apply_each(a, t, rows, &many);
    }
    lay_many_release(&many);
    return err;
}

/* Of a row that was deleted here and waits for its verdict: whether it departed, as far as this
 * device knows. */
static struct err deleted_departs(struct apply *a, const struct departure *departure, int64_t scope,
                                  bool *departs)
{
    struct under seq;
    struct under to;
    struct db *db = a->r->db;
    const struct outbox_entry *e = outbox_of_row(a->r, departure->table, departure->id);
    *departs = false;
    while (e != NULL && e->op != CHANGE_DELETE) {
        e = outbox_next(a->r, e);
    }
    if (e == NULL) {
        return err_ok();
    }
    struct err err = under_get(db, departure->table, departure->id, UNDER_SEQ, &a->arena, &seq);
    if (err.code == ERR_OK) {
        err = under_get(db, departure->table, departure->id, UNDER_SCOPE, &a->arena, &to);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (seq.found && seq.value.kind == VALUE_INT && to.found) {
        *departs = to.value.i == scope && seq.value.i < departure->seq;
        return err_ok();
    }
    struct outbox_old old;
    err = outbox_old(a->r, e, &a->arena, &old);
    *departs = err.code == ERR_OK && old.scope.kind == VALUE_INT && old.scope.i == scope;
    return err;
}

struct err apply_departure(struct apply *a, const struct departure *departure)
{
    const struct table *t = catalogue_table(departure->table);
    int64_t scope = 0;
    bool held = false;
    struct row_stamp local;
    if (t == NULL) {
        return err_ok(); /* a table that this program doesn't know has no rows here */
    }
    struct err err = apply_scope(a, &departure->scope, &scope, &held);
    if (err.code == ERR_OK) {
        err = lay_stamp_of(a->r->db, t, departure->id, &local);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool departs = local.found && local.scope == scope && local.seq < departure->seq;
    arena_clear(&a->arena);
    if (!local.found) {
        err = deleted_departs(a, departure, scope, &departs);
    }
    return err.code == ERR_OK && departs ? apply_drop(a, t, departure->id) : err;
}
