/* What people do with work that was refused or merged: make it again, write a lost value again,
 * send it as a note, or let it go. Each is one local transaction, captured like any other work,
 * together with the entry's end. */
#include "common/base/day.h"
#include "common/catalogue/text.h"
#include "common/changelog/merge.h"
#include "common/changelog/device/replica.h"
#include "common/changelog/device/row.h"
#include "common/changelog/device/sent.h"
#include "protocol/codec.h"

#define INBOX_ARENA_MAX (4 * TX_BYTES_MAX)
#define GROUP_MAX       256
#define NOTE_BYTES_MAX  ((size_t)3900) /* a NOTE of 4000 characters takes it */
#define TITLE_BYTES     60

struct entry {
    struct replica *r;
    int64_t id;
    int64_t tx;
    bool merged;
    struct bytes losers;
    struct arena arena;
};

static struct err entry_read(struct entry *e)
{
    static const char sql[] = "SELECT tx, kind, losers FROM inbox WHERE id = ?1 AND done IS NULL";
    struct stmt st;
    struct err err = db_use(e->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, e->id);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "inbox");
        return err.code != ERR_OK ? err : err_make(ERR_NOT_FOUND, 0, "inbox");
    }
    e->tx = col_int(&st, 0);
    e->merged = strcmp(col_text(&st, 1), "merged") == 0;
    e->losers = arena_copy(&e->arena, col_bytes(&st, 2));
    stmt_reset(&st);
    return e->losers.at == NULL ? err_make(ERR_NOMEM, 0, "inbox") : err_ok();
}

/* The local transaction of an answer. On an error entry_end has nothing more to do. */
static struct err entry_begin(struct entry *e, struct replica *r, int64_t id, const char *intent)
{
    *e = (struct entry){.r = r, .id = id};
    arena_init(&e->arena, INBOX_ARENA_MAX);
    struct err err = replica_begin(r, intent);
    if (err.code == ERR_OK) {
        err = entry_read(e);
        if (err.code != ERR_OK) {
            err = replica_end(r, err);
        }
    }
    if (err.code != ERR_OK) {
        arena_release(&e->arena);
    }
    return err;
}

static struct err entry_done(struct entry *e, int64_t tx, const char *done)
{
    static const char sql[] = "UPDATE inbox SET done = ?2 WHERE tx = ?1";
    struct stmt st;
    struct err err = db_use(e->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, tx);
        bind_text(&st, 2, done);
        err = db_step_done(&st, "inbox");
    }
    return err;
}

static struct err entry_end(struct entry *e, struct err err)
{
    err = replica_end(e->r, err);
    arena_release(&e->arena);
    return err;
}

/* ---- restore ---- */

static bool next_loser(struct bytes *rest, struct loser *out)
{
    struct value v[8];
    for (size_t i = 0; i < count_of(v); i++) {
        size_t used = 0;
        if (rest->size == 0 || value_decode(*rest, &v[i], &used) != WIRE_OK) {
            return false;
        }
        *rest = bytes_of(rest->at + used, rest->size - used);
    }
    bool whole = v[0].kind == VALUE_INT && v[1].kind == VALUE_BLOB && v[1].b.size == 16 &&
                 v[2].kind == VALUE_INT && v[3].kind == VALUE_BLOB && v[3].b.size == 16;
    if (whole) {
        *out = (struct loser){
            .table = (uint16_t)v[0].i, .column = (uint8_t)v[2].i, .kept = v[4], .winner = v[5]};
        memcpy(out->id, v[1].b.at, 16);
        memcpy(out->kept_id, v[3].b.at, 16);
    }
    return whole;
}

