/* See restore.h. What lies below a column (`under`) is newer than what the change destroyed, and
 * goes before it. */
#include "common/changelog/device/restore.h"

#include "common/changelog/device/under.h"

/* The value that a column has without the transaction; the place below it is emptied. */
static struct err take_below(struct apply *a, const struct outbox_entry *first, uint8_t column,
                             const struct value *before, struct value *out)
{
    struct under under;
    struct err err = under_get(a->r->db, first->table, first->id, column, &a->arena, &under);
    *out = under.found ? under.value : *before;
    return err.code == ERR_OK && under.found ? under_drop(a->r->db, first->table, first->id, column)
                                             : err;
}

static struct err put_below(struct apply *a, const struct outbox_entry *first, uint8_t column,
                            const struct value *before)
{
    struct under under;
    struct err err = under_get(a->r->db, first->table, first->id, column, &a->arena, &under);
    if (err.code != ERR_OK || under.found) {
        return err;
    }
    int64_t base = outbox_base(a->r, first->table, first->id, column);
    return under_put(a->r->db, first->table, first->id, column, base, before);
}

static struct err restore_columns(struct apply *a, const struct table *t,
                                  const struct outbox_entry *first, const struct outbox_old *start)
{
    struct cell cells[COLUMNS_MAX + 1];
    size_t count = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK; i++) {
        uint8_t c = t->columns[i].number;
        if ((start->cols >> c & 1) == 0) {
            continue;
        }
        if (outbox_changed_after(a->r, t->number, first->id, first->tx, c)) {
            err = put_below(a, first, c, &start->values[c]);
        } else {
            cells[count].column = c;
            err = take_below(a, first, c, &start->values[c], &cells[count].value);
            count++;
        }
    }
    return err.code == ERR_OK ? lay_cells(a->r->db, t, first->id, cells, count, NULL) : err;
}

static bool insert_is_pending(const struct apply *a, const struct outbox_entry *first)
{
    const struct outbox_entry *e = outbox_of_row(a->r, first->table, first->id);
    return e != NULL && e->op == CHANGE_INSERT && e->tx < first->tx;
}

/* Where a deleted row stands without the delete. `stamp->found` is false where it doesn't: it left
 * meanwhile, or its own insert was refused. */
static struct err stamp_below(struct apply *a, const struct outbox_entry *first, int64_t base,
                              const struct value *scope, struct row_stamp *stamp)
{
    struct under seq;
    struct under under_scope;
    struct db *db = a->r->db;
    struct err err = under_get(db, first->table, first->id, UNDER_SEQ, &a->arena, &seq);
    if (err.code == ERR_OK) {
        err = under_get(db, first->table, first->id, UNDER_SCOPE, &a->arena, &under_scope);
    }
    *stamp = (struct row_stamp){
        .found = base != 0 || insert_is_pending(a, first),
        .scope = scope->kind == VALUE_INT ? scope->i : 0,
        .seq = base,
    };
    if (err.code == ERR_OK && seq.found) {
        stamp->found = seq.value.kind == VALUE_INT;
        stamp->seq = stamp->found ? seq.value.i : 0;
        stamp->scope = under_scope.found && under_scope.value.kind == VALUE_INT
                           ? under_scope.value.i
                           : stamp->scope;
    }
    return err;
}

static struct err restore_deleted(struct apply *a, const struct table *t,
                                  const struct outbox_entry *first, const struct outbox_old *start)
{
    struct cell cells[COLUMNS_MAX + 1];
    size_t count = 0;
    struct row_stamp stamp;
    bool there = false;
    const struct outbox_entry *e = first;
    while (e->op != CHANGE_DELETE) {
        e = outbox_next(a->r, e);
    }
    struct err err = stamp_below(a, first, e->base, &start->scope, &stamp);
    if (err.code == ERR_OK) {
        err = lay_drop(a->r->db, t, first->id, &there); /* it may have been made again */
    }
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK && stamp.found; i++) {
        uint8_t c = t->columns[i].number;
        cells[count].column = c;
        err = take_below(a, first, c, &start->values[c], &cells[count].value);
        count += cells[count].value.kind != VALUE_NULL ? 1 : 0;
    }
    if (err.code == ERR_OK && stamp.found) {
        err = lay_row(a->r->db, t, first->id, cells, count, &stamp);
    }
    return err.code == ERR_OK ? under_drop_row(a->r->db, t->number, first->id) : err;
}

struct err restore_row(struct apply *a, const struct outbox_entry *first)
{
    const struct table *t = catalogue_table(first->table);
    const struct outbox_entry *last;
    struct outbox_old start;
    bool there = false;
    if (planted(REFUSED_STAYS)) {
        return err_ok();
    }
    if (t == NULL) {
        return err_make(ERR_CORRUPT, first->table, "restore_row");
    }
    if (first->op == CHANGE_INSERT) {
        struct err err = lay_drop(a->r->db, t, first->id, &there);
        return err.code == ERR_OK ? under_drop_row(a->r->db, t->number, first->id) : err;
    }
    struct err err = outbox_start(a->r, first, &a->arena, &start, &last);
    if (err.code != ERR_OK) {
        return err;
    }
    bool deleted = first->op == CHANGE_DELETE || last->op == CHANGE_DELETE;
    return deleted ? restore_deleted(a, t, first, &start) : restore_columns(a, t, first, &start);
}
