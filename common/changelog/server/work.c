/* Rows in hand, by a hash of their ids; see work.h. */
#include "common/changelog/server/work.h"

#include "common/changelog/server/rights.h"

#include "protocol/codec.h"

#define OLD_BYTES_MAX (ROW_BYTES_MAX * 2)

void work_init(struct work *w, struct store *st, struct arena *arena, const struct version *by)
{
    *w = (struct work){.st = st, .arena = arena, .by = *by};
    w->touched_end = &w->touched;
    buf_init(&w->scratch, OLD_BYTES_MAX);
}

void work_release(struct work *w)
{
    buf_release(&w->scratch);
}

/* Ids begin with time and end with chance. */
static struct work_row **bucket_of(struct work *w, const uint8_t id[16])
{
    return &w->buckets[((unsigned)id[14] << 8 | id[15]) % WORK_BUCKETS];
}

static size_t value_room(const struct table *t)
{
    return (size_t)t->columns[t->column_count - 1].number + 1;
}

static struct work_row *row_make(struct work *w, const struct table *t, const uint8_t id[16])
{
    struct work_row *row = arena_alloc(w->arena, sizeof *row);
    struct value *values = arena_array(w->arena, 2 * value_room(t), sizeof *values);
    if (row == NULL || values == NULL) {
        return NULL;
    }
    row->table = t;
    row->values = values;
    row->before = &values[value_room(t)];
    memcpy(row->id, id, sizeof row->id);
    struct work_row **bucket = bucket_of(w, id);
    row->next = *bucket;
    *bucket = row;
    return row;
}

static bool copy_value(struct arena *arena, struct value *v)
{
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        v->b = arena_copy(arena, v->b);
        return v->b.at != NULL;
    }
    return true;
}

static struct err row_read(struct work *w, struct stmt *q, struct work_row *row)
{
    row->scope = col_int(q, ROWSQL_SCOPE);
    row->seq = col_int(q, ROWSQL_SEQ);
    row->deleted_at = row->deleted_before = col_int(q, ROWSQL_DELETED);
    row->entered = col_int(q, ROWSQL_ENTERED);
    row->counted_scope = row->deleted_at == 0 ? row->scope : 0;
    row->counted_seq = row->seq;
    row->found_check = col_int(q, rowsql_check_at(row->table));
    bool room = true;
    for (size_t i = 0; i < row->table->column_count; i++) {
        uint8_t number = row->table->columns[i].number;
        row->values[number] = col_value(q, (int)(ROWSQL_OWN + i));
        room = copy_value(w->arena, &row->values[number]) && room;
        row->before[number] = row->values[number];
    }
    if (!room) {
        return err_make(w->arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "row_read");
    }
    if (!rowmeta_read(col_bytes(q, ROWSQL_MADE), col_bytes(q, ROWSQL_COLS), w->arena, &row->meta)) {
        return err_make(ERR_CORRUPT, 0, "row_read");
    }
    return err_ok();
}

static struct work_row *in_hand(struct work *w, const struct table *t, const uint8_t id[16])
{
    struct work_row *row = *bucket_of(w, id);
    while (row != NULL && (row->table != t || memcmp(row->id, id, sizeof row->id) != 0)) {
        row = row->next;
    }
    return row;
}

struct err work_find(struct work *w, const struct table *t, const uint8_t id[16],
                     struct work_row **out)
{
    *out = in_hand(w, t, id);
    if (*out != NULL) {
        return err_ok();
    }
    const char *sql = rowsql_select(&w->st->cache->sql, t);
    struct stmt q;
    struct err err = sql == NULL ? err_make(ERR_NOMEM, 0, "work_find") : db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "work_find");
    }
    struct work_row *row = row_make(w, t, id);
    err = row == NULL ? err_make(ERR_LIMIT, 0, "work_find") : row_read(w, &q, row);
    stmt_reset(&q);
    *out = row;
    return err;
}

