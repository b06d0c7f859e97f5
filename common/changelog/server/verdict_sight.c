/* See verdict_sight.h. */
#include "common/changelog/server/verdict_sight.h"

#include "common/changelog/server/store_internal.h"

struct trimming {
    struct store *st;
    const struct permit *permit;
    uint32_t catalogue;
};

/* What a row that quotes others' values (a kept one, a proposal) hides of them by its own row. */
static struct err hide_quotes(const struct trimming *t, const struct table *table,
                              const uint8_t id[16], uint64_t *visible)
{
    bool kept = table->number == TABLE_kept_value;
    struct stmt q;
    if (!kept && table->number != TABLE_proposal) {
        return err_ok();
    }
    struct err err = db_use(t->st->db,
                            kept ? "SELECT table_no, column_no FROM kept_value WHERE id = ?1"
                                 : "SELECT table_no, columns FROM proposal WHERE id = ?1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    if (db_step_row(&q)) {
        uint64_t quoted = kept ? UINT64_C(1) << (col_int(&q, 1) & 63) : (uint64_t)col_int(&q, 1);
        *visible = permit_hide_quotes(t->permit->role, t->catalogue, table, col_int(&q, 0), quoted,
                                      *visible);
        stmt_reset(&q);
    }
    return stmt_err(&q, "verdict_trim");
}

static struct err trim_cells(const struct trimming *t, struct verdict_row *row)
{
    const struct table *table = catalogue_table(row->table);
    size_t kept = 0;
    if (table == NULL || row->unseen_count == 0) {
        return err_ok();
    }
    uint64_t visible = table_visible(table, t->permit->role, t->catalogue);
    struct err err = hide_quotes(t, table, row->id, &visible);
    for (size_t i = 0; i < row->unseen_count; i++) {
        if ((visible >> (row->unseen[i].column & 63) & 1) != 0) {
            row->unseen[kept++] = row->unseen[i];
        }
    }
    row->unseen_count = kept;
    return err;
}

/* A conflict is in a row that the verdict tells of: what isn't told of has no winner either. */
static bool is_told(const struct verdict *v, const struct loser *l)
{
    for (size_t i = 0; i < v->row_count; i++) {
        if (v->rows[i].table == l->table && memcmp(v->rows[i].id, l->id, sizeof l->id) == 0) {
            return true;
        }
    }
    return false;
}

static void trim_losers(const struct trimming *t, struct verdict *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->loser_count; i++) {
        const struct loser *l = &v->losers[i];
        const struct table *table = catalogue_table(l->table);
        uint64_t visible = table == NULL ? 0 : table_visible(table, t->permit->role, t->catalogue);
        if (is_told(v, l) && (visible >> (l->column & 63) & 1) != 0) {
            v->losers[kept++] = *l;
        }
    }
    v->loser_count = kept;
}

struct err verdict_trim(struct store *st, const struct permit *permit, uint32_t catalogue,
                        struct verdict *v)
{
    const struct trimming t = {.st = st, .permit = permit, .catalogue = catalogue};
    size_t kept = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < v->row_count && err.code == ERR_OK; i++) {
        if (permit_find(permit, &v->rows[i].scope) != NULL) {
            v->rows[kept] = v->rows[i];
            err = trim_cells(&t, &v->rows[kept++]);
        }
    }
    v->row_count = kept;
    trim_losers(&t, v);
    return err;
}
