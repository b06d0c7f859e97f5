/* The digest of a replica: what the server thinks this device holds. So a row that was deleted
 * here and waits for its verdict still counts, and a new one doesn't yet. */
#include "common/changelog/digest.h"
#include "common/changelog/outbox.h"
#include "common/changelog/replica.h"
#include "common/changelog/under.h"

static struct err read_scopes(struct replica *r, struct arena *arena, struct digest_scope **out,
                              size_t *count)
{
    static const char sql[] = "SELECT no, kind, id FROM scope WHERE held = 1 ORDER BY no";
    struct stmt st;
    *count = 0;
    *out = arena_array(arena, SCOPES_MAX, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "replica_digest");
    }
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    while (*count < SCOPES_MAX && db_step_row(&st)) {
        struct digest_scope *s = &(*out)[(*count)++];
        *s = (struct digest_scope){.no = col_int(&st, 0), .id = {.kind = (uint8_t)col_int(&st, 1)}};
        (void)col_id(&st, 2, s->id.id);
    }
    stmt_reset(&st);
    return stmt_err(&st, "replica_digest");
}

/* A row under a pending delete: its last number here, unless it has left or was never judged. */
static struct err add_deleted(struct replica *r, const struct outbox_entry *e, struct arena *arena,
                              struct digest_work *w)
{
    struct under seq;
    struct under scope;
    struct outbox_old old;
    struct err err = under_get(r->db, e->table, e->id, UNDER_SEQ, arena, &seq);
    if (err.code == ERR_OK) {
        err = under_get(r->db, e->table, e->id, UNDER_SCOPE, arena, &scope);
    }
    if (err.code == ERR_OK) {
        err = outbox_old(r, e, arena, &old);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (seq.found && seq.value.kind == VALUE_INT && scope.found) {
        digest_row(w, scope.value.i, e->table, e->id, seq.value.i);
    } else if (!seq.found && e->base != 0 && old.scope.kind == VALUE_INT) {
        digest_row(w, old.scope.i, e->table, e->id, e->base);
    }
    return err;
}

static struct err add_pending_deletes(struct replica *r, struct arena *arena, struct digest_work *w)
{
    size_t count = 0;
    struct err err = outbox_refresh(r);
    if (err.code != ERR_OK) {
        return err;
    }
    const struct outbox_entry *e = outbox_from(r, 0, &count);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        if (e[i].op == CHANGE_DELETE && outbox_next(r, &e[i]) == NULL) {
            err = add_deleted(r, &e[i], arena, w);
        }
    }
    return err;
}

struct err replica_digest(struct replica *r, struct arena *arena, struct digest *out)
{
    struct digest_work w;
    struct digest_scope *scopes = NULL;
    size_t scope_count = 0;
    struct err err = db_begin(r->db, DB_LOCK_READ);
    if (err.code != ERR_OK) {
        return err;
    }
    err = read_scopes(r, arena, &scopes, &scope_count);
    if (err.code == ERR_OK) {
        err = digest_begin(&w, r->digest_key, scopes, scope_count, arena);
    }
    if (err.code == ERR_OK) {
        err = digest_scan(&w, r->db);
    }
    if (err.code == ERR_OK) {
        err = add_pending_deletes(r, arena, &w);
    }
    if (err.code == ERR_OK) {
        err = digest_finish(&w, arena, out);
    }
    return db_end(r->db, err);
}