/* Tells everybody that the case is closed; a device that doesn't hold the kept value can't. */
static struct err close_kept(struct entry *e, const struct loser *l, struct complaint *why)
{
    const struct cell cells[] = {
        {.column = COLUMN_kept_value_resolved_by, .value = value_blob(bytes_of(e->r->person, 16))},
        {.column = COLUMN_kept_value_choice, .value = value_text(bytes_text("restored"))}};
    struct err err = row_update(e->r->db, catalogue_table(TABLE_kept_value), l->kept_id, cells,
                                count_of(cells), why);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static struct err restore_value(struct entry *e, const struct loser *l, struct complaint *why)
{
    const struct table *t = catalogue_table(l->table);
    if (t == NULL || table_column(t, l->column) == NULL) {
        return err_make(ERR_CORRUPT, l->table, "inbox_restore");
    }
    const struct cell cell = {.column = l->column, .value = l->kept};
    struct err err = row_update(e->r->db, t, l->id, &cell, 1, why);
    return err.code == ERR_OK ? close_kept(e, l, why) : err;
}

struct err inbox_restore(struct replica *r, int64_t id)
{
    struct entry e;
    struct loser l;
    struct complaint why;
    struct err err = entry_begin(&e, r, id, "inbox.restore");
    if (err.code != ERR_OK) {
        return err;
    }
    struct bytes rest = e.losers;
    err = e.merged ? err_ok() : err_make(ERR_INVALID, 0, "inbox_restore: nothing was lost");
    while (err.code == ERR_OK && next_loser(&rest, &l)) {
        err = restore_value(&e, &l, &why);
    }
    if (err.code == ERR_OK) {
        err = entry_done(&e, e.tx, "restored");
    }
    return entry_end(&e, err);
}

/* ---- resend ---- */

struct group {
    size_t count;
    int64_t tx[GROUP_MAX]; /* the refused one, then those held for it, in order */
};

static bool rests_on_group(struct bytes rests, const struct group *g)
{
    while (rests.size > 0) {
        struct value tx;
        size_t used = 0;
        if (value_decode(rests, &tx, &used) != WIRE_OK) {
            return false;
        }
        rests = bytes_of(rests.at + used, rests.size - used);
        for (size_t i = 0; i < g->count; i++) {
            if (tx.kind == VALUE_INT && tx.i == g->tx[i]) {
                return true;
            }
        }
    }
    return false;
}

/* Resending takes along what was held because of it. */
static struct err find_group(struct entry *e, struct group *g)
{
    static const char sql[] = "SELECT s.tx, s.rests_on FROM inbox i JOIN sent s ON s.tx = i.tx"
                              " WHERE i.kind = 'held' AND i.done IS NULL AND s.tx > ?1"
                              " ORDER BY s.tx";
    struct stmt st;
    *g = (struct group){.count = 1, .tx = {e->tx}};
    struct err err = db_use(e->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, e->tx);
    while (g->count < GROUP_MAX && db_step_row(&st)) {
        if (rests_on_group(col_bytes(&st, 1), g)) {
            g->tx[g->count++] = col_int(&st, 0);
        }
    }
    stmt_reset(&st);
    return stmt_err(&st, "inbox_resend");
}

/* A set is not put back as it was then: what its author put in or took out is done again. */
static struct err join_set(struct entry *e, const struct table *t, const uint8_t id[16],
                           struct cell *cell)
{
    struct stored_row row;
    struct value joined;
    struct err err = row_get(e->r->db, t, id, &e->arena, &row);
    if (err.code != ERR_OK) {
        return err;
    }
    const struct value *now = stored_value(&row, t, cell->column);
    if (now != NULL) {
        err = merge_union(&cell->old, &cell->value, now, &e->arena, &joined);
    }
    if (now != NULL && err.code == ERR_OK) {
        cell->value = joined;
    }
    cell->has_old = false;
    return err.code == ERR_INVALID ? err_ok() : err; /* no sets: it is written as it is */
}

static struct err edit_cells(const struct change *change, const struct inbox_edit *edits,
                             size_t count, struct cell *cells, size_t *cell_count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        if (edits[i].column->table != change->table) {
            continue;
        }
        while (at < *cell_count && cells[at].column != edits[i].column->number) {
            at++;
        }
        if (at == *cell_count && at == COLUMNS_MAX) {
            return err_make(ERR_LIMIT, 0, "inbox_resend");
        }
        *cell_count += at == *cell_count ? 1 : 0;
        cells[at] = (struct cell){.column = edits[i].column->number, .value = edits[i].value};
    }
    return err_ok();
}

