/* See counted.h. */
#include "common/changelog/device/counted.h"

#include "common/changelog/device/outbox.h"
#include "common/changelog/device/under.h"

#define OLD_ARENA_BYTES_MAX ((size_t)4 * ROW_BYTES_MAX)

static const struct outbox_entry *first_delete(const struct replica *r, const struct table *t,
                                               const uint8_t id[16])
{
    const struct outbox_entry *e = outbox_of_row(r, t->number, id);
    while (e != NULL && e->op != CHANGE_DELETE) {
        e = outbox_next(r, e);
    }
    return e;
}

/* A row below its delete: as the server last told it, else as the user last saw it. */
static struct err below_delete(struct replica *r, const struct outbox_entry *e, struct arena *arena,
                               struct counted *out)
{
    struct under seq;
    struct under scope;
    struct outbox_old old;
    struct err err = under_get(r->db, e->table, e->id, UNDER_SEQ, arena, &seq);
    if (err.code == ERR_OK) {
        err = under_get(r->db, e->table, e->id, UNDER_SCOPE, arena, &scope);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (seq.found) {
        bool there = seq.value.kind == VALUE_INT && scope.found && scope.value.kind == VALUE_INT;
        *out = (struct counted){.scope = there ? scope.value.i : 0, .seq = seq.value.i};
        return err;
    }
    if (e->base == 0) {
        return err;
    }
    err = outbox_old(r, e, arena, &old);
    if (err.code == ERR_OK && old.scope.kind == VALUE_INT) {
        *out = (struct counted){.scope = old.scope.i, .seq = e->base};
    }
    return err;
}

struct err counted_of(struct replica *r, const struct table *t, const uint8_t id[16],
                      const struct row_stamp *stamp, struct arena *arena, struct counted *out)
{
    *out = counted_stamp(stamp);
    const struct outbox_entry *e = out->scope != 0 ? NULL : first_delete(r, t, id);
    return e != NULL ? below_delete(r, e, arena, out) : err_ok();
}

struct err counted_now(struct replica *r, const struct table *t, const uint8_t id[16],
                       struct arena *arena, struct counted *out)
{
    struct row_stamp stamp;
    struct err err = lay_stamp_of(r->db, t, id, &stamp);
    *out = (struct counted){.scope = 0};
    return err.code == ERR_OK ? counted_of(r, t, id, &stamp, arena, out) : err;
}

void counted_change(struct replica *r, const struct table *t, const uint8_t id[16],
                    const struct counted *was, const struct counted *is)
{
    if (was->scope == is->scope && was->seq == is->seq) {
        return;
    }
    if (was->scope != 0) {
        sums_remove(&r->sums, was->scope, t->number, id, was->seq);
    }
    if (is->scope != 0) {
        sums_add(&r->sums, is->scope, t->number, id, is->seq);
    }
}

struct err counted_forget(struct replica *r, int64_t scope)
{
    struct err err = sums_save(&r->sums, r->db);
    return err.code == ERR_OK ? sums_forget(r->db, scope) : err;
}

/* A delete whose row isn't in its table, where the scan met it. */
static struct err add_deleted(struct replica *r, const struct outbox_entry *e, struct arena *arena)
{
    const struct table *t = catalogue_table(e->table);
    struct counted is = {.scope = 0};
    struct row_stamp stamp = {.found = false};
    if (t == NULL || first_delete(r, t, e->id) != e) {
        return err_ok();
    }
    arena_clear(arena);
    struct err err = lay_stamp_of(r->db, t, e->id, &stamp);
    if (err.code == ERR_OK && counted_stamp(&stamp).scope == 0) {
        err = counted_of(r, t, e->id, &stamp, arena, &is);
    }
    if (err.code == ERR_OK && is.scope != 0) {
        sums_add(&r->sums, is.scope, e->table, e->id, is.seq);
    }
    return err;
}

struct err counted_make(struct replica *r)
{
    struct arena arena;
    size_t count = 0;
    struct err err = sums_scan(&r->sums, r->db);
    const struct outbox_entry *e = outbox_from(r, 0, &count);
    arena_init(&arena, OLD_ARENA_BYTES_MAX);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        if (e[i].op == CHANGE_DELETE) {
            err = add_deleted(r, &e[i], &arena);
        }
    }
    arena_release(&arena);
    return err.code == ERR_OK ? sums_save(&r->sums, r->db) : err;
}
