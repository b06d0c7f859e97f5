/* One row of the server under work that is pending on it: below the columns, below a delete, or
 * below edits whose row had left. See apply.h. */
#include "common/changelog/device/apply.h"

#include "common/changelog/device/counted.h"
#include "common/changelog/device/freeze.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/sent.h"
#include "common/changelog/device/under.h"

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
        if ((pending >> cells[i].column & 1) != 0 && !planted(PENDING_OVERWRITTEN)) {
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

/* `local` is where the row stands now. */
static struct err place_row(struct apply *a, const struct table *t, const uint8_t id[16],
                            bool whole, const struct cell *cells, size_t count,
                            const struct row_stamp *local, const struct row_stamp *stamp,
                            bool *missing)
{
    if (local->found) {
        return local->seq > stamp->seq ? err_ok() : lay_between(a, t, id, cells, count, stamp);
    }
    if (is_deleted_here(a, t, id)) {
        return lay_below_delete(a, t, id, whole, cells, count, stamp);
    }
    if (whole) {
        return lay_again(a, t, id, cells, count, stamp);
    }
    *missing = true;
    return err_ok();
}

struct err apply_row(struct apply *a, const struct table *t, const uint8_t id[16], bool whole,
                     const struct cell *cells, size_t count, int64_t scope, int64_t seq,
                     bool *missing)
{
    const struct row_stamp stamp = {.found = true, .scope = scope, .seq = seq};
    struct row_stamp local;
    struct counted was;
    struct counted is;
    *missing = false;
    struct err err = lay_stamp_of(a->r->db, t, id, &local);
    if (err.code == ERR_OK) {
        err = counted_of(a->r, t, id, &local, &a->arena, &was);
    }
    if (err.code == ERR_OK) {
        err = place_row(a, t, id, whole, cells, count, &local, &stamp, missing);
    }
    if (err.code == ERR_OK) {
        err = counted_now(a->r, t, id, &a->arena, &is);
    }
    if (err.code == ERR_OK) {
        counted_change(a->r, t, id, &was, &is);
    }
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
    const struct counted nowhere = {.scope = 0};
    struct counted was;
    bool pending = outbox_of_row(a->r, t->number, id) != NULL;
    struct err err = counted_now(a->r, t, id, &a->arena, &was);
    if (err.code == ERR_OK && pending) {
        err = freeze_row(a, t, id);
    }
    if (err.code == ERR_OK) {
        err = lay_drop(a->r->db, t, id, &there);
    }
    a->dropped += there ? 1 : 0;
    counted_change(a->r, t, id, &was, &nowhere);
    if (err.code != ERR_OK || !pending) {
        return err;
    }
    err = under_drop_row(a->r->db, t->number, id);
    return err.code == ERR_OK && is_deleted_here(a, t, id)
               ? under_put(a->r->db, t->number, id, UNDER_SEQ, 0, &gone)
               : err;
}