static struct err redo(struct entry *e, const struct change *change, const struct inbox_edit *edits,
                       size_t count, struct complaint *why)
{
    const struct table *t = catalogue_table(change->table);
    struct cell cells[COLUMNS_MAX];
    size_t cell_count = change->cell_count;
    if (t == NULL || cell_count > count_of(cells)) {
        return err_make(ERR_CORRUPT, change->table, "inbox_resend");
    }
    if (change->op == CHANGE_DELETE) {
        return row_delete(e->r->db, t, change->id);
    }
    if (cell_count > 0) {
        memcpy(cells, change->cells, cell_count * sizeof *cells);
    }
    struct err err = edit_cells(change, edits, count, cells, &cell_count);
    for (size_t i = 0; i < cell_count && err.code == ERR_OK; i++) {
        err = cells[i].has_old ? join_set(e, t, change->id, &cells[i]) : err;
    }
    if (err.code != ERR_OK) {
        return err;
    }
    return change->op == CHANGE_INSERT
               ? row_insert(e->r->db, t, change->id, cells, cell_count, why)
               : row_update(e->r->db, t, change->id, cells, cell_count, why);
}

struct err inbox_resend(struct replica *r, int64_t id, const struct inbox_edit *edits, size_t count,
                        struct complaint *why)
{
    struct entry e;
    struct group g;
    *why = (struct complaint){0};
    struct err err = entry_begin(&e, r, id, "inbox.resend");
    if (err.code != ERR_OK) {
        return err;
    }
    err = e.merged ? err_make(ERR_INVALID, 0, "inbox_resend: it stands") : find_group(&e, &g);
    for (size_t i = 0; err.code == ERR_OK && i < g.count; i++) {
        struct transaction tx;
        err = sent_transaction(r->db, g.tx[i], &e.arena, &tx);
        for (size_t k = 0; err.code == ERR_OK && k < tx.change_count; k++) {
            err = redo(&e, &tx.changes[k], edits, i == 0 ? count : 0, why);
        }
        if (err.code == ERR_OK) {
            err = entry_done(&e, g.tx[i], "resent");
        }
    }
    return entry_end(&e, err);
}

/* ---- note ---- */

