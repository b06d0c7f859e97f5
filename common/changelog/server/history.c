/* See history.h. */
#include "common/changelog/server/history.h"

#include "common/changelog/server/work.h"
#include "protocol/codec.h"

struct reading {
    struct store *st;
    struct arena *arena;
    const struct table *table;
    const uint8_t *id;
    int64_t as_of_ms;
    struct history *out; /* its values are those before the changes read so far */
    bool has_then;       /* the row as it stood at `as_of_ms` */
    struct value *then_values;
    int64_t then_deleted_at;
};

static struct err no_memory(void)
{
    return err_make(ERR_LIMIT, 0, "history_read");
}

static struct bytes copy(struct reading *r, struct bytes b)
{
    return arena_copy(r->arena, b);
}

static bool copy_value(struct reading *r, struct value *v)
{
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        v->b = copy(r, v->b);
        return v->b.at != NULL;
    }
    return true;
}

/* ---- entries ---- */

static bool take(struct bytes *in, struct value *out)
{
    size_t used = 0;
    if (value_decode(*in, out, &used) != WIRE_OK) {
        return false;
    }
    *in = bytes_of(in->at + used, in->size - used);
    return true;
}

/* A row form begins with catalogue and wall_ms. The effective time is free of what that clock had
 * wrong, so the difference of both is just this. */
static void clock_take(struct bytes body, struct history_item *out)
{
    struct value catalogue, wall;
    if (body.size == 0 || out->device == 0) {
        return; /* erased, or the server's own */
    }
    struct bytes rest = bytes_of(body.at + 1, body.size - 1);
    out->has_clock = take(&rest, &catalogue) && take(&rest, &wall) && wall.kind == VALUE_INT &&
                     !__builtin_sub_overflow(wall.i, out->effective_ms, &out->clock_ms);
}

static struct err item_take(struct reading *r, const struct stmt *q, struct history_item *out)
{
    out->received_ms = col_int(q, 0);
    out->effective_ms = col_int(q, 1);
    out->device = col_int(q, 2);
    out->has_person = col_id(q, 3, out->person);
    out->outcome = (enum outcome)col_int(q, 4);
    out->code = copy(r, col_bytes(q, 5));
    out->intent = copy(r, col_bytes(q, 6));
    clock_take(col_bytes(q, 7), out);
    return out->code.at == NULL || out->intent.at == NULL ? no_memory() : err_ok();
}

/* `*body` lives in the arena. */
static struct err item_make(struct reading *r, int64_t no, struct history_item **out,
                            struct bytes *body)
{
    static const char sql[] = "SELECT received_at, effective_at, device, person, outcome, code,"
                              " intent, body FROM change_log WHERE no = ?1";
    struct stmt q;
    struct history_item *item = arena_alloc(r->arena, sizeof *item);
    struct err err = item == NULL ? no_memory() : db_use(r->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    item->no = no;
    bind_int(&q, 1, no);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_CORRUPT, 0, "item_make");
    }
    err = item_take(r, &q, item);
    if (err.code == ERR_OK && body != NULL) {
        *body = copy(r, col_bytes(&q, 7));
        err = body->at == NULL ? no_memory() : err;
    }
    stmt_reset(&q);
    *out = item;
    return err;
}

/* In order of the log; most are put in front. */
static void item_insert(struct reading *r, struct history_item *item)
{
    struct history_item **at = &r->out->first;
    if (item->received_ms > r->as_of_ms) {
        return;
    }
    while (*at != NULL && (*at)->no < item->no) {
        at = &(*at)->next;
    }
    item->next = *at;
    *at = item;
}

/* ---- going back ---- */

static struct value deletion(int64_t at)
{
    return at == 0 ? value_null() : value_int(at);
}

static struct value swap(struct history *h, uint8_t column, const struct value *old)
{
    struct value now = column == COLUMN_DELETED ? deletion(h->deleted_at) : h->values[column];
    if (column == COLUMN_DELETED) {
        h->deleted_at = old->kind == VALUE_INT ? old->i : 0;
    } else {
        h->values[column] = *old;
    }
    return now;
}

