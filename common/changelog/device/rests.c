/* See rests.h. */
#include "common/changelog/device/rests.h"

#include "common/changelog/device/outbox.h"
#include "common/changelog/device/row.h"
#include "protocol/codec.h"

#define RESTS_BYTES_MAX    ((size_t)TX_RESTS_MAX * 9)
#define DOCUMENT_ARENA_MAX ((size_t)1024 * 1024)

void rests_init(struct rests *rests)
{
    *rests = (struct rests){.count = 0};
    buf_init(&rests->bytes, RESTS_BYTES_MAX);
}

void rests_release(struct rests *rests)
{
    buf_release(&rests->bytes);
}

void rests_clear(struct rests *rests)
{
    rests->count = 0;
}

struct bytes rests_bytes(struct rests *rests)
{
    buf_clear(&rests->bytes);
    for (size_t i = 0; i < rests->count; i++) {
        struct value v = value_int(rests->tx[i]);
        if (value_encode(&v, &rests->bytes) != WIRE_OK) {
            break; /* no memory: the server still sees what is missing */
        }
    }
    return buf_bytes(&rests->bytes);
}

static void add(struct rests *rests, int64_t tx)
{
    for (size_t i = 0; i < rests->count; i++) {
        if (rests->tx[i] == tx) {
            return;
        }
    }
    if (rests->count < TX_RESTS_MAX) {
        rests->tx[rests->count++] = tx;
    }
}

/* Earlier transactions that inserted or deleted the row or changed one of `columns`. */
static void add_earlier(struct rests *rests, const struct replica *r, int64_t tx, uint16_t table,
                        const uint8_t id[16], uint64_t columns)
{
    for (const struct outbox_entry *e = outbox_of_row(r, table, id); e != NULL && e->tx < tx;
         e = outbox_next(r, e)) {
        if (e->op != CHANGE_UPDATE || (e->cols & columns) != 0) {
            add(rests, e->tx);
        }
    }
}

static const struct table *document_of(const struct table *t)
{
    const struct column *c = t->write_class == CLASS_DRAFT ? table_scope_column(t) : NULL;
    const struct table *parent = c == NULL ? NULL : catalogue_table(c->ref);
    return parent != NULL && parent->write_class == CLASS_DRAFT ? parent : NULL;
}

/* Rows that the cells point to, and (through the column that gives the scope) the document. */
static void add_parents(struct rests *rests, const struct replica *r, int64_t tx,
                        const struct table *t, const struct change *change)
{
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(t, change->cells[i].column);
        const struct value *v = &change->cells[i].value;
        if (c == NULL || c->ref == 0 || v->kind != VALUE_BLOB || v->b.size != 16) {
            continue;
        }
        bool document = c == table_scope_column(t) && document_of(t) != NULL;
        add_earlier(rests, r, tx, c->ref, v->b.at, document ? UINT64_MAX : 0);
    }
}

/* A line that isn't new names its order in the row alone. */
static struct err add_document(struct rests *rests, struct replica *r, int64_t tx,
                               const struct table *t, const uint8_t id[16])
{
    const struct table *document = document_of(t);
    if (document == NULL) {
        return err_ok();
    }
    struct arena arena;
    struct stored_row row;
    arena_init(&arena, DOCUMENT_ARENA_MAX);
    struct err err = row_get(r->db, t, id, &arena, &row);
    if (err.code == ERR_OK) {
        const struct value *v = stored_value(&row, t, table_scope_column(t)->number);
        if (v->kind == VALUE_BLOB && v->b.size == 16) {
            add_earlier(rests, r, tx, document->number, v->b.at, UINT64_MAX);
        }
    }
    arena_release(&arena);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static uint64_t columns_in_touch(const struct table *t, const struct change *change)
{
    uint64_t columns = 0;
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(t, change->cells[i].column);
        columns |= UINT64_C(1) << change->cells[i].column;
        for (size_t k = 0; c != NULL && c->group != 0 && k < t->column_count; k++) {
            columns |= t->columns[k].group == c->group ? UINT64_C(1) << t->columns[k].number : 0;
        }
    }
    return columns;
}

struct err rests_of_insert(struct rests *rests, const struct replica *r, int64_t tx,
                           const struct table *t, const struct change *change)
{
    add_parents(rests, r, tx, t, change);
    return err_ok();
}

struct err rests_of_update(struct rests *rests, struct replica *r, int64_t tx,
                           const struct table *t, const struct change *change)
{
    add_earlier(rests, r, tx, t->number, change->id, columns_in_touch(t, change));
    add_parents(rests, r, tx, t, change);
    return add_document(rests, r, tx, t, change->id);
}

struct err rests_of_delete(struct rests *rests, struct replica *r, int64_t tx,
                           const struct table *t, const struct change *change)
{
    add_earlier(rests, r, tx, t->number, change->id, UINT64_MAX);
    return add_document(rests, r, tx, t, change->id);
}

static struct err number_of(struct db *db, int64_t tx, uint32_t epoch, uint64_t *out, bool *found)
{
    static const char sql[] =
        "SELECT device_seq FROM sent WHERE tx = ?1 AND epoch = ?2 AND state IN (0, 3, 4, 5)";
    struct stmt st;
    *found = false;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, tx);
    bind_int(&st, 2, epoch);
    if (db_step_row(&st)) {
        *out = (uint64_t)col_int(&st, 0);
        *found = true;
        stmt_reset(&st);
    }
    return stmt_err(&st, "rests_on_wire");
}

struct err rests_on_wire(struct db *db, struct bytes stored, uint32_t epoch, uint64_t *out,
                         size_t *count)
{
    *count = 0;
    while (stored.size > 0 && *count < TX_RESTS_MAX) {
        struct value tx;
        size_t used = 0;
        if (value_decode(stored, &tx, &used) != WIRE_OK || tx.kind != VALUE_INT) {
            return err_make(ERR_CORRUPT, 0, "rests_on_wire");
        }
        stored = bytes_of(stored.at + used, stored.size - used);
        bool found = false;
        struct err err = number_of(db, tx.i, epoch, &out[*count], &found);
        if (err.code != ERR_OK) {
            return err;
        }
        *count += found ? 1 : 0;
    }
    return err_ok();
}
