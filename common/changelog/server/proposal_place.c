/* See proposal_place.h. */
#include "common/changelog/server/proposal_place.h"

/* ---- where ---- */

struct finder {
    struct judge *j;
    struct work *work;
    const struct transaction *tx;
    size_t before; /* only inserts before this change */
};

static struct err of_scope(struct finder *f, int64_t no, const uint8_t row[16], struct place *out)
{
    bool yes = false;
    struct err err = permit_sees(f->j->author, f->j->st, row, no, &yes);
    if (err.code != ERR_OK || yes) {
        out->kind = PLACE_HELD;
        return err;
    }
    err = permit_saw(f->j->author, f->j->st, row, no, &yes);
    out->kind = yes ? PLACE_FORMER : PLACE_NOWHERE;
    out->scope = no;
    return err;
}

static struct err of_proposal(struct finder *f, const uint8_t row[16], struct place *out)
{
    struct stmt q;
    struct err err = db_use(f->j->st->db,
                            "SELECT group_id FROM proposal WHERE row_id = ?1 AND author_id = ?2"
                            " AND person_id = ?2 AND choice IS NULL ORDER BY id DESC LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, row);
    bind_id(&q, 2, f->j->permit->person);
    out->kind = db_step_row(&q) && col_id(&q, 0, out->group) ? PLACE_PROPOSED : PLACE_NOWHERE;
    err = stmt_err(&q, "of_proposal");
    stmt_reset(&q);
    return err;
}

static const struct value *cell_of(const struct change *change, uint8_t column)
{
    for (size_t i = 0; i < change->cell_count; i++) {
        if (change->cells[i].column == column) {
            return &change->cells[i].value;
        }
    }
    return NULL;
}

static struct err of_named(struct finder *f, enum scope_kind kind, const uint8_t id[16],
                           const uint8_t row[16], struct place *out)
{
    struct scope_id scope = {.kind = (uint8_t)kind};
    int64_t no = 0;
    memcpy(scope.id, id, sizeof scope.id);
    struct err err = store_scope(f->j->st, &scope, false, &no);
    if (err.code == ERR_NOT_FOUND) {
        out->kind = PLACE_NOWHERE;
        return err_ok();
    }
    return err.code == ERR_OK ? of_scope(f, no, row, out) : err;
}

/* As deep as the catalogue: line, order, customer. Each step looks at an earlier change. */
static struct err of_row(struct finder *f, const struct table *t, const uint8_t id[16],
                         struct place *out);

static struct err of_insert(struct finder *f, const struct table *t, const struct change *change,
                            struct place *out)
{
    const struct column *c = table_scope_column(t);
    const struct value *v = c == NULL ? NULL : cell_of(change, c->number);
    bool names = v != NULL && v->kind == VALUE_BLOB && v->b.size == 16;
    out->kind = PLACE_NOWHERE;
    switch (t->scope) {
    case SCOPED_COMPANY:
        out->kind = PLACE_HELD;
        return err_ok();
    case SCOPED_BOOK:
        return names ? of_named(f, SCOPE_BOOK, v->b.at, change->id, out) : err_ok();
    case SCOPED_USER:
        return names ? of_named(f, SCOPE_USER, v->b.at, change->id, out) : err_ok();
    case SCOPED_VIA:
        return names ? of_row(f, catalogue_table(c->ref), v->b.at, out) : err_ok();
    case SCOPED_PRIVATE:
    case SCOPED_SERVER:
        return err_ok();
    }
    abort(); /* our own bug: a rule without a place */
}

static struct err of_row(struct finder *f, const struct table *t, const uint8_t id[16],
                         struct place *out)
{
    struct work_glance there;
    struct err err = work_glance(f->work, t, id, &there);
    if (err.code != ERR_OK) {
        return err;
    }
    if (there.exists) {
        return of_scope(f, there.scope, id, out);
    }
    for (size_t i = 0; i < f->before; i++) {
        const struct change *earlier = &f->tx->changes[i];
        if (earlier->op == CHANGE_INSERT && earlier->table == t->number &&
            memcmp(earlier->id, id, sizeof earlier->id) == 0) {
            f->before = i;
            return of_insert(f, t, earlier, out);
        }
    }
    return of_proposal(f, id, out);
}

/* ---- who ---- */

static struct err read_people(struct judge *j, struct stmt *q, struct place *out)
{
    while (out->people_count < PROPOSAL_PEOPLE_MAX && db_step_row(q)) {
        uint8_t *person = out->people[out->people_count];
        bool other = col_id(q, 0, person) && memcmp(person, j->permit->person, 16) != 0;
        out->people_count += other ? 1 : 0;
    }
    struct err err = stmt_err(q, "read_people");
    stmt_reset(q);
    return err;
}

static struct err people_by(struct judge *j, const char *sql, const uint8_t id[16],
                            struct place *out)
{
    struct stmt q;
    struct err err = db_use(j->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    return read_people(j, &q, out);
}

struct err place_admins(struct judge *j, struct place *out)
{
    return people_by(j,
                     "SELECT id FROM person WHERE role = 'admin' AND active = 1 AND id <> ?1"
                     " AND _deleted_at IS NULL ORDER BY id",
                     j->permit->person, out);
}

static struct err find_people(struct judge *j, struct place *out)
{
    struct scope *scope = NULL;
    struct err err = err_ok();
    if (out->kind == PLACE_PROPOSED) {
        return people_by(j,
                         "SELECT DISTINCT person_id FROM proposal WHERE group_id = ?1 AND "
                         "author_id <> person_id",
                         out->group, out);
    }
    if (out->kind != PLACE_FORMER) {
        return err;
    }
    err = scope_get(j->st, out->scope, &scope);
    if (err.code == ERR_OK && scope->id.kind == SCOPE_BOOK) {
        err = people_by(j,
                        "SELECT DISTINCT h.person_id FROM book_holder h JOIN person p"
                        " ON p.id = h.person_id WHERE h.book_id = ?1 AND h._deleted_at IS NULL"
                        " AND p.active = 1 AND p.role <> 'analyst' AND p._deleted_at IS NULL",
                        scope->id.id, out);
    } else if (err.code == ERR_OK && scope->id.kind == SCOPE_USER) {
        err = people_by(j, "SELECT id FROM person WHERE id = ?1 AND active = 1", scope->id.id, out);
    }
    return err.code == ERR_OK && out->people_count == 0 ? place_admins(j, out) : err;
}

struct err place_of_change(struct judge *j, struct work *w, const struct transaction *tx,
                           size_t index, struct place *out)
{
    struct finder f = {.j = j, .work = w, .tx = tx, .before = index};
    const struct change *change = &tx->changes[index];
    const struct table *t = catalogue_table(change->table);
    struct work_glance there;
    *out = (struct place){.kind = PLACE_NOWHERE};
    struct err err = work_glance(w, t, change->id, &there);
    if (err.code == ERR_OK) {
        err = change->op == CHANGE_INSERT && !there.exists ? of_insert(&f, t, change, out)
                                                           : of_row(&f, t, change->id, out);
    }
    return err.code == ERR_OK ? find_people(j, out) : err;
}