static struct err is_here(struct db *db, const uint8_t customer[16], bool *here)
{
    struct stmt st;
    struct err err = db_use(db, "SELECT 1 FROM customer WHERE id = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, customer);
    *here = db_step_row(&st);
    if (*here) {
        stmt_reset(&st);
    }
    return stmt_err(&st, "inbox_note");
}

/* The customer that the refused work is about, as far as the work itself says. */
static bool find_customer(struct db *db, const struct transaction *tx, uint8_t id[16],
                          struct err *err)
{
    for (size_t i = 0; i < tx->change_count; i++) {
        const struct change *change = &tx->changes[i];
        const struct table *t = catalogue_table(change->table);
        const uint8_t *found = change->table == TABLE_customer ? change->id : NULL;
        for (size_t k = 0; t != NULL && found == NULL && k < change->cell_count; k++) {
            const struct column *c = table_column(t, change->cells[k].column);
            const struct value *v = &change->cells[k].value;
            bool points = c != NULL && c->ref == TABLE_customer && v->kind == VALUE_BLOB;
            found = points && v->b.size == 16 ? v->b.at : NULL;
        }
        if (found == NULL) {
            continue;
        }
        bool here = false;
        *err = is_here(db, found, &here);
        if (here || err->code != ERR_OK) {
            memcpy(id, found, 16);
            return here;
        }
    }
    return false;
}

/* "visit: outcome=order, note=…", for somebody who reads it later. */
static void describe(const struct transaction *tx, struct buf *out)
{
    for (size_t i = 0; i < tx->change_count && out->size < NOTE_BYTES_MAX; i++) {
        const struct table *t = catalogue_table(tx->changes[i].table);
        buf_printf(out, "%s%s:", i == 0 ? "" : "\n", t == NULL ? "?" : t->name);
        for (size_t k = 0; t != NULL && k < tx->changes[i].cell_count; k++) {
            const struct cell *cell = &tx->changes[i].cells[k];
            const struct column *c = table_column(t, cell->column);
            if (c != NULL && cell->value.kind == VALUE_TEXT) {
                buf_printf(out, " %s=%.*s", c->name, (int)cell->value.b.size,
                           (const char *)cell->value.b.at);
            } else if (c != NULL && cell->value.kind == VALUE_INT) {
                buf_printf(out, " %s=%" PRId64, c->name, cell->value.i);
            }
        }
    }
}

/* At most `max` bytes, without cutting a character in two. */
static struct bytes cut(struct bytes text, size_t max)
{
    size_t size = text.size < max ? text.size : max;
    while (size > 0 && size < text.size && (text.at[size] & 0xc0) == 0x80) {
        size--;
    }
    return bytes_of(text.at, size);
}

/* The firm's zone isn't known here; the last visit knows its distance from UTC. */
static struct err local_day(struct replica *r, char day[DAY_TEXT_SIZE])
{
    int64_t offset_min = 0;
    struct err err = db_one_int(r->db,
                                "SELECT tz_offset_min FROM visit WHERE tz_offset_min IS NOT NULL"
                                " ORDER BY checkin_at DESC LIMIT 1",
                                &offset_min);
    day_print(replica_now_ms(r) + offset_min * 60000, day);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static struct err put_market_note(struct replica *r, const uint8_t customer[16], struct bytes text,
                                  struct complaint *why)
{
    char day[DAY_TEXT_SIZE];
    uint8_t id[16];
    struct err err = local_day(r, day);
    if (err.code != ERR_OK) {
        return err;
    }
    const struct cell cells[] = {
        {.column = COLUMN_market_note_customer_id, .value = value_blob(bytes_of(customer, 16))},
        {.column = COLUMN_market_note_person_id, .value = value_blob(bytes_of(r->person, 16))},
        {.column = COLUMN_market_note_topic, .value = value_text(bytes_text("other"))},
        {.column = COLUMN_market_note_text, .value = value_text(text)},
        {.column = COLUMN_market_note_noted_at, .value = value_int(replica_now_ms(r))},
        {.column = COLUMN_market_note_noted_day, .value = value_text(bytes_text(day))}};
    replica_new_id(r, id);
    return row_insert(r->db, catalogue_table(TABLE_market_note), id, cells, count_of(cells), why);
}

static struct err put_task(struct replica *r, struct bytes text, struct complaint *why)
{
    uint8_t id[16];
    const struct cell cells[] = {
        {.column = COLUMN_task_person_id, .value = value_blob(bytes_of(r->person, 16))},
        {.column = COLUMN_task_title, .value = value_text(cut(text, TITLE_BYTES))},
        {.column = COLUMN_task_state, .value = value_text(bytes_text("open"))},
        {.column = COLUMN_task_note, .value = value_text(text)},
        {.column = COLUMN_task_created_by, .value = value_blob(bytes_of(r->person, 16))}};
    replica_new_id(r, id);
    return row_insert(r->db, catalogue_table(TABLE_task), id, cells, count_of(cells), why);
}

struct err inbox_note(struct replica *r, int64_t id, struct bytes text)
{
    struct entry e;
    struct transaction tx;
    struct complaint why;
    uint8_t customer[16];
    struct buf told;
    struct err err = entry_begin(&e, r, id, "inbox.note");
    if (err.code != ERR_OK) {
        return err;
    }
    buf_init(&told, TX_BYTES_MAX);
    err = sent_transaction(r->db, e.tx, &e.arena, &tx);
    if (err.code == ERR_OK && text.size == 0) {
        describe(&tx, &told);
        text = cut(buf_bytes(&told), NOTE_BYTES_MAX);
    }
    if (err.code == ERR_OK) {
        bool about = find_customer(r->db, &tx, customer, &err);
        if (err.code == ERR_OK) {
            err = about ? put_market_note(r, customer, text, &why) : put_task(r, text, &why);
        }
    }
    if (err.code == ERR_OK) {
        err = entry_done(&e, e.tx, "noted");
    }
    buf_release(&told);
    return entry_end(&e, err);
}

struct err inbox_discard(struct replica *r, int64_t id)
{
    struct entry e;
    struct err err = entry_begin(&e, r, id, "inbox.discard");
    if (err.code != ERR_OK) {
        return err;
    }
    return entry_end(&e, entry_done(&e, e.tx, e.merged ? "seen" : "discarded"));
}