static struct err glance(struct work *w, const struct table *t, const uint8_t id[16],
                         struct work_glance *out)
{
    const char *sql = rowsql_glance(&w->st->cache->sql, t);
    struct stmt q;
    struct err err = sql == NULL ? err_make(ERR_NOMEM, 0, "glance") : db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "glance");
    }
    *out = (struct work_glance){
        .exists = true, .deleted = !col_is_null(&q, 1), .scope = col_int(&q, 0)};
    stmt_reset(&q);
    return err_ok();
}

struct err work_glance(struct work *w, const struct table *t, const uint8_t id[16],
                       struct work_glance *out)
{
    const struct work_row *row = in_hand(w, t, id);
    if (row != NULL) {
        *out = (struct work_glance){
            .exists = true, .deleted = row->deleted_at != 0, .scope = row->scope};
        return err_ok();
    }
    *out = (struct work_glance){.exists = false};
    if (w->glances == NULL) {
        return glance(w, t, id, out);
    }
    unsigned place = (id[14] ^ id[15]) % GLANCES;
    if (w->glances->at[place].table == t && memcmp(w->glances->at[place].id, id, 16) == 0) {
        *out = w->glances->at[place].seen;
        return err_ok();
    }
    struct err err = glance(w, t, id, out);
    if (err.code == ERR_OK && out->exists) {
        w->glances->at[place].table = t;
        w->glances->at[place].seen = *out;
        memcpy(w->glances->at[place].id, id, 16);
    }
    return err;
}

struct err work_new(struct work *w, const struct table *t, const uint8_t id[16],
                    struct work_row **out)
{
    *out = row_make(w, t, id);
    if (*out == NULL) {
        return err_make(ERR_LIMIT, 0, "work_new");
    }
    (*out)->fresh = true;
    return err_ok();
}

void work_set(struct work_row *row, uint8_t column, const struct value *value)
{
    assert(column != COLUMN_DELETED);
    row->values[column] = *value;
    row->pending |= UINT64_C(1) << column;
}

void work_delete(struct work_row *row, int64_t at_ms)
{
    row->deleted_at = at_ms > 0 ? at_ms : 1; /* 0 says living */
    row->pending |= UINT64_C(1) << COLUMN_DELETED;
}

/* The first time in a transaction, the row gets its number. */
static struct err touch(struct work *w, struct work_row *row)
{
    if (row->touched) {
        return err_ok();
    }
    struct err err = scope_next(w->st, row->scope, row->seq, &row->seq);
    if (err.code == ERR_OK) {
        row->touched = true;
        *w->touched_end = row;
        w->touched_end = &row->next_touched;
    }
    return err;
}

/* ---- what the row says of itself ---- */

static struct value blob_or_null(struct bytes b)
{
    return b.size == 0 ? value_null() : value_blob(b);
}

static struct value time_or_null(int64_t ms)
{
    return ms == 0 ? value_null() : value_int(ms);
}

/* The row with these values, its version packed into `scratch`. Without memory a version must not
 * be taken for none. */
static struct err image_make(struct work *w, const struct work_row *row, const struct value *values,
                             int64_t deleted_at, struct row_image *out)
{
    buf_clear(&w->scratch);
    rowmeta_put_made(&row->meta, &w->scratch);
    size_t made = w->scratch.size;
    rowmeta_put_cols(&row->meta, &w->scratch);
    if (w->scratch.bad) {
        return err_make(ERR_NOMEM, 0, "image_make");
    }
    const uint8_t *at = w->scratch.at;
    *out = (struct row_image){.table = row->table, .id = row->id, .values = values};
    out->own[ROWSQL_SCOPE - ROWSQL_SCOPE] = value_int(row->scope);
    out->own[ROWSQL_SEQ - ROWSQL_SCOPE] = value_int(row->seq);
    out->own[ROWSQL_DELETED - ROWSQL_SCOPE] = time_or_null(deleted_at);
    out->own[ROWSQL_ENTERED - ROWSQL_SCOPE] = value_int(row->entered);
    out->own[ROWSQL_MADE - ROWSQL_SCOPE] = blob_or_null(bytes_of(at, made));
    out->own[ROWSQL_COLS - ROWSQL_SCOPE] =
        blob_or_null(bytes_of(at + made, w->scratch.size - made));
    return err_ok();
}