static struct err undo_cell(struct reading *r, struct history_item *item, struct bytes *old)
{
    struct value column;
    struct history_cell *cell = &item->cells[item->cell_count];
    if (!take(old, &column) || !take(old, &cell->old) || column.kind != VALUE_INT ||
        (column.i != COLUMN_DELETED && table_column(r->table, (uint8_t)column.i) == NULL)) {
        return err_make(ERR_CORRUPT, 0, "undo_cell");
    }
    if (!copy_value(r, &cell->old)) {
        return no_memory();
    }
    cell->column = (uint8_t)column.i;
    cell->now = swap(r->out, cell->column, &cell->old);
    if (cell->column == COLUMN_DELETED) {
        item->act = cell->now.kind != VALUE_NULL ? HISTORY_DELETED : HISTORY_RESTORED;
    }
    item->cell_count++;
    return err_ok();
}

/* Older programs logged a deletion as a change of nothing. */
static void undo_nothing(struct reading *r, struct history_item *item)
{
    if (item->act == HISTORY_CHANGED && r->out->deleted_at != 0 && !item->erased) {
        item->act = HISTORY_DELETED;
        r->out->deleted_at = 0;
    }
}

static struct err undo(struct reading *r, struct history_item *item, struct bytes old)
{
    struct err err = err_ok();
    item->cells = arena_array(r->arena, COLUMNS_MAX + 1, sizeof *item->cells);
    if (item->cells == NULL) {
        return no_memory();
    }
    if (old.size == 0) {
        undo_nothing(r, item);
    }
    while (err.code == ERR_OK && old.size > 0) {
        err = item->cell_count > COLUMNS_MAX ? err_make(ERR_CORRUPT, 0, "undo")
                                             : undo_cell(r, item, &old);
    }
    return err;
}

static struct err scope_named(struct reading *r, int64_t no, struct scope_id *out)
{
    struct scope *scope = NULL;
    struct err err = scope_get(r->st, no, &scope);
    if (err.code == ERR_OK) {
        *out = scope->id;
    }
    return err;
}

/* Before the first change that is old enough is undone. */
static struct err note_then(struct reading *r, const struct history_item *item)
{
    size_t room = (size_t)r->table->columns[r->table->column_count - 1].number + 1;
    if (r->has_then || item->received_ms > r->as_of_ms) {
        return err_ok();
    }
    r->then_values = arena_array(r->arena, room, sizeof *r->then_values);
    if (r->then_values == NULL) {
        return no_memory();
    }
    memcpy(r->then_values, r->out->values, room * sizeof *r->then_values);
    r->then_deleted_at = r->out->deleted_at;
    r->has_then = true;
    return err_ok();
}

static struct err go_back(struct reading *r, const struct stmt *q)
{
    struct history_item *item = NULL;
    struct err err = item_make(r, col_int(q, 0), &item, NULL);
    if (err.code != ERR_OK || item == NULL) {
        return err;
    }
    item->act = HISTORY_CHANGED;
    item->erased = col_bytes(q, 3).size == CHAIN_HASH_SIZE;
    if (!col_is_null(q, 4)) {
        item->act = HISTORY_MOVED;
        err = scope_named(r, col_int(q, 4), &item->from);
    }
    if (err.code == ERR_OK) {
        err = scope_named(r, col_int(q, 1), &item->to);
    }
    if (err.code == ERR_OK) {
        err = note_then(r, item);
    }
    if (err.code == ERR_OK) {
        err = undo(r, item, col_bytes(q, 2));
    }
    if (err.code == ERR_OK) {
        item_insert(r, item);
    }
    return err;
}

static struct err changes_read(struct reading *r)
{
    static const char sql[] =
        "SELECT no, scope, old, seal, left_scope FROM change_row"
        " WHERE row = ?1 AND old IS NOT NULL AND tbl = ?2 ORDER BY no DESC, idx DESC";
    struct stmt q;
    struct err err = db_use(r->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, r->id);
    bind_int(&q, 2, r->table->number);
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = go_back(r, &q);
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "changes_read");
    }
    stmt_reset(&q);
    return err;
}

