/* See checks.h. */
#include "common/changelog/server/checks.h"

#define SQL_BYTES_MAX 512

/* Facts that a rep recorded are taken in, also where their parent was deleted meanwhile. */
static bool stands_alone(const struct table *t)
{
    return (t->write_class == CLASS_FACT && !planted(FACT_REFUSED)) ||
           (t->number == TABLE_visit && !planted(FACT_REFUSED)) || t->number == TABLE_sales_order ||
           t->number == TABLE_market_note;
}

/* The author's own row is there: they have just been let in. */
static bool is_author(const struct permit *permit, const struct table *t, const struct value *id)
{
    return permit != NULL && t->number == TABLE_person &&
           memcmp(permit->person, id->b.at, sizeof permit->person) == 0;
}

static struct err find_seen(struct work *w, const struct permit *permit, const struct table *t,
                            const struct value *id, struct work_glance *out)
{
    *out = (struct work_glance){.exists = false};
    if (id->kind != VALUE_BLOB || id->b.size != 16) {
        return err_ok();
    }
    if (is_author(permit, t, id)) {
        out->exists = true;
        return err_ok();
    }
    struct err err = work_glance(w, t, id->b.at, out);
    if (err.code != ERR_OK || !out->exists || permit == NULL) {
        return err;
    }
    return permit_sees(permit, w->st, id->b.at, out->scope, &out->exists);
}

static struct err home_named(struct work *w, const struct permit *permit,
                             const struct work_row *row, enum scope_kind kind, int64_t *scope_no,
                             struct complaint *why)
{
    struct scope_id id = {.kind = (uint8_t)kind};
    if (kind == SCOPE_COMPANY) {
        memcpy(id.id, w->st->company, sizeof id.id);
    } else {
        const struct column *c = table_scope_column(row->table);
        const struct value *whose = &row->values[c->number];
        struct work_glance owner;
        struct err err = find_seen(w, permit, catalogue_table(c->ref), whose, &owner);
        if (err.code != ERR_OK) {
            return err;
        }
        if (!owner.exists || owner.deleted) {
            return refuse(why, "not_found", row->table, c, NULL);
        }
        memcpy(id.id, whose->b.at, sizeof id.id);
        if (permit != NULL && !permit->vouched && permit_find(permit, &id) == NULL) {
            return refuse(why, "not_found", row->table, c, NULL);
        }
    }
    return store_scope(w->st, &id, true, scope_no);
}

static struct err home_of_parent(struct work *w, const struct permit *permit,
                                 const struct work_row *row, int64_t *scope_no,
                                 struct complaint *why)
{
    const struct column *c = table_scope_column(row->table);
    struct work_glance parent;
    struct err err =
        find_seen(w, permit, catalogue_table(c->ref), &row->values[c->number], &parent);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!parent.exists) {
        return refuse(why, "not_found", row->table, c, NULL);
    }
    if (parent.deleted && !stands_alone(row->table)) {
        return refuse(why, "deleted", row->table, c, NULL);
    }
    *scope_no = parent.scope;
    return err_ok();
}

struct err check_home(struct work *w, const struct permit *permit, const struct work_row *row,
                      int64_t *scope_no, struct complaint *why)
{
    switch (row->table->scope) {
    case SCOPED_COMPANY:
        return home_named(w, permit, row, SCOPE_COMPANY, scope_no, why);
    case SCOPED_BOOK:
        return home_named(w, permit, row, SCOPE_BOOK, scope_no, why);
    case SCOPED_USER:
        return home_named(w, permit, row, SCOPE_USER, scope_no, why);
    case SCOPED_PRIVATE:
        return home_named(w, permit, row, SCOPE_PRIVATE, scope_no, why);
    case SCOPED_VIA:
        return home_of_parent(w, permit, row, scope_no, why);
    case SCOPED_SERVER: /* only sync itself makes such rows */
        return refuse(why, "not_permitted", row->table, NULL, NULL);
    }
    abort(); /* our own bug: a rule without a home */
}

struct err check_required(const struct work_row *row, struct complaint *why)
{
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        if ((c->flags & COLUMN_REQUIRED) != 0 && row->values[c->number].kind == VALUE_NULL) {
            return refuse(why, "required", row->table, c, NULL);
        }
    }
    return err_ok();
}

/* Whether another living row of `t` has `value` in `column`. */
static struct err other_has(struct db *db, const struct table *t, const char *column,
                            const struct value *value, const uint8_t id[16], bool *out)
{
    char sql[SQL_BYTES_MAX];
    (void)snprintf(sql, sizeof sql,
                   "SELECT 1 FROM %s WHERE %s = ?1 AND id <> ?2 AND _deleted_at IS NULL LIMIT 1",
                   t->name, column);
    struct stmt q;
    struct err err = db_prepare(db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_value(&q, 1, value);
    bind_id(&q, 2, id);
    *out = db_step_row(&q);
    err = stmt_err(&q, "other_has");
    stmt_close(&q);
    return err;
}

struct err check_unique(struct work *w, const struct work_row *row, uint64_t mask,
                        struct complaint *why)
{
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        if ((c->flags & COLUMN_UNIQUE) == 0 || (mask >> c->number & 1) == 0) {
            continue;
        }
        bool taken = false;
        struct err err =
            other_has(w->st->db, row->table, c->name, &row->values[c->number], row->id, &taken);
        if (err.code != ERR_OK) {
            return err;
        }
        if (taken) {
            return refuse(why, "duplicate", row->table, c, NULL);
        }
    }
    return err_ok();
}

struct err check_references(struct work *w, const struct permit *permit, const struct work_row *row,
                            uint64_t mask, struct complaint *why)
{
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        const struct value *v = &row->values[c->number];
        if (c->ref == 0 || (mask >> c->number & 1) == 0 || v->kind == VALUE_NULL) {
            continue;
        }
        struct work_glance there;
        struct err err = find_seen(w, permit, catalogue_table(c->ref), v, &there);
        if (err.code != ERR_OK) {
            return err;
        }
        if (!there.exists) {
            return refuse(why, "not_found", row->table, c, NULL);
        }
    }
    return err_ok();
}

struct err check_childless(struct work *w, const struct work_row *row, struct complaint *why)
{
    const struct value id = value_blob(bytes_of(row->id, sizeof row->id));
    for (size_t i = 0; i < catalogue_table_count() && !planted(ORPHANS); i++) {
        const struct table *t = catalogue_table_at(i);
        for (size_t k = 0; k < t->column_count; k++) {
            const struct column *c = &t->columns[k];
            if (c->ref != row->table->number || (c->flags & COLUMN_INDEXED) == 0) {
                continue;
            }
            bool has = false;
            struct err err = other_has(w->st->db, t, c->name, &id, row->id, &has);
            if (err.code != ERR_OK) {
                return err;
            }
            if (has) {
                return refuse(why, "has_children", row->table, NULL, t->name);
            }
        }
    }
    return err_ok();
}