static struct err check_make(struct work *w, const struct row_image *image, int64_t *out)
{
    return row_check(w->st->digest_key, image, &w->st->cache->image, out)
               ? err_ok()
               : err_make(ERR_NOMEM, 0, "check_make");
}

/* Before anything of a stored row changes. One that isn't what was written stays so: its next
 * check is wrong in just what this one was, or a write beside it would make the damage good. */
static struct err note_drift(struct work *w, struct work_row *row)
{
    struct row_image image;
    int64_t check = 0;
    struct err err = image_make(w, row, row->before, row->deleted_before, &image);
    if (err.code == ERR_OK) {
        err = check_make(w, &image, &check);
    }
    row->drift = check ^ row->found_check;
    return err;
}

static struct err insert(struct work *w, struct work_row *row)
{
    row->entered = row->seq;
    row->meta.made = w->by;
    row->meta.made.seq = row->seq;
    const char *sql = rowsql_insert(&w->st->cache->sql, row->table);
    struct row_image image;
    int64_t check = 0;
    struct stmt q;
    struct err err = image_make(w, row, row->values, 0, &image);
    if (err.code == ERR_OK) {
        err = check_make(w, &image, &check);
    }
    if (err.code == ERR_OK) {
        err = sql == NULL ? err_make(ERR_NOMEM, 0, "insert") : db_use(w->st->db, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, ROWSQL_ID + 1, row->id);
    for (int i = 0; i < ROW_OWN_COUNT; i++) {
        bind_value(&q, ROWSQL_SCOPE + i + 1, &image.own[i]);
    }
    bind_int(&q, rowsql_check_at(row->table) + 1, check);
    for (size_t i = 0; i < row->table->column_count; i++) {
        bind_value(&q, (int)(ROWSQL_OWN + i + 1), &row->values[row->table->columns[i].number]);
    }
    return db_step_done(&q, "insert");
}

static struct err update(struct work *w, struct work_row *row, uint64_t mask)
{
    const char *sql = rowsql_update(&w->st->cache->sql, row->table, &mask);
    struct row_image image;
    int64_t check = 0;
    struct stmt q;
    struct err err = image_make(w, row, row->values, row->deleted_at, &image);
    if (err.code == ERR_OK) {
        err = check_make(w, &image, &check);
    }
    if (err.code == ERR_OK) {
        err = sql == NULL ? err_make(ERR_NOMEM, 0, "update") : db_use(w->st->db, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, row->id);
    bind_int(&q, 2, row->seq);
    bind_value(&q, 3, &image.own[ROWSQL_DELETED - ROWSQL_SCOPE]);
    bind_value(&q, 4, &image.own[ROWSQL_COLS - ROWSQL_SCOPE]);
    bind_int(&q, 5, check ^ row->drift);
    if ((mask & ROWSQL_MOVED) != 0) {
        bind_int(&q, 6, row->scope);
        bind_int(&q, 7, row->entered);
    }
    int parameter = (mask & ROWSQL_MOVED) != 0 ? 8 : 6;
    for (size_t i = 0; i < row->table->column_count; i++) {
        if ((mask >> row->table->columns[i].number & 1) != 0) {
            bind_value(&q, parameter++, &row->values[row->table->columns[i].number]);
        }
    }
    return db_step_done(&q, "update");
}

/* Columns of a row that this transaction inserted keep the version of the insert. */
static struct err put(struct work *w, struct work_row *row, uint64_t extra)
{
    bool first = row->fresh && !row->touched;
    struct err err = row->fresh || row->touched ? err_ok() : note_drift(w, row);
    if (err.code == ERR_OK) {
        err = touch(w, row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    uint64_t mask = row->pending;
    row->pending = 0;
    row->written |= mask;
    if (first) {
        return insert(w, row);
    }
    struct version at = w->by;
    at.seq = row->seq;
    uint64_t versions = row->fresh ? mask & 1 : mask;
    if (versions != 0 && !rowmeta_set(&row->meta, versions, &at, w->arena)) {
        return err_make(ERR_LIMIT, 0, "put");
    }
    return update(w, row, mask | extra);
}

struct err work_put(struct work *w, struct work_row *row)
{
    struct rights rights;
    struct err err = rights_before(w, row, &rights);
    if (err.code == ERR_OK) {
        err = put(w, row, 0);
    }
    return err.code == ERR_OK ? rights_after(w, &rights) : err;
}

struct err work_undelete(struct work *w, struct work_row *row)
{
    assert(row->deleted_at != 0 && !row->touched);
    struct rights rights;
    struct err err = rights_before(w, row, &rights);
    if (err.code == ERR_OK) {
        err = touch(w, row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    row->deleted_at = 0;
    row->entered = row->seq;
    row->pending |= UINT64_C(1) << COLUMN_DELETED;
    err = put(w, row, ROWSQL_MOVED);
    return err.code == ERR_OK ? rights_after(w, &rights) : err;
}

static struct err depart(struct work *w, struct work_row *row)
{
    row->left_scope = row->scope;
    struct err err = scope_next(w->st, row->scope, row->seq, &row->left_seq);
    struct stmt q;
    if (err.code == ERR_OK) {
        err = db_use(w->st->db,
                     "INSERT INTO departure (scope, seq, tbl, row, left_at)"
                     " VALUES (?1, ?2, ?3, ?4, ?5)",
                     &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, planted(DEPARTURE_FORGOTTEN) ? -1 : row->left_scope);
    bind_int(&q, 2, row->left_seq);
    bind_int(&q, 3, row->table->number);
    bind_id(&q, 4, row->id);
    bind_int(&q, 5, w->received_ms);
    return db_step_done(&q, "depart");
}

/* Coming back to a scope takes back its departure: both would reach a device in one stream. */
static struct err undo_departure(struct work *w, const struct work_row *row)
{
    struct stmt q;
    struct err err = db_use(w->st->db, "DELETE FROM departure WHERE row = ?1 AND scope = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, row->id);
    bind_int(&q, 2, row->scope);
    return db_step_done(&q, "undo_departure");
}

struct err work_move(struct work *w, struct work_row *row, int64_t to_scope)
{
    assert(!row->fresh && !row->touched);
    struct err err = note_drift(w, row);
    if (err.code == ERR_OK) {
        err = depart(w, row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    row->scope = to_scope;
    err = touch(w, row);
    if (err.code == ERR_OK) {
        row->entered = row->seq;
        err = undo_departure(w, row);
    }
    return err.code == ERR_OK ? put(w, row, ROWSQL_MOVED) : err;
}

static bool put_old(struct buf *out, uint8_t number, const struct value *value)
{
    struct value column = value_int(number);
    return value_encode(&column, out) == WIRE_OK && value_encode(value, out) == WIRE_OK;
}

struct err work_old_values(const struct work_row *row, struct buf *out)
{
    struct value deleted = row->deleted_before == 0 ? value_null() : value_int(row->deleted_before);
    if (!row->fresh && (row->written & 1) != 0 && !put_old(out, COLUMN_DELETED, &deleted)) {
        return err_make(ERR_NOMEM, 0, "work_old_values");
    }
    for (size_t i = 0; i < row->table->column_count; i++) {
        uint8_t number = row->table->columns[i].number;
        if (row->fresh || (row->written >> number & 1) == 0) {
            continue;
        }
        if (!put_old(out, number, &row->before[number])) {
            return err_make(ERR_NOMEM, 0, "work_old_values");
        }
    }
    return err_ok();
}

void work_count_anew(struct work *w, struct work_row *row)
{
    struct sums *sums = &w->st->cache->sums;
    if (row->counted_scope != 0) {
        sums_remove(sums, row->counted_scope, row->table->number, row->id, row->counted_seq);
    }
    row->counted_scope = row->deleted_at == 0 ? row->scope : 0;
    row->counted_seq = row->seq;
    if (row->counted_scope != 0) {
        sums_add(sums, row->counted_scope, row->table->number, row->id, row->counted_seq);
    }
}