/* ---- the insert: no index leads to it, but it can't be older than the row ---- */

static struct err received_at(struct reading *r, int64_t no, int64_t *out)
{
    struct stmt q;
    struct err err = db_use(r->st->db,
                            "SELECT received_at FROM change_log WHERE no >= ?1"
                            " ORDER BY no LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    *out = db_step_row(&q) ? col_int(&q, 0) : INT64_MAX;
    err = stmt_err(&q, "received_at");
    stmt_reset(&q);
    return err;
}

static struct err first_at(struct reading *r, int64_t ms, int64_t *no)
{
    int64_t low = 1;
    int64_t high = 0;
    struct err err =
        db_one_int(r->st->db, "SELECT coalesce(max(no), 0) + 1 FROM change_log", &high);
    while (err.code == ERR_OK && low < high) {
        int64_t middle = low + (high - low) / 2;
        int64_t at = 0;
        err = received_at(r, middle, &at);
        if (at >= ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *no = low;
    return err;
}

static struct err insert_find(struct reading *r, uint16_t table, const uint8_t id[16], int64_t from,
                              int64_t *no)
{
    static const char sql[] = "SELECT no FROM change_row WHERE no >= ?1 AND row = ?2 AND tbl = ?3"
                              " AND old IS NULL ORDER BY no LIMIT 1";
    struct stmt q;
    struct err err = db_use(r->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, from);
    bind_id(&q, 2, id);
    bind_int(&q, 3, table);
    *no = db_step_row(&q) ? col_int(&q, 0) : 0;
    err = stmt_err(&q, "insert_find");
    stmt_reset(&q);
    return err;
}

static struct err insert_undo(struct reading *r, struct history_item *item)
{
    struct history *h = r->out;
    item->act = HISTORY_MADE;
    item->cells = arena_array(r->arena, r->table->column_count, sizeof *item->cells);
    if (item->cells == NULL) {
        return no_memory();
    }
    for (size_t i = 0; i < r->table->column_count; i++) {
        uint8_t column = r->table->columns[i].number;
        if (h->values[column].kind != VALUE_NULL) {
            item->cells[item->cell_count++] = (struct history_cell){
                .column = column, .old = value_null(), .now = h->values[column]};
        }
    }
    return err_ok();
}

static struct err insert_read(struct reading *r, int64_t made_ms)
{
    int64_t from = 0;
    int64_t no = 0;
    struct history_item *item = NULL;
    struct err err = first_at(r, made_ms, &from);
    if (err.code == ERR_OK) {
        err = insert_find(r, r->table->number, r->id, from, &no);
    }
    if (err.code == ERR_OK && no == 0 && from > 1) { /* the server's clock was set back */
        err = insert_find(r, r->table->number, r->id, 0, &no);
    }
    if (err.code == ERR_OK && no != 0) {
        err = item_make(r, no, &item, NULL);
    }
    if (err.code != ERR_OK || item == NULL) {
        return err;
    }
    err = note_then(r, item);
    if (err.code == ERR_OK) {
        err = insert_undo(r, item);
        item_insert(r, item);
    }
    return err;
}

/* ---- what was refused ---- */

static struct err wanted_add(struct reading *r, const struct history_item *entry,
                             const struct change *change)
{
    struct history_item *item = arena_alloc(r->arena, sizeof *item);
    if (item == NULL) {
        return no_memory();
    }
    *item = *entry;
    item->act = change->op == CHANGE_DELETE ? HISTORY_WANTED_DELETE : HISTORY_WANTED;
    item->cells = arena_array(r->arena, change->cell_count, sizeof *item->cells);
    if (item->cells == NULL) {
        return no_memory();
    }
    for (size_t i = 0; i < change->cell_count; i++) {
        if (table_column(r->table, change->cells[i].column) != NULL) {
            item->cells[item->cell_count++] = (struct history_cell){
                .column = change->cells[i].column, .now = change->cells[i].value};
        }
    }
    item_insert(r, item);
    return err_ok();
}

static struct err wanted_read(struct reading *r, int64_t no)
{
    struct bytes body;
    struct history_item *item = NULL;
    struct transaction tx = {.change_count = 0};
    struct err err = item_make(r, no, &item, &body);
    if (err.code != ERR_OK) {
        return err;
    }
    if (body.size == 0) {
        item->act = HISTORY_WANTED;
        item->erased = true;
        item_insert(r, item);
        return err;
    }
    if (transaction_decode(body, r->arena, &tx) != WIRE_OK) {
        return err_make(ERR_CORRUPT, 0, "wanted_read");
    }
    for (size_t i = 0; i < tx.change_count && err.code == ERR_OK; i++) {
        if (tx.changes[i].table == r->table->number && memcmp(tx.changes[i].id, r->id, 16) == 0) {
            err = wanted_add(r, item, &tx.changes[i]);
        }
    }
    return err;
}

static struct err refused_read(struct reading *r)
{
    struct stmt q;
    struct err err =
        db_use(r->st->db, "SELECT no FROM refused_row WHERE row = ?1 AND tbl = ?2 ORDER BY no", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, r->id);
    bind_int(&q, 2, r->table->number);
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = wanted_read(r, col_int(&q, 0));
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "refused_read");
    }
    stmt_reset(&q);
    return err;
}

/* ---- what lost whole: the row wasn't touched, its values were kept beside it ---- */

/* The server made the kept value's id when it judged: its first 48 bits are that time. */
static int64_t id_ms(const uint8_t id[16])
{
    int64_t ms = 0;
    for (size_t i = 0; i < 6; i++) {
        ms = ms << 8 | id[i];
    }
    return ms;
}

static struct err lost_read(struct reading *r, const uint8_t kept[16])
{
    int64_t from = 0;
    int64_t no = 0;
    struct err err = first_at(r, id_ms(kept), &from);
    if (err.code == ERR_OK) {
        err = insert_find(r, TABLE_kept_value, kept, from, &no);
    }
    for (const struct history_item *i = r->out->first; i != NULL && no != 0; i = i->next) {
        no = i->no == no ? 0 : no; /* told already */
    }
    return err.code == ERR_OK && no != 0 ? wanted_read(r, no) : err;
}

static struct err losses_read(struct reading *r)
{
    struct stmt q;
    struct err err = db_use(r->st->db, "SELECT id FROM kept_value WHERE row_id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, r->id);
    while (err.code == ERR_OK && db_step_row(&q)) {
        uint8_t kept[16];
        err = col_id(&q, 0, kept) ? lost_read(r, kept) : err_make(ERR_CORRUPT, 0, "losses_read");
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "losses_read");
    }
    stmt_reset(&q);
    return err;
}

static struct err row_read_back(struct reading *r, struct work *w)
{
    struct work_row *row = NULL;
    struct err err = work_find(w, r->table, r->id, &row);
    if (err.code != ERR_OK || row == NULL) {
        return err;
    }
    r->out->values = row->values;
    r->out->deleted_at = row->deleted_at;
    int64_t made_ms = row->meta.made.effective_ms;
    err = changes_read(r);
    if (err.code == ERR_OK) {
        err = insert_read(r, made_ms);
    }
    r->out->existed = r->has_then;
    if (r->has_then) {
        r->out->values = r->then_values;
        r->out->deleted_at = r->then_deleted_at;
    }
    return err;
}

struct err history_read(struct store *st, const struct table *t, const uint8_t id[16],
                        int64_t as_of_ms, struct arena *arena, struct history *out)
{
    struct reading r = {
        .st = st, .arena = arena, .table = t, .id = id, .as_of_ms = as_of_ms, .out = out};
    const struct version nobody = {0};
    struct work w;
    *out = (struct history){.first = NULL};
    store_refresh(st);
    work_init(&w, st, arena, &nobody);
    struct err err = row_read_back(&r, &w);
    if (err.code == ERR_OK) {
        err = refused_read(&r);
    }
    if (err.code == ERR_OK) {
        err = losses_read(&r);
    }
    work_release(&w);
    bool nothing = out->values == NULL && out->first == NULL;
    return err.code == ERR_OK && nothing ? err_make(ERR_NOT_FOUND, 0, "history_read") : err;
}
