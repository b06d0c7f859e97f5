/* Scopes of a device: entered, left, their cursors, and those that begin anew. See apply.h. */
#include "common/changelog/device/apply.h"

#include "common/changelog/device/counted.h"
#include "common/changelog/digest.h"
#include "common/changelog/device/freeze.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/under.h"

struct err apply_scope(struct apply *a, const struct scope_id *scope, int64_t *no, bool *held)
{
    static const char sql[] = "SELECT no, held FROM scope WHERE kind = ?1 AND id = ?2";
    struct err err = err_ok();
    if (!a->scope_known || a->scope.kind != scope->kind ||
        memcmp(a->scope.id, scope->id, sizeof scope->id) != 0) {
        struct stmt st;
        err = db_use(a->r->db, sql, &st);
        if (err.code != ERR_OK) {
            return err;
        }
        bind_int(&st, 1, scope->kind);
        bind_id(&st, 2, scope->id);
        a->scope = *scope;
        a->scope_no = 0;
        a->scope_held = false;
        if (db_step_row(&st)) {
            a->scope_no = col_int(&st, 0);
            a->scope_held = col_int(&st, 1) != 0;
            stmt_reset(&st);
        }
        err = stmt_err(&st, "apply_scope");
        a->scope_known = err.code == ERR_OK;
    }
    *no = a->scope_no;
    *held = a->scope_held;
    return err;
}

struct err apply_held_scope(struct apply *a, const struct scope_id *scope, int64_t *no)
{
    bool held = false;
    struct err err = apply_scope(a, scope, no, &held);
    return err.code == ERR_OK && !held ? err_make(ERR_PROTOCOL, scope->kind, "apply: scope") : err;
}

static struct err run_for_scope(struct apply *a, const char *sql, int64_t no, const char *where)
{
    struct stmt st;
    struct err err = db_use(a->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, no);
        err = db_step_done(&st, where);
    }
    return err;
}

struct err apply_enter(struct apply *a, const struct scope_id *scope)
{
    static const char enter[] = "INSERT INTO scope (kind, id, held) VALUES (?1, ?2, 1)"
                                " ON CONFLICT (kind, id) DO UPDATE SET held = 1";
    static const char begin[] =
        "INSERT INTO cursor (scope) VALUES (?1) ON CONFLICT (scope) DO NOTHING";
    struct stmt st;
    int64_t no = 0;
    struct err err = db_use(a->r->db, enter, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope->kind);
    bind_id(&st, 2, scope->id);
    err = db_step_done(&st, "apply_enter");
    a->scope_known = false;
    if (err.code == ERR_OK) {
        err = apply_held_scope(a, scope, &no);
    }
    return err.code == ERR_OK ? run_for_scope(a, begin, no, "apply_enter") : err;
}

/* Deletes of rows of the scope that wait for their verdict: if it refuses them, nothing comes
 * back. */
static struct err forget_deleted(struct apply *a, int64_t no)
{
    const struct value gone = value_null();
    size_t count = 0;
    const struct outbox_entry *e = outbox_from(a->r, 0, &count);
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        struct counted is = {.scope = 0};
        const struct table *t = catalogue_table(e[i].table);
        if (e[i].op != CHANGE_DELETE || t == NULL) {
            continue;
        }
        err = counted_now(a->r, t, e[i].id, &a->arena, &is);
        if (err.code == ERR_OK && is.scope == no) {
            err = under_put(a->r->db, e[i].table, e[i].id, UNDER_SEQ, e[i].base, &gone);
        }
    }
    return err;
}

