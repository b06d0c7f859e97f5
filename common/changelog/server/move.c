/* A customer goes to another book with all that hangs on it: contacts, plans, visits, orders and
 * their lines, payments, market notes, and the values kept of any of these. Each row gets a number
 * and `_entered` there and leaves a departure here. */
#include "common/changelog/server/work.h"

#define SQL_BYTES_MAX 512

struct move {
    struct work *work;
    int64_t from;
    int64_t to;
    int64_t rows;
};

/* Rows that point to one by a column. Tombstones go along: the scope of its row says where a late
 * edit is judged. */
struct ids {
    size_t count;
    size_t room;
    uint8_t (*at)[16];
};

static bool ids_add(struct ids *ids, struct arena *arena, const uint8_t id[16])
{
    if (ids->count == ids->room) {
        size_t room = ids->room == 0 ? 64 : ids->room * 2;
        uint8_t(*at)[16] = arena_array(arena, room, sizeof *at);
        if (at == NULL) {
            return false;
        }
        if (ids->count > 0) {
            memcpy(at, ids->at, ids->count * sizeof *at);
        }
        ids->at = at;
        ids->room = room;
    }
    memcpy(ids->at[ids->count++], id, 16);
    return true;
}

/* Read whole before anything moves: the statement would meet its own changes. */
static struct err ids_read(struct move *m, const struct table *t, const char *column,
                           const uint8_t id[16], struct ids *out)
{
    char sql[SQL_BYTES_MAX];
    (void)snprintf(sql, sizeof sql, "SELECT id FROM %s WHERE %s = ?1 AND _scope = ?2", t->name,
                   column);
    struct stmt q;
    struct err err = db_prepare(m->work->st->db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    bind_int(&q, 2, m->from);
    bool room = true;
    while (room && db_step_row(&q)) {
        uint8_t found[16];
        room = !col_id(&q, 0, found) || ids_add(out, m->work->arena, found);
    }
    err = room ? stmt_err(&q, "ids_read") : err_make(ERR_LIMIT, 0, "ids_read");
    stmt_close(&q);
    return err;
}

static struct err move_row(struct move *m, const struct table *t, const uint8_t id[16]);

static struct err move_each(struct move *m, const struct table *t, const char *column,
                            const uint8_t id[16])
{
    struct ids ids = {0};
    struct err err = ids_read(m, t, column, id, &ids);
    for (size_t i = 0; i < ids.count && err.code == ERR_OK; i++) {
        err = move_row(m, t, ids.at[i]);
    }
    return err;
}

/* As deep as the catalogue: customer, order, line, kept value. */
static struct err move_children(struct move *m, const struct table *t, const uint8_t id[16])
{
    struct err err = err_ok();
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *child = catalogue_table_at(i);
        const struct column *up = table_scope_column(child);
        if (child->scope == SCOPED_VIA && up->ref == t->number) {
            err = move_each(m, child, up->name, id);
        }
    }
    if (err.code == ERR_OK && t->number != TABLE_kept_value) {
        err = move_each(m, catalogue_table(TABLE_kept_value), "row_id", id);
    }
    return err;
}

static struct err move_row(struct move *m, const struct table *t, const uint8_t id[16])
{
    struct work_row *row = NULL;
    struct err err = work_find(m->work, t, id, &row);
    if (err.code == ERR_OK && row == NULL) {
        err = err_make(ERR_CORRUPT, 0, "move_row");
    }
    if (err.code == ERR_OK) {
        err = work_move(m->work, row, m->to);
        m->rows++;
    }
    return err.code == ERR_OK ? move_children(m, t, id) : err;
}

struct err work_move_customer(struct work *w, struct work_row *customer, const uint8_t book[16],
                              int64_t *rows)
{
    struct scope_id to = {.kind = SCOPE_BOOK};
    struct move m = {.work = w, .from = customer->scope};
    memcpy(to.id, book, sizeof to.id);
    struct err err = store_scope(w->st, &to, true, &m.to);
    if (err.code != ERR_OK || m.to == m.from) {
        *rows = 0;
        return err;
    }
    struct value book_id = value_blob(arena_copy(w->arena, bytes_of(book, 16)));
    if (book_id.b.at == NULL) {
        return err_make(ERR_LIMIT, 0, "work_move_customer");
    }
    work_set(customer, COLUMN_customer_book_id, &book_id);
    err = move_row(&m, customer->table, customer->id);
    *rows = m.rows;
    return err;
}
