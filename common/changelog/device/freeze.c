/* See freeze.h.
 *
 * The value that a transaction gave to a column is the row's value now, unless a later transaction
 * changed the column again: then it is the first such one's old value. Changes are folded within
 * the transaction: insert and update are an insert, insert and delete are nothing, and so on.
 *
 * A column that was already pending when it was changed again keeps the base of its earliest
 * pending change: its author never saw what arrived below it since. So one row may stand in a
 * transaction as several changes, one for each base. */
#include "common/changelog/device/freeze.h"

#include "common/changelog/device/outbox.h"
#include "common/changelog/device/rests.h"
#include "common/changelog/device/row.h"
#include "common/changelog/device/under.h"
#include "protocol/codec.h"

#define FREEZE_ARENA_MAX (4 * TX_BYTES_MAX)

struct freezer {
    struct replica *r;
    struct arena arena; /* of the transaction at hand */
    struct buf body;
    struct rests rests;
    uint32_t catalogue;
    uint32_t epoch;
    uint64_t next_seq;
    bool under_empty;
    struct transaction tx;
    size_t change_room;
};

static struct err no_memory(const struct freezer *f)
{
    return err_make(f->arena.full ? ERR_LIMIT : ERR_NOMEM, 0, "freeze");
}

/* ---- what a row was at the transaction's end ---- */

static struct err overlay_later(struct freezer *f, const struct outbox_entry *last,
                                struct outbox_old *end)
{
    struct err err = err_ok();
    for (const struct outbox_entry *e = outbox_next(f->r, last);
         e != NULL && err.code == ERR_OK && end->cols != UINT64_MAX; e = outbox_next(f->r, e)) {
        struct outbox_old old;
        if (e->op == CHANGE_INSERT) {
            continue; /* behind a delete, which knew everything */
        }
        err = outbox_old(f->r, e, &f->arena, &old);
        uint64_t told = e->op == CHANGE_DELETE ? UINT64_MAX : e->cols;
        for (unsigned c = 0; err.code == ERR_OK && c <= COLUMNS_MAX; c++) {
            if ((told & ~end->cols) >> c & 1) {
                end->values[c] = old.values[c];
            }
        }
        end->cols |= told;
    }
    return err;
}

/* `*found` is false where nothing tells any more what the row was. */
static struct err end_state(struct freezer *f, const struct table *t,
                            const struct outbox_entry *last, struct outbox_old *end, bool *found)
{
    struct stored_row row;
    end->cols = 0;
    memset(end->values, 0, sizeof end->values);
    struct err err = overlay_later(f, last, end);
    *found = end->cols == UINT64_MAX;
    if (err.code != ERR_OK || *found) {
        return err;
    }
    err = row_get(f->r->db, t, last->id, &f->arena, &row);
    if (err.code == ERR_NOT_FOUND) {
        return err_ok();
    }
    *found = err.code == ERR_OK;
    for (size_t i = 0; err.code == ERR_OK && i < t->column_count; i++) {
        uint8_t c = t->columns[i].number;
        if ((end->cols >> c & 1) == 0) {
            end->values[c] = row.values[i];
        }
    }
    return err;
}

/* ---- changes ---- */

static struct change *add_change(struct freezer *f, const struct outbox_entry *e, enum change_op op,
                                 int64_t base, size_t cells)
{
    if (f->tx.change_count == f->change_room) {
        size_t room = f->change_room == 0 ? 4 : f->change_room * 2;
        struct change *wider = arena_array(&f->arena, room, sizeof *wider);
        if (wider == NULL) {
            return NULL;
        }
        if (f->tx.change_count > 0) {
            memcpy(wider, f->tx.changes, f->tx.change_count * sizeof *wider);
        }
        f->tx.changes = wider;
        f->change_room = room;
    }
    struct change *change = &f->tx.changes[f->tx.change_count];
    *change = (struct change){.table = e->table, .op = (uint8_t)op, .base = base};
    memcpy(change->id, e->id, sizeof change->id);
    change->cells = arena_array(&f->arena, cells, sizeof *change->cells);
    if (change->cells == NULL) {
        return NULL;
    }
    f->tx.change_count++;
    return change;
}

static struct err fold_insert(struct freezer *f, const struct table *t,
                              const struct outbox_entry *last)
{
    struct outbox_old end;
    bool found = false;
    struct err err = end_state(f, t, last, &end, &found);
    if (err.code != ERR_OK || !found) {
        return err;
    }
    struct change *change = add_change(f, last, CHANGE_INSERT, 0, t->column_count);
    if (change == NULL) {
        return no_memory(f);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        uint8_t c = t->columns[i].number;
        if (end.values[c].kind != VALUE_NULL) {
            change->cells[change->cell_count++] =
                (struct cell){.column = c, .value = end.values[c]};
        }
    }
    return rests_of_insert(&f->rests, f->r, last->tx, t, change);
}

