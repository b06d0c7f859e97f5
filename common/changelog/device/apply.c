/* See apply.h: what a message brings, row by row. Nearly all rows have nothing pending and take one
 * statement each; the others go through apply_row. */
#include "common/changelog/device/apply.h"

#include "common/changelog/device/capture.h"
#include "common/changelog/device/counted.h"
#include "common/changelog/device/forget.h"
#include "common/changelog/device/outbox.h"

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
    if (err.code == ERR_OK) {
        err = sums_save(&a->r->sums, a->r->db);
    }
    err = db_end(a->r->db, err);
    if (err.code != ERR_OK) {
        outbox_reset(a->r); /* it may know of things that were undone */
        a->scope_known = false;
    }
    return err;
}

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
    return err.code == ERR_OK && missing ? apply_refetch(a, scope) : err;
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

/* A row that nothing is pending on. `*laid` is false where it needs a closer look. */
static struct err apply_plain(struct apply *a, const struct table *t, const struct rows *rows,
                              const struct row *row, struct lay_many *many, bool *laid)
{
    const struct counted is = {.scope = many->scope, .seq = row->seq};
    struct row_stamp local = {.found = false};
    struct err err = rows->whole ? err_ok() : lay_stamp_of(a->r->db, t, row->id, &local);
    if (err.code == ERR_OK) {
        err = lay_many_row(many, row, laid);
    }
    if (err.code == ERR_OK && *laid) {
        const struct counted was = counted_stamp(&local);
        counted_change(a->r, t, row->id, &was, &is);
    }
    return err;
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
            err = apply_plain(a, t, rows, row, many, &laid);
        }
        if (err.code == ERR_OK && !laid) {
            err = apply_one(a, t, rows, row, many->scope);
        }
        if (err.code == ERR_OK && forget_is_due(t, rows, row)) {
            err = forget_row(a->r->db, t, row->id);
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
    struct err err = apply_held_scope(a, &rows->scope, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    lay_many_init(&many, a->r->db, t, rows, scope);
    return apply_each(a, t, rows, &many);
}

struct err apply_departure(struct apply *a, const struct departure *departure)
{
    const struct table *t = catalogue_table(departure->table);
    int64_t scope = 0;
    bool held = false;
    struct counted local;
    if (t == NULL) {
        return err_ok(); /* a table that this program doesn't know has no rows here */
    }
    struct err err = apply_scope(a, &departure->scope, &scope, &held);
    arena_clear(&a->arena);
    if (err.code == ERR_OK) {
        err = counted_now(a->r, t, departure->id, &a->arena, &local);
    }
    bool departs = err.code == ERR_OK && scope != 0 &&
                   (local.scope == scope || planted(DEPARTURE_DROPS_ALL)) &&
                   local.seq < departure->seq;
    return err.code == ERR_OK && departs ? apply_drop(a, t, departure->id) : err;
}
