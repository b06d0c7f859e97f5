/* The digest of a replica, from the sums that are kept beside its rows. See counted.h for what
 * counts. */
#include "common/changelog/device/counted.h"
#include "common/changelog/device/outbox.h"

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

struct err replica_digest(struct replica *r, struct arena *arena, struct digest *out)
{
    struct digest_scope *scopes = NULL;
    size_t count = 0;
    struct err err = db_begin(r->db, DB_LOCK_READ);
    if (err.code != ERR_OK) {
        return err;
    }
    err = read_scopes(r, arena, &scopes, &count);
    if (err.code == ERR_OK) {
        err = sums_digest(r->db, scopes, count, CATALOGUE_VERSION, arena, out);
    }
    return db_end(r->db, err);
}

struct err replica_digest_make(struct replica *r)
{
    struct err err = db_begin(r->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = outbox_refresh(r);
    if (err.code == ERR_OK) {
        err = counted_make(r);
    }
    if (err.code == ERR_OK) {
        err = db_exec(r->db, "UPDATE device_state SET digested = 1");
    }
    return db_end(r->db, err);
}