static struct err column_base(struct freezer *f, const struct outbox_entry *first, uint8_t column,
                              int64_t *base)
{
    if (planted(BASE_MOVES)) {
        *base = first->base;
        return err_ok();
    }
    if (!f->under_empty) {
        struct under under;
        struct err err = under_get(f->r->db, first->table, first->id, column, &f->arena, &under);
        if (err.code != ERR_OK || under.found) {
            *base = under.base;
            return err;
        }
    }
    *base = outbox_base(f->r, first->table, first->id, column);
    return err_ok();
}

static struct err fold_update(struct freezer *f, const struct table *t,
                              const struct outbox_entry *first)
{
    const struct outbox_entry *last;
    struct outbox_old start;
    struct outbox_old end;
    int64_t bases[COLUMNS_MAX + 1];
    bool found = false;
    struct err err = outbox_start(f->r, first, &f->arena, &start, &last);
    if (err.code == ERR_OK) {
        err = end_state(f, t, last, &end, &found);
    }
    uint64_t changed = 0;
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK && found; i++) {
        uint8_t c = t->columns[i].number;
        if ((start.cols >> c & 1) == 0) {
            if (first->op != CHANGE_DELETE) {
                continue;
            }
            start.values[c] = value_null(); /* deleted and made again: it was NULL before */
        }
        if (!value_equal(&start.values[c], &end.values[c])) {
            changed |= UINT64_C(1) << c;
            err = column_base(f, first, c, &bases[c]);
        }
    }
    for (uint64_t left = changed; left != 0 && err.code == ERR_OK;) {
        int64_t base = bases[__builtin_ctzll(left)];
        struct change *change = add_change(f, first, CHANGE_UPDATE, base, t->column_count);
        for (size_t i = 0; change != NULL && i < t->column_count; i++) {
            uint8_t c = t->columns[i].number;
            if ((left >> c & 1) == 0 || bases[c] != base) {
                continue;
            }
            bool set = t->columns[i].policy == MERGE_UNION;
            struct cell *cell = &change->cells[change->cell_count++];
            *cell = (struct cell){.column = c, .has_old = set, .value = end.values[c]};
            cell->old = set ? start.values[c] : value_null();
            left &= ~(UINT64_C(1) << c);
        }
        err =
            change == NULL ? no_memory(f) : rests_of_update(&f->rests, f->r, first->tx, t, change);
    }
    return err;
}

static struct err fold_delete(struct freezer *f, const struct table *t,
                              const struct outbox_entry *first, const struct outbox_entry *last)
{
    int64_t base = last->base;
    int64_t below = 0;
    bool found = false;
    struct err err =
        f->under_empty ? err_ok() : under_base(f->r->db, first->table, first->id, &found, &below);
    if (err.code != ERR_OK) {
        return err;
    }
    if (found && below < base) {
        base = below; /* what lies under pending columns, the author of the delete never saw */
    }
    struct change *change = add_change(f, last, CHANGE_DELETE, base, 0);
    return change == NULL ? no_memory(f) : rests_of_delete(&f->rests, f->r, first->tx, t, change);
}

/* ---- transactions ---- */

static struct err fold_row(struct freezer *f, const struct outbox_entry *first)
{
    const struct table *t = catalogue_table(first->table);
    if (t == NULL) {
        return err_make(ERR_CORRUPT, first->table, "freeze: unknown table");
    }
    const struct outbox_entry *last = first;
    for (const struct outbox_entry *e = outbox_next(f->r, first); e != NULL && e->tx == first->tx;
         e = outbox_next(f->r, e)) {
        last = e;
    }
    bool deleted = last->op == CHANGE_DELETE;
    if (first->op == CHANGE_INSERT) {
        return deleted ? err_ok() : fold_insert(f, t, last);
    }
    return deleted ? fold_delete(f, t, first, last) : fold_update(f, t, first);
}