struct err apply_leave(struct apply *a, const struct scope_id *scope)
{
    int64_t no = 0;
    bool held = false;
    struct err err = apply_scope(a, scope, &no, &held);
    if (err.code != ERR_OK || !held) {
        return err;
    }
    arena_clear(&a->arena);
    err = freeze_all(a->r); /* what is pending on these rows takes its values from them */
    if (err.code == ERR_OK) {
        err = forget_deleted(a, no);
    }
    size_t tables = planted(LEFT_SCOPE_STAYS) ? 0 : catalogue_table_count();
    for (size_t i = 0; i < tables && err.code == ERR_OK; i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE _scope = ?1",
                       catalogue_table_at(i)->name);
        err = run_for_scope(a, sql, no, "apply_leave");
        a->dropped += err.code == ERR_OK ? db_changes(a->r->db) : 0;
    }
    if (err.code == ERR_OK) {
        err = counted_forget(a->r, no);
    }
    if (err.code == ERR_OK) {
        err = run_for_scope(a, "DELETE FROM cursor WHERE scope = ?1", no, "apply_leave");
    }
    if (err.code == ERR_OK) {
        err = run_for_scope(a, "UPDATE scope SET held = 0 WHERE no = ?1", no, "apply_leave");
    }
    a->scope_known = false;
    return err;
}

static bool is_refetched(const struct apply *a, int64_t scope)
{
    for (size_t i = 0; i < a->refetch_count; i++) {
        if (a->refetch[i] == scope) {
            return true;
        }
    }
    return false;
}

struct err apply_refetch(struct apply *a, int64_t scope)
{
    if (is_refetched(a, scope)) {
        return err_ok();
    }
    if (a->refetch_count == APPLY_REFETCH_MAX) {
        return err_make(ERR_PROTOCOL, 0, "apply: rows missing in too many scopes");
    }
    a->refetch[a->refetch_count++] = scope;
    return err_ok();
}

struct err apply_checkpoint(struct apply *a, const struct cursor *cursor)
{
    static const char sql[] =
        "INSERT INTO cursor (scope, done, pos, goal, head_no, head, head_timeline)"
        " VALUES (?1, ?2, ?3, ?4, coalesce(?5, 0), ?6,"
        " (SELECT timeline FROM device_state))"
        " ON CONFLICT (scope) DO UPDATE SET done = ?2, pos = ?3, goal = ?4,"
        " head_no = coalesce(?5, head_no), head = coalesce(?6, head),"
        " head_timeline = iif(?5 IS NULL, head_timeline,"
        " excluded.head_timeline)";
    struct stmt st;
    int64_t no = 0;
    struct err err = apply_held_scope(a, &cursor->scope, &no);
    if (err.code == ERR_OK) {
        err = db_use(a->r->db, sql, &st);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool anew = is_refetched(a, no);
    bind_int(&st, 1, no);
    bind_int(&st, 2, anew ? 0 : cursor->done);
    bind_int(&st, 3, anew ? 0 : cursor->pos);
    bind_int(&st, 4, anew ? 0 : cursor->goal);
    if (cursor->head_no != 0) {
        bind_int(&st, 5, cursor->head_no);
        bind_id(&st, 6, cursor->head);
    }
    return db_step_done(&st, "apply_checkpoint");
}

static bool has_entry(const struct digest *digest, const struct digest_entry *e)
{
    for (size_t i = 0; i < digest->entry_count; i++) {
        const struct digest_entry *other = &digest->entries[i];
        if (other->table == 0 && scope_id_compare(&other->scope, &e->scope) == 0) {
            return other->rows == e->rows && memcmp(other->sum, e->sum, sizeof e->sum) == 0;
        }
    }
    return false;
}

struct err apply_anew(struct apply *a, const struct digest *mine, const struct digest *theirs)
{
    static const char sql[] = "UPDATE cursor SET done = 0, pos = 0, goal = 0 WHERE scope = ?1";
    struct err err = err_ok();
    for (size_t i = 0; i < mine->entry_count && err.code == ERR_OK; i++) {
        const struct digest_entry *e = &mine->entries[i];
        int64_t no = 0;
        bool held = false;
        if (e->table != 0 || has_entry(theirs, e)) {
            continue;
        }
        err = apply_scope(a, &e->scope, &no, &held);
        if (err.code == ERR_OK) {
            err = run_for_scope(a, sql, no, "apply_anew");
        }
    }
    return err;
}