/* Clocks and intent stand in the transaction's first row. */
static struct err read_written(struct freezer *f, int64_t first_key)
{
    static const char sql[] = "SELECT wall, mono, boot, seen, intent FROM outbox WHERE key = ?1";
    struct stmt st;
    struct err err = db_use(f->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, first_key);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "freeze");
        return err.code != ERR_OK ? err : err_make(ERR_CORRUPT, 0, "freeze: first row");
    }
    if (col_is_null(&st, 0)) { /* the row that was stamped was undone: as if written now */
        f->r->host.now(f->r->host.context, &f->tx.written);
    } else {
        f->tx.written.wall_ms = col_int(&st, 0);
        f->tx.written.mono_ms = col_int(&st, 1);
        (void)col_id(&st, 2, f->tx.written.boot); /* NULL: unknown, stays zero */
        f->tx.written.seen_ms = col_int(&st, 3);
    }
    f->tx.intent = arena_copy(&f->arena, col_bytes(&st, 4));
    stmt_reset(&st);
    return f->tx.intent.at == NULL ? no_memory(f) : err_ok();
}

static struct err store(struct freezer *f, int64_t tx)
{
    static const char sql[] =
        "INSERT INTO sent (tx, epoch, device_seq, rests_on, identity, body, state)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)";
    uint8_t identity[32];
    struct stmt st;
    buf_clear(&f->body);
    enum wire_error wire = transaction_encode(&f->tx, &f->body);
    if (wire != WIRE_OK) {
        return err_make(wire == WIRE_LIMIT ? ERR_LIMIT : ERR_NOMEM, (int)wire, "freeze: encode");
    }
    transaction_identity(buf_bytes(&f->body), identity);
    struct err err = db_use(f->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, tx);
    bind_int(&st, 2, f->epoch);
    bind_int(&st, 3, (int64_t)f->next_seq++);
    if (f->rests.count > 0) {
        bind_blob(&st, 4, rests_bytes(&f->rests));
    }
    bind_blob(&st, 5, bytes_of(identity, sizeof identity));
    bind_blob(&st, 6, buf_bytes(&f->body));
    return db_step_done(&st, "freeze");
}

static struct err freeze_one(struct freezer *f, const struct outbox_entry *entries, size_t count)
{
    int64_t tx = entries->tx;
    arena_clear(&f->arena);
    rests_clear(&f->rests);
    f->change_room = 0;
    f->tx = (struct transaction){.catalogue = f->catalogue};
    struct err err = read_written(f, entries->key);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        if (outbox_is_rows_first(f->r, &entries[i])) {
            err = fold_row(f, &entries[i]);
        }
    }
    if (err.code != ERR_OK) {
        return err;
    }
    return f->tx.change_count > 0 ? store(f, tx) : outbox_remove(f->r, tx);
}

static struct err freezer_begin(struct freezer *f, int64_t *last)
{
    static const char sql[] = "SELECT epoch, next_seq, catalogue,"
                              " (SELECT coalesce(max(tx), 0) FROM sent) FROM device_state";
    struct stmt st;
    struct err err = db_use(f->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) {
        f->epoch = (uint32_t)col_int(&st, 0);
        f->next_seq = (uint64_t)col_int(&st, 1);
        f->catalogue = (uint32_t)col_int(&st, 2);
        *last = col_int(&st, 3);
        stmt_reset(&st);
    }
    err = stmt_err(&st, "freeze");
    return err.code == ERR_OK ? under_is_empty(f->r->db, &f->under_empty) : err;
}

static struct err freezer_end(struct freezer *f)
{
    static const char sql[] = "UPDATE device_state SET next_seq = ?1";
    struct stmt st;
    struct err err = db_use(f->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, (int64_t)f->next_seq);
        err = db_step_done(&st, "freeze");
    }
    return err;
}

struct err freeze_all(struct replica *r)
{
    struct freezer f = {.r = r};
    int64_t last = 0;
    size_t count = 0;
    struct err err = outbox_refresh(r);
    if (err.code != ERR_OK) {
        return err;
    }
    arena_init(&f.arena, FREEZE_ARENA_MAX);
    buf_init(&f.body, TX_BYTES_MAX);
    rests_init(&f.rests);
    err = freezer_begin(&f, &last);
    const struct outbox_entry *e = outbox_from(r, last + 1, &count);
    bool some = false;
    for (size_t i = 0, n = 0; i < count && err.code == ERR_OK; i += n) {
        for (n = 1; i + n < count && e[i + n].tx == e[i].tx; n++) {
        }
        err = e[i].op == 0 ? err_ok() : freeze_one(&f, &e[i], n);
        some = true;
    }
    if (err.code == ERR_OK && some) {
        err = freezer_end(&f);
    }
    rests_release(&f.rests);
    buf_release(&f.body);
    arena_release(&f.arena);
    return err;
}
